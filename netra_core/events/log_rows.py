"""Rows of the event log: from and to the envelope."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row
from sqlalchemy.dialects import postgresql, sqlite

from netra_core.events.codec import Upcast, decode_event
from netra_core.events.log_lookup import stream_rows
from netra_core.events.port import NewEvent, Stream, StreamHead
from netra_core.events.tables import event_streams
from netra_core.events.types import WIRE_VERSION, Event, JsonObject

_payload = msgspec.json.Decoder(JsonObject)


def timestamp_of(time_ms: int) -> str:
    """RFC 3339 UTC with milliseconds."""
    seconds, millis = divmod(time_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def payload_of(text: str) -> JsonObject:
    """The payload in a row."""
    return _payload.decode(text)


def event_of(row: Row[Any], upcasts: Mapping[int, Upcast]) -> Event:
    """The event in a row, raised to this program's version."""
    fields: JsonObject = {
        "v": row.v,
        "type": row.type,
        "event_id": row.event_id,
        "epoch": row.epoch,
        "seq": row.seq,
        "workspace_id": row.workspace_id,
        "thread_id": row.thread_id,
        "run_id": row.run_id,
        "run_seq": row.run_seq,
        "agent_name": row.agent_name,
        "timestamp": timestamp_of(row.time_ms),
        "payload": payload_of(row.payload),
    }
    if row.v == WIRE_VERSION:
        return Event(**fields)
    return decode_event(msgspec.json.encode(fields), upcasts=dict(upcasts))


def row_of(
    event: Event, user_id: str, new: NewEvent, time_ms: int, payload: str
) -> tuple[Any, ...]:
    """The row of a new event, in the order of the table's columns."""
    return (
        event.workspace_id,
        user_id,
        event.seq,
        event.epoch,
        event.event_id,
        WIRE_VERSION,
        event.type,
        event.thread_id,
        event.run_id,
        event.run_seq,
        new.step,
        new.ordinal,
        event.agent_name,
        time_ms,
        payload,
        False,
    )


def missing_streams(
    connection: Connection, epochs: Mapping[Stream, str]
) -> dict[Stream, StreamHead]:
    """Make the streams that are not there yet, with the epochs given; answers all their heads.

    Two processes may ask at once: the first epoch stands.
    """
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    connection.execute(
        insert(event_streams).on_conflict_do_nothing(),
        [
            {"workspace_id": ws, "user_id": user, "epoch": epoch, "seq": 0, "last_ms": 0}
            for (ws, user), epoch in epochs.items()
        ],
    )
    found = stream_rows(connection, epochs)
    return {(row[0], row[1]): StreamHead(epoch=row[2], seq=row[3]) for row in found}
