"""The same service on PostgreSQL: two nodes, concurrent writers, one truth."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest

from netra_auth import AuthDatabaseManager
from netra_auth.api_keys import Scope
from netra_auth.options import Registration
from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import PASSWORD, Account, Kit
from netra_core.testing.postgres import TestDatabase

pytestmark = [pytest.mark.integration, pytest.mark.process]


@pytest.fixture
async def nodes(
    start_auth: StartAuth, postgres_database: TestDatabase
) -> AsyncGenerator[tuple[Kit, Kit]]:
    """Two nodes of the service on one database and one key folder."""
    url = postgres_database.migration_url
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(start_auth(database=url))
        second = await stack.enter_async_context(start_auth(database=url))
        yield first, second


async def test_twenty_parallel_refreshes_over_two_nodes_make_one_successor(
    nodes: tuple[Kit, Kit],
) -> None:
    account = await nodes[0].register("ada@example.com")
    answers = await asyncio.gather(*(nodes[n % 2].refresh(account.refresh) for n in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    nodes[0].clock.move(11)
    late = await asyncio.gather(*(nodes[n % 2].refresh(account.refresh) for n in range(20)))
    assert {answer.status_code for answer in late} == {401}
    assert (await nodes[1].refresh(answers[0].json()["refresh_token"])).status_code == 401


async def test_a_change_on_one_node_reaches_a_reader_who_waits_at_the_other(
    nodes: tuple[Kit, Kit],
) -> None:
    account = await nodes[0].register("ada@example.com")
    after = (await nodes[1].changes())["last"]
    waiting = asyncio.create_task(nodes[1].changes(after, wait_s=20))
    await nodes[0].http.post("/auth/logout", json={"refresh_token": account.refresh})
    feed = await waiting
    assert [change["kind"] for change in feed["changes"]] == ["session_revoked"]


async def test_concurrent_changes_are_numbered_without_gaps_and_the_chain_holds(
    nodes: tuple[Kit, Kit],
) -> None:
    account = await nodes[0].register("ada@example.com")
    logins = await asyncio.gather(*(nodes[n % 2].login("ada@example.com") for n in range(10)))
    await asyncio.gather(
        *(
            nodes[n % 2].http.post("/auth/logout", json={"refresh_token": login.refresh})
            for n, login in enumerate(logins)
        )
    )
    feed = await nodes[0].changes()
    assert [change["id"] for change in feed["changes"]] == list(range(1, 11))
    assert (await nodes[1].me(account)).status_code == 200
    async with nodes[0].parts.deps.database.session() as connection:
        assert await nodes[0].parts.audit.verify(connection) is None


async def test_two_owners_who_leave_at_once_leave_one_behind(nodes: tuple[Kit, Kit]) -> None:
    ada = await nodes[0].register("ada@example.com")
    bob = await nodes[0].register("bob@example.com")
    await nodes[0].join(ada, bob, "owner")

    async def leave(kit: Kit, account: Account) -> int:
        path = f"/auth/workspaces/{ada.workspace_id}/members/{account.user_id}"
        return (await kit.http.delete(path, headers=account.headers)).status_code

    codes = await asyncio.gather(leave(nodes[0], ada), leave(nodes[1], bob))
    assert sorted(codes) == [204, 409]


async def test_one_link_redeemed_twice_at_once_works_once(nodes: tuple[Kit, Kit]) -> None:
    await nodes[0].register("ada@example.com")
    await nodes[0].http.post("/auth/password/forgot", json={"email": "ada@example.com"})
    token = (await nodes[0].letters("ada@example.com"))[-1].token
    body = {"token": token, "password": "another horse battery staple"}
    answers = await asyncio.gather(
        *(nodes[n % 2].http.post("/auth/password/reset", json=body) for n in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 5


async def test_one_address_registered_twice_at_once_makes_one_account(
    nodes: tuple[Kit, Kit],
) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD}
    answers = await asyncio.gather(
        *(nodes[n % 2].http.post("/auth/register", json=body) for n in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_keys_invitations_and_disabling_work(nodes: tuple[Kit, Kit]) -> None:
    kit, other = nodes
    owner, bob = await kit.register("ada@example.com"), await kit.register("bob@example.com")
    await kit.join(owner, bob, "viewer")
    path = f"/auth/workspaces/{owner.workspace_id}"
    for part in ("", "/members", "/invitations"):
        assert (await other.http.get(path + part, headers=owner.headers)).status_code == 200
    made = await kit.http.post(
        "/auth/api-keys",
        json={"name": "import", "scopes": [Scope.USAGE_WRITE]},
        headers=owner.headers,
    )
    holder = await other.parts.api_keys.introspect(made.json()["key"])
    assert holder is not None
    await other.parts.accounts.set_disabled(owner.user_id, disabled=True, actor=None)
    assert await kit.parts.api_keys.introspect(made.json()["key"]) is None
    assert (await kit.me(owner)).status_code == 401
    await kit.parts.housekeeping.sweep()


async def test_the_application_role_needs_no_right_to_change_the_schema(
    postgres_database: TestDatabase, start_auth: StartAuth
) -> None:
    from netra_auth.database.tables import metadata
    from netra_core.database import DatabaseOptions
    from netra_core.database.migrations import MigrationRunner

    runner = MigrationRunner(
        postgres_database.migration_url,
        package="netra_auth.migrations",
        metadata=metadata,
        options=DatabaseOptions(schema="auth"),
        app_role="apex_app",
    )
    await runner.upgrade()
    await runner.check()
    async with start_auth(database=postgres_database.app_url) as kit:
        account = await kit.register("ada@example.com")
        assert (await kit.me(account)).status_code == 200
    await runner.downgrade()


async def test_the_url_in_logs_shows_no_password(postgres_database: TestDatabase) -> None:
    database = AuthDatabaseManager(postgres_database.app_url)
    assert "p%40ss" not in database.url
    assert "p@ss" not in database.url
    await database.dispose()


async def test_verified_registration_answers_the_same_when_raced(
    start_auth: StartAuth, postgres_database: TestDatabase
) -> None:
    url = postgres_database.migration_url
    async with start_auth(database=url, registration=Registration.VERIFIED) as kit:
        body = {"email": "ada@example.com", "password": PASSWORD}
        answers = await asyncio.gather(
            *(kit.http.post("/auth/register", json=body) for _ in range(6))
        )
        assert [answer.status_code for answer in answers] == [202] * 6
