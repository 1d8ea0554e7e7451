"""The audit log: complete, chained, and silent about who people are."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.sql import Delete, Update

from netra_auth.audit import Tampered
from netra_auth.database.tables import audit_log, heads
from netra_auth.tests.kit import PASSWORD, Kit


async def events(kit: Kit) -> list[str]:
    async with kit.parts.deps.database.session(read_only=True) as connection:
        rows = await connection.execute(select(audit_log.c.event).order_by(audit_log.c.seq))
        return list(rows.scalars())


async def tell_a_story(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    wrong = {"email": "ada@example.com", "password": "not the password"}
    await kit.http.post("/auth/login", json=wrong)
    change = {"current": PASSWORD, "new": "another horse battery staple"}
    await kit.http.post("/auth/password/change", json=change, headers=account.headers)
    second = (await kit.refresh(account.refresh)).json()["refresh_token"]
    await kit.refresh(second)
    await kit.refresh(account.refresh)


async def test_every_auth_event_is_written(kit: Kit) -> None:
    await tell_a_story(kit)
    assert await events(kit) == [
        "account.created",
        "session.opened",
        "signin.failed",
        "password.changed",
        "session.reused",
    ]


async def test_no_entry_holds_an_address_a_name_a_user_id_or_a_secret(kit: Kit) -> None:
    await tell_a_story(kit)
    account = await kit.login("ada@example.com", "another horse battery staple")
    async with kit.parts.deps.database.session(read_only=True) as connection:
        text = str((await connection.execute(select(audit_log))).all())
    text = re.sub(r"\b(ws|p)_[0-9a-f]{24}\b", "", text)  # ids of chance, which may spell a name
    for private in ("ada", "192.0.2.1", account.user_id, account.refresh, PASSWORD, "horse"):
        assert private not in text


async def test_one_person_is_one_pseudonym_until_erased(kit: Kit) -> None:
    account = await kit.register("ada@example.com")
    await kit.login("ada@example.com")
    async with kit.parts.deps.database.session(read_only=True) as connection:
        rows = await connection.execute(
            select(audit_log.c.actor).where(audit_log.c.event == "session.opened")
        )
        first, second = rows.scalars()
    assert first == second
    assert first.startswith("p_")
    assert account.user_id not in first


async def test_an_untouched_log_verifies(kit: Kit) -> None:
    await tell_a_story(kit)
    async with kit.parts.deps.database.session() as connection:
        assert await kit.parts.audit.verify(connection) is None


CHANGED, MISSING = "an entry was changed", "an entry is missing"


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda: update(audit_log).where(audit_log.c.seq == 3).values(event="x"), (3, CHANGED)),
        (lambda: update(audit_log).where(audit_log.c.seq == 2).values(actor="p_x"), (2, CHANGED)),
        (lambda: update(audit_log).where(audit_log.c.seq == 4).values(at=1), (4, CHANGED)),
        (lambda: update(audit_log).where(audit_log.c.seq == 1).values(detail="[]"), (1, CHANGED)),
        (lambda: delete(audit_log).where(audit_log.c.seq == 3), (3, MISSING)),
        (
            lambda: delete(audit_log).where(audit_log.c.seq == 5),
            (5, "entries at the end are missing"),
        ),
        (
            lambda: update(heads).where(heads.c.name == "audit").values(seq=4),
            (6, "entries at the end are missing"),
        ),
    ],
)
async def test_tampering_is_found_where_it_happened(
    kit: Kit, tamper: Callable[[], Update | Delete], found: tuple[int, str]
) -> None:
    await tell_a_story(kit)
    async with kit.parts.deps.database.session() as connection:
        await connection.execute(tamper())
        assert await kit.parts.audit.verify(connection) == Tampered(*found)
