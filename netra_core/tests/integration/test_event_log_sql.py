"""The durable event log: its conformance on both engines, and what only a durable one can show."""

import asyncio

import pytest

from netra_core import UserExecutionContext
from netra_core.database import DatabaseSessionManager, GroupCommit
from netra_core.events import (
    AgentStarted,
    AgentThinking,
    EventLog,
    EventOrderError,
    InProcessFanOut,
    NewEvent,
)
from netra_core.events.log import SqlEventLog
from netra_core.testing.event_log_conformance import EventLogConformance, MakeLog


class TestSqlEventLog(EventLogConformance):
    @pytest.fixture
    async def make_log(self, sessions: DatabaseSessionManager, commits: GroupCommit):
        made: list[SqlEventLog] = []

        async def make(fan_out: InProcessFanOut) -> EventLog:
            log = SqlEventLog(sessions, commits, fan_out=fan_out)
            made.append(log)
            return log

        make_typed: MakeLog = make
        yield make_typed
        for log in made:
            await log.close()


def person(user: str = "ann") -> UserExecutionContext:
    return UserExecutionContext(user_id=user, workspace_id="acme", request_id="r")


def started(run: str, *, step: str = "start", ordinal: int = 0) -> NewEvent:
    return NewEvent.of(
        AgentStarted(message="go"),
        run_id=run,
        thread_id="t",
        step=step,
        ordinal=ordinal,
        agent_name="supervisor",
    )


def thought(run: str, ordinal: int, *, text: str = "hm") -> NewEvent:
    return NewEvent.of(
        AgentThinking(thought=text, step_number=ordinal + 1),
        run_id=run,
        thread_id="t",
        step="think",
        ordinal=ordinal,
        agent_name="supervisor",
    )


@pytest.fixture
async def log(sessions: DatabaseSessionManager, commits: GroupCommit):
    log = SqlEventLog(sessions, commits)
    yield log
    await log.close()


async def test_a_repeated_append_returns_the_stored_event_and_says_it_was_there(log) -> None:
    first = await log.append_told(person(), [started("r"), thought("r", 0)])
    again = await log.append_told(person(), [started("r"), thought("r", 0, text="else")])
    assert [new for _, new in first] == [True, True]
    assert [new for _, new in again] == [False, False]
    assert [event for event, _ in again] == [event for event, _ in first]


async def test_the_same_append_twice_in_one_group_is_written_once(log) -> None:
    await log.append(person(), started("r"))
    told = await asyncio.gather(*(log.append_told(person(), [thought("r", 0)]) for _ in range(20)))
    assert sum(new for ((_, new),) in told) == 1
    assert len({event.seq for ((event, _),) in told}) == 1
    assert (await log.head(("acme", "ann"))).seq == 2


async def test_a_refused_append_in_a_group_costs_its_neighbours_nothing(log) -> None:
    runs = [f"r{number}" for number in range(20)]
    appends = [log.append(person(), thought(run, 0)) for run in runs[::2]]
    appends += [log.append(person(), started(run)) for run in runs[1::2]]
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert all(isinstance(outcome, EventOrderError) for outcome in outcomes[:10])
    assert sorted(outcome.seq for outcome in outcomes[10:]) == list(range(1, 11))


async def test_two_logs_on_one_database_keep_one_gapless_stream(
    sessions: DatabaseSessionManager, commits: GroupCommit, open_database
) -> None:
    other_sessions = open_database(sessions.url)
    other_commits = GroupCommit(other_sessions)
    one, two = SqlEventLog(sessions, commits), SqlEventLog(other_sessions, other_commits)
    await one.append(person(), started("r"))

    async def write(log: SqlEventLog, ordinals: range) -> None:
        for ordinal in ordinals:
            await log.append(person(), thought("r", ordinal))

    await asyncio.gather(write(one, range(0, 40, 2)), write(two, range(1, 40, 2)))
    events = await one.read(("acme", "ann"), after_seq=0, limit=100)
    assert [event.seq for event in events] == list(range(1, 42))
    assert [event.run_seq for event in events] == list(range(1, 42))
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)
    for part in (one, two, other_commits):
        await part.close()


async def test_time_stamps_do_not_fall_when_the_clock_does(
    sessions: DatabaseSessionManager, commits: GroupCommit
) -> None:
    times = iter([1_800_000_000.5, 1_700_000_000.0, 1_800_000_001.0])
    log = SqlEventLog(sessions, commits, now=lambda: next(times))
    events = [await log.append(person(), started(run)) for run in ("a", "b", "c")]
    assert [event.timestamp for event in events] == [
        "2027-01-15T08:00:00.500Z",
        "2027-01-15T08:00:00.500Z",
        "2027-01-15T08:00:01.000Z",
    ]
    await log.close()


async def test_erased_events_keep_their_numbers_and_lose_their_payload(log) -> None:
    await log.append_many(person(), [started("r"), thought("r", 0), started("s")])
    await log.append(person("bob"), started("b"))
    assert await log.erase(("acme", "ann"), run_id="r") == 2
    events = await log.read(("acme", "ann"), after_seq=0, limit=10)
    assert [(event.seq, event.payload == {}) for event in events] == [
        (1, True),
        (2, True),
        (3, False),
    ]
    with pytest.raises(EventOrderError):
        await log.append(person(), thought("r", 1))
    assert (await log.append(person(), started("r"))).payload == {}
    assert (await log.read(("acme", "bob"), after_seq=0, limit=1))[0].payload != {}


async def test_epoch_and_numbers_go_on_after_a_restart(platform_url: str, open_database) -> None:
    heads = []
    for ordinal in range(3):
        sessions = open_database(platform_url)
        commits = GroupCommit(sessions)
        log = SqlEventLog(sessions, commits)
        await log.append(person(), thought("r", ordinal) if ordinal else started("r"))
        heads.append(await log.head(("acme", "ann")))
        await log.close()
        await commits.close()
    assert [head.seq for head in heads] == [1, 2, 3]
    assert len({head.epoch for head in heads}) == 1
