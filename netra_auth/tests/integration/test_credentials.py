"""API keys and service credentials."""

import asyncio
from pathlib import Path

import pytest

from netra_auth.service_credentials import ServiceScope
from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import SERVICE_SECRET, Account, Kit


async def make_key(kit: Kit, account: Account, *scopes: str, **options: int) -> dict[str, str]:
    answer = await kit.http.post(
        "/auth/api-keys",
        json={"name": "nightly import", "scopes": list(scopes) or ["usage:write"], **options},
        headers=account.headers,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def introspect(kit: Kit, key: str) -> dict[str, object]:
    answer = await kit.http.post(
        "/auth/internal/introspect", json={"token": key}, headers=kit.service
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_key_is_shown_once_and_stands_for_its_maker_in_the_workspace(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    made = await make_key(kit, account, "usage:write", "usage:read", expires_in=7200)
    assert made["key"].startswith("apxk_")
    assert await introspect(kit, made["key"]) == {
        "active": True,
        "kind": "api_key",
        "key_id": made["id"],
        "sub": account.user_id,
        "ws": account.workspace_id,
        "roles": ["owner"],
        "scopes": ["usage:write", "usage:read"],
        "exp": kit.clock() + 7200,
    }
    (listed,) = (await kit.http.get("/auth/api-keys", headers=account.headers)).json()["items"]
    assert "key" not in listed
    assert made["key"].startswith(listed["hint"])
    assert listed["used_at"] == kit.clock()


async def test_the_database_holds_no_key_that_could_be_used(
    start_auth: StartAuth, tmp_path: Path
) -> None:
    async with start_auth(database=f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite") as kit:
        made = await make_key(kit, await kit.register("ada@example.com"))
        service = await kit.parts.services.create("backend", frozenset(ServiceScope))
    stored = _bytes_of(tmp_path)
    assert made["key"].encode() not in stored
    assert service.encode() not in stored


def _bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("auth.sqlite*"))


async def test_a_revoked_key_is_dead_at_once_and_told_by_the_feed(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    made = await make_key(kit, account)
    path = f"/auth/api-keys/{made['id']}"
    assert (await kit.http.delete(path, headers=account.headers)).status_code == 204
    assert await introspect(kit, made["key"]) == {"active": False}
    assert (await kit.http.delete(path, headers=account.headers)).status_code == 404
    (change,) = (await kit.changes())["changes"]
    assert (change["kind"], change["session_id"]) == ("session_revoked", made["id"])


async def test_a_key_expires(kit: Kit) -> None:
    made = await make_key(kit, await kit.register("ada@example.com"), expires_in=3600)
    kit.clock.move(3600)
    assert await introspect(kit, made["key"]) == {"active": False}


async def test_a_key_has_the_rights_its_maker_has_now_and_none_after_they_are_gone(
    kit: Kit,
) -> None:
    owner, bob = await kit.register("ada@example.com"), await kit.register("bob@example.com")
    await kit.join(owner, bob, "analyst")
    place = f"/auth/workspaces/{owner.workspace_id}"
    entered = await kit.http.post(f"{place}/token", headers=bob.headers)
    bob.access = entered.json()["access_token"]
    made = await make_key(kit, bob)
    member = f"{place}/members/{bob.user_id}"
    await kit.http.patch(member, json={"role": "viewer"}, headers=owner.headers)
    assert (await introspect(kit, made["key"]))["roles"] == ["viewer"]
    refused = await kit.http.post(
        "/auth/api-keys", json={"name": "x", "scopes": ["usage:write"]}, headers=bob.headers
    )
    assert refused.status_code == 403
    await kit.http.delete(member, headers=owner.headers)
    assert await introspect(kit, made["key"]) == {"active": False}


async def test_a_key_of_a_disabled_person_is_dead(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    made = await make_key(kit, account)
    await kit.parts.accounts.set_disabled(account.user_id, disabled=True, actor=None)
    assert await introspect(kit, made["key"]) == {"active": False}


@pytest.mark.parametrize("scopes", [[], ["root"], ["usage:write"] * 9, "usage:write", [None]])
async def test_unknown_or_no_scopes_are_refused(kit: Kit, scopes: object) -> None:
    account = await kit.register("ada@example.com")
    answer = await kit.http.post(
        "/auth/api-keys", json={"name": "x", "scopes": scopes}, headers=account.headers
    )
    assert answer.status_code == 422


async def test_an_api_key_is_no_access_token_and_an_access_token_no_key(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    made = await make_key(kit, account)
    as_token = {"Authorization": f"Bearer {made['key']}"}
    assert (await kit.http.get("/auth/me", headers=as_token)).status_code == 401
    assert await introspect(kit, account.access) == {"active": False}
    assert await introspect(kit, account.refresh) == {"active": False}


@pytest.mark.parametrize(
    "credential", ["", "x", SERVICE_SECRET[:-1], SERVICE_SECRET + " x", "apxs_" + "A" * 43]
)
async def test_internal_routes_need_a_service_credential(kit: Kit, credential: str) -> None:
    for headers in ({"Authorization": f"Bearer {credential}"}, {"X-Service": "backend"}, {}):
        feed = await kit.http.get("/auth/internal/changes", headers=headers)
        asked = await kit.http.post(
            "/auth/internal/introspect", json={"token": "x"}, headers=headers
        )
        assert (feed.status_code, asked.status_code) == (401, 401)


async def test_a_persons_token_opens_no_internal_route(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    assert (
        await kit.http.get("/auth/internal/changes", headers=account.headers)
    ).status_code == 401


async def test_a_service_credential_is_scoped_expires_and_is_revoked(kit: Kit) -> None:
    scope = frozenset({ServiceScope.CHANGES})
    secret = await kit.parts.services.create("reader", scope, ttl_s=60)
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await kit.http.get("/auth/internal/changes", headers=headers)).status_code == 200
    asked = await kit.http.post("/auth/internal/introspect", json={"token": "x"}, headers=headers)
    assert asked.status_code == 403
    kit.clock.move(60)
    assert (await kit.http.get("/auth/internal/changes", headers=headers)).status_code == 401
    secret = await kit.parts.services.create("other", scope)
    headers = {"Authorization": f"Bearer {secret}"}
    await kit.parts.services.revoke("other")
    assert (await kit.http.get("/auth/internal/changes", headers=headers)).status_code == 401


async def test_without_a_configured_secret_nobody_is_a_service(start_auth: StartAuth) -> None:
    for secret in (None, ""):
        async with start_auth(service_secret=secret) as kit:
            for credential in ("", "None", SERVICE_SECRET):
                headers = {"Authorization": f"Bearer {credential}"}
                answer = await kit.http.get("/auth/internal/changes", headers=headers)
                assert answer.status_code == 401


async def test_the_feed_waits_for_news_and_answers_when_there_is_some(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    waiting = asyncio.create_task(kit.changes(0, wait_s=20))
    await kit.http.post("/auth/logout", json={"refresh_token": account.refresh})
    assert (await waiting)["last"] == 1


async def test_the_feed_answers_at_once_without_news_where_not_asked_to_wait(kit: Kit) -> None:
    assert await kit.changes(0) == {"changes": [], "last": 0, "now": kit.clock()}


async def test_a_reader_ahead_of_the_feed_learns_it_at_once(kit: Kit) -> None:
    """After a restore of the database numbers start lower: nobody may wait for ever."""
    assert (await kit.changes(500, wait_s=20))["last"] == 0


async def test_the_feed_keeps_what_may_still_concern_a_living_token(kit: Kit) -> None:
    for number in range(3):
        account = await kit.register(f"person{number}@example.com")
        await kit.http.post("/auth/logout", json={"refresh_token": account.refresh})
        kit.clock.move(1801)
    feed = await kit.changes()
    assert [change["id"] for change in feed["changes"]] == [2, 3]
    assert feed["last"] == 3
