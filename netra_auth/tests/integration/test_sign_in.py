"""Register, log in, refresh, log out."""

from pathlib import Path

from netra_auth import PasswordCost
from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import PASSWORD, Kit


async def test_registering_signs_in_and_makes_a_workspace_that_the_person_owns(kit: Kit) -> None:
    answer = await kit.http.post(
        "/auth/register",
        json={"email": " Ada@Example.com ", "password": PASSWORD, "name": "Ada"},
    )
    body = answer.json()
    assert answer.status_code == 201
    assert body["user"]["email"] == "ada@example.com"
    assert body["workspace"]["role"] == "owner"
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    me = await kit.http.get("/auth/me", headers={"Authorization": f"Bearer {body['access_token']}"})
    assert me.json()["user"]["id"] == body["user"]["id"]
    assert me.json()["workspace"] == body["workspace"]


async def test_logging_in_gives_a_session_of_its_own(kit: Kit) -> None:
    first = await kit.register("ada@example.com")
    second = await kit.login("ADA@example.com")
    assert second.user_id == first.user_id
    assert second.refresh != first.refresh
    listed = await kit.http.get("/auth/sessions", headers=second.headers)
    assert [item["current"] for item in listed.json()["items"]].count(True) == 1
    assert len(listed.json()["items"]) == 2


async def test_a_sign_in_renews_a_hash_of_older_parameters(
    start_auth: StartAuth, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite"
    async with start_auth(database=url) as kit:
        await kit.register("ada@example.com")
    stronger = PasswordCost(time_cost=2, memory_kib=16)
    async with start_auth(database=url, password_cost=stronger) as kit:
        for _ in range(2):
            await kit.login("ada@example.com")
        async with kit.parts.deps.database.session(read_only=True) as connection:
            person = await kit.parts.people.by_email(connection, "ada@example.com")
        assert person is not None
        assert (person.password_hash or "").startswith("$argon2id$v=19$m=16,t=2,p=1$")


async def test_refreshing_gives_a_new_pair(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    answer = await kit.refresh(account.refresh)
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] != account.refresh
    assert answer.json()["access_token"] != account.access


async def test_logging_out_ends_access_and_refresh_and_tells_the_feed(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    answer = await kit.http.post("/auth/logout", json={"refresh_token": account.refresh})
    assert answer.status_code == 204
    assert (await kit.me(account)).status_code == 401
    assert (await kit.refresh(account.refresh)).status_code == 401
    feed = await kit.changes()
    assert [change["kind"] for change in feed["changes"]] == ["session_revoked"]
