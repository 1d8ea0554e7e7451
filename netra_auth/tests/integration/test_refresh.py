"""Refresh tokens rotate; whoever shows a spent one ends the session."""

import asyncio
from pathlib import Path

from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import Kit


async def test_twenty_parallel_uses_of_one_token_make_one_successor(
    start_auth: StartAuth, tmp_path: Path
) -> None:
    async with start_auth(database=f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite") as kit:
        account = await kit.register("ada@example.com")
        answers = await asyncio.gather(*(kit.refresh(account.refresh) for _ in range(20)))
        assert [answer.status_code for answer in answers] == [200] * 20
        pairs = {(a.json()["access_token"], a.json()["refresh_token"]) for a in answers}
        assert len(pairs) == 1


async def test_a_stolen_token_raced_by_twenty_refreshes_after_the_grace_ends_the_session(
    start_auth: StartAuth, tmp_path: Path
) -> None:
    async with start_auth(database=f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite") as kit:
        account = await kit.register("ada@example.com")
        honest = (await kit.refresh(account.refresh)).json()
        kit.clock.move(10.5)
        answers = await asyncio.gather(*(kit.refresh(account.refresh) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {401}
        assert (await kit.refresh(honest["refresh_token"])).status_code == 401
        headers = {"Authorization": f"Bearer {honest['access_token']}"}
        assert (await kit.http.get("/auth/me", headers=headers)).status_code == 401
        feed = await kit.changes()
        assert [change["kind"] for change in feed["changes"]] == ["session_revoked"]


async def test_the_predecessor_within_the_grace_gets_the_very_same_pair(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    first = (await kit.refresh(account.refresh)).json()
    kit.clock.move(9)
    second = (await kit.refresh(account.refresh)).json()
    assert second["refresh_token"] == first["refresh_token"]
    assert second["access_token"] == first["access_token"]
    assert second["expires_in"] == first["expires_in"] - 9


async def test_a_token_two_generations_old_ends_the_session_at_once(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    first = (await kit.refresh(account.refresh)).json()["refresh_token"]
    second = (await kit.refresh(first)).json()["refresh_token"]
    assert (await kit.refresh(account.refresh)).status_code == 401
    assert (await kit.refresh(second)).status_code == 401


async def test_a_session_ends_when_it_idles_and_stays_ended_when_the_clock_steps_back(
    kit: Kit,
) -> None:
    account = await kit.register("ada@example.com")
    kit.clock.move(14 * 86_400)
    assert (await kit.refresh(account.refresh)).status_code == 401
    kit.clock.move(-86_400)
    assert (await kit.refresh(account.refresh)).status_code == 401


async def test_a_session_ends_at_its_absolute_life_however_busy_it_is(kit: Kit) -> None:
    token = (await kit.register("ada@example.com")).refresh
    for _ in range(9):
        kit.clock.move(9.9 * 86_400)
        answer = await kit.refresh(token)
        assert answer.status_code == 200
        token = answer.json()["refresh_token"]
    kit.clock.move(86_400)
    assert (await kit.refresh(token)).status_code == 401


async def test_the_database_holds_no_refresh_token_that_could_be_used(
    start_auth: StartAuth, tmp_path: Path
) -> None:
    path = tmp_path / "auth.sqlite"
    async with start_auth(database=f"sqlite+aiosqlite:///{path}") as kit:
        account = await kit.register("ada@example.com")
        pair = (await kit.refresh(account.refresh)).json()
    stored = _bytes_of(tmp_path)
    for secret in (account.refresh, pair["refresh_token"], pair["access_token"], account.access):
        assert secret.encode() not in stored


def _bytes_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("auth.sqlite*"))


async def test_an_unknown_token_is_refused_and_ends_nothing(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    assert (await kit.refresh("apxr_" + "A" * 43)).status_code == 401
    assert (await kit.refresh(account.refresh)).status_code == 200
