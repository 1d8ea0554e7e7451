"""The answer to a question, as the chat and the web app show it."""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

MAX_REPORT_BYTES: Final = 56 * 1024
"""What fits into the terminal event beside its envelope."""

ReportKind: TypeAlias = Literal["savings", "cache_audit", "change_review", "usage", "needs_data"]
Unit: TypeAlias = Literal["usd", "tokens", "percent", "ms", "count", "text"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IntervalOut(_Part):
    """A 90 % interval."""

    low: float
    expected: float
    high: float


class LatencyOut(_Part):
    """Latency in milliseconds, None where the records do not tell.

    Medians, and means over the `requests` whose latency is known.
    """

    p50_before: float | None
    p50_after: float | None
    mean_before: float | None = None
    mean_after: float | None = None
    requests: int = 0


class QualityOut(_Part):
    """Change of the quality score and whether paired outcomes proved it."""

    delta: float | None
    bound: float | None
    verified: bool


class OpportunityOut(_Part):
    """One proposed change with its evidence; the same fields as `apex analyze --json`."""

    id: str
    lever: str
    title: str
    scope: dict[str, str]
    status: str
    savings_usd: IntervalOut
    savings_pct: float
    monthly_savings_usd: float | None
    latency: LatencyOut
    quality: QualityOut
    evidence: dict[str, Any]  # Any: each lever documents its own evidence
    assumptions: list[str]
    patch: dict[str, Any]  # Any: a configuration of another tool, in its own shape
    effort: str
    risk: str
    rollback: str


class CombinedOut(_Part):
    """One joint replay of all counted changes; the attribution adds up to the expected total."""

    period: dict[str, str | None]
    cost_before_usd: float
    cost_after_usd: float
    savings_usd: IntervalOut
    attribution: dict[str, float]


class Figure(_Part):
    """One number with where it comes from; `assumption` marks what no row proves."""

    label: str
    value: float
    unit: Unit
    low: float | None = None
    high: float | None = None
    evidence: str | None = None
    assumption: bool = False


class Constraint(_Part):
    """Something the question asked for. `honoured` None: the data cannot tell, see `detail`."""

    text: str
    honoured: bool | None
    detail: str


class Column(_Part):
    """A column of a table."""

    key: str
    label: str
    unit: Unit = "text"


class ReportTable(_Part):
    """Rows under named columns."""

    title: str
    columns: list[Column]
    rows: list[dict[str, str | float | int | None]]


class Series(_Part):
    """One line or one set of bars."""

    label: str
    values: list[float | None]


class Plot(_Part):
    """A plot to draw."""

    title: str
    kind: Literal["bar", "line"]
    unit: Unit
    x: list[str]
    series: list[Series]


class Sufficiency(_Part):
    """How much the data allows to be said, 0 to 1, and the one thing that would help most."""

    score: float
    level: Literal["sufficient", "partial", "insufficient"]
    ask: str | None = None

    @classmethod
    def of(cls, score: float, ask: str | None = None) -> "Sufficiency":
        """The level follows from the score: sufficient from 0.8, partial from 0.4."""
        bounded = round(min(1.0, max(0.0, score)), 2)
        if bounded >= 0.8:
            return cls(score=bounded, level="sufficient", ask=ask)
        return cls(score=bounded, level="partial" if bounded >= 0.4 else "insufficient", ask=ask)


class Report(_Part):
    """The whole answer. Never empty, and never a number without its evidence."""

    kind: ReportKind
    question: str
    headline: str
    summary: list[str] = []
    figures: list[Figure] = []
    opportunities: list[OpportunityOut] = []
    combined: CombinedOut | None = None
    constraints: list[Constraint] = []
    tables: list[ReportTable] = []
    plots: list[Plot] = []
    sufficiency: Sufficiency
    next_steps: list[str] = []
    analysis_id: str | None = None

    def words(self) -> str:
        """The answer in words alone: headline and summary."""
        return answer_words(self.headline, self.summary)

    def fitted(self, limit: int = MAX_REPORT_BYTES) -> "Report":
        """The same report under `limit` bytes: rows and opportunities are cut from the end.

        The whole one is what the analysis of `analysis_id` holds.
        """
        report = self
        while len(report.model_dump_json()) > limit and (report.opportunities or report.tables):
            if any(len(table.rows) > 5 for table in report.tables):
                report = report.model_copy(
                    update={"tables": [_halved(table) for table in report.tables]}
                )
            elif report.opportunities:
                report = report.model_copy(update={"opportunities": report.opportunities[:-1]})
            else:
                report = report.model_copy(update={"tables": report.tables[:-1]})
        return report


def _halved(table: ReportTable) -> ReportTable:
    return table.model_copy(update={"rows": table.rows[: max(5, len(table.rows) // 2)]})


def answer_words(headline: str, summary: Sequence[str]) -> str:
    """What an answer says without its figures, a line each."""
    return "\n".join(line for line in (headline, *summary) if line)
