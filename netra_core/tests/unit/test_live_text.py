"""Texts that agents write reach whoever looks on: whole in the end, never past the next event."""

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from netra_core.events import NewEvent, TextDelta
from netra_core.testing.runs import reference_run
from netra_core.tests.unit.test_websocket_manager import Pipe, World, person
from netra_core.websocket.live_text import MAX_CHARS, LiveTexts
from netra_core.websocket.sse import run_events

ADA = person()


def piece(text: str, *, offset: int = 0, after_seq: int = 1, run_id: str = "r1") -> TextDelta:
    return TextDelta("w1", "ada", "thread", run_id, "data", after_seq, offset, text)


def texts_of(messages: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(m["offset"], m["text"]) for m in messages if m["type"] == "agent_delta"]


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    world = World()
    async with world.manager:
        yield world


async def write(world: World, *deltas: TextDelta) -> None:
    for delta in deltas:
        await world.fan_out.publish([delta])


async def begin(world: World, run_id: str = "r1") -> list[NewEvent]:
    """A run whose first event is logged; what is left of it."""
    first, *rest = reference_run(run_id)
    await world.log.append(ADA, first)
    return rest


async def test_a_text_grows_on_every_tab_of_its_user_and_on_nobody_elses(world: World) -> None:
    tabs = [await world.connect(), await world.connect()]
    other = await world.connect(person("bob"))
    await begin(world)
    for tab in tabs:
        await tab.until(2)
    await write(world, piece("Half "))
    for tab in tabs:
        await tab.until(3)
    await write(world, piece("of it.", offset=5))
    for tab in tabs:
        assert (await tab.until(4))[2:] == [
            {
                "type": "agent_delta",
                "thread_id": "thread",
                "run_id": "r1",
                "agent_name": "data",
                "offset": offset,
                "text": text,
            }
            for offset, text in ((0, "Half "), (5, "of it."))
        ]
    assert texts_of(other.messages) == []


async def test_a_slow_reader_gets_one_piece_of_what_grew_meanwhile(world: World) -> None:
    tab = await world.connect()
    await begin(world)
    await tab.until(2)
    await write(world, piece("a"))
    await tab.until(3)
    tab.gate.clear()
    for offset in range(1, 500):
        await write(world, piece("b", offset=offset))
        await asyncio.sleep(0)
    tab.gate.set()
    await tab.until(5)
    assert texts_of(tab.messages) == [(0, "a"), (1, "b"), (2, "b" * 498)]


async def test_who_joins_in_the_middle_gets_the_text_so_far(world: World) -> None:
    await begin(world)
    await write(world, piece("So "), piece("far ", offset=3))
    tab = await world.connect()
    await tab.until(2)
    await write(world, piece("and on.", offset=7))
    await tab.until(3)
    assert texts_of(tab.messages) == [(0, "So far "), (7, "and on.")]


async def test_the_next_event_of_its_run_makes_a_text_void(world: World) -> None:
    tab = await world.connect()
    rest = await begin(world)
    await tab.until(2)
    tab.gate.clear()
    await world.manager.send_to_user(ADA, {"type": "notice"})
    await asyncio.sleep(0)  # the tab is stuck in reading that
    await write(world, piece("Never "))
    await world.log.append(ADA, rest[0])
    await write(world, piece("read.", offset=6), piece("Never at all."))
    tab.gate.set()
    late = await world.connect()
    await world.log.append(ADA, rest[1])
    assert [m.get("seq", m["type"]) for m in (await tab.until(5))[2:]] == ["notice", 2, 3]
    assert [m["seq"] for m in (await late.until(2))[1:]] == [3]
    assert len(world.manager.feeds.texts) == 0


async def test_events_of_other_runs_leave_a_text_alone(world: World) -> None:
    tab = await world.connect()
    await begin(world)
    await tab.until(2)
    await write(world, piece("One run "))
    await begin(world, "r2")
    await tab.until(4)
    await write(world, piece("goes on.", offset=8))
    await tab.until(5)
    assert texts_of(tab.messages) == [(0, "One run "), (8, "goes on.")]


async def test_who_joins_after_events_of_other_runs_still_gets_the_text(world: World) -> None:
    await begin(world)
    await write(world, piece("Not void."))
    await begin(world, "r2")
    tab = await world.connect()
    await tab.until(2)
    assert texts_of(tab.messages) == [(0, "Not void.")]


async def test_a_text_written_again_after_a_takeover_begins_anew(world: World) -> None:
    tab = await world.connect()
    await begin(world)
    await tab.until(2)
    await write(world, piece("The dead node's"))
    await tab.until(3)
    await write(world, piece("Another"))
    await tab.until(4)
    assert texts_of(tab.messages) == [(0, "The dead node's"), (0, "Another")]


async def test_a_text_waits_for_the_event_it_follows(world: World) -> None:
    tab = await world.connect()
    tab.gate.clear()
    await write(world, piece("Early."))
    await begin(world)
    tab.gate.set()
    assert [m["type"] for m in await tab.until(3)] == [
        "connection_established",
        "agent_started",
        "agent_delta",
    ]


async def test_a_piece_with_a_hole_before_it_is_left_out(world: World) -> None:
    tab = await world.connect()
    rest = await begin(world)
    await write(world, piece("Known"), piece("lost to us", offset=9))
    await world.log.append(ADA, rest[0])
    await tab.until(3)
    assert "lost to us" not in str(tab.messages)


def test_texts_are_bounded_in_number_and_in_length() -> None:
    texts = LiveTexts(max_texts=3)
    for number in range(10):
        assert texts.take(piece("x", run_id=f"r{number}"))
    assert len(texts) == 3
    assert list(texts.of(("w1", "ada"))) == ["r7", "r8", "r9"]
    texts.take(piece("y" * MAX_CHARS, run_id="r9", offset=1))
    texts.take(piece("z" * MAX_CHARS, run_id="r9", offset=MAX_CHARS))
    assert len(texts.of(("w1", "ada"))["r9"]) == MAX_CHARS


async def test_server_sent_events_carry_the_texts_of_their_run_between_its_events(
    world: World,
) -> None:
    rest = await begin(world)
    await write(world, piece("So far"))
    frames = run_events(
        manager=world.manager, event_log=world.log, ctx=ADA, run_id="r1", keep_alive_s=5
    )
    got = [await anext(frames), await anext(frames)]
    await write(world, piece(" of another run", run_id="r2"), piece(" and on", offset=6))
    got.append(await anext(frames))
    for new in rest:
        await world.log.append(ADA, new)
    got += [frame async for frame in frames]
    names = [frame.split(b"\n")[0].split(b": ")[1] for frame in got]
    assert names[:3] == [b"1", b"agent_delta", b"agent_delta"]
    assert names[3:] == [b"%d" % n for n in range(2, len(rest) + 2)]
    assert [msgspec.json.decode(f.split(b"data: ")[1])["text"] for f in got[1:3]] == [
        "So far",
        " and on",
    ]


async def test_server_sent_events_end_with_what_has_happened_where_nobody_wants_to_follow(
    world: World,
) -> None:
    await begin(world)
    await write(world, piece("So far"))
    frames = run_events(
        manager=world.manager, event_log=world.log, ctx=ADA, run_id="r1", follow=False
    )
    names = [frame.split(b"\n")[0] async for frame in frames]
    assert names == [b"id: 1", b"event: agent_delta"]


def folded(messages: list[dict[str, Any]]) -> str:
    """What a client shows by the rule of the protocol, checked at each step."""
    shown = ""
    for message in messages:
        if message["type"] == "agent_delta":
            assert message["offset"] in (0, len(shown))
            shown = shown[: message["offset"]] + message["text"]
            assert _WHOLE.startswith(shown)
        elif "run_seq" in message:
            shown = ""
    return shown


_WHOLE = "".join(chr(97 + n % 26) for n in range(400))


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_the_pace_what_a_client_shows_is_the_beginning_of_the_text(
    seed: int, world: World
) -> None:
    rng = random.Random(seed)
    tabs: list[Pipe] = [await world.connect()]
    first, *rest = reference_run("r1")
    seq = (await world.log.append(ADA, first)).seq
    at = 0
    for _ in range(150):
        match rng.randrange(6):
            case 0 if len(tabs) < 4:
                tabs.append(await world.connect())
            case 1:
                tab = rng.choice(tabs)
                tab.gate.clear() if rng.random() < 0.5 else tab.gate.set()
            case 2 if rest and rng.random() < 0.1:
                seq, at = (await world.log.append(ADA, rest.pop(0))).seq, 0
            case 3:
                await asyncio.sleep(0)
            case _ if at < len(_WHOLE):
                more = _WHOLE[at : at + rng.randint(1, 9)]
                await write(world, piece(more, offset=at, after_seq=seq))
                at += len(more)
    for tab in tabs:
        tab.gate.set()
    for _ in range(20):
        await asyncio.sleep(0)
    for tab in tabs:
        assert folded(tab.messages) == _WHOLE[:at]
