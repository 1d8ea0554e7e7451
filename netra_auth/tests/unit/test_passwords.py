"""Passwords: accepted, stored, compared, bounded."""

import asyncio

import pytest

from netra_auth.errors import Busy, WeakPassword
from netra_auth.options import PasswordCost
from netra_auth.passwords import Passwords

CHEAP = PasswordCost(time_cost=1, memory_kib=8)


async def test_a_password_is_stored_as_argon2id_with_a_salt_of_its_own() -> None:
    passwords = Passwords(CHEAP)
    first, second = await passwords.hash("a password"), await passwords.hash("a password")
    assert first.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert first != second


async def test_the_default_cost_is_what_owasp_asks_for() -> None:
    stored = await Passwords(PasswordCost()).hash("a password")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("password", ["pässwörd 🐎 long", " leading and trailing ", "x" * 256])
async def test_a_password_is_used_exactly_as_received(password: str) -> None:
    passwords = Passwords(CHEAP)
    stored = await passwords.hash(password)
    assert (await passwords.check(password, stored)).matches
    for other in (password.upper(), password.strip() + "!", password[:-1]):
        assert not (await passwords.check(other, stored)).matches


async def test_a_hash_made_with_other_parameters_is_outdated() -> None:
    stored = await Passwords(CHEAP).hash("a password")
    stronger = Passwords(PasswordCost(time_cost=2, memory_kib=16))
    checked = await stronger.check("a password", stored)
    assert (checked.matches, checked.outdated) == (True, True)


async def test_an_absent_or_broken_hash_never_matches() -> None:
    passwords = Passwords(CHEAP)
    for stored in (None, "", "plain text", "$argon2id$v=19$m=8,t=1,p=1$"):
        assert not (await passwords.check("a password", stored)).matches
    absent = "the hash that stands in for an absent account"
    assert not (await passwords.check(absent, None)).matches


@pytest.mark.parametrize(
    "password",
    [
        *("short", "password", "12345678", "qwertyuiop", "iloveyou1", "letmein123", "aaaaaaaaaaaa"),
        *("abcdefghijkl", "P@ssw0rd", "netraapex1", "adalovelace", "x" * 257),
    ],
)
async def test_what_an_attacker_tries_first_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        await Passwords(CHEAP).require_strong(password, about=("ada@example.com", "Ada Lovelace"))


@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "j7#kQ2!pwZ", "ein ganz langer Satz", "vier Wörter hier"],
)
async def test_no_rule_of_composition_stands_in_the_way_of_a_good_one(password: str) -> None:
    passwords = Passwords(CHEAP)
    await passwords.require_strong(password, about=("ada@example.com", "Ada"))
    assert (await passwords.check(password, await passwords.hash(password))).matches


async def test_a_flood_is_refused_at_once_and_the_next_one_is_served() -> None:
    passwords = Passwords(PasswordCost(time_cost=1, memory_kib=8, concurrency=1, waiting=2))
    results = await asyncio.gather(
        *(passwords.hash("a password") for _ in range(10)), return_exceptions=True
    )
    assert [type(result) for result in results] == [str] * 3 + [Busy] * 7
    assert (await passwords.hash("a password")).startswith("$argon2id$")
