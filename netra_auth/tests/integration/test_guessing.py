"""Guessing passwords and addresses."""

import pytest
from sqlalchemy import select

from netra_auth.database.tables import login_failures
from netra_auth.options import Registration
from netra_auth.tests.conftest import StartAuth
from netra_auth.tests.kit import PASSWORD, Kit

VERIFIED = Registration.VERIFIED


async def guess(kit: Kit, address: str, source: str, password: str = "wrong password") -> int:
    async with kit.client(source) as http:
        answer = await http.post("/auth/login", json={"email": address, "password": password})
        return answer.status_code


async def test_a_stranger_is_slowed_down_after_five_wrong_passwords(kit: Kit) -> None:
    await kit.register("ada@example.com")
    codes = [await guess(kit, "ada@example.com", "198.51.100.1") for _ in range(8)]
    assert codes == [401] * 6 + [429] * 2
    assert await guess(kit, "ada@example.com", "198.51.100.1", PASSWORD) == 429
    kit.clock.move(1.1)
    assert await guess(kit, "ada@example.com", "198.51.100.1", PASSWORD) == 200


async def test_the_wait_doubles_and_is_told(kit: Kit) -> None:
    waits: list[int] = []
    async with kit.client("198.51.100.1") as http:
        for _ in range(12):
            kit.clock.move(0.01)
            body = {"email": "nobody@example.com", "password": "wrong password"}
            answer = await http.post("/auth/login", json=body)
            if answer.status_code == 429:
                waits.append(int(answer.headers["retry-after"]))
                kit.clock.move(waits[-1])
    assert waits == [1, 2, 4, 8][: len(waits)]
    assert len(waits) >= 3


async def test_claimed_addresses_in_headers_do_not_reset_the_count(kit: Kit) -> None:
    await kit.register("ada@example.com")
    codes: list[int] = []
    async with kit.client("198.51.100.1") as http:
        for number in range(9):
            answer = await http.post(
                "/auth/login",
                json={"email": "ada@example.com", "password": "wrong password"},
                headers={
                    "X-Forwarded-For": f"203.0.113.{number}",
                    "X-Real-IP": f"203.0.113.{number}",
                    "Forwarded": f"for=203.0.113.{number}",
                },
            )
            codes.append(answer.status_code)
    assert codes[-1] == 429


async def test_one_ipv6_customer_is_one_stranger(kit: Kit) -> None:
    codes = [await guess(kit, "ada@example.com", f"2001:db8::{number:x}") for number in range(1, 9)]
    assert codes[-1] == 429


async def test_failures_from_everywhere_do_not_lock_the_owner_out(kit: Kit) -> None:
    """The owner's browser signed in before, so strangers' failures do not count against it."""
    async with kit.client("192.0.2.50") as browser:
        body = {"email": "ada@example.com", "password": PASSWORD}
        assert (await browser.post("/auth/register", json=body)).status_code == 201
        for number in range(60):
            await guess(kit, "ada@example.com", f"198.51.{number}.1")
        assert await guess(kit, "ada@example.com", "203.0.113.1", PASSWORD) == 429
        kit.clock.move(0)
        assert (await browser.post("/auth/login", json=body)).status_code == 200


async def test_a_stranger_waits_at_most_a_minute_for_what_others_did(kit: Kit) -> None:
    await kit.register("ada@example.com")
    for number in range(60):
        await guess(kit, "ada@example.com", f"198.51.{number}.1")
    assert await guess(kit, "ada@example.com", "203.0.113.1", PASSWORD) == 429
    kit.clock.move(60)
    assert await guess(kit, "ada@example.com", "203.0.113.1", PASSWORD) == 200


async def test_a_device_cookie_of_another_account_or_a_forged_one_is_worth_nothing(
    kit: Kit,
) -> None:
    await kit.register("ada@example.com")
    async with kit.client("198.51.100.1") as eve:
        body = {"email": "eve@example.com", "password": PASSWORD}
        await eve.post("/auth/register", json=body)
        assert "apex_device" in eve.cookies
        codes: list[int] = []
        for _ in range(8):
            answer = await eve.post(
                "/auth/login", json={"email": "ada@example.com", "password": "wrong password"}
            )
            codes.append(answer.status_code)
        assert codes[-1] == 429


async def test_a_known_device_cannot_guess_without_end(kit: Kit) -> None:
    async with kit.client("198.51.100.1") as thief:
        await thief.post("/auth/register", json={"email": "ada@example.com", "password": PASSWORD})
        codes: list[int] = []
        for _ in range(14):
            answer = await thief.post(
                "/auth/login", json={"email": "ada@example.com", "password": "wrong password"}
            )
            codes.append(answer.status_code)
        assert codes[:11] == [401] * 11
        assert set(codes[11:]) == {429}


async def test_counts_survive_a_restart(start_auth: StartAuth, tmp_path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/auth.sqlite"
    async with start_auth(database=url) as kit:
        for _ in range(7):
            await guess(kit, "ada@example.com", "198.51.100.1")
    async with start_auth(database=url) as kit:
        assert await guess(kit, "ada@example.com", "198.51.100.1") == 429


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(kit: Kit) -> None:
    await kit.register("ada@example.com")
    answers = []
    for address in ("ada@example.com", "nobody@example.com"):
        answer = await kit.http.post(
            "/auth/login", json={"email": address, "password": "wrong password"}
        )
        answers.append((answer.status_code, answer.json(), sorted(answer.headers)))
    assert answers[0] == answers[1]


async def test_an_unknown_address_costs_the_same_hash(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time tells nothing because the work is the same; counted, not timed."""
    hasher = kit.parts.passwords._hasher
    seen: list[str] = []
    real = type(hasher).verify

    def verify(self, stored: str, password: str) -> bool:
        seen.append(stored.rsplit("$", 2)[0])
        return real(self, stored, password)

    monkeypatch.setattr(type(hasher), "verify", verify)
    await kit.register("ada@example.com")
    for address in ("ada@example.com", "nobody@example.com"):
        await guess(kit, address, "198.51.100.7")
    assert len(seen) == 2
    assert seen[0] == seen[1]


async def test_a_disabled_account_answers_like_a_wrong_password(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    await kit.parts.accounts.set_disabled(account.user_id, disabled=True, actor=None)
    body = {"email": "ada@example.com", "password": PASSWORD}
    disabled = await kit.http.post("/auth/login", json=body)
    unknown = await kit.http.post("/auth/login", json={**body, "email": "no@example.com"})
    assert disabled.status_code == 401
    assert disabled.json() == unknown.json()


async def test_registering_a_taken_address_answers_like_a_free_one(start_auth: StartAuth) -> None:
    async with start_auth(registration=VERIFIED) as kit:
        body = {"email": "ada@example.com", "password": PASSWORD}
        answers = [await kit.http.post("/auth/register", json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].json() == answers[1].json() == {"status": "check_mail"}
        subjects = [letter.subject for letter in await kit.letters("ada@example.com")]
        assert subjects == ["Confirm your e-mail address", "You already have an account"]


async def test_asking_for_a_reset_answers_the_same_for_every_address(kit: Kit) -> None:
    await kit.register("ada@example.com")
    answers = [
        await kit.http.post("/auth/password/forgot", json={"email": address})
        for address in ("ada@example.com", "nobody@example.com")
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert await kit.letters("nobody@example.com") == []


async def test_an_attempt_takes_counters_of_its_own_only_and_those_of_long_ago_begin_anew(
    kit: Kit,
) -> None:
    """A row more, out of the order of the keys: two logins could wait for each other."""
    for _ in range(6):
        await guess(kit, "bob@example.com", "198.51.100.1")
    bobs = await counters(kit)
    kit.clock.move(2 * 3600)
    await guess(kit, "ada@example.com", "198.51.100.2")
    others = await counters(kit)
    again = [await guess(kit, "bob@example.com", "198.51.100.1") for _ in range(7)]
    kit.clock.move(2 * 3600)
    await kit.parts.housekeeping.sweep()
    assert len(bobs) == 3
    assert bobs.items() <= others.items()
    assert again == [401] * 6 + [429]
    assert await counters(kit) == {}


async def counters(kit: Kit) -> dict[bytes, int]:
    async with kit.parts.deps.database.session(read_only=True) as connection:
        rows = await connection.execute(select(login_failures.c.key, login_failures.c.failures))
        return {bytes(row.key): row.failures for row in rows}


async def test_one_network_may_not_try_many_accounts(kit: Kit) -> None:
    """Stuffing of stolen credentials: each account once, all from one place."""
    codes = [
        await guess(kit, f"person{number}@example.com", "198.51.100.1") for number in range(60)
    ]
    assert codes[:51] == [401] * 51
    assert codes[51:] == [429] * 9
    assert await guess(kit, "person99@example.com", "203.0.113.1") == 401


async def test_one_network_may_not_ask_for_mail_without_end(kit: Kit) -> None:
    codes: list[int] = []
    for number in range(105):
        body = {"email": f"person{number}@example.com"}
        codes.append((await kit.http.post("/auth/password/forgot", json=body)).status_code)
    assert codes == [202] * 100 + [429] * 5
    kit.clock.move(0.6)
    assert (await kit.http.post("/auth/password/forgot", json=body)).status_code == 202
