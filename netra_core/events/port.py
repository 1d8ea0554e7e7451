"""The port of the event log: what is appended, where a stream stands, who keeps it."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from netra_core.context import UserExecutionContext
from netra_core.events.types import Event, JsonObject, Payload

Stream: TypeAlias = tuple[str, str]
"""(workspace_id, user_id): whose events these are."""


class StreamHead(msgspec.Struct, frozen=True):
    """Where a stream stands: its last `seq` (0 before the first event) and the epoch naming it."""

    epoch: str
    seq: int


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event to append; the log assigns seq, run_seq, event_id and timestamp.

    (run_id, step, ordinal) is its key: a step that runs again appends the same keys and changes
    nothing. `step` names the durable step, `ordinal` counts from 0 within it.
    """

    run_id: str
    thread_id: str
    step: str
    ordinal: int
    type: str
    agent_name: str
    payload: JsonObject

    @classmethod
    def of(
        cls,
        payload: Payload,
        *,
        run_id: str,
        thread_id: str,
        step: str,
        ordinal: int,
        agent_name: str,
    ) -> "NewEvent":
        """The event of a typed payload; its type is the payload's tag."""
        fields: JsonObject = msgspec.to_builtins(payload)
        kind: str = fields.pop("type")
        return cls(
            run_id=run_id,
            thread_id=thread_id,
            step=step,
            ordinal=ordinal,
            type=kind,
            agent_name=agent_name,
            payload=fields,
        )


class EventLog(Protocol):
    """Durable events, one gapless sequence a stream.

    Guarantees of every implementation (proved by `netra_core.testing.event_log_conformance`):
    `seq` and `run_seq` are assigned in the commit, from 1, without gaps; an append whose key is
    there returns the stored event and is not announced again; after the commit the fan-out is
    told; nothing of one stream is readable through another; the order of a run holds.
    """

    async def append(self, ctx: UserExecutionContext, new: NewEvent) -> Event:
        """Append one event to the context's stream; returns after the commit.

        Raises EventOrderError, UnknownEventTypeError, InvalidPayloadError, PayloadTooLargeError.
        """
        ...

    async def append_many(self, ctx: UserExecutionContext, new: Sequence[NewEvent]) -> list[Event]:
        """Append all or none, in the order given."""
        ...

    async def head(self, stream: Stream) -> StreamHead:
        """Where the stream stands. The first call fixes the epoch, also of an empty stream."""
        ...

    async def heads(self, streams: Sequence[Stream]) -> dict[Stream, StreamHead]:
        """The heads of many streams in one read; streams never seen may be left out."""
        ...

    async def read(self, stream: Stream, *, after_seq: int, limit: int) -> list[Event]:
        """The events after `after_seq`, ascending, without gaps, at most `limit`."""
        ...

    async def read_run(
        self, ctx: UserExecutionContext, run_id: str, *, after_run_seq: int = 0
    ) -> list[Event]:
        """The events of a run of this context's stream; empty when it has no such run."""
        ...

    async def erase(
        self, stream: Stream, *, thread_id: str | None = None, run_id: str | None = None
    ) -> int:
        """Empty the payloads of a stream, of one of its threads or runs; returns how many.

        The events keep their seq, run_seq, type and time.
        """
        ...
