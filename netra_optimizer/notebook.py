"""For notebooks: results as tables and charts. Charts need the extra `notebook` (Altair)."""

from typing import TYPE_CHECKING, Any

import numpy as np

from netra_optimizer.errors import AnalysisError
from netra_optimizer.period import DAY_US
from netra_optimizer.results import Analysis
from netra_optimizer.usage.frame import UsageFrame

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

_BY = ("feature", "user", "team", "model", "provider")


def opportunities_table(analysis: Analysis) -> "pd.DataFrame":
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
    return _pandas().DataFrame(rows)


def spend_table(frame: UsageFrame, *, by: str = "feature") -> "pd.DataFrame":
    """Cost in USD and calls by day (UTC) and by feature, user, team, model or provider."""
    if by not in _BY:
        raise AnalysisError(f"Cost cannot be split by {by!r}.", hint=f"Use {', '.join(_BY)}.")
    text = getattr(frame.calls if by in ("model", "provider") else frame, by)
    day = frame.calls.start_us // DAY_US
    keys = (day - day.min(initial=0)) * len(text.values) + text.codes if len(day) else day
    names, inverse = np.unique(keys, return_inverse=True)
    cost = np.bincount(inverse, weights=np.nan_to_num(frame.cost_usd), minlength=len(names))
    calls = np.bincount(inverse, minlength=len(names))
    days = (names // max(1, len(text.values)) + day.min(initial=0)).astype("datetime64[D]")
    which = [text.values[name % len(text.values)] for name in names.tolist()]
    return _pandas().DataFrame({"day": days, by: which, "cost_usd": cost, "calls": calls})


def savings_chart(analysis: Analysis) -> "alt.Chart | alt.LayerChart":
    """A bar an opportunity with its 90 % interval; colours tell its status."""
    alt = _altair()
    base = alt.Chart(opportunities_table(analysis)).encode(
        y=alt.Y("title:N", sort=None, title=None)
    )
    bars = base.mark_bar().encode(
        x=alt.X("expected_usd:Q", title="saved, USD"), color=alt.Color("status:N", title=None)
    )
    return bars + base.mark_rule().encode(x="low_usd:Q", x2="high_usd:Q")


def attribution_chart(analysis: Analysis) -> "alt.Chart | alt.LayerChart":
    """The share of each change in the combined saving."""
    alt = _altair()
    table = opportunities_table(analysis)
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


def _altair() -> Any:  # Any: the module, when it is installed
    return _module("altair", "notebook")


def _pandas() -> Any:  # Any: the module, when it is installed
    return _module("pandas", "notebook")


def _module(name: str, extra: str) -> Any:  # Any: a module
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise AnalysisError(
            f"{name} is not installed.", hint=f"Install netra-apex[{extra}]."
        ) from None
