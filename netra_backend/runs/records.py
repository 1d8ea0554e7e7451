"""A run as the store keeps it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import RowMapping

from netra_core.context import Role, UserExecutionContext
from netra_core.events.types import JsonObject


class RunStatus(StrEnum):
    """Where a run stands; the last three are terminal."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """True when the run never moves again."""
        return self not in (RunStatus.PENDING, RunStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run. `fence` rises with each execution; `format` names the order of its steps.

    `forked_from` is the run it goes back to; `steps_from` the one whose finished steps it reuses.
    """

    id: str
    workspace_id: str
    user_id: str
    thread_id: str
    kind: str
    format: int
    status: RunStatus
    question: str
    roles: tuple[Role, ...]
    session_id: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    node: str | None
    fence: int
    cancel_reason: str | None
    error_code: str | None
    error_message: str | None
    report: JsonObject | None
    usage: JsonObject | None
    forked_from: str | None
    steps_from: str | None

    @classmethod
    def of(cls, row: RowMapping) -> "RunRecord":
        """From a row of the runs table."""
        values: dict[str, Any] = {name: row[name] for name in cls.__slots__}
        values["status"] = RunStatus(row["status"])
        values["roles"] = tuple(Role(role) for role in row["roles"])
        return cls(**values)

    def context(self) -> UserExecutionContext:
        """For whom this run works; the identity it was accepted with."""
        return UserExecutionContext(
            user_id=self.user_id,
            workspace_id=self.workspace_id,
            request_id=self.id,
            roles=frozenset(self.roles),
            thread_id=self.thread_id,
            run_id=self.id,
            session_id=self.session_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    status: RunStatus
    report: JsonObject | None = None
    usage: JsonObject | None = None
    error_code: str | None = None
    error_message: str | None = None
