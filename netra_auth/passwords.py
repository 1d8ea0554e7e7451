"""Passwords: what is accepted, how they are stored, and how checking them stays bounded."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from netra_auth.errors import Busy, WeakPassword
from netra_auth.options import PasswordCost
from netra_auth.strength import strength

MIN_LENGTH = 8
MAX_LENGTH = 256
_MIN_SCORE = 3
_OWN_WORDS = ("netra", "apex", "netra apex", "finops")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Checked:
    """Outcome of comparing a password with a stored hash."""

    matches: bool
    outdated: bool
    """The stored hash was made with other parameters: hash the password anew."""


class Passwords:
    """Argon2id in a few threads of its own.

    At most `cost.concurrency` hashes run at once and at most `cost.waiting` more wait; beyond
    that `Busy` is raised at once, so a flood of logins costs bounded memory and time. The
    password is used exactly as received.
    """

    def __init__(self, cost: PasswordCost) -> None:
        self._hasher = PasswordHasher(
            time_cost=cost.time_cost,
            memory_cost=cost.memory_kib,
            parallelism=cost.parallelism,
            type=Type.ID,
        )
        self._threads = ThreadPoolExecutor(cost.concurrency, thread_name_prefix="apex-password")
        self._capacity = cost.concurrency + cost.waiting
        self._running = 0
        self._absent = self._hasher.hash("the hash that stands in for an absent account")

    async def hash(self, password: str) -> str:
        """The encoded Argon2id hash, with parameters and salt inside."""
        return await self._run(lambda: self._hasher.hash(password))

    async def check(self, password: str, stored: str | None) -> Checked:
        """Compare; an absent account (None) costs the same work and never matches."""
        return await self._run(lambda: self._check(password, stored))

    async def require_strong(self, password: str, *, about: tuple[str, ...]) -> None:
        """Raise WeakPassword for what an attacker tries first; `about` are words on the person."""
        if len(password) < MIN_LENGTH:
            raise WeakPassword(
                f"The password needs at least {MIN_LENGTH} characters.",
                hint="A few unrelated words make a good one.",
            )
        if len(password) > MAX_LENGTH:
            raise WeakPassword(f"The password may have at most {MAX_LENGTH} characters.")
        await self._run(lambda: self._require_uncommon(password, about))

    def close(self) -> None:
        """Let the threads go; running hashes end first."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, password: str, stored: str | None) -> Checked:
        try:
            self._hasher.verify(stored or self._absent, password)
        except (VerificationError, InvalidHashError):
            return Checked(matches=False, outdated=False)
        if stored is None:
            return Checked(matches=False, outdated=False)
        return Checked(matches=True, outdated=self._hasher.check_needs_rehash(stored))

    def _require_uncommon(self, password: str, about: tuple[str, ...]) -> None:
        words = [*_OWN_WORDS]
        for text in about:
            words += [text, *text.replace("@", " ").replace(".", " ").split()]
        found = strength(password, about=words)
        if found.score < _MIN_SCORE:
            warning = found.warning or "It is among the first that are tried"
            raise WeakPassword(
                f"This password is easy to guess. {warning.rstrip('.')}.",
                hint="A few unrelated words make a good one.",
            )

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._running >= self._capacity:
            raise Busy("Too many sign-ins at once.", hint="Try again in a few seconds.")
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._running -= 1
