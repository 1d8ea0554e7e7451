"""After a deletion nothing is left: every table is read, whatever tables there are."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Connection,
    Float,
    Integer,
    Table,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.ext.asyncio import create_async_engine

from netra_backend.erasure import EMPTIED, SETTLED_AFTER_S
from netra_backend.errors import NotFoundError
from netra_backend.tables import UtcDateTime, metadata
from netra_backend.tests.kit import Clock, Person, Stack, ended, person, stack
from netra_core.context import UserExecutionContext
from netra_core.database import SystemContext
from netra_core.database.postgres import set_row_scope
from netra_core.state import Scope
from netra_core.testing.postgres import MIGRATION_ROLE, TestDatabase
from netra_core.testing.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.both_databases]
SECRET = "canary"
"""In everything that is to go, and in nothing else."""
OWNED = [table for table in metadata.tables.values() if "workspace_id" in table.c]


class Place:
    """A platform, and where it keeps what it keeps."""

    def __init__(self, made: Stack, home: Path, database: TestDatabase | None) -> None:
        self.made = made
        self.home = home
        self._database = database

    async def everything(self) -> dict[str, list[str]]:
        """Every row of every table of the platform and of its durable steps, as text."""
        if self._database is not None:
            urls = [self._database.url(MIGRATION_ROLE)]
        else:
            urls = [
                f"sqlite+aiosqlite:///{self.home / f'{n}.sqlite'}" for n in ("platform", "dbos")
            ]
        found: dict[str, list[str]] = {}
        for url in urls:
            engine = create_async_engine(url)
            async with engine.connect() as connection:
                found |= await connection.run_sync(_dump)
            await engine.dispose()
        return found

    async def tables_with(self, word: str) -> list[str]:
        """Names of tables in which the word stands."""
        found = await self.everything()
        return sorted(name for name, rows in found.items() if any(word in row for row in rows))


def _dump(connection: Connection) -> dict[str, list[str]]:
    seen = inspect(connection)
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:  # nothing is hidden from the platform itself
        set_row_scope(connection, SystemContext(actor="test"))
    schemas = [s for s in seen.get_schema_names() if s in ("platform", "dbos")]
    names = [(schema, name) for schema in schemas for name in seen.get_table_names(schema)]
    if not postgresql:
        names = [("main", name) for name in seen.get_table_names()]
    return {
        f"{schema}.{name}": [
            str(row) for row in connection.execute(text(f'SELECT * FROM "{schema}"."{name}"'))
        ]
        for schema, name in names
    }


@asynccontextmanager
async def place(
    home: Path, database: TestDatabase | None, *, clock: Clock | None = None
) -> AsyncGenerator[Place]:
    async with stack(home, database=database, clock=clock) as made:
        yield Place(made, home, database)


def of(someone: Person, thread_id: str | None = None) -> UserExecutionContext:
    return UserExecutionContext(
        user_id=someone.user_id,
        workspace_id=someone.workspace_id,
        session_id="s",
        thread_id=thread_id,
        request_id="r",
    )


async def lived_in(at: Place, who: Person, usage: Path, *, word: str) -> dict[str, Any]:
    """Somebody who has used everything: a run, an upload, state in every scope, a row elsewhere."""
    await who.upload(usage)
    accepted = await who.ask(f"Where does {word} cost us most?")
    run = await ended(who, accepted["run_id"])
    state = at.made.platform.deps.state
    assert state is not None
    view = state.for_context(
        of(who, accepted["thread_id"]), agent=f"a-{word}", connection_id=f"c/{word}"
    )
    for scope in Scope:
        if scope is not Scope.GLOBAL:
            await view.set("k", [word], scope=scope)
    ids = {"thread_id": accepted["thread_id"], "run_id": accepted["run_id"], "by_run": run["id"]}
    await fill(at, who, ids, word)
    return accepted


async def fill(at: Place, who: Person, ids: dict[str, str], word: str) -> None:
    """A row of theirs in each table that has none yet."""
    async with at.made.sessions.session(SystemContext(actor="test")) as session:
        for table in OWNED:
            mine = select(table).where(table.c.workspace_id == who.workspace_id).limit(1)
            if (await session.execute(mine)).first() is None:
                owner = {"workspace_id": who.workspace_id, "user_id": who.user_id, **ids}
                await session.execute(insert(table).values(_row(table, owner, word)))


def _row(table: Table, known: dict[str, str], word: str) -> dict[str, Any]:
    return {
        column.name: known.get(column.name, _value(column.type, word)) for column in table.columns
    }


def _value(kind: Any, word: str) -> Any:
    if isinstance(kind, UtcDateTime):
        return datetime.now(UTC)
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Integer | Float):
        return 7
    return word[: getattr(kind, "length", None) or 99]


async def test_deleting_a_thread_leaves_nothing_of_it_and_all_of_the_others(
    tmp_path: Path, platform_at: TestDatabase | None, usage_file: Path
) -> None:
    async with place(tmp_path, platform_at) as at, person(at.made.url, "ada") as ada:
        gone = await lived_in(at, ada, usage_file, word=SECRET)
        kept = await ada.ask("And what remains?")
        await ended(ada, kept["run_id"])
        open_run = await ada.say(gone["thread_id"], f"{SECRET} again")
        deleted = await ada.http.delete(f"/api/threads/{gone['thread_id']}")
        again = await ada.http.delete(f"/api/threads/{gone['thread_id']}")
        events = [await ada.http.get(f"/api/runs/{r['run_id']}") for r in (gone, open_run, kept)]
        everything = await at.everything()
    named = {name for name, rows in everything.items() if any(gone["run_id"] in r for r in rows)}
    assert (deleted.status_code, again.status_code) == (204, 404)
    assert [answer.status_code for answer in events] == [404, 404, 200]
    holds = {name.split(".")[1] for name, rows in everything.items() if SECRET in str(rows)}
    # What belongs to the workspace: its analyses, its state; a user's own state; other sockets.
    assert holds <= {
        "analyses",
        "opportunities",
        "imports",
        "removals",
        "pauses",
        "state_entries",
        "state_changes",
        "state_fences",
    }
    assert {name.split(".")[1] for name in named} <= {"analyses", "events", "event_runs"}


async def test_deleting_a_person_leaves_no_content_of_theirs_and_the_workspace_of_others_whole(
    tmp_path: Path, platform_at: TestDatabase | None, usage_file: Path
) -> None:
    async with (
        place(tmp_path, platform_at) as at,
        person(at.made.url, "ada") as ada,
        person(at.made.url, "bob") as bob,
    ):
        await lived_in(at, ada, usage_file, word=SECRET)
        await lived_in(at, bob, usage_file, word="remains")
        assert len(await at.tables_with(SECRET)) > 10, "ada is everywhere"
        before = {n: rows for n, rows in (await at.everything()).items() if "bob" not in n}
        await erase(ada, "ada")
        await until_gone(at, SECRET)
        everything = await at.everything()
        bobs = (await bob.http.get("/api/usage/summary")).json()
        adas = await usage_of(at, ada)
        files = sorted(path.name for path in (tmp_path / "uploads").iterdir())
    assert left_of(everything, ada.user_id) | left_of(everything, ada.workspace_id) <= EMPTIED
    assert (adas, bobs["requests"], files) == (0, 480, [])
    for name, rows in before.items():
        kept = [row for row in rows if "remains" in row]
        assert all(row in everything[name] for row in kept), name


async def test_a_run_that_is_begun_while_its_thread_is_deleted_goes_with_it(
    tmp_path: Path, platform_at: TestDatabase | None
) -> None:
    async with place(tmp_path, platform_at) as at, person(at.made.url, "ada") as ada:
        first = await ada.ask("Where does the money go?")
        run = await ended(ada, first["run_id"])
        platform, begun = at.made.platform, list[str]()
        erase_steps = platform.engine.erase
        before = await platform.run_store.get(of(ada), run["id"])

        async def say_and_erase(work_ids: Sequence[str]) -> None:
            if not begun:  # what is to be deleted was looked up, and is not deleted yet
                said = await ada.say(first["thread_id"], f"What of {SECRET}?")
                begun.append(said["run_id"])
                await ended(ada, said["run_id"])
            await erase_steps(work_ids)

        platform.engine.erase = say_and_erase
        deleted = await ada.http.delete(f"/api/threads/{first['thread_id']}")
        with pytest.raises(NotFoundError):
            await platform.chat_store.run_again(
                of(ada), before, question=SECRET, steps_from=None, waiting_limit=9
            )
        holds = {name.split(".")[1] for name in await at.tables_with(SECRET)}
    assert (deleted.status_code, len(begun)) == (204, 1)
    assert holds <= {"analyses", "opportunities"}, "what belongs to the workspace"


async def test_what_another_node_still_let_in_goes_once_nothing_more_can_come(
    tmp_path: Path, platform_at: TestDatabase | None, usage_file: Path
) -> None:
    clock = Clock()
    async with (
        place(tmp_path, platform_at, clock=clock) as at,
        person(at.made.url, "ada") as ada,
    ):
        await lived_in(at, ada, usage_file, word=SECRET)
        erasure = at.made.platform.erasure
        erasure.ask(("workspace", ada.workspace_id), at=clock.now().timestamp())
        await until_gone(at, SECRET)
        await fill(at, ada, {"thread_id": "late", "run_id": "late", "by_run": "late"}, SECRET)
        await erasure.work()
        late = await at.tables_with(SECRET)
        clock.ahead = timedelta(seconds=SETTLED_AFTER_S)
        await until_gone(at, SECRET)
    assert late, "not erased again and again meanwhile"


def left_of(everything: dict[str, list[str]], owner: str) -> set[str]:
    """Names of the tables with rows that name this owner, but for the note of the erasure."""
    left = [
        name
        for name, rows in everything.items()
        if any(owner in row and "'erased/" not in row for row in rows)
    ]
    return {name.split(".")[1] for name in left}


async def test_deleting_a_workspace_leaves_nothing_of_anybody_in_it(
    tmp_path: Path, platform_at: TestDatabase | None, usage_file: Path
) -> None:
    async with place(tmp_path, platform_at) as at, person(at.made.url, "ada") as ada:
        made = await ada.http.post("/auth/workspaces", json={"name": "Second"})
        second = made.raise_for_status().json()["id"]
        entered = await ada.http.post(f"/auth/workspaces/{second}/token")
        inside = {"Authorization": f"Bearer {entered.raise_for_status().json()['access_token']}"}
        first, ada.workspace_id = ada.workspace_id, second
        outside = dict(ada.http.headers)
        ada.http.headers.update(inside)
        await lived_in(at, ada, usage_file, word=SECRET)
        asked = await ada.http.post("/api/usage/erase", json={"user": "u-1"})
        removal = f"/api/usage/removals/{asked.raise_for_status().json()['removal_id']}"

        async def removed() -> bool:
            return (await ada.http.get(removal)).json()["status"] == "completed"

        await eventually(removed, what="the removal to be done")
        ada.http.headers.update(outside)
        deleted = await ada.http.delete(f"/auth/workspaces/{second}")
        await until_gone(at, SECRET)
        everything = await at.everything()
        refused = await ada.http.get("/api/threads", headers=inside)
        left = await usage_of(at, ada)
        last = await ada.http.delete(f"/auth/workspaces/{first}")
        files = list((tmp_path / "uploads").iterdir())
    assert (deleted.status_code, refused.status_code, last.status_code) == (204, 401, 409)
    assert left_of(everything, second) <= EMPTIED
    assert left_of(everything, removal.rpartition("/")[2]) == set(), "nor its recorded steps"
    assert (left, files) == (0, [])


async def test_a_deletion_that_the_platform_slept_through_is_made_up_for_when_it_starts(
    tmp_path: Path, platform_at: TestDatabase | None, usage_file: Path
) -> None:
    async with place(tmp_path, platform_at) as at, person(at.made.url, "ada") as ada:
        await lived_in(at, ada, usage_file, word=SECRET)
        user_id = ada.user_id
    async with place(tmp_path, platform_at) as at:
        at.made.platform.erasure.ask = lambda subject, at: None  # it heard nothing
        await at.made.auth.accounts.erase(user_id)
    async with place(tmp_path, platform_at) as at:
        await until_gone(at, SECRET)
        assert left_of(await at.everything(), user_id) <= EMPTIED


async def erase(who: Person, name: str) -> None:
    password = {"password": f"correct horse {name} staple 9"}
    (await who.http.post("/auth/me/erase", json=password)).raise_for_status()


async def until_gone(at: Place, word: str) -> None:
    async def gone() -> bool:
        return not await at.tables_with(word)

    await eventually(gone, what="the last row of it to go")


async def usage_of(at: Place, who: Person) -> int:
    return await at.made.platform.usage.run(of(who), lambda tenant, _: tenant.count())
