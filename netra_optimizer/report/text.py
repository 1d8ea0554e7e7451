"""How figures are written for people: money, tokens, shares, time, the same everywhere."""

from collections.abc import Iterable
from datetime import datetime

from netra_optimizer.results import Analysis, Interval
from netra_optimizer.verify.shapley import to_cents

LEVER_NAMES = {
    "prompt_cache": "Prompt cache",
    "response_cache": "Response cache",
    "batch_tier": "Batch tier",
    "model_switch": "Model switch",
    "routing": "Routing",
    "provider_switch": "Provider switch",
    "retry_waste": "Retry waste",
    "context_growth": "Context growth",
    "output_tokens": "Output tokens",
    "latency": "Latency",
    "capacity": "Capacity",
    "anomaly": "Anomaly",
}

STATUS_NAMES = {
    "verified": "proven",
    "needs_evaluation": "to evaluate",
    "loses_money": "loses money",
}


def money(usd: float, *, cents: bool = False) -> str:
    """USD with as many digits as matter: to the cent from one cent up, two figures below.

    From 10,000 up whole dollars, unless `cents` are asked for (of parts that are to add up).
    """
    sign, size = ("-" if usd < 0 else ""), abs(usd)
    if size >= 10_000 and not cents:
        return f"{sign}${size:,.0f}"
    if size >= 0.01 or size < 5e-7:
        return f"{sign}${size:,.2f}" if size >= 5e-7 else "$0.00"
    return f"{sign}${size:.2g}" if size >= 1e-4 else f"{sign}${size:.6f}"


def nothing_proven(analysis: Analysis) -> str:
    """The headline where no change is counted."""
    waiting = sum(item.status == "needs_evaluation" for item in analysis.opportunities)
    if not waiting:
        return "No saving is proven on these records."
    changes = "1 change needs" if waiting == 1 else f"{waiting} changes need"
    return f"No saving is proven on these records yet: {changes} an evaluation of quality."


def first_step(analysis: Analysis) -> str:
    """What to do first: the proven change that brings most, empty where none is proven."""
    parts = analysis.combined.attribution
    counted = [item for item in analysis.opportunities if item.id in parts]
    if not counted:
        return ""
    best = max(counted, key=lambda item: parts[item.id])
    return (
        f"First: {best.title}, {money(in_cents(parts)[best.id])} of it "
        f"(effort {best.effort}, risk {best.risk})."
    )


def chosen_before(analysis: Analysis) -> str:
    """Where changes were chosen on earlier calls than those that prove them; empty elsewhere."""
    period, usage = analysis.combined.period, analysis.usage
    if period.start is None or (period.start, period.end) == (usage.first, usage.last):
        return ""
    return f"Chosen on the days before {day(period.start)}, proven on the rest"


def in_cents(parts: dict[str, float]) -> dict[str, float]:
    """Parts rounded to the cent so that they still add up to their rounded total.

    Where a total below a dollar has parts below a cent all stay as they are: cents would hide them.
    """
    total = sum(parts.values())
    hidden = abs(total) < 1 and any(0 < abs(part) < 0.01 for part in parts.values())
    return dict(parts) if hidden else to_cents(parts, total)


def interval(value: Interval) -> str:
    """`$1.20 to $1.60`."""
    return f"{money(value.low)} to {money(value.high)}"


def share(fraction: float, *, digits: int = 1) -> str:
    """A fraction as a percentage: 0.374 → `37.4 %`."""
    return f"{fraction * 100:.{digits}f} %"


def tokens(count: int) -> str:
    """Tokens with a unit: 144793823 → `144.8 M`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if count >= limit:
            scale = 1e3 if unit == "k" else limit
            return f"{count / scale:.1f} {unit}"
    return f"{count:,}"


def span(first: str | None, last: str | None) -> str:
    """Length of a period in words: `59 min`, `5.2 h`, `14.0 days`."""
    if first is None or last is None:
        return "no time span"
    seconds = (parse_time(last) - parse_time(first)).total_seconds()
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def day(time: str | None) -> str:
    """The minute of an RFC 3339 time: `2026-11-22 10:00 UTC`."""
    return "unknown" if time is None else parse_time(time).strftime("%Y-%m-%d %H:%M UTC")


def parse_time(text: str) -> datetime:
    """An RFC 3339 time."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def few(names: Iterable[str], *, shown: int = 2) -> str:
    """The first names, and how many more: `a.jsonl, b.jsonl and 3 more`."""
    given = list(names)
    more = f" and {len(given) - shown} more" if len(given) > shown else ""
    return ", ".join(given[:shown]) + more


def scope(parts: dict[str, str]) -> str:
    """`feature=chat · model=gpt-4o`, or `all traffic`."""
    return " · ".join(f"{key}={value}" for key, value in parts.items()) or "all traffic"


def plain(value: object) -> str:
    """A value of an evidence table as one short line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        shown = ", ".join(plain(item) for item in value[:5])
        return f"{shown}, … {len(value) - 5} more" if len(value) > 5 else shown
    return "none" if value is None else str(value)


def evidence(key: str, value: object) -> str:
    """A piece of evidence as one short line; shares by lifetime are written as such."""
    if key.endswith("_by_lifetime_s") and isinstance(value, dict):
        signed = "+" if "change" in key else ""
        return ", ".join(
            f"{lifetime(str(name))} {share_of:{signed}.1%}".replace("%", " %")
            for name, share_of in value.items()
        )
    return plain(value)


def lifetime(seconds: str) -> str:
    """`300` → `5 min`; names that are no number stay."""
    return {"60": "1 min", "300": "5 min", "600": "10 min", "3600": "1 h"}.get(seconds, seconds)


def label(key: str) -> str:
    """`cost_before_usd` → `cost before (USD)`."""
    words = key.removesuffix("_s").split("_") if key.endswith("_by_lifetime_s") else key.split("_")
    unit = {"usd": "USD", "ms": "ms", "s": "s", "pct": "%"}.get(words[-1])
    return f"{' '.join(words[:-1])} ({unit})" if unit and len(words) > 1 else " ".join(words)
