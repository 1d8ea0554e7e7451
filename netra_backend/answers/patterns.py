"""What left its pattern, in sentences and in a table."""

from collections.abc import Sequence

from netra_backend.answers import parts
from netra_backend.report import Column, ReportTable
from netra_optimizer.findings import Anomalies, Anomaly

_NAMES = {
    "feature": "feature",
    "model": "model",
    "user": "user",
    "error_kind": "error",
}
_MOVED = {
    "requests": "the requests",
    "tokens_a_request": "the tokens a request",
    "price_a_token": "the price of a token",
    "answer_length": "the length of answers",
    "time_a_token": "the time a token",
}
_TELLING_RATIO = 1.15


def pattern_lines(anomalies: Anomalies | None, limit: int = 5) -> list[str]:
    """A sentence for each episode, the dearest first; what kept any from being judged."""
    if anomalies is None:
        return []
    return [_line(one) for one in anomalies.found[:limit]] + list(anomalies.notes)


def pattern_tables(anomalies: Anomalies | None) -> list[ReportTable]:
    """All episodes; none where nothing left its pattern."""
    if anomalies is None or not anomalies.found:
        return []
    return [
        ReportTable(
            title="What left its pattern",
            columns=[
                Column(key="measure", label="What"),
                Column(key="feature", label="Feature"),
                Column(key="first", label="From"),
                Column(key="until", label="Until"),
                Column(key="usual", label="Usual a day"),
                Column(key="actual", label="Then"),
                Column(key="excess_usd", label="More in all", unit="usd"),
                Column(key="explained", label="Explained by"),
            ],
            rows=[
                {
                    "measure": one.measure,
                    "feature": one.feature or "all",
                    "first": one.first[:10],
                    "until": "now" if one.lasting else one.until[:10],
                    "usual": _value(one, one.usual),
                    "actual": _value(one, one.actual),
                    "excess_usd": one.excess_usd,
                    "explained": _explained(one) or _moved(one),
                }
                for one in anomalies.found[:20]
            ],
        )
    ]


def _line(one: Anomaly) -> str:
    what = {
        "spend": "Spend",
        "latency": "Latency",
        "failures": "The share of failed calls",
    }[one.measure]
    scope = f" of {one.feature}" if one.feature else ""
    text = (
        f"{what}{scope} {_when(one)}: {_value(one, one.actual)} "
        f"{'a day ' if one.measure == 'spend' else ''}instead of {_value(one, one.usual)}"
    )
    if one.excess_usd is not None:
        text += f", {parts.money(one.excess_usd)} more in all"
    explained, moved = _explained(one), _moved(one)
    if explained:
        text += f"; most of it is {explained}"
    if moved:
        text += f"; what rose: {moved}"
    return f"{text}."


def _when(one: Anomaly) -> str:
    if one.lasting:
        return f"has been out of its pattern since {one.first[:10]}"
    return f"left its pattern from {one.first[:10]} until {one.until[:10]}"


def _value(one: Anomaly, value: float) -> str:
    if one.measure == "spend":
        return parts.money(value)
    return f"{value:,.0f} ms" if one.measure == "latency" else parts.percent(value)


def _explained(one: Anomaly) -> str:
    return ", ".join(
        f"{_NAMES.get(e.column, e.column)} {e.value} ({100 * min(1.0, e.share):.0f} %)"
        for e in one.explained_by[:3]
    )


def _moved(one: Anomaly) -> str:
    told = sorted(one.ratios.items(), key=lambda pair: -pair[1])
    return ", ".join(
        f"{_MOVED[name]} × {ratio:.1f}" for name, ratio in told if ratio >= _TELLING_RATIO
    )


def pattern_headline(anomalies: Anomalies | None) -> str:
    """The dearest episode in a sentence; empty where there is none."""
    found: Sequence[Anomaly] = anomalies.found if anomalies else []
    return _line(found[0]) if found else ""
