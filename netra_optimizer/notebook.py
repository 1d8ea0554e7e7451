"""For notebooks: replays of one's own, and results as tables and charts.

Tables are pandas data frames, or Polars ones with `library="polars"`; both and the charts' Altair
come with the extra `notebook` or by themselves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from netra_optimizer.counterfactual import WhatIf
from netra_optimizer.errors import AnalysisError
from netra_optimizer.period import DAY_US
from netra_optimizer.pricing import PriceTable
from netra_optimizer.replay.stream import Policy, Traffic, replay
from netra_optimizer.results import Analysis
from netra_optimizer.usage.columns import Float64, Int64, Text
from netra_optimizer.usage.frame import UsageFrame

if TYPE_CHECKING:
    import altair as alt

Library = Literal["pandas", "polars"]
Table = Any  # Any: a data frame of the library asked for
_BY: Final = ("feature", "user", "team", "model", "provider")
_OPPORTUNITY: Final = (
    "id", "lever", "title", "status", "low_usd", "expected_usd", "high_usd", "percent",
    "monthly_usd", "combined_usd", "effort", "risk",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Replay:
    """One replay: what each call cost and would cost, USD, in the frame's order.

    Calls without a price cost 0 on both sides and are counted in `unpriced`.
    """

    frame: UsageFrame
    before_usd: Float64
    after_usd: Float64
    unpriced: int

    @property
    def saved_usd(self) -> float:
        """Over all calls; negative when the change costs more."""
        return float(self.before_usd.sum() - self.after_usd.sum())

    def table(self, *, by: str = "feature", library: Library = "pandas") -> Table:
        """Calls and USD before and after, a row for each feature, user, team, model or provider."""
        text = _column(self.frame, by)
        sums = [
            np.bincount(text.codes, weights=column, minlength=len(text.values))
            for column in (self.before_usd, self.after_usd)
        ]
        calls = np.bincount(text.codes, minlength=len(text.values))
        some = np.flatnonzero(calls)
        return _table(
            {
                by: [text.values[at] for at in some.tolist()],
                "calls": calls[some],
                "before_usd": sums[0][some],
                "after_usd": sums[1][some],
                "saved_usd": sums[0][some] - sums[1][some],
            },
            library,
        )


def replay_calls(frame: UsageFrame, prices: PriceTable, changes: Iterable[Policy] = ()) -> Replay:
    """Replay the calls with these changes together, in the order in which a request meets them.

    Changes are policies such as SwitchModel, UseTier, UsePromptCache; `rows_of` gives their rows.
    Without changes every call costs what was billed.
    """
    if np.isnan(frame.cost_usd).all():
        frame = frame.priced(prices)
    traffic = Traffic.of(frame)
    after = replay(traffic, list(changes), prices)
    return Replay(frame, traffic.cost_usd, after, int((~traffic.priced).sum()))


def rows_of(frame: UsageFrame, **named: str) -> Int64:
    """Rows whose feature, user, team, model or provider are these. AnalysisError when none are."""
    chosen = np.ones(len(frame), np.bool_)
    for name, value in named.items():
        chosen &= _column(frame, name).equals(value)
    if not chosen.any():
        wanted = ", ".join(f"{name}={value!r}" for name, value in named.items())
        values = [f"{name}: {', '.join(islice(_column(frame, name).values, 8))}" for name in named]
        raise AnalysisError(f"No call has {wanted}.", hint=f"There are {'; '.join(values)}.")
    return np.flatnonzero(chosen)


def calls_table(frame: UsageFrame, *, library: Library = "pandas") -> Table:
    """One row a call: start (UTC), names, tokens, latency in ms, cost in USD (nan: no price)."""
    calls = frame.calls
    return _table(
        {
            "id": frame.id.to_list(),
            "start": calls.start_us.astype("datetime64[us]"),
            **{name: _column(frame, name).to_list() for name in _BY},
            "conversation": frame.conversation.to_list(),
            "status": frame.status.to_list(),
            "input_tokens": calls.input_tokens,
            "cached_input_tokens": calls.cache_read,
            "output_tokens": calls.output_tokens,
            "latency_ms": frame.latency_ms,
            "quality": frame.quality,
            "cost_usd": frame.cost_usd,
        },
        library,
    )


def what_if_table(guess: WhatIf, *, library: Library = "pandas") -> Table:
    """One row a feature and model of `what_if`, USD over the period before and after."""
    names = ("feature", "model", "requests", "cost_before_usd", "cost_after_usd")
    return _table(
        {name: [getattr(segment, name) for segment in guess.segments] for name in names}, library
    )


def opportunities_table(analysis: Analysis, *, library: Library = "pandas") -> Table:
    """One row an opportunity, in their order; money in USD on the claim's period."""
    rows = [
        {
            "id": o.id,
            "lever": o.lever,
            "title": o.title,
            "status": o.status,
            "low_usd": o.savings_usd.low,
            "expected_usd": o.savings_usd.expected,
            "high_usd": o.savings_usd.high,
            "percent": o.savings_pct,
            "monthly_usd": o.monthly_savings_usd,
            "combined_usd": analysis.combined.attribution.get(o.id, 0.0),
            "effort": o.effort,
            "risk": o.risk,
        }
        for o in analysis.opportunities
    ]
    return _table({name: [row[name] for row in rows] for name in _OPPORTUNITY}, library)


def spend_table(frame: UsageFrame, *, by: str = "feature", library: Library = "pandas") -> Table:
    """Cost in USD and calls by day (UTC) and by feature, user, team, model or provider.

    Calls without a price add nothing to the cost; they are counted.
    """
    text = _column(frame, by)
    day = frame.calls.start_us // DAY_US
    keys = (day - day.min(initial=0)) * len(text.values) + text.codes if len(day) else day
    names, inverse = np.unique(keys, return_inverse=True)
    cost = np.bincount(inverse, weights=np.nan_to_num(frame.cost_usd), minlength=len(names))
    calls = np.bincount(inverse, minlength=len(names))
    days = (names // max(1, len(text.values)) + day.min(initial=0)).astype("datetime64[D]")
    which = [text.values[name % len(text.values)] for name in names.tolist()]
    return _table({"day": days, by: which, "cost_usd": cost, "calls": calls}, library)


def savings_chart(analysis: Analysis) -> "alt.Chart | alt.LayerChart":
    """A bar an opportunity with its 90 % interval; colours tell its status."""
    alt = _altair()
    base = alt.Chart(_told_apart(opportunities_table(analysis))).encode(
        y=alt.Y("title:N", sort=None, title=None)
    )
    bars = base.mark_bar().encode(
        x=alt.X("expected_usd:Q", title="saved, USD"), color=alt.Color("status:N", title=None)
    )
    return bars + base.mark_rule().encode(x="low_usd:Q", x2="high_usd:Q")


def attribution_chart(analysis: Analysis) -> "alt.Chart | alt.LayerChart":
    """The share of each change in the combined saving."""
    alt = _altair()
    table = _told_apart(opportunities_table(analysis))
    return (
        alt.Chart(table[table["combined_usd"] != 0])
        .mark_bar()
        .encode(
            x=alt.X("combined_usd:Q", title="share of the combined saving, USD"),
            y=alt.Y("title:N", sort="-x", title=None),
        )
    )


def spend_chart(frame: UsageFrame, *, by: str = "feature") -> "alt.Chart | alt.LayerChart":
    """Cost by day, stacked."""
    alt = _altair()
    return (
        alt.Chart(spend_table(frame, by=by))
        .mark_bar()
        .encode(
            x=alt.X("day:T", title=None),
            y=alt.Y("cost_usd:Q", title="USD a day"),
            color=alt.Color(f"{by}:N"),
        )
    )


def _told_apart(table: Table) -> Table:
    """Changes of one title would be drawn as one bar: they get their scope as well."""
    titles = table["title"].tolist()
    pairs = zip(titles, table["id"].tolist(), strict=True)
    return table.assign(
        title=[
            f"{title}: {name.partition(':')[2]}" if titles.count(title) > 1 else title
            for title, name in pairs
        ]
    )


def _column(frame: UsageFrame, name: str) -> Text:
    if name not in _BY:
        raise AnalysisError(f"Calls cannot be split by {name!r}.", hint=f"Use {', '.join(_BY)}.")
    text: Text = getattr(frame.calls if name in ("model", "provider") else frame, name)
    return text


def _table(columns: Mapping[str, Any], library: Library) -> Table:  # Any: lists or arrays
    if library not in ("pandas", "polars"):
        raise AnalysisError(f"There is no table of {library!r}.", hint="Use pandas or polars.")
    return _module(library).DataFrame(dict(columns))


def _altair() -> Any:  # Any: the module, when it is installed
    return _module("altair")


def _module(name: str) -> Any:  # Any: a module
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise AnalysisError(
            f"{name} is not installed.", hint=f"pip install {name}, or 'netra-apex[notebook]'."
        ) from None
