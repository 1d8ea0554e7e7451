"""What every event log must pass. Subclass, give `make_log`, and collect with pytest."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec import structs

from netra_core.context import UserExecutionContext
from netra_core.errors import ApexError
from netra_core.events import (
    AgentStarted,
    AgentThinking,
    EventLog,
    EventOrderError,
    FanOutMessage,
    ForeignRunError,
    InProcessFanOut,
    InvalidPayloadError,
    NewEvent,
    Notice,
    PayloadTooLargeError,
    UnknownEventTypeError,
)
from netra_core.testing.runs import reference_run

MakeLog = Callable[[InProcessFanOut], Awaitable[EventLog]]


def person(user: str = "ada", workspace: str = "w1") -> UserExecutionContext:
    """A context of this user in this workspace."""
    return UserExecutionContext(user_id=user, workspace_id=workspace, request_id="test")


class EventLogConformance:
    """The guarantees of EventLog.

    A subclass overrides the fixture `make_log`: a coroutine function that is given a fan-out and
    answers a log over one and the same storage within a test, so that a second call stands for a
    restarted process.
    """

    @pytest.fixture
    def make_log(self) -> MakeLog:
        """How to open the log under test."""
        raise NotImplementedError

    @pytest.fixture
    def fan_out(self) -> InProcessFanOut:
        """The fan-out the log tells."""
        return InProcessFanOut()

    async def test_seq_and_run_seq_rise_by_one_from_one(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """Two interleaved runs share the stream's seq and have a run_seq each."""
        log = await make_log(fan_out)
        first, second = reference_run("r1"), reference_run("r2")
        events = [
            await log.append(person(), new)
            for pair in zip(first, second, strict=True)
            for new in pair
        ]
        assert [event.seq for event in events] == list(range(1, 15))
        assert [event.run_seq for event in events] == [n for n in range(1, 8) for _ in (1, 2)]
        assert await log.read(person().stream, after_seq=0, limit=100) == events

    async def test_an_append_that_was_there_answers_the_stored_event_and_tells_nobody(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """The first attempt of a step stands."""
        log = await make_log(fan_out)
        heard: list[FanOutMessage] = []
        fan_out.subscribe(heard.append)
        run = reference_run("r1")
        stored = await log.append_many(person(), run)
        again = await log.append_many(person(), run)
        changed = NewEvent.of(
            AgentStarted("another text"),
            run_id="r1",
            thread_id="thread",
            step=run[0].step,
            ordinal=0,
            agent_name="supervisor",
        )
        assert again == stored
        assert await log.append(person(), changed) == stored[0]
        assert sum(len(m.events) for m in heard if isinstance(m, Notice)) in (0, len(run))
        assert max(m.seq for m in heard if isinstance(m, Notice)) == len(run)
        assert (await log.head(person().stream)).seq == len(run)

    async def test_a_commit_is_announced_with_its_stream_and_seq(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """The notice comes after the commit: its events can be read when it arrives."""
        log = await make_log(fan_out)
        heard: list[Notice] = []
        announced = asyncio.Event()

        def hear(message: FanOutMessage) -> None:
            if isinstance(message, Notice):
                heard.append(message)
                announced.set()

        fan_out.subscribe(hear)
        event = await log.append(person(), reference_run("r1")[0])
        async with asyncio.timeout(5):
            await announced.wait()
        assert (heard[0].stream, heard[0].seq) == (("w1", "ada"), 1)
        assert heard[0].events in ((), (event,))

    async def test_a_stream_keeps_its_epoch_also_when_empty_and_over_a_restart(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """Other streams have other epochs."""
        log = await make_log(fan_out)
        empty = await log.head(person().stream)
        other = await log.head(person("bob").stream)
        event = await log.append(person(), reference_run("r1")[0])
        reopened = await make_log(InProcessFanOut())
        head = await reopened.head(person().stream)
        assert empty.seq == 0 and head.seq == 1
        assert empty.epoch == event.epoch == head.epoch != other.epoch
        assert (await reopened.heads([person().stream]))[person().stream] == head

    async def test_what_was_appended_is_there_after_a_restart_and_the_run_goes_on(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """A new process knows the order state of a run in the middle."""
        run = reference_run("r1")
        log = await make_log(fan_out)
        before = await log.append_many(person(), run[:3])
        reopened = await make_log(InProcessFanOut())
        with pytest.raises(EventOrderError):
            await reopened.append(person(), run[6])
        after = await reopened.append_many(person(), run[3:])
        assert await reopened.read_run(person(), "r1") == before + after
        assert [event.run_seq for event in after] == [4, 5, 6, 7]

    async def test_a_refused_event_leaves_no_gap_and_a_batch_is_all_or_nothing(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """The order machine stands before the log."""
        log = await make_log(fan_out)
        run = reference_run("r1")
        with pytest.raises(EventOrderError):
            await log.append_many(person(), [run[0], run[1], run[6]])
        assert (await log.head(person().stream)).seq == 0
        assert [e.seq for e in await log.append_many(person(), run)] == [1, 2, 3, 4, 5, 6, 7]

    async def test_a_refused_batch_takes_back_what_it_began_of_a_run_that_goes_on(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """Also where others append to the same run in the same moment."""
        log = await make_log(fan_out)
        run = reference_run("r1")
        await log.append(person(), run[0])
        half = [structs.replace(run[1], step="other"), run[6]]
        with pytest.raises(EventOrderError):
            await log.append_many(person(), half)
        refused, taken = await asyncio.gather(
            log.append_many(person(), half),
            log.append_many(person(), run[1:]),
            return_exceptions=True,
        )
        assert isinstance(refused, EventOrderError)
        assert not isinstance(taken, BaseException)
        assert [(event.seq, event.run_seq) for event in taken] == [(n, n) for n in range(2, 8)]
        assert await log.read(person().stream, after_seq=1, limit=100) == taken

    async def test_names_no_log_can_keep_are_refused_and_cost_the_neighbours_nothing(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """One event that no database takes must not fail those written together with it."""
        log = await make_log(fan_out)
        first = reference_run("r1")[0]
        bad = [
            structs.replace(first, **{name: text})
            for name in ("run_id", "thread_id", "step", "agent_name")
            for text in ("", "x" * 201, "a\x00b", "a\ud800b")
        ]
        bad += [
            structs.replace(first, ordinal=2**31),
            structs.replace(first, payload={"message": "a\ud800b"}),
        ]
        outcomes = await asyncio.gather(
            *(log.append(person(), event) for event in [*bad, first]), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes[:-1]} == {InvalidPayloadError}
        assert await log.read(person().stream, after_seq=0, limit=100) == [outcomes[-1]]

    async def test_payloads_are_checked(self, make_log: MakeLog, fan_out: InProcessFanOut) -> None:
        """Unknown types, missing fields and more than 64 KiB are refused by name."""
        log = await make_log(fan_out)
        first = reference_run("r1")[0]
        await log.append(person(), first)

        def thought(payload: dict[str, object], kind: str = "agent_thinking") -> NewEvent:
            return NewEvent(
                run_id="r1",
                thread_id="thread",
                step="x",
                ordinal=0,
                type=kind,
                agent_name="supervisor",
                payload=payload,
            )

        with pytest.raises(UnknownEventTypeError):
            await log.append(person(), thought({}, "agent_dreaming"))
        with pytest.raises(InvalidPayloadError):
            await log.append(person(), thought({"thought": "no number"}))
        with pytest.raises(PayloadTooLargeError):
            await log.append(person(), thought({"thought": "x" * 70_000, "step_number": 1}))
        assert (await log.head(person().stream)).seq == 1

    async def test_one_stream_is_not_readable_through_another(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """Neither another user, nor the same user in another workspace, nor by a known run id."""
        log = await make_log(fan_out)
        await log.append_many(person(), reference_run("r1"))
        for stranger in (person("bob"), person("ada", "w2")):
            assert await log.read(stranger.stream, after_seq=0, limit=10) == []
            assert await log.read_run(stranger, "r1") == []
            with pytest.raises(ForeignRunError):
                await log.append(stranger, reference_run("r1")[1])
        ours = await log.read_run(person(), "r1")
        for stranger in (person("bob"), person("ada", "w2")):
            try:
                answers = [await log.append(stranger, reference_run("r1")[0])]
            except ApexError:
                answers = []
            assert not {event.event_id for event in answers} & {event.event_id for event in ours}
        assert await log.read_run(person(), "r1") == ours

    async def test_reading_goes_on_after_a_position_and_stops_at_the_limit(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """Pages join without a gap."""
        log = await make_log(fan_out)
        events = await log.append_many(person(), reference_run("r1", thoughts=20))
        page = await log.read(person().stream, after_seq=5, limit=7)
        assert page == events[5:12]
        assert await log.read(person().stream, after_seq=len(events), limit=7) == []
        assert await log.read_run(person(), "r1", after_run_seq=20) == events[20:]

    async def test_concurrent_writers_make_no_gap_and_no_double(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """Twenty runs of two users at once."""
        log = await make_log(fan_out)

        async def write(ctx: UserExecutionContext, run_id: str) -> None:
            for new in reference_run(run_id):
                await log.append(ctx, new)

        await asyncio.gather(
            *[write(person("ada"), f"a{n}") for n in range(10)],
            *[write(person("bob"), f"b{n}") for n in range(10)],
        )
        for user, prefix in (("ada", "a"), ("bob", "b")):
            events = await log.read(person(user).stream, after_seq=0, limit=1000)
            assert [event.seq for event in events] == list(range(1, 71))
            assert {event.run_id[0] for event in events} == {prefix}
            for n in range(10):
                mine = [e for e in events if e.run_id == f"{prefix}{n}"]
                assert [e.run_seq for e in mine] == list(range(1, 8))
                stamps = [e.timestamp for e in mine]
                assert stamps == sorted(stamps)

    async def test_text_of_any_script_comes_back_unchanged(
        self, make_log: MakeLog, fan_out: InProcessFanOut
    ) -> None:
        """Also in other planes, with quotes and control characters."""
        log = await make_log(fan_out)
        text = 'Zürich 東京 🛰 "quoted" \\ \u0001 \u2028'
        await log.append(person(), reference_run("r1")[0])
        event = await log.append(
            person(),
            NewEvent.of(
                AgentThinking(text, 1),
                run_id="r1",
                thread_id="thread",
                step="t",
                ordinal=0,
                agent_name="supervisor",
            ),
        )
        assert event.payload["thought"] == text
        assert (await log.read_run(person(), "r1"))[-1] == event
