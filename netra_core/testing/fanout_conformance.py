"""What every fan-out must pass. Subclass, give `make_fan_out`, and collect with pytest."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from netra_core.events import FanOut, FanOutMessage, Missed, Notice, TextDelta

MakeFanOut = Callable[[], FanOut]
Interrupt = Callable[[], Awaitable[None]]


class Ear:
    """Remembers what it was told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.heard: list[FanOutMessage] = []
        self._changed = asyncio.Event()

    def __call__(self, message: FanOutMessage) -> None:
        """Take one message."""
        self.heard.append(message)
        self._changed.set()

    async def until(self, condition: Callable[["Ear"], bool], *, within_s: float = 20) -> None:
        """Wait until the condition holds of what was heard."""
        async with asyncio.timeout(within_s):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    def newest(self, stream: tuple[str, str]) -> int:
        """The highest seq heard of a stream."""
        return max(
            (m.seq for m in self.heard if isinstance(m, Notice) and m.stream == stream), default=0
        )

    def text(self, run_id: str) -> str:
        """What was heard of a run's text, put together."""
        text = ""
        for delta in self.heard:
            if isinstance(delta, TextDelta) and delta.run_id == run_id:
                text = text[: delta.offset] + delta.text
        return text

    @property
    def missed(self) -> int:
        """How often it was told that something may be missed."""
        return sum(isinstance(message, Missed) for message in self.heard)


ADA = ("w1", "ada")


class FanOutConformance:
    """The guarantees of FanOut.

    A subclass overrides `make_fan_out`, which answers one more node on the same transport, and
    `interrupt`, which breaks every connection once (None where there is nothing to break).
    """

    @pytest.fixture
    def make_fan_out(self) -> MakeFanOut:
        """How to make a node's fan-out."""
        raise NotImplementedError

    @pytest.fixture
    def interrupt(self) -> Interrupt | None:
        """How to break the transport."""
        return None

    @pytest.fixture
    async def nodes(self, make_fan_out: MakeFanOut) -> AsyncGenerator[tuple[FanOut, FanOut]]:
        """Two started nodes; the same one twice where there is but one."""
        first, second = make_fan_out(), make_fan_out()
        await first.start()
        await second.start()
        yield first, second
        await first.close()
        await second.close()

    async def test_a_local_subscriber_is_told_before_publish_returns(
        self, nodes: tuple[FanOut, FanOut]
    ) -> None:
        """Each notice once, whole."""
        ear = Ear()
        nodes[0].subscribe(ear)
        notices = [Notice(ADA, 1), Notice(("w2", "bob"), 9)]
        await nodes[0].publish(notices)
        assert ear.heard == notices

    async def test_another_node_is_told_the_stream_and_seq(
        self, nodes: tuple[FanOut, FanOut]
    ) -> None:
        """Of several notices of a stream at least the newest."""
        ear = Ear()
        nodes[1].subscribe(ear)
        await nodes[0].publish([Notice(ADA, 1), Notice(ADA, 2), Notice(("w1", "bob"), 5)])
        await ear.until(lambda e: e.newest(ADA) == 2 and e.newest(("w1", "bob")) == 5)
        assert {m.stream for m in ear.heard if isinstance(m, Notice)} == {ADA, ("w1", "bob")}

    async def test_ids_of_any_script_travel_unchanged(self, nodes: tuple[FanOut, FanOut]) -> None:
        """Quotes, separators, line ends and other planes."""
        ear = Ear()
        nodes[1].subscribe(ear)
        stream = ("w:1,'\"\\\n", "ådä 🛰 \u2028")
        await nodes[0].publish([Notice(stream, 3)])
        await ear.until(lambda e: e.newest(stream) == 3)

    async def test_many_streams_at_once_all_arrive(self, nodes: tuple[FanOut, FanOut]) -> None:
        """However many, whatever the transport's largest message."""
        ear = Ear()
        nodes[1].subscribe(ear)
        streams = [(f"workspace-{n % 7}", f"user-{n:05}-{'x' * 40}") for n in range(3000)]
        await nodes[0].publish([Notice(stream, 4) for stream in streams])
        await ear.until(lambda e: len({m.stream for m in e.heard if isinstance(m, Notice)}) == 3000)

    async def test_a_text_grows_on_every_node_and_is_there_before_the_event_that_ends_it(
        self, nodes: tuple[FanOut, FanOut]
    ) -> None:
        """Of any script, longer than any message, however many pieces it came in."""
        here, there = Ear(), Ear()
        nodes[0].subscribe(here)
        nodes[1].subscribe(there)
        whole = "".join(f'{n} ä🛰\n"' for n in range(1500))
        for start in range(0, len(whole), 50):
            piece = whole[start : start + 50]
            await nodes[0].publish([TextDelta("w1", "ada", "t", "r1", "data", 1, start, piece)])
        assert here.text("r1") == whole
        await nodes[0].publish([Notice(ADA, 2)])
        await there.until(lambda e: e.newest(ADA) == 2)
        assert there.text("r1") == whole
        texts = [m for m in there.heard if isinstance(m, TextDelta)]
        assert texts[0].stream == ADA and (texts[0].agent_name, texts[0].after_seq) == ("data", 1)

    async def test_a_text_travels_without_an_event_and_one_begun_anew_replaces_it(
        self, nodes: tuple[FanOut, FanOut]
    ) -> None:
        """Nobody waits for the end to see the beginning."""
        ear = Ear()
        nodes[1].subscribe(ear)
        for offset, text in ((0, "One"), (3, " two"), (0, "Anew"), (4, " and on")):
            await nodes[0].publish([TextDelta("w1", "ada", "t", "r1", "data", 1, offset, text)])
        await ear.until(lambda e: e.text("r1") == "Anew and on")

    async def test_a_subscriber_that_raises_costs_the_others_nothing(
        self, nodes: tuple[FanOut, FanOut]
    ) -> None:
        """Neither here nor on the other node."""

        def broken(_: FanOutMessage) -> None:
            raise RuntimeError("a broken subscriber")

        here, there = Ear(), Ear()
        nodes[0].subscribe(broken)
        nodes[1].subscribe(broken)
        nodes[0].subscribe(here)
        nodes[1].subscribe(there)
        await nodes[0].publish([Notice(ADA, 1)])
        await there.until(lambda e: e.newest(ADA) == 1)
        await nodes[0].publish([Notice(ADA, 2)])
        await there.until(lambda e: e.newest(ADA) == 2)
        assert here.newest(ADA) == 2

    async def test_after_unsubscribing_nothing_is_heard(self, nodes: tuple[FanOut, FanOut]) -> None:
        """Twice is the same as once."""
        silent, ear = Ear(), Ear()
        leave = nodes[1].subscribe(silent)
        nodes[1].subscribe(ear)
        leave()
        leave()
        await nodes[0].publish([Notice(ADA, 1)])
        await ear.until(lambda e: e.newest(ADA) == 1)
        assert silent.heard == []

    async def test_start_and_close_may_be_called_again(self, make_fan_out: MakeFanOut) -> None:
        """And a closed node does not stop its publisher."""
        node = make_fan_out()
        await node.start()
        await node.start()
        await node.close()
        await node.close()
        await node.publish([Notice(ADA, 1)])

    async def test_an_interruption_is_told_and_overcome(
        self, nodes: tuple[FanOut, FanOut], interrupt: Interrupt | None
    ) -> None:
        """What was published meanwhile is announced when the transport is back."""
        if interrupt is None:
            pytest.skip("this transport cannot be interrupted")
        here, there = Ear(), Ear()
        nodes[0].subscribe(here)
        nodes[1].subscribe(there)
        await nodes[0].publish([Notice(ADA, 1)])
        await there.until(lambda e: e.newest(ADA) == 1)
        await interrupt()
        await nodes[0].publish([Notice(ADA, 2)])
        await there.until(lambda e: e.missed >= 1)
        await here.until(lambda e: e.missed >= 1)
        await nodes[0].publish([Notice(ADA, 3)])
        await there.until(lambda e: e.newest(ADA) == 3)
