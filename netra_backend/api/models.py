"""Bodies of requests and responses."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from netra_backend.chat.records import MessageRecord, ThreadRecord, WhileBusy
from netra_backend.jobs.store import ImportRecord
from netra_backend.report import OpportunityOut, Report
from netra_backend.runs.pauses import Pause
from netra_backend.runs.records import RunRecord
from netra_backend.usage.facts import UsageRow

Name = Annotated[str, Field(min_length=1, max_length=128)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewThread(_Body):
    """A thread to make."""

    title: Annotated[str, Field(max_length=200)] | None = None


class NewMessage(_Body):
    """A message to the agents; the same `client_message_id` never starts a second run."""

    content: Annotated[str, Field(min_length=1, max_length=32_000)]
    client_message_id: Name
    while_busy: WhileBusy = WhileBusy.ENQUEUE


class ForkRun(_Body):
    """Another question for the new run; the same without one."""

    content: Annotated[str, Field(min_length=1, max_length=32_000)] | None = None


class NewPause(_Body):
    """New work to hold: of a user id, an agent's name or a model's."""

    scope: Literal["user", "agent", "model"]
    key: Name
    reason: Annotated[str, Field(max_length=200)] = ""


class PauseOut(BaseModel):
    """New work that is held; what runs already runs on. `holds_me`: what I ask now waits for it."""

    scope: str
    key: str
    reason: str
    paused_by: str
    created_at: datetime
    holds_me: bool

    @classmethod
    def of(cls, pause: Pause, *, holds_me: bool) -> "PauseOut":
        """As it is sent."""
        values = {name: getattr(pause, name) for name in Pause.__slots__}
        return cls(**values, holds_me=holds_me)


class PauseList(BaseModel):
    """All pauses of the workspace."""

    items: list[PauseOut]
    next: None = None


class Decision(_Body):
    """The answer to a request."""

    approve: bool


class ApprovalOut(BaseModel):
    """A request of one of my runs."""

    id: str
    run_id: str
    title: str
    detail: dict[str, Any]  # Any: what the agent wants to do, as JSON
    status: Literal["pending", "approved", "refused", "withdrawn"]
    created_at: datetime
    decided_at: datetime | None


class ApprovalList(BaseModel):
    """Requests that wait for me, oldest first."""

    items: list[ApprovalOut]
    next: None = None


class LastRun(BaseModel):
    """The newest run of a thread."""

    id: str
    status: str


class ThreadOut(BaseModel):
    """One conversation."""

    id: str
    title: str | None
    created_at: datetime
    updated_at: datetime
    last_run: LastRun | None

    @classmethod
    def of(cls, thread: ThreadRecord) -> "ThreadOut":
        """As it is sent."""
        last = thread.last_run
        return cls(
            id=thread.id,
            title=thread.title,
            created_at=thread.created_at,
            updated_at=thread.updated_at,
            last_run=LastRun(id=last[0], status=last[1]) if last else None,
        )


class MessageOut(BaseModel):
    """One message of a thread."""

    id: str
    thread_id: str
    position: int
    role: Literal["user", "assistant"]
    content: str
    run_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, message: MessageRecord) -> "MessageOut":
        """As it is sent."""
        values = {name: getattr(message, name) for name in MessageRecord.__slots__}
        return cls.model_validate(values)


class AcceptedOut(BaseModel):
    """The message is stored and its run exists; `duplicate` when it had been sent before."""

    thread_id: str
    run_id: str
    duplicate: bool


class RunErrorOut(BaseModel):
    """Why a run failed."""

    code: str
    message: str


class UsageOut(BaseModel):
    """What the agents' own model calls used; zeros where no model was called."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0


class RunOut(BaseModel):
    """One run. `report` stands in a completed one, `error` in a failed one."""

    id: str
    thread_id: str
    status: Literal["pending", "running", "completed", "failed", "cancelled"]
    question: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    report: Report | None
    error: RunErrorOut | None
    usage: UsageOut
    forked_from: str | None

    @classmethod
    def of(cls, run: RunRecord) -> "RunOut":
        """As it is sent."""
        return cls(
            id=run.id,
            thread_id=run.thread_id,
            status=run.status.value,
            question=run.question,
            created_at=run.created_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
            report=Report.model_validate(run.report) if run.report else None,
            error=RunErrorOut(code=run.error_code, message=run.error_message or "")
            if run.error_code
            else None,
            usage=UsageOut.model_validate(run.usage or {}),
            forked_from=run.forked_from,
        )


class AuditOut(BaseModel):
    """rows_read = rows_kept + sum of dropped, to the row."""

    rows_read: int
    rows_kept: int
    dropped: dict[str, int]


class ImportOut(BaseModel):
    """One import of one file; `audit` stands in a completed one, `error` in a failed one."""

    import_id: str
    file_name: str
    status: Literal["queued", "running", "completed", "failed", "cancelled"]
    format: str | None
    rows_read: int
    rows_kept: int
    bytes_read: int
    bytes_total: int
    audit: AuditOut | None
    error: RunErrorOut | None
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, record: ImportRecord) -> "ImportOut":
        """As it is sent."""
        return cls(
            import_id=record.id,
            file_name=record.file_name,
            status=record.status.value,
            format=record.format,
            rows_read=record.rows_read,
            rows_kept=record.rows_kept,
            bytes_read=record.bytes_read,
            bytes_total=record.bytes_total,
            audit=AuditOut.model_validate(record.audit) if record.audit else None,
            error=RunErrorOut(code=record.error_code, message=record.error_message or "")
            if record.error_code
            else None,
            created_at=record.created_at,
            ended_at=record.ended_at,
        )


class UsageTotalsOut(BaseModel):
    """Usage of a period; all input counts, cached included.

    `cost_usd` is of the calls whose model has a price; `unpriced` has the others (model: calls).
    `recorded_usd` is what the sources said, null where none said.
    """

    requests: int
    errors: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: float
    recorded_usd: float | None
    unpriced: dict[str, int]
    first: str | None
    last: str | None


class UsageRowOut(BaseModel):
    """Usage of one group. Latency in milliseconds, None where no record tells.

    `cost_usd` is of the calls whose model has a price; `unpriced_requests` counts the others.
    """

    key: str
    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: float
    p50_ms: float | None
    p95_ms: float | None
    error_share: float
    unpriced_requests: int

    @classmethod
    def of(cls, row: UsageRow) -> "UsageRowOut":
        """As it is sent."""
        return cls.model_validate({name: getattr(row, name) for name in cls.model_fields})


class AnalysisOut(BaseModel):
    """One analysis of the workspace."""

    id: str
    run_id: str
    kind: str
    question: str
    headline: str
    created_at: datetime


class WholeAnalysisOut(AnalysisOut):
    """One analysis with its whole report."""

    report: Report


class FoundOpportunityOut(OpportunityOut):
    """An opportunity and the analysis it comes from."""

    analysis_id: str
    created_at: datetime


class TicketOut(BaseModel):
    """A one-time ticket for `/ws?ticket=`, good for `expires_in` seconds."""

    ticket: str
    expires_in: float


class ThreadPage(BaseModel):
    """Threads, the one used last first."""

    items: list[ThreadOut]
    next: str | None


class MessagePage(BaseModel):
    """Messages, oldest first."""

    items: list[MessageOut]
    next: str | None


class RunPage(BaseModel):
    """Runs, newest first."""

    items: list[RunOut]
    next: str | None


class ImportPage(BaseModel):
    """Imports, newest first."""

    items: list[ImportOut]
    next: str | None


class UsageRowPage(BaseModel):
    """Groups, the dearest first; hours and days ascending."""

    items: list[UsageRowOut]
    next: str | None


class AnalysisPage(BaseModel):
    """Analyses, newest first."""

    items: list[AnalysisOut]
    next: str | None


class OpportunityPage(BaseModel):
    """Opportunities, those of the newest analysis first."""

    items: list[FoundOpportunityOut]
    next: str | None


class Health(BaseModel):
    """Whether the service works, and each part of it."""

    status: Literal["ok", "not_ready"]
    parts: dict[str, str]
