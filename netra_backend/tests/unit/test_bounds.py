"""Bytes held and turns of work: bounded, in order, and given back however it ends."""

import asyncio

import pytest

from netra_backend.errors import IngestFullError
from netra_backend.usage.bounds import HeldBytes, Turns


def test_bytes_beyond_the_limit_are_refused_and_let_go_at_the_end() -> None:
    bodies = HeldBytes(100)
    with bodies.body() as first, bodies.body() as second:
        first.take(60)
        second.take(40)
        with pytest.raises(IngestFullError) as refused:
            second.take(1)
        assert (refused.value.status, refused.value.retryable, bodies.held) == (429, True, 100)
        first.take(-30)
        second.take(30)
        assert (first.size, second.size) == (30, 70)
    assert bodies.held == 0
    with pytest.raises(IngestFullError), bodies.body() as third:
        third.take(99)
        third.take(2)
    assert bodies.held == 0


def test_many_bodies_of_one_owner_leave_half_of_the_room_to_others() -> None:
    bodies = HeldBytes(100)
    with bodies.body("w1") as first, bodies.body("w1") as second, bodies.body("w2") as other:
        first.take(30)
        second.take(20)
        for one in (first, second):
            with pytest.raises(IngestFullError, match="of this workspace"):
                one.take(1)
        other.take(50)
        second.take(-20)
        assert bodies.held == 80
    assert bodies.held == 0


def test_a_single_body_of_an_owner_may_be_as_large_as_any() -> None:
    bodies = HeldBytes(100)
    with bodies.body("w1") as large:
        large.take(60)
        large.take(40)
        with pytest.raises(IngestFullError), bodies.body("w1") as more:
            more.take(1)
    with bodies.body("w1") as again, bodies.body("w1") as beside:
        again.take(50)
        with pytest.raises(IngestFullError):
            beside.take(1)
    assert bodies.held == 0


async def test_turns_come_in_order_and_a_heavy_one_is_not_overtaken() -> None:
    turns, order = Turns(10), list[str]()
    free = {name: asyncio.Event() for name in "abcd"}

    async def work(name: str, weight: int) -> None:
        async with turns.turn(weight):
            order.append(name)
            await free[name].wait()

    tasks = [
        asyncio.create_task(work(name, weight))
        for name, weight in (("a", 6), ("b", 4), ("c", 99), ("d", 1))
    ]
    await asyncio.sleep(0)
    assert order == ["a", "b"]
    free["b"].set()
    await tasks[1]
    assert order == ["a", "b"]  # c needs all of it, and d waits behind c
    free["a"].set()
    await tasks[0]
    await asyncio.sleep(0)
    assert order == ["a", "b", "c"]
    free["c"].set()
    free["d"].set()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", "d"]


async def test_who_gives_up_waiting_keeps_nobody_from_a_turn() -> None:
    turns = Turns(10)
    held = asyncio.Event()

    async def work(weight: int) -> str:
        async with turns.turn(weight):
            await held.wait()
        return "done"

    first = asyncio.create_task(work(8))
    heavy = asyncio.create_task(work(5))
    light = asyncio.create_task(work(2))
    await asyncio.sleep(0)
    heavy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await heavy
    held.set()
    assert await asyncio.gather(first, light) == ["done", "done"]
    leaving = asyncio.create_task(work(10))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await work(10) == "done"
