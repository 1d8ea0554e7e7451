"""A run's events as server-sent events: the same bytes as on the socket, texts cut as they come."""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from netra_core.context import UserExecutionContext
from netra_core.events.codec import encode_event
from netra_core.events.port import EventLog
from netra_core.events.types import Event
from netra_core.websocket.live_text import NO_TEXTS, TextCursor, Texts
from netra_core.websocket.manager import UnifiedWebSocketManager

KEEP_ALIVE_S = 15.0


def ends_run(event: Event, root: str) -> bool:
    """True for the terminal event of a run whose first agent is `root`."""
    if event.type in ("agent_error", "run_cancelled"):
        return True
    return event.type == "agent_completed" and event.agent_name == root


def sse_frame(event: Event) -> bytes:
    """One server-sent event: `id` is the run_seq, `data` the event's bytes."""
    head = f"id: {event.run_seq}\nevent: {event.type}\ndata: ".encode()
    return head + encode_event(event) + b"\n\n"


def parse_last_event_id(value: str | None) -> int:
    """The run_seq to continue after; 0 for none or for something that is no number."""
    return int(value) if value is not None and value.isascii() and value.isdigit() else 0


async def run_events(
    *,
    manager: UnifiedWebSocketManager,
    event_log: EventLog,
    ctx: UserExecutionContext,
    run_id: str,
    after_run_seq: int = 0,
    expires_at: float | None = None,
    keep_alive_s: float = KEEP_ALIVE_S,
    follow: bool = True,
) -> AsyncIterator[bytes]:
    """The frames of a run after `after_run_seq`, live, until its terminal event.

    Without `follow`, only until what has happened by now is told.

    Subscribes before it reads, so nothing falls between. Texts that its agents are writing come
    between the events, without `id`. A comment line is sent every `keep_alive_s` without events.
    Ends early with the session, the token or the server.
    """
    async with manager.reading(ctx, expires_at=expires_at) as reader:
        root, position, seq = "", 0, 0
        read_to, cursor = -1, TextCursor()
        while not reader.ended:
            reader.moved.clear()
            head = reader.feed.head
            if head != read_to:
                for event in await event_log.read_run(ctx, run_id, after_run_seq=position):
                    position, seq = event.run_seq, event.seq
                    root = root or event.agent_name
                    if position > after_run_seq:
                        yield sse_frame(event)
                    if ends_run(event, root):
                        return
                read_to = head
            if (text := cursor.next(_text_of(reader.feed.texts, run_id), position=seq)) is not None:
                yield f"event: agent_delta\ndata: {text}\n\n".encode()
            if reader.moved.is_set():
                continue
            if not follow:
                return
            try:
                async with asyncio.timeout(keep_alive_s):
                    await reader.moved.wait()
            except TimeoutError:
                yield b": keep-alive\n\n"


def _text_of(texts: Texts, run_id: str) -> Texts:
    return {run_id: texts[run_id]} if run_id in texts else NO_TEXTS


async def run_events_response(
    *,
    manager: UnifiedWebSocketManager,
    event_log: EventLog,
    ctx: UserExecutionContext,
    run_id: str,
    last_event_id: str | None = None,
    expires_at: float | None = None,
    follow: bool = True,
) -> Response:
    """The response of `/api/runs/{id}/events`; the caller has checked that the run is theirs.

    Without `follow` it ends with what has happened by now. 204 when the run has ended and
    nothing follows `last_event_id`, at which EventSource stops.
    """
    after = parse_last_event_id(last_event_id)
    if after:
        told = await event_log.read_run(ctx, run_id)
        if told and told[-1].run_seq <= after and ends_run(told[-1], told[0].agent_name):
            return Response(status_code=204)
    frames = run_events(
        manager=manager,
        event_log=event_log,
        ctx=ctx,
        run_id=run_id,
        after_run_seq=after,
        expires_at=expires_at,
        follow=follow,
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(frames, media_type="text/event-stream", headers=headers)
