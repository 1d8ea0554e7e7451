"""What left its pattern, and what explains it: days of spend, latency and failures.

A day is held against the days before it that are like it (workdays, weekends) and were themselves
as usual: their median, and their scatter as the median absolute deviation of logarithms, never
below what the day's own calls scatter by chance. So a shift for good is one episode from its first
day on, and what is judged never hides in its own baseline.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from netra_optimizer.findings import Anomalies, Anomaly, Explanation, Measure
from netra_optimizer.period import DAY_US, iso_time
from netra_optimizer.usage.columns import Bool, Float64, Int64, Text
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.verify.bootstrap import Blocks, dense

MIN_LIKE: Final = 3
"""Days like it that a day is judged by, at least."""
LOOK_BACK: Final = 14
MIN_RATIO: Final = 1.5
"""A rise below this is no news."""
REACH: Final = 4.0
"""Deviations beyond which a day is out of its pattern."""
FLOOR: Final = 0.08
MIN_EXCESS: Final = 0.01
"""Of the period's cost: a smaller excess is not worth a word."""
MIN_TIMED: Final = 30
"""Timed calls a day by which a median is judged."""
MIN_FAILURES: Final = 10
MIN_FAILED: Final = 0.02
"""Failures beyond the usual share that are worth a word."""
TELLING: Final = 0.5
"""Share of an excess from which a single value explains it."""
MAX_FEATURES: Final = 20
_MAD: Final = 1.4826


@dataclass(frozen=True, eq=False)
class _Days:
    """The day of each call, the days' likeness, and calls chosen by day."""

    frame: UsageFrame
    day: Int64
    first: int
    count: int

    @classmethod
    def of(cls, frame: UsageFrame) -> "_Days":
        day = frame.calls.start_us // DAY_US
        first = int(day[0])
        return cls(frame, day - first, first, int(day[-1]) - first + 1)

    def like(self, at: int) -> bool:
        """Whether a day is of a weekend (day 0 of 1970 was a Thursday)."""
        return (self.first + at + 3) % 7 >= 5

    def sums(self, values: Float64, rows: Bool) -> Float64:
        """The values of the chosen calls, added up day by day."""
        found = np.bincount(self.day[rows], weights=values[rows], minlength=self.count)
        return found.astype(np.float64, copy=False)


@dataclass(frozen=True)
class _Episode:
    """Days that left the pattern in a row, a day's usual value, and the days it is held to."""

    start: int
    stop: int
    usual: float
    like: tuple[int, ...]
    days: tuple[int, ...]
    """Those of them that were judged."""
    lasting: bool


def find_anomalies(frame: UsageFrame) -> Anomalies:
    """Episodes in which spend, latency or failures rose out of their pattern.

    Spend is that of priced calls (`frame.priced`). Days without calls count as nothing spent.
    """
    if not len(frame):
        return Anomalies([], 0, ["There are no calls."])
    days = _Days.of(frame)
    if days.count <= MIN_LIKE:
        return Anomalies([], 0, [f"{days.count} days of records have no pattern to leave."])
    found = [*_spend(days), *_latency(days), *_failures(days)]
    found.sort(key=lambda one: (-(one.excess_usd or 0.0), one.first, one.measure))
    return Anomalies(found, days.count - MIN_LIKE, [])


def _features(frame: UsageFrame) -> Iterator[tuple[str, Bool]]:
    """The features with most calls; nothing where none is named."""
    column = frame.feature
    sizes = np.bincount(column.codes, minlength=len(column.values))
    for code in np.argsort(-sizes, kind="stable")[:MAX_FEATURES].tolist():
        if column.values[code] and sizes[code]:
            yield column.values[code], column.codes == code


def _spend(days: _Days) -> Iterator[Anomaly]:
    cost = np.nan_to_num(days.frame.cost_usd)
    least = MIN_EXCESS * float(cost.sum())
    told: set[int] = set()
    every = np.ones(len(cost), np.bool_)
    for feature, rows in [(None, every), *_features(days.frame)]:
        spent = days.sums(cost, rows)
        scatter = _chance(days, cost, rows)
        for episode in _episodes(days, spent, scatter):
            at = list(episode.days)
            excess = float(spent[at].sum()) - episode.usual * len(at)
            if excess < least or told.issuperset(at):
                continue
            told.update(at)
            yield _told(
                days,
                "spend",
                feature,
                episode,
                actual=float(spent[at].mean()),
                excess_usd=excess,
                ratios=_spend_ratios(days, rows, cost, episode),
                explained_by=_explained(days, cost, rows, episode, ("feature", "model", "user")),
            )


def _chance(days: _Days, cost: Float64, rows: Bool) -> Float64:
    """By how much, as a share, a day's sum scatters as its conversations come and go by chance."""
    sums = days.sums(cost, rows)
    block = Blocks.of(days.frame).block
    if block is None:
        squares = days.sums(np.square(cost), rows)
    else:
        picked = np.flatnonzero(rows)
        own, first = dense(block[picked] * days.count + days.day[picked])
        whole = np.bincount(own, weights=cost[picked])
        squares = np.bincount(
            days.day[picked[first]], weights=np.square(whole), minlength=days.count
        )
    return np.sqrt(squares) / np.maximum(sums, 1e-12)


def _episodes(days: _Days, values: Float64, scatter: Float64) -> list[_Episode]:
    """Runs of days above their pattern; days with nothing are out of it and no baseline."""
    usual_days: list[int] = []
    high: _High = {}
    unjudged: set[int] = set()
    for at in range(days.count):
        like = [d for d in usual_days if days.like(d) == days.like(at)][-LOOK_BACK:]
        if len(like) < MIN_LIKE:
            unjudged.add(at)
            if values[at] > 0 and not _goes_on(at, high, unjudged):
                usual_days.append(at)
            continue
        base = values[like]
        usual = float(np.median(base))
        spread = max(_MAD * float(np.median(np.abs(np.log(base / usual)))), FLOOR)
        spread = float(np.hypot(spread, scatter[at]))
        bound = max(REACH * spread, float(np.log(MIN_RATIO)))
        if values[at] > usual * np.exp(bound):
            high[at] = (usual, tuple(like))
        elif values[at] > usual * np.exp(-bound):
            usual_days.append(at)
    return list(_runs(high, unjudged, days.count))


_High = dict[int, tuple[float, tuple[int, ...]]]


def _goes_on(at: int, high: _High, unjudged: set[int]) -> bool:
    """Whether only days that cannot be judged lie between a day and one above its pattern."""
    while at in unjudged:
        at -= 1
    return at in high


def _runs(high: _High, unjudged: set[int], count: int) -> Iterator[_Episode]:
    """Days that cannot be judged (the first weekend) do not end an episode, nor make one."""
    run: list[int] = []
    for at in sorted(high):
        if run and not _goes_on(at - 1, high, unjudged):
            yield _episode(run, high, unjudged, count)
            run = []
        run.append(at)
    if run:
        yield _episode(run, high, unjudged, count)


def _episode(run: list[int], high: _High, unjudged: set[int], count: int) -> _Episode:
    stop = run[-1] + 1
    usual = float(np.mean([high[day][0] for day in run]))
    lasting = unjudged.issuperset(range(stop, count))
    return _Episode(run[0], stop, usual, high[run[0]][1], tuple(run), lasting)


def _spend_ratios(days: _Days, rows: Bool, cost: Float64, episode: _Episode) -> dict[str, float]:
    calls = days.frame.calls
    tokens = (calls.input_tokens + calls.output_tokens).astype(np.float64)
    each = calls.requests_each()
    then, usual = (
        [float(days.sums(values, rows)[at].mean()) for values in (each, tokens, cost)]
        for at in (list(episode.days), list(episode.like))
    )
    return {
        "requests": _ratio(then[0], usual[0]),
        "tokens_a_request": _ratio(then[1] * usual[0], then[0] * usual[1]),
        "price_a_token": _ratio(then[2] * usual[1], then[1] * usual[2]),
    }


def _ratio(one: float, other: float) -> float:
    return one / other if other else 1.0


def _explained(
    days: _Days, values: Float64, rows: Bool, episode: _Episode, names: tuple[str, ...]
) -> list[Explanation]:
    """For each column the value with the largest part of the excess, where it is most of it."""
    then = rows & np.isin(days.day, np.array(episode.days))
    before = rows & np.isin(days.day, np.array(episode.like))
    weight = len(episode.days) / len(episode.like)
    found: list[Explanation] = []
    for name in names:
        column = _column(days.frame, name)
        size = len(column.values)
        excess = np.bincount(column.codes[then], weights=values[then], minlength=size)
        excess -= weight * np.bincount(column.codes[before], weights=values[before], minlength=size)
        total, best = float(excess.sum()), int(np.argmax(excess))
        several = len(np.unique(column.codes[then | before])) > 1
        if total > 0 and several and column.values[best] and excess[best] >= TELLING * total:
            found.append(Explanation(name, column.values[best], float(excess[best]) / total))
    return sorted(found, key=lambda one: -round(one.share, 6))


def _column(frame: UsageFrame, name: str) -> Text:
    return frame.calls.model if name == "model" else getattr(frame, name)


def _latency(days: _Days) -> Iterator[Anomaly]:
    frame = days.frame
    timed = ~np.isnan(frame.latency_ms) & (frame.latency_ms > 0)
    words = np.maximum(frame.calls.output_tokens, 1).astype(np.float64)
    scopes = list(_features(frame)) or [("", np.ones(len(frame), np.bool_))]
    for feature, mine in scopes:
        rows = timed & mine
        medians, scatter = _medians(days, frame.latency_ms, rows)
        for episode in _episodes(days, medians, scatter):
            at = np.array(episode.days)
            actual = float(np.median(medians[at]))
            length, _ = _medians(days, words, rows)
            longer = _ratio(float(np.median(length[at])), float(np.median(length[[*episode.like]])))
            yield _told(
                days,
                "latency",
                feature or None,
                episode,
                actual=actual,
                excess_usd=None,
                ratios={
                    "answer_length": longer,
                    "time_a_token": _ratio(actual, episode.usual * longer),
                },
                explained_by=_explained(
                    days, np.nan_to_num(frame.latency_ms), rows, episode, ("model", "user")
                ),
            )


def _medians(days: _Days, values: Float64, rows: Bool) -> tuple[Float64, Float64]:
    """Each day's median, 0 where too few calls tell one, and its standard error as a share."""
    medians, scatter = np.zeros((2, days.count))
    picked = np.flatnonzero(rows)
    bounds = np.searchsorted(days.day[picked], np.arange(days.count + 1))
    for at in range(days.count):
        part = values[picked[bounds[at] : bounds[at + 1]]]
        if len(part) >= MIN_TIMED:
            medians[at] = float(np.median(part))
            scatter[at] = 1.2533 * float(np.log(part).std()) / np.sqrt(len(part))
    return medians, scatter


def _failures(days: _Days) -> Iterator[Anomaly]:
    frame = days.frame
    each = frame.calls.requests_each()
    failed = np.where(frame.status.equals("error"), each, 0.0)
    every = np.ones(len(frame), np.bool_)
    calls, errors = days.sums(each, every), days.sums(failed, every)
    usual_days: list[int] = []
    high: _High = {}
    unjudged = set(np.flatnonzero(calls == 0).tolist())
    for at in np.flatnonzero(calls).tolist():
        before = usual_days[-LOOK_BACK:]
        usual = float(errors[before].sum() / calls[before].sum()) if before else 0.0
        share = float(errors[at] / calls[at])
        # Six deviations of a share, of at least one failure in the days it is held to.
        deviation = np.sqrt(max(usual, 1 / max(1.0, float(calls[before].sum()))) / calls[at])
        if (
            len(before) >= MIN_LIKE
            and errors[at] >= MIN_FAILURES
            and share > max(3 * usual, usual + MIN_FAILED, usual + 6 * float(deviation))
        ):
            high[at] = (usual, tuple(before))
        else:
            usual_days.append(at)
    for episode in _runs(high, unjudged, days.count):
        at = np.array(episode.days)
        yield _told(
            days,
            "failures",
            None,
            episode,
            actual=float(errors[at].sum() / calls[at].sum()),
            excess_usd=None,
            ratios={},
            explained_by=_explained(
                days, failed, every, episode, ("error_kind", "feature", "model", "user")
            ),
        )


def _told(
    days: _Days,
    measure: Measure,
    feature: str | None,
    episode: _Episode,
    *,
    actual: float,
    excess_usd: float | None,
    ratios: dict[str, float],
    explained_by: list[Explanation],
) -> Anomaly:
    return Anomaly(
        measure=measure,
        feature=feature,
        first=iso_time((days.first + episode.start) * DAY_US),
        until=iso_time((days.first + episode.stop) * DAY_US),
        lasting=episode.lasting,
        usual=episode.usual,
        actual=actual,
        excess_usd=excess_usd,
        ratios=ratios,
        explained_by=explained_by,
    )
