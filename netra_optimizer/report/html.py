"""The analysis as one self-contained HTML page: no script, no outside file."""

from html import escape

from netra_optimizer.report import plots, text
from netra_optimizer.report.patches import patch_text
from netra_optimizer.report.style import STYLE
from netra_optimizer.report.terminal import ReportSource
from netra_optimizer.results import Analysis, Interval, Opportunity


def render_html(analysis: Analysis, *, source: ReportSource | None = None) -> str:
    """The page as text; every value that came from the records is escaped."""
    about = source or ReportSource()
    names = text.few(name.rsplit("/", 1)[-1] for name in about.files)
    parts = [
        "<header><p class='brand'>Netra Apex</p><h1>Savings report</h1>",
        f"<p class='dim'>{escape(' · '.join(part for part in (names, about.format) if part))}</p></header>",
        _figures(analysis),
        _combined(analysis),
        _overview(analysis),
        *(
            _opportunity(number, item)
            for number, item in enumerate(analysis.opportunities, start=1)
        ),
        _audit(analysis),
    ]
    body = "\n".join(parts)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Netra Apex savings report</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _figures(analysis: Analysis) -> str:
    usage = analysis.usage
    cached = usage.cached_input_tokens / usage.input_tokens if usage.input_tokens else 0.0
    figures = [
        ("Spent", text.money(usage.cost_usd)),
        ("Requests", f"{usage.requests:,}"),
        ("Input tokens", text.tokens(usage.input_tokens)),
        ("of it cached", text.share(cached)),
        ("Output tokens", text.tokens(usage.output_tokens)),
        ("Period", text.span(usage.first, usage.last)),
    ]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures
    )
    return f"<dl class='figures'>{cells}</dl>"


def _combined(analysis: Analysis) -> str:
    combined = analysis.combined
    saved, before = combined.savings_usd, combined.cost_before_usd
    fraction = saved.expected / before if before else 0.0
    chosen = f"{text.chosen_before(analysis)}. " if text.chosen_before(analysis) else ""
    period = (
        f"{chosen}From {text.day(combined.period.start)} to {text.day(combined.period.end)}. "
        f"{_written(saved)} All proven changes replayed together over your own requests."
    )
    plot = plots.bars(
        [
            ("Cost as it was", before, text.money(before)),
            (
                "Cost after the changes",
                combined.cost_after_usd,
                text.money(combined.cost_after_usd),
            ),
        ],
        title="Cost before and after",
        styles=["paid", "verified"],
    )
    if saved.expected <= 0:
        return f"<section class='card'><h2>{escape(text.nothing_proven(analysis))}</h2>{plot}</section>"
    return (
        f"<section class='card'><h2>You can save <em>{text.money(saved.expected)}</em> of "
        f"{text.money(before)} ({text.share(fraction)})</h2><p>{escape(text.first_step(analysis))}</p>"
        f"<p class='dim'>{escape(period)}</p>{plot}</section>"
    )


def _written(value: Interval) -> str:
    return f"90 % interval {text.interval(value)}."


def _overview(analysis: Analysis) -> str:
    if not analysis.opportunities:
        return (
            "<section class='card'><h2>Nothing to save was found in these records.</h2></section>"
        )
    parts = text.in_cents(analysis.combined.attribution)
    counted = [item for item in analysis.opportunities if item.id in parts]
    attribution = plots.bars(
        [(item.title, parts[item.id], text.money(parts[item.id], cents=True)) for item in counted],
        title="Share of each change in the combined saving",
    )
    alone = plots.bars(
        [
            (item.title, item.savings_usd.expected, text.money(item.savings_usd.expected))
            for item in analysis.opportunities
        ],
        limits=[(item.savings_usd.low, item.savings_usd.high) for item in analysis.opportunities],
        title="Saving of each change alone, with its 90 % interval",
        styles=[item.status for item in analysis.opportunities],
    )
    first = f"<h2>What each change brings, together</h2>{attribution}" if counted else ""
    return (
        f"<section class='card'>{first}<h2>Each change alone, with its 90 % interval</h2>{alone}"
        "<p class='dim'>Green is proven and counted; amber waits for an evaluation of quality; "
        "red would lose money.</p></section>"
    )


def _opportunity(number: int, item: Opportunity) -> str:
    rows = [("Saves", f"{text.interval(item.savings_usd)} ({item.savings_pct:.1f} % of all cost)")]
    if item.monthly_savings_usd is not None:
        rows.append(("A month at this rate", text.money(item.monthly_savings_usd)))
    if item.latency.p50_before is not None and item.latency.p50_after is not None:
        rows.append(
            ("Median latency", f"{item.latency.p50_before:,.0f} → {item.latency.p50_after:,.0f} ms")
        )
    if item.quality.delta is not None:
        rows.append(("Quality", f"{item.quality.delta:+.3f}"))
    rows += [
        (text.label(key).capitalize(), text.evidence(key, value))
        for key, value in item.evidence.items()
        if not key.endswith("_by_lifetime_s")
    ]
    rows += [("Assumption", assumption) for assumption in item.assumptions]
    rows += [("Effort", item.effort), ("Risk", item.risk), ("Way back", item.rollback)]
    table = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows
    )
    patch = patch_text(item.patch, width=20_000)
    shown = (
        f"<details><summary>Patch to apply</summary><pre>{escape(patch)}</pre></details>"
        if patch
        else ""
    )
    status = text.STATUS_NAMES.get(item.status, item.status)
    return (
        f"<section class='card'><h2>{number}. {escape(item.title)} "
        f"<span class='status {escape(item.status)}'>{escape(status)}</span></h2>"
        f"<p class='dim'>{escape(text.scope(item.scope))}</p>"
        f"{_lifetimes(item)}<table>{table}</table>{shown}</section>"
    )


def _lifetimes(item: Opportunity) -> str:
    found = ""
    for key, title in (
        ("reuse_by_lifetime_s", "Share of input tokens that a cache would hold, by its lifetime"),
        (
            "input_cost_change_by_lifetime_s",
            "Change of the input cost when every missed block is written",
        ),
    ):
        values = item.evidence.get(key)
        if isinstance(values, dict):
            points = [
                (text.lifetime(str(name)), float(value), text.share(float(value)))
                for name, value in values.items()
            ]
            found += f"<h3>{title}</h3>{plots.columns(points, title=title)}"
    return found


def _audit(analysis: Analysis) -> str:
    audit = analysis.audit
    lines = [f"{audit.rows_read:,} rows read, {audit.rows_kept:,} kept."]
    lines += [f"{count:,} left out: {reason}." for reason, count in audit.dropped.items()]
    lines += [
        f"No price is known for {model!r} ({count:,} requests): not in any figure."
        for model, count in analysis.unpriced_models.items()
    ]
    lines += analysis.notes
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<section class='card'><h2>What was read</h2><ul>{items}</ul></section>"
