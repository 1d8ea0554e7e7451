"""Texts that agents write, as the client takes them from socket and event stream."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx

from netra_client import ApexClient, Draft, LiveEvent, LiveProtocol, RunView, SseDecoder, TextDelta
from netra_client.sse import decode_events, lines_of

PIECE = {"thread_id": "t", "run_id": "r", "agent_name": "supervisor", "offset": 0, "text": "Half "}


def event(run_seq: int, kind: str, **payload: object) -> dict[str, object]:
    ids = {"event_id": f"e{run_seq}", "epoch": "ep", "workspace_id": "w", "thread_id": "t"}
    return {
        "type": kind,
        "seq": run_seq,
        "run_id": "r",
        "run_seq": run_seq,
        "agent_name": "supervisor",
        "timestamp": "2026-11-26T10:00:00.000Z",
        "payload": payload,
        **ids,
    }


def delta(offset: int, text: str) -> TextDelta:
    return TextDelta(**{**PIECE, "offset": offset, "text": text})  # type: ignore[arg-type]


def test_a_piece_from_the_socket_moves_no_position() -> None:
    protocol = LiveProtocol("ep", 7)
    assert protocol.receive(json.dumps({"type": "agent_delta", **PIECE})) == (delta(0, "Half "),)
    assert (protocol.epoch, protocol.seq) == ("ep", 7)


async def test_a_piece_in_the_event_stream_leaves_the_last_event_id() -> None:
    async def lines() -> AsyncIterator[str]:
        for line in (
            "id: 3",
            "event: agent_started",
            f"data: {json.dumps(event(3, 'agent_started'))}",
            "",
            "event: agent_delta",
            f"data: {json.dumps({'type': 'agent_delta', **PIECE})}",
            "",
            ": keep-alive",
            "",
        ):
            yield line

    decoder = SseDecoder()
    got = [update async for update in decode_events(lines(), decoder)]
    assert [type(update) for update in got] == [LiveEvent, TextDelta]
    assert decoder.last_id == "3"


async def test_a_text_with_what_other_lines_end_at_comes_whole_from_a_run_s_event_stream() -> None:
    text = "one\u2028two\u0085three\x0bfour \u00e9"
    told = json.dumps({"type": "agent_delta", **PIECE, "text": text}, ensure_ascii=False)
    stream = f"event: agent_delta\r\ndata: {told}\r\n\r\n".encode()

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=stream, headers={"Content-Type": "text/event-stream"})

    async def one_by_one() -> AsyncIterator[bytes]:
        for byte in stream:
            yield bytes([byte])

    async with ApexClient("http://apex", transport=httpx.MockTransport(answer)) as client:
        client.access_token = "t"
        async with aclosing(client.follow_run("r")) as updates:
            assert await anext(updates) == delta(0, text)
    cut = [update async for update in decode_events(lines_of(one_by_one()), SseDecoder())]
    assert cut == [delta(0, text)]


def test_a_draft_grows_begins_anew_and_is_gone_with_the_next_event() -> None:
    run = RunView("r")
    first, second = (
        LiveEvent(**event(n, "agent_started", message="", parent_agent=None))  # type: ignore[arg-type]
        for n in (1, 2)
    )
    run.take(first)
    assert run.write(delta(0, "Half ")) and run.write(delta(5, "of it"))
    assert run.draft == Draft("supervisor", "Half of it")
    assert not run.write(delta(99, "a hole before it"))
    assert run.write(delta(0, "Anew"))
    assert run.draft == Draft("supervisor", "Anew")
    run.take(second)
    assert run.draft is None
