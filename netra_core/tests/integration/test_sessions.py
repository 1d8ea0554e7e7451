"""Sessions on both engines: whose they are, how they end, what is found when they do not."""

import asyncio

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from netra_core import UserExecutionContext
from netra_core.database import (
    DatabaseBusyError,
    DatabaseSessionManager,
    GroupCommit,
    NestedWriteError,
    PoolExhaustedError,
    RowAccessError,
    SessionIsolationError,
    StatementTimeoutError,
    SystemContext,
    TransactionConflictError,
    WriteQueueClosedError,
)
from netra_core.state import UnifiedStateManager
from netra_core.state.sql import SqlStateStore


class Base(DeclarativeBase):
    pass


class Row(Base):
    """Something that a session would flush."""

    __tablename__ = "state_clock"
    id: Mapped[int] = mapped_column(primary_key=True, default=1)


COUNT = text("SELECT count(*) FROM state_fences")
SYSTEM = SystemContext(actor="test")


def person(user: str = "ann", request: str = "r-1") -> UserExecutionContext:
    return UserExecutionContext(user_id=user, workspace_id="acme", request_id=request)


def insert(name: str, user: str = "ann"):
    """A row that belongs to `user`: any table of the platform with an owner would do."""
    return text(
        "INSERT INTO state_fences (scope, workspace_id, user_id, subject, key, token)"
        " VALUES ('user', 'acme', :user, '', :name, 1)"
    ).bindparams(user=user, name=name)


async def rows(sessions: DatabaseSessionManager) -> int:
    async with sessions.session(SYSTEM, read_only=True) as session:
        return await session.scalar(COUNT)


async def test_a_session_commits_at_the_end_of_its_block(sessions) -> None:
    async with sessions.session(person()) as session:
        await session.execute(insert("a"))
    assert await rows(sessions) == 1
    stats = sessions.stats()
    assert (stats.opened, stats.committed, stats.rolled_back, stats.open_now) == (2, 2, 0, 0)


async def test_an_error_rolls_back_and_is_raised_again(sessions) -> None:
    with pytest.raises(ZeroDivisionError):
        async with sessions.session(person()) as session:
            await session.execute(insert("a"))
            raise ZeroDivisionError
    assert await rows(sessions) == 0
    assert sessions.stats().rolled_back == 1


async def test_a_cancelled_session_rolls_back_and_returns_its_connection(sessions) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with sessions.session(person()) as session:
            await session.execute(insert("a"))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await rows(sessions) == 0
    assert sessions.stats().pool_in_use == 0


async def test_a_cancelled_statement_leaves_nothing_behind(sessions) -> None:
    tasks = []
    for number in range(20):

        async def work(name: str = f"k{number}") -> None:
            async with sessions.session(person()) as session:
                await session.execute(insert(name))

        tasks.append(asyncio.create_task(work()))
        await asyncio.sleep(0)
        if number % 2:
            tasks[-1].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    done = sum(outcome is None for outcome in outcomes)
    assert done >= 10
    assert await rows(sessions) == done
    assert sessions.stats().pool_in_use == 0


async def test_broken_constraints_stay_the_callers_own_error(sessions) -> None:
    with pytest.raises(IntegrityError):
        async with sessions.session(person()) as session:
            await session.execute(insert("a"))
            await session.execute(insert("a"))


async def test_a_session_is_refused_after_its_end(sessions) -> None:
    async with sessions.session(person()) as session:
        pass
    with pytest.raises(SessionIsolationError, match="has ended"):
        await session.execute(COUNT)


async def test_a_session_is_refused_in_another_request(sessions) -> None:
    handed = asyncio.Queue()
    refused = asyncio.Event()

    async def other_request() -> None:
        session = await handed.get()
        with pytest.raises(SessionIsolationError, match="another request"):
            await session.execute(COUNT)
        refused.set()

    task = asyncio.create_task(other_request())
    async with sessions.session(person()) as session:
        handed.put_nowait(session)
        await refused.wait()
        await session.execute(COUNT)
    await task


async def test_a_task_of_the_same_request_may_use_its_session(sessions) -> None:
    async with sessions.session(person()) as session:
        task = asyncio.create_task(session.execute(insert("a")))
        await task
    assert await rows(sessions) == 1


async def test_one_request_acts_for_one_user(sessions) -> None:
    async with sessions.session(person("ann"), read_only=True) as session:
        session.require(person("ann"))
        with pytest.raises(SessionIsolationError):
            session.require(person("bob"))
        with pytest.raises(SessionIsolationError, match="another user"):
            async with sessions.session(person("bob"), read_only=True):
                pass
        async with sessions.session(SYSTEM, read_only=True) as inner:
            await inner.execute(COUNT)


async def test_a_leaked_session_is_found_reported_with_its_origin_and_closed(
    platform_url: str, open_database
) -> None:
    time = [0.0]
    sessions = open_database(platform_url, max_session_s=30.0)
    sessions = DatabaseSessionManager(platform_url, options=sessions.options, clock=lambda: time[0])
    leak = sessions.session(person())
    session = await leak.__aenter__()
    await session.execute(insert("a"))
    time[0] = 29.0
    assert await sessions.close_leaks() == []
    time[0] = 31.0
    (origin,) = await sessions.close_leaks()
    assert "test_sessions.py" in origin
    stats = sessions.stats()
    assert (stats.leaked, stats.open_now, stats.pool_in_use) == (1, 0, 0)
    assert await rows(sessions) == 0
    with pytest.raises(SessionIsolationError):
        await session.execute(COUNT)
    await sessions.dispose()


async def test_a_block_that_ends_after_its_session_was_closed_as_a_leak_claims_no_success(
    platform_url: str, open_database
) -> None:
    time = [0.0]
    options = open_database(platform_url, max_session_s=30.0).options
    sessions = DatabaseSessionManager(platform_url, options=options, clock=lambda: time[0])
    with pytest.raises(SessionIsolationError, match="has ended"):
        async with sessions.session(person()) as session:
            await session.execute(insert("a"))
            time[0] = 31.0
            assert len(await sessions.close_leaks()) == 1
    stats = sessions.stats()
    assert (stats.committed, stats.rolled_back, stats.leaked, stats.open_now) == (0, 1, 1, 0)
    assert (stats.total_s, stats.longest_s) == (31.0, 31.0)
    assert await rows(sessions) == 0
    await sessions.dispose()


async def test_another_request_gets_no_connection_of_a_session_and_ends_nothing(sessions) -> None:
    handed = asyncio.Queue()
    refused = asyncio.Event()

    async def other_request() -> None:
        session = await handed.get()
        for reach in (session.connection, session.commit, session.flush):
            with pytest.raises(SessionIsolationError, match="another request"):
                await reach()
        refused.set()

    task = asyncio.create_task(other_request())
    async with sessions.session(person()) as session:
        await session.execute(insert("a"))
        session.add(Row())
        handed.put_nowait(session)
        await refused.wait()
        session.expunge_all()
        await session.rollback()
    await task
    assert await rows(sessions) == 0


async def test_a_listener_of_one_user_may_open_a_session_while_another_user_writes(
    sessions, commits
) -> None:
    state = UnifiedStateManager(SqlStateStore(sessions, commits))
    opened: asyncio.Queue[object] = asyncio.Queue()

    async def of_bob(_change: object) -> None:
        try:
            async with sessions.session(person("bob"), read_only=True) as session:
                opened.put_nowait(await session.scalar(COUNT))
        except SessionIsolationError as error:
            opened.put_nowait(error)

    state.add_listener(of_bob)
    async with sessions.session(person("ann"), read_only=True) as session:
        await session.execute(COUNT)
        await state.for_context(person("ann")).set("k", 1)
        assert await opened.get() == 0


async def test_the_pools_limit_holds_and_waiting_ends(platform_url: str, open_database) -> None:
    sessions = open_database(platform_url, pool_size=2, pool_overflow=1, pool_timeout_s=0.05)
    inside, leave = asyncio.Semaphore(0), asyncio.Event()

    async def hold() -> None:
        async with sessions.session(person(), read_only=True) as session:
            await session.execute(COUNT)
            inside.release()
            await leave.wait()

    holders = [asyncio.create_task(hold()) for _ in range(3)]
    for _ in holders:
        await inside.acquire()
    assert sessions.stats().pool_in_use == 3
    with pytest.raises(PoolExhaustedError) as caught:
        async with sessions.session(person(), read_only=True) as session:
            await session.execute(COUNT)
    assert caught.value.retryable
    leave.set()
    await asyncio.gather(*holders)
    assert await rows(sessions) == 0


async def test_many_requests_share_a_small_pool(platform_url: str, open_database) -> None:
    sessions = open_database(platform_url, pool_size=2, pool_overflow=0)
    most = 0

    async def work(number: int) -> None:
        nonlocal most
        async with sessions.session(person()) as session:
            await session.execute(insert(f"k{number}"))
            most = max(most, sessions.stats().pool_in_use)

    await asyncio.gather(*(work(number) for number in range(40)))
    assert most <= 2
    assert await rows(sessions) == 40


async def test_a_conflict_is_retried_where_asked_and_only_so_often(sessions) -> None:
    tries = []

    async def lose_twice(session) -> str:
        tries.append(1)
        await session.execute(insert(f"k{len(tries)}"))
        if len(tries) < 3:
            raise TransactionConflictError("lost")
        return "won"

    assert await sessions.run(person(), lose_twice) == "won"
    assert await rows(sessions) == 1

    async def always_lose(session) -> None:
        raise TransactionConflictError("lost")

    with pytest.raises(TransactionConflictError):
        await sessions.run(person(), always_lose, attempts=2)


async def test_health_names_what_is_wrong_and_never_raises(sessions, open_database) -> None:
    assert (await sessions.health_check()).ok
    broken = open_database("sqlite+aiosqlite:////no/such/folder/a.sqlite")
    health = await broken.health_check()
    assert not health.ok
    assert "DB-002" in health.error
    closed = open_database("sqlite+aiosqlite:///:memory:")
    await closed.dispose()
    assert not (await closed.health_check()).ok


async def test_a_read_only_session_cannot_write_while_a_writer_is_at_work(
    platform_sqlite: str, open_database
) -> None:
    sessions = open_database(platform_sqlite, busy_timeout_s=0.1)
    async with sessions.session(person()) as writer:
        await writer.execute(insert("a"))
        async with sessions.session(person(), read_only=True) as reader:
            assert await reader.scalar(COUNT) == 0
        with pytest.raises(NestedWriteError):
            async with sessions.session(person()) as second:
                await second.execute(insert("b"))


async def test_a_second_writer_waits_its_turn_and_not_for_ever(
    platform_sqlite: str, open_database
) -> None:
    sessions = open_database(platform_sqlite, busy_timeout_s=0.05)
    holding, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with sessions.session(person()) as session:
            await session.execute(insert("a"))
            holding.set()
            await leave.wait()

    holder = asyncio.create_task(hold())
    await holding.wait()
    with pytest.raises(DatabaseBusyError) as caught:
        async with sessions.session(person()) as session:
            await session.execute(insert("b"))
    assert caught.value.retryable
    leave.set()
    await holder
    assert await rows(sessions) == 1


async def test_foreign_rows_are_out_of_reach_of_raw_sql(platform_postgres, open_database) -> None:
    sessions = open_database(platform_postgres.app_url)
    for user in ("ann", "bob"):
        async with sessions.session(person(user)) as session:
            await session.execute(insert("k", user))
    async with sessions.session(person("ann")) as session:
        seen = (await session.scalars(text("SELECT user_id FROM state_fences"))).all()
        changed = await session.execute(text("UPDATE state_fences SET token = 9"))
        gone = await session.execute(text("DELETE FROM state_fences WHERE user_id = 'bob'"))
    assert (seen, changed.rowcount, gone.rowcount) == (["ann"], 1, 0)
    with pytest.raises(RowAccessError):
        async with sessions.session(person("ann")) as session:
            await session.execute(insert("x", "bob"))
    assert await rows(sessions) == 2


async def test_without_a_context_no_row_is_seen(platform_postgres, open_database) -> None:
    sessions = open_database(platform_postgres.app_url)
    async with sessions.session(person()) as session:
        await session.execute(insert("k"))
    async with sessions.engine.connect() as connection:
        assert await connection.scalar(COUNT) == 0
    owner = open_database(platform_postgres.migration_url)
    async with owner.engine.connect() as connection:
        assert await connection.scalar(COUNT) == 0


async def test_the_application_cannot_change_tables(platform_postgres, open_database) -> None:
    sessions = open_database(platform_postgres.app_url)
    for statement in (
        "ALTER TABLE state_fences DISABLE ROW LEVEL SECURITY",
        "DROP TABLE state_fences",
        "CREATE TABLE mine (a integer)",
        "DROP POLICY apex_rows ON state_fences",
    ):
        async with sessions.engine.connect() as connection:
            with pytest.raises(Exception, match=r"must be owner|permission denied"):
                await connection.execute(text(statement))


async def test_every_table_with_owners_forces_row_level_security(
    platform_postgres, open_database
) -> None:
    from netra_backend.migrations.runner import platform_metadata

    metadata: MetaData = platform_metadata()
    owned = {
        table.name
        for table in metadata.sorted_tables
        if {"workspace_id", "user_id"} & set(table.columns.keys())
    }
    sessions = open_database(platform_postgres.app_url)
    async with sessions.engine.connect() as connection:
        forced = await connection.scalars(
            text("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
        )
    assert owned <= set(forced)
    assert len(owned) >= 9


async def test_a_statement_that_runs_too_long_is_stopped(platform_postgres, open_database) -> None:
    sessions = open_database(platform_postgres.app_url, statement_timeout_s=0.05)
    with pytest.raises(StatementTimeoutError):
        async with sessions.session(person()) as session:
            await session.execute(text("SELECT pg_sleep(30)"))
    assert (await sessions.health_check()).ok


async def test_a_serialization_failure_is_retried_and_the_sum_is_right(
    platform_postgres, open_database
) -> None:
    sessions = open_database(platform_postgres.app_url)
    async with sessions.session(person()) as session:
        await session.execute(insert("k"))

    async def add(session) -> None:
        await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        token = await session.scalar(text("SELECT token FROM state_fences"))
        await session.execute(text("UPDATE state_fences SET token = :t").bindparams(t=token + 1))

    await asyncio.gather(*(sessions.run(person(), add, attempts=30) for _ in range(4)))
    async with sessions.session(person()) as session:
        assert await session.scalar(text("SELECT token FROM state_fences")) == 5


class TestGroupCommit:
    async def test_one_that_fails_takes_back_its_own_writes_alone(self, sessions, commits) -> None:
        def fine(name: str):
            return lambda connection: connection.execute(insert(name)).rowcount

        def broken(connection) -> None:
            connection.execute(insert("broken"))
            raise ZeroDivisionError

        works = [commits.submit(person(), fine(f"k{n}")) for n in range(10)]
        works[4:4] = [commits.submit(person(), broken)]
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        assert isinstance(outcomes[4], ZeroDivisionError)
        assert outcomes[:4] + outcomes[5:] == [1] * 10
        assert await rows(sessions) == 10

    async def test_each_work_sees_the_rows_of_its_own_context_alone(
        self, sessions, commits
    ) -> None:
        if sessions.dialect != "postgresql":
            return

        def write_and_count(user: str):
            def work(connection) -> int:
                connection.execute(insert("k", user))
                return connection.scalar(COUNT)

            return work

        counts = await asyncio.gather(
            *(commits.submit(person(f"u{n}"), write_and_count(f"u{n}")) for n in range(8))
        )
        assert counts == [1] * 8

    async def test_a_caller_that_leaves_does_not_take_the_others_along(
        self, sessions, commits
    ) -> None:
        tasks = [
            asyncio.create_task(commits.submit(person(), lambda c, n=n: c.execute(insert(f"k{n}"))))
            for n in range(10)
        ]
        await asyncio.sleep(0)
        tasks[3].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(o, asyncio.CancelledError) for o in outcomes].count(True) == 1
        await commits.close()
        assert await rows(sessions) == 10

    async def test_after_its_end_nothing_is_taken(self, sessions, commits) -> None:
        await commits.close()
        with pytest.raises(WriteQueueClosedError):
            await commits.submit(person(), lambda connection: None)

    async def test_sessions_and_groups_write_side_by_side(self, sessions, commits) -> None:
        async def by_session(n: int) -> None:
            async with sessions.session(person()) as session:
                await session.execute(insert(f"s{n}"))

        await asyncio.gather(
            *(by_session(n) for n in range(15)),
            *(
                commits.submit(person(), lambda c, n=n: c.execute(insert(f"g{n}")))
                for n in range(15)
            ),
        )
        assert await rows(sessions) == 30


async def test_a_teller_that_fails_costs_nobody_of_its_group_an_answer(
    commits: GroupCommit,
) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("told badly")

    heard: list[int] = []
    system = SystemContext(actor="test")
    async with asyncio.timeout(5):
        answers = await asyncio.gather(
            commits.submit(system, lambda _: 1, committed=fail),
            commits.submit(system, lambda _: 2, committed=heard.append),
        )
    assert (answers, heard) == ([1, 2], [2])
