"""What the sockets of a killed node kept in the shared state goes with them."""

import asyncio
import contextlib
import json
import signal
import sqlite3
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from netra_backend.tests.crash_child import Plan
from netra_backend.tests.kill_kit import start
from netra_backend.tests.kit import Person, ServerThread, Stack, person, stack
from netra_backend.tests.socket_child import keep
from netra_core.database import SystemContext
from netra_core.state import Scope
from netra_core.testing.waiting import eventually

if TYPE_CHECKING:
    from netra_core.testing.postgres import PostgresTestServer

pytestmark = [pytest.mark.integration, pytest.mark.process]


@pytest.fixture
def survivor(
    tmp_path: Path, postgres: "PostgresTestServer"
) -> Generator[tuple[ServerThread, Plan]]:
    """A node, and the plan of another on the same database."""
    database = postgres.new_database()
    place = (database.name, database.host, database.port)
    plan = Plan(home=str(tmp_path), number=0, at=0, database=place, node_id="victim")
    with ServerThread(tmp_path, database=database, node_id="survivor") as node:
        yield node, plan


async def subjects(made: Stack) -> list[str]:
    """The connections that keep something."""
    state = made.platform.deps.state
    assert state is not None
    left = await state.store.owners(SystemContext(actor="test"), Scope.WEBSOCKET)
    return [owner.subject for owner in left]


async def until_left(node: ServerThread, wanted: list[str]) -> None:
    async def so() -> bool:
        return await node.call(subjects) == wanted

    await eventually(so)


async def kept_by(node: ServerThread, ada: Person, connection_id: str) -> None:
    async def write(made: Stack) -> str:
        assert made.platform.deps.state is not None
        return await keep(made.platform.deps.state, ada, connection_id)

    assert await node.call(write) == "written"


async def said(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    while line := await asyncio.to_thread(process.stdout.readline):
        if line.startswith("{"):
            return json.loads(line)
    raise AssertionError(process.stderr and process.stderr.read())


async def test_state_of_a_killed_nodes_sockets_is_deleted_by_one_that_lives_and_nobody_elses(
    survivor: tuple[ServerThread, Plan],
) -> None:
    node, plan = survivor
    async with person(node.url, "ada") as ada, ada.socket() as mine:
        my_id = mine.established["connection_id"]
        await kept_by(node, ada, my_id)
        with start(plan, module="netra_backend.tests.socket_child") as process:
            theirs = await said(process)
            assert theirs["outcome"] == ["written", "written"]
            assert sorted([my_id, *theirs["ids"]]) == sorted(await node.call(subjects))
            process.send_signal(signal.SIGKILL)
            await until_left(node, [my_id])
            process.communicate()


async def test_a_node_that_was_only_stopped_writes_nothing_for_old_sockets_and_closes_them(
    survivor: tuple[ServerThread, Plan],
) -> None:
    node, plan = survivor
    async with person(node.url, "ada"):
        with start(plan, module="netra_backend.tests.socket_child") as process:
            await said(process)
            process.send_signal(signal.SIGSTOP)
            await until_left(node, [])
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
            process.send_signal(signal.SIGCONT)
            woke = await said(process)
            process.communicate()
        await until_left(node, [])
    assert (woke["held"], woke["closed"], woke["again"]) == (False, [1012, 1012], "written")


async def test_on_one_node_what_a_killed_process_left_is_gone_with_the_next_start(
    tmp_path: Path,
) -> None:
    with start(
        Plan(home=str(tmp_path), number=0, at=0), module="netra_backend.tests.socket_child"
    ) as process:
        assert (await said(process))["outcome"] == ["written", "written"]
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert left_in(tmp_path) == 2
    async with stack(tmp_path) as made:
        assert await subjects(made) == []
    assert left_in(tmp_path) == 0


def left_in(home: Path) -> int:
    """Entries of sockets that have a value, as the file has them."""
    (file,) = (path for path in home.glob("*.sqlite*") if holds_state(path))
    with contextlib.closing(sqlite3.connect(file)) as connection:
        query = "SELECT count(*) FROM state_entries WHERE scope = 'websocket' AND data IS NOT NULL"
        return connection.execute(query).fetchone()[0]


def holds_state(path: Path) -> bool:
    if path.suffix != ".sqlite":
        return False
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    return ("state_entries",) in names
