"""Reports of an analysis: terminal, HTML, JSON."""

from netra_optimizer.report.html import render_html
from netra_optimizer.report.terminal import ReportSource, render_terminal

__all__ = ["ReportSource", "render_html", "render_terminal"]
