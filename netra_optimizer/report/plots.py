"""Plots as inline SVG: no script, no outside file, readable in light and dark."""

from collections.abc import Sequence
from html import escape

BAR_HEIGHT = 40
VALUE_WIDTH = 110
PLOT_WIDTH = 720


def bars(
    rows: Sequence[tuple[str, float, str]],
    *,
    title: str,
    limits: Sequence[tuple[float, float]] = (),
    styles: Sequence[str] = (),
) -> str:
    """Horizontal bars under their labels: (label, value, written value) a row.

    Optional (low, high) whiskers, and a class of the style sheet for each bar.
    """
    ends = [high for _, high in limits] or [0.0]
    largest = max([abs(value) for _, value, _ in rows] + ends + [1e-12])
    room = PLOT_WIDTH - VALUE_WIDTH
    height = BAR_HEIGHT * len(rows) + 8
    parts = [_open(height, title)]
    for index, (name, value, written) in enumerate(rows):
        top = index * BAR_HEIGHT + 4
        width = max(abs(value) / largest * room, 1)
        style = "bar loss" if value < 0 else f"bar {styles[index]}" if styles else "bar"
        parts.append(f'<text x="0" y="{top + 11}">{escape(_short(name))}</text>')
        parts.append(
            f'<rect class="{style}" x="0" y="{top + 18}" width="{width:.1f}" height="12" rx="3"/>'
        )
        end = width
        if index < len(limits):
            low, high = (max(edge, 0.0) / largest * room for edge in limits[index])
            parts.append(_whisker(low, high, top + 24))
            end = max(width, high)
        parts.append(
            f'<text class="value" x="{end + 8:.1f}" y="{top + 29}">{escape(written)}</text>'
        )
    return "".join([*parts, "</svg>"])


def columns(points: Sequence[tuple[str, float, str]], *, title: str) -> str:
    """Vertical columns around a zero line: (label, value, written value) a point."""
    height, base_room = 190, 120
    largest = max([abs(value) for _, value, _ in points] + [1e-12])
    negative = any(value < 0 for _, value, _ in points)
    zero = 24 + (base_room / 2 if negative else base_room)
    room = (base_room / 2 if negative else base_room) - 4
    step = (PLOT_WIDTH - 40) / max(len(points), 1)
    parts = [
        _open(height, title),
        f'<line class="axis" x1="20" x2="{PLOT_WIDTH - 20}" y1="{zero}" y2="{zero}"/>',
    ]
    for index, (name, value, written) in enumerate(points):
        middle, size = 20 + step * (index + 0.5), abs(value) / largest * room
        top = zero - size if value >= 0 else zero
        style = "bar" if value >= 0 else "bar loss"
        wide = min(step * 0.5, 70)
        parts.append(
            f'<rect class="{style}" x="{middle - wide / 2:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{max(size, 1):.1f}" rx="3"/>'
        )
        over = top - 6 if value >= 0 else top + size + 14
        parts.append(
            f'<text class="point" x="{middle:.1f}" y="{over:.1f}">{escape(written)}</text>'
        )
        parts.append(f'<text class="point" x="{middle:.1f}" y="{height - 8}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def _open(height: int, title: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {PLOT_WIDTH} {height}" '
        f'width="100%"><title>{escape(title)}</title>'
    )


def _whisker(low: float, high: float, middle: float) -> str:
    return (
        f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}'
        f'M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"/>'
    )


def _short(name: str, limit: int = 90) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
