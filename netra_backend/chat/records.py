"""Threads and messages as the store keeps them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class WhileBusy(StrEnum):
    """What happens to a message that comes while a run works in its thread."""

    ENQUEUE = "enqueue"
    REJECT = "reject"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadRecord:
    """One conversation, private to its author. The last run is (id, status)."""

    id: str
    title: str | None
    created_at: datetime
    updated_at: datetime
    last_run: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """One message of a thread; `position` rises by one from 1."""

    id: str
    thread_id: str
    position: int
    role: str
    content: str
    run_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message is stored and its run exists; `duplicate` when it had been sent before."""

    thread_id: str
    run_id: str
    duplicate: bool
