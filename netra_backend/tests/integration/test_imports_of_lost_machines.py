"""Imports whose server dies again and again, or whose file is gone with its machine."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from netra_backend.errors import NodeNameTakenError
from netra_backend.jobs.imports import MOST_BEGUN
from netra_backend.jobs.store import ImportRecord, ImportStatus
from netra_backend.runs.durable import DurableEngine
from netra_backend.runs.nodes import GONE_AFTER, LOOKED_WITHIN, NodeWatch
from netra_backend.tests.kit import PLATFORM, Clock, ServerThread, Stack, person, stack
from netra_backend.usage.choice import UsageChoice
from netra_core.context import UserExecutionContext
from netra_core.database import DatabaseSessionManager
from netra_core.testing.waiting import eventually
from netra_optimizer import read_files
from netra_optimizer.usage.errors import NoUsableRow

if TYPE_CHECKING:
    from netra_core.testing.postgres import PostgresTestServer, TestDatabase
    from netra_optimizer import TenantUsage
    from netra_optimizer.usage.arrow_types import ArrowBatch

pytestmark = pytest.mark.integration
CTX = UserExecutionContext(user_id="u", workspace_id="w", request_id="r")


def calls(path: Path, rows: int) -> Path:
    """A table of calls."""
    lines = (f"2026-11-16T00:{n // 60 % 60:02}:{n % 60:02}Z,gpt-4o,{n},1\n" for n in range(rows))
    path.write_text("timestamp,model,input_tokens,output_tokens\n" + "".join(lines))
    return path


async def begin(made: Stack, path: Path, ctx: UserExecutionContext = CTX) -> ImportRecord:
    """An import of this file, wherever it lies."""
    return await made.platform.imports.begin(
        ctx, file_name="calls.csv", path=path, size=1, options={}
    )


async def until(made: Stack, import_id: str, *wanted: ImportStatus) -> ImportRecord:
    """The import once it stands there."""

    async def look() -> ImportRecord | None:
        found = await made.platform.import_store.get(CTX, import_id)
        return found if found.status in wanted else None

    return await eventually(look, what=f"the import to be {wanted}")


ENDED = (ImportStatus.COMPLETED, ImportStatus.FAILED, ImportStatus.CANCELLED)


def cut_off(home: Path, times: int) -> int:
    """Have all imports been cut off so often; how often they had been before."""
    with closing(sqlite3.connect(home / PLATFORM)) as platform, platform:
        (before,) = platform.execute("SELECT begun FROM imports").fetchone()
        platform.execute("UPDATE imports SET begun = ?", (times,))
    return before


async def test_an_import_that_was_cut_off_too_often_fails_and_is_begun_no_more(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    path = calls(tmp_path / "calls.csv", 300_000)
    async with stack(home) as made:
        import_id = (await begin(made, path)).id
        await until(made, import_id, ImportStatus.RUNNING)
    assert cut_off(home, MOST_BEGUN) == 0, "an orderly stop is no crash"
    async with stack(home) as made:
        found = await until(made, import_id, *ENDED)
    assert (found.status, found.error_code) == (ImportStatus.FAILED, "RUN-009")
    assert f"cut off {MOST_BEGUN} times" in (found.error_message or "")
    assert "smaller parts" in (found.error_message or "")
    assert not path.exists()


async def test_an_import_that_was_cut_off_fewer_times_ends_as_any_other(tmp_path: Path) -> None:
    home = tmp_path / "home"
    path = calls(tmp_path / "calls.csv", 100_000)
    async with stack(home) as made:
        import_id = (await begin(made, path)).id
        await until(made, import_id, ImportStatus.RUNNING)
    cut_off(home, MOST_BEGUN - 1)
    async with stack(home) as made:
        found = await until(made, import_id, *ENDED)
    assert (found.status, found.rows_kept) == (ImportStatus.COMPLETED, 100_000)


async def test_an_import_whose_file_is_not_there_fails_and_says_to_send_it_again(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path / "home") as made, person(made.url, "ada") as ada:
        ctx = UserExecutionContext(
            user_id=ada.user_id, workspace_id=ada.workspace_id, request_id="r"
        )
        import_id = (await begin(made, tmp_path / "gone.csv", ctx)).id

        async def failed() -> dict[str, Any] | None:
            found = (await ada.http.get(f"/api/usage/imports/{import_id}")).json()
            return found if found["status"] == "failed" else None

        error = (await eventually(failed, what="the import to fail"))["error"]
    assert error["code"] == "RUN-013"
    assert "Send it again" in error["message"]
    assert str(tmp_path) not in error["message"]


async def test_an_import_whose_machine_is_gone_with_the_file_fails_after_a_while(
    tmp_path: Path, postgres: "PostgresTestServer"
) -> None:
    clock = Clock()
    with ServerThread(
        tmp_path, database=postgres.new_database(), node_id="survivor", clock=clock
    ) as node:

        async def accepted(made: Stack) -> str:
            """By another machine, which died of it."""
            record = await made.platform.import_store.create(
                CTX, file_name="calls.csv", path=str(tmp_path / "there" / "x"), size=1, options={},
                node="victim",
            )  # fmt: skip
            return record.id

        import_id = await node.call(accepted)

        async def looked(made: Stack) -> ImportRecord:
            await made.platform.nodes.turn()
            return await made.platform.import_store.get(CTX, import_id)

        for _ in range(3):
            clock.ahead += GONE_AFTER  # a clock that was set, or a platform that slept
            assert (await node.call(looked)).status is ImportStatus.QUEUED
        for _ in range(GONE_AFTER // LOOKED_WITHIN + 2):
            clock.ahead += LOOKED_WITHIN * 0.9
            found = await node.call(looked)
    assert (found.status, found.error_code) == (ImportStatus.FAILED, "RUN-013")


async def test_what_a_given_up_import_left_of_a_larger_export_does_not_count_beside_the_earlier(
    tmp_path: Path,
) -> None:

    def export(requests: int) -> "list[ArrowBatch]":
        path = tmp_path / f"{requests}.csv"
        path.write_text(
            "id,date,model,requests,input_tokens,output_tokens\n"
            f"day-1,2026-11-20,gpt-4o,{requests},{requests},0\n"
        )
        return list(read_files(path).batches())

    def killed(tenant: "TenantUsage", import_id: str) -> None:
        def part() -> "Iterator[ArrowBatch]":
            yield export(9)[0].slice(0, 5)
            raise NoUsableRow("Here it was killed.", hint="")

        with pytest.raises(NoUsableRow):
            tenant.insert(part(), import_id=import_id, block_rows=1)

    async with stack(tmp_path / "home") as made:
        usage, store = made.platform.usage, made.platform.import_store
        lost = await store.create(
            CTX, file_name="x", path=str(tmp_path / "gone"), size=1, options={}, node="victim"
        )
        await usage.run(CTX, lambda tenant, _: tenant.insert(export(3), import_id="earlier"))
        await usage.run(CTX, lambda tenant, _: killed(tenant, lost.id))
        assert (await usage.totals(CTX, UsageChoice())).requests == 8
        await made.platform.imports.give_up(["victim"])
        assert (await usage.totals(CTX, UsageChoice())).requests == 3
        assert (await store.get(CTX, lost.id)).error_code == "RUN-013"


@asynccontextmanager
async def another_process(database: "TestDatabase", name: str) -> AsyncGenerator[NodeWatch]:
    """A node under a name of ours, that has beaten once."""

    async def nothing(_: Any) -> Any:
        return set()

    sessions = DatabaseSessionManager(database.app_url)
    watch = NodeWatch(
        sessions=sessions,
        engine=DurableEngine(url="sqlite://", node_id=name),
        left=(),
        stranded=nothing,
        give_up=nothing,
        clock=Clock().now,
        incarnation="another",
    )
    await watch.beat()
    yield watch
    await sessions.dispose()


@asynccontextmanager
async def twin(database: "TestDatabase", name: str) -> AsyncGenerator[None]:
    """A node under a name of ours, alive."""
    async with another_process(database, name) as watch:
        beating = asyncio.create_task(watch.watch())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)


async def test_a_node_on_a_copied_home_takes_another_name_than_the_one_that_lives(
    tmp_path: Path, postgres: "PostgresTestServer"
) -> None:
    database, home = postgres.new_database(), tmp_path / "home"
    async with stack(home, database=database) as made:
        name = made.platform.engine.node_id
    async with twin(database, name), stack(home, database=database) as made:
        platform = made.platform
        new = platform.engine.node_id
        assert new != name
        assert {name, new} <= (await platform.nodes.living()).keys()
        assert platform.spool.name("x").startswith(f"{new}~")
    async with stack(home, database=database) as made:
        assert made.platform.engine.node_id == new


async def test_two_living_nodes_that_were_given_one_name_are_told_so(
    tmp_path: Path, postgres: "PostgresTestServer"
) -> None:
    database, home = postgres.new_database(), tmp_path / "home"
    async with stack(home, database=database, node_id="one"):
        pass
    async with twin(database, "one"):
        with pytest.raises(NodeNameTakenError, match="'one'") as refused:
            async with stack(home, database=database, node_id="one"):
                pass
    assert refused.value.code == "RUN-014"


async def test_a_node_started_again_at_once_after_a_kill_keeps_its_name(
    tmp_path: Path, postgres: "PostgresTestServer"
) -> None:
    database, home = postgres.new_database(), tmp_path / "home"
    async with stack(home, database=database) as made:
        name = made.platform.engine.node_id
    async with another_process(database, name), stack(home, database=database) as made:
        assert made.platform.engine.node_id == name
