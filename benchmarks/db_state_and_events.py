"""Databases, state and events against bare SQLAlchemy on the same machine, in one run.

    python benchmarks/db_state_and_events.py [--url URL] [--seconds 2] [--json]

On a fresh SQLite file unless --url names a database with the platform's tables (it is written
to). Each pair of figures alternates between the two sides, best of three rounds each, so that a
ratio compares like with like. Durability is the same on both sides: the write-ahead log is synced
at each commit. Not measured: networks, several processes, other disks.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from netra_backend.migrations import migrate_platform
from netra_core import UserExecutionContext
from netra_core.database import DatabaseSessionManager, GroupCommit, SystemContext
from netra_core.events import AgentStarted, AgentThinking, NewEvent
from netra_core.events.log import SqlEventLog
from netra_core.state import MemoryStateStore, UnifiedStateManager
from netra_core.state.sql import SqlStateStore

ROUNDS = 3
SYSTEM = SystemContext(actor="bench")
ANN = UserExecutionContext(user_id="ann", workspace_id="acme", request_id="bench")
AT = "scope = 'user' AND workspace_id = 'acme' AND user_id = 'ann' AND subject = '' AND key = :key"
TICK = text("UPDATE state_clock SET revision = revision + 1 WHERE id = 1 RETURNING revision")
SELECT = text(f"SELECT * FROM state_entries WHERE {AT}")
UPSERT = text(
    "INSERT INTO state_entries (scope, workspace_id, user_id, subject, key, data, version,"
    " revision, updated_at, updated_by) VALUES ('user', 'acme', 'ann', '', :key, :data, :version,"
    " :revision, 0, 'ann') ON CONFLICT (scope, workspace_id, user_id, subject, key) DO UPDATE SET"
    " data = excluded.data, version = excluded.version, revision = excluded.revision"
)
HISTORY = text(
    "INSERT INTO state_changes (revision, scope, workspace_id, user_id, subject, key, operation,"
    " data, version, at, by) VALUES (:revision, 'user', 'acme', 'ann', '', :key, 'set', :data,"
    " :version, 0, 'ann')"
)

Work = Callable[[int], Awaitable[object]]


async def rate(work: Work, seconds: float, *, clients: int = 1) -> float:
    """How many times a second `work` completes, with so many clients at once."""
    done, end = 0, time.perf_counter() + seconds

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await work(done)
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return done / (time.perf_counter() - started)


async def median_us(work: Work, count: int = 500) -> float:
    """The median time of one call, in microseconds."""
    times: list[float] = []
    for number in range(count):
        started = time.perf_counter()
        await work(number)
        times.append(time.perf_counter() - started)
    return sorted(times)[count // 2] * 1e6


async def best_of(sides: dict[str, Work], seconds: float, *, clients: int = 1) -> dict[str, float]:
    """The best of several alternating rounds of each side."""
    best = dict.fromkeys(sides, 0.0)
    for _ in range(ROUNDS):
        for name, work in sides.items():
            best[name] = max(best[name], await rate(work, seconds / ROUNDS, clients=clients))
    return best


def bare_engine(url: str) -> AsyncEngine:
    """SQLAlchemy as its documentation sets it up, with the same durability."""
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def prepare(connection, _record) -> None:
            connection.isolation_level = None
            cursor = connection.cursor()
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 5000"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


async def compare_and_set(
    bare: AsyncEngine, manager: UnifiedStateManager, seconds: float, clients: int
) -> dict[str, float]:
    """One hot key: read it, check its version, write entry and history."""
    view, lock = manager.for_context(ANN), asyncio.Lock()
    versions = {"ours": 0}

    async def ours(_: int) -> None:
        async with lock:
            entry = await view.compare_and_set("hot", "x", expected_version=versions["ours"])
            versions["ours"] = entry.version

    async def plain(_: int) -> None:
        async with lock, bare.begin() as connection:
            revision = await connection.scalar(TICK)
            row = (await connection.execute(SELECT, {"key": "bare"})).first()
            version = row.version + 1 if row else 1
            values = {"key": "bare", "data": '"x"', "version": version, "revision": revision}
            await connection.execute(UPSERT, values)
            await connection.execute(HISTORY, values)

    return await best_of({"ours": ours, "bare": plain}, seconds, clients=clients)


async def appends(log: SqlEventLog, seconds: float, *, users: int, at_once: int) -> float:
    """Events a second from many users, each with several appends under way."""
    people = [
        UserExecutionContext(user_id=f"u{number}", workspace_id="acme", request_id="bench")
        for number in range(users)
    ]
    run = f"{time.time_ns()}"
    await asyncio.gather(
        *(log.append(ctx, new_event(AgentStarted("go"), f"{run}-{n}", "start", 0))
          for n, ctx in enumerate(people))
    )  # fmt: skip
    counters = [0] * users

    async def work(number: int) -> None:
        user = number % users
        counters[user] += 1
        thought = AgentThinking("x" * 120, counters[user])
        await log.append(people[user], new_event(thought, f"{run}-{user}", "t", counters[user]))

    numbers = iter(range(10**9))
    return await rate(lambda _: work(next(numbers)), seconds, clients=users * at_once)


async def batches(log: SqlEventLog, seconds: float, *, users: int, size: int) -> float:
    """Events a second from many users who append `size` events at a time."""
    people = [
        UserExecutionContext(user_id=f"b{number}", workspace_id="acme", request_id="bench")
        for number in range(users)
    ]
    run = f"{time.time_ns()}"
    counters = [0] * users
    for n, ctx in enumerate(people):
        await log.append(ctx, new_event(AgentStarted("go"), f"{run}-{n}", "start", 0))

    async def work(number: int) -> None:
        user = number % users
        first, counters[user] = counters[user] + 1, counters[user] + size
        steps = range(first, first + size)
        events = [
            new_event(AgentThinking("x" * 120, step), f"{run}-{user}", "t", step) for step in steps
        ]
        await log.append_many(people[user], events)

    numbers = iter(range(10**9))
    return size * await rate(lambda _: work(next(numbers)), seconds, clients=users)


def new_event(payload: AgentStarted | AgentThinking, run: str, step: str, ordinal: int) -> NewEvent:
    """An event of a bench run."""
    return NewEvent.of(
        payload, run_id=run, thread_id="t", step=step, ordinal=ordinal, agent_name="supervisor"
    )


async def sessions_cost(
    bare: AsyncEngine, sessions: DatabaseSessionManager, seconds: float
) -> dict[str, float]:
    """Microseconds of a session that asks one thing, ours and SQLAlchemy's."""
    one = text("SELECT 1")

    async def ours(_: int) -> None:
        async with sessions.session(ANN) as session:
            await session.execute(one)

    async def plain(_: int) -> None:
        async with AsyncSession(bare) as session, session.begin():
            await session.execute(one)

    rates = await best_of({"ours": ours, "bare": plain}, seconds)
    return {name: 1e6 / value for name, value in rates.items()}


async def growth(sizes: list[int], folder: Path) -> list[dict[str, float]]:
    """Median microseconds of a read and of a write with so many entries there already."""
    figures: list[dict[str, float]] = []
    for size in sizes:
        url = f"sqlite+aiosqlite:///{folder}/growth-{size}.sqlite"
        await migrate_platform(url)
        sessions = DatabaseSessionManager(url)
        commits = GroupCommit(sessions)
        view = UnifiedStateManager(SqlStateStore(sessions, commits)).for_context(ANN)
        await commits.submit(ANN, lambda c, n=size: fill(c, n))
        await view.set("first", 0)
        await sessions.engines.write(SYSTEM, checkpoint)
        read = await median_us(lambda n, v=view, m=size: v.get(f"k{(n * 7919) % m}"))
        write = await median_us(lambda n, v=view, m=size: v.set(f"k{(n * 7919) % m}", n))
        figures.append({"entries": size, "read_us": read, "write_us": write})
        await commits.close()
        await sessions.dispose()
    return figures


def checkpoint(connection) -> None:
    """Fold the log of the filling into the file, so that it is not measured."""
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.exec_driver_sql("BEGIN")


def fill(connection, count: int) -> None:
    """Entries and their history, made by the database itself."""
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})"
    )
    connection.exec_driver_sql(
        "INSERT INTO state_entries (scope, workspace_id, user_id, subject, key, data, version,"
        f" revision, updated_at, updated_by) {numbers}"
        " SELECT 'user', 'acme', 'ann', '', 'k' || i, '1', 1, i + 1, 0, 'ann' FROM n"
    )
    connection.exec_driver_sql(
        "INSERT INTO state_changes (revision, scope, workspace_id, user_id, subject, key,"
        f" operation, data, version, at, by) {numbers}"
        " SELECT i + 1, 'user', 'acme', 'ann', '', 'k' || i, 'set', '1', 1, 0, 'ann' FROM n"
    )
    connection.exec_driver_sql(
        f"INSERT INTO state_clock (id, revision, floor) VALUES (1, {count}, 0)"
    )


async def measure(url: str | None, seconds: float, sizes: list[int]) -> dict[str, object]:
    """All figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if url is None:
            url = f"sqlite+aiosqlite:///{folder}/bench.sqlite"
            await migrate_platform(url)
        sessions = DatabaseSessionManager(url)
        commits = GroupCommit(sessions)
        manager = UnifiedStateManager(SqlStateStore(sessions, commits))
        log = SqlEventLog(sessions, commits)
        bare = bare_engine(url)
        memory = UnifiedStateManager(MemoryStateStore()).for_context(ANN)
        await memory.set("k", {"a": 1})
        single = await compare_and_set(bare, manager, seconds, 1)
        session = await sessions_cost(bare, sessions, seconds)
        figures: dict[str, object] = {
            "cas_per_s": single,
            "cas_ratio": single["ours"] / single["bare"],
            "append_one_user_per_s": await appends(log, seconds, users=1, at_once=1),
            "append_100_users_one_by_one_per_s": await appends(log, seconds, users=100, at_once=1),
            "append_100_users_per_s": await appends(log, seconds, users=100, at_once=5),
            "append_100_users_by_10_per_s": await batches(log, seconds, users=100, size=10),
            "append_1000_users_per_s": await appends(log, seconds, users=1000, at_once=1),
            "memory_reads_per_s": await rate(lambda _: memory.get("k"), seconds),
            "session_us": session,
            "session_extra_us": session["ours"] - session["bare"],
            "growth": await growth(sizes, folder),
        }
        await log.close()
        await commits.close()
        await sessions.dispose()
        await bare.dispose()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    figures = asyncio.run(measure(given.url, given.seconds, given.sizes))
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:26} {figure}")


if __name__ == "__main__":
    main()
