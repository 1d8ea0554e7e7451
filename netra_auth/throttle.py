"""Limits on guessing: bounded for an attacker, never a lock that he can turn on someone else."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from netra_auth.database import AuthDatabaseManager
from netra_auth.database.insert import insert_if_absent
from netra_auth.database.tables import login_failures
from netra_auth.deps import Clock
from netra_auth.errors import TooManyAttempts
from netra_auth.secret import digest

_MAX_KEYS = 50_000


def network(address: str) -> str:
    """What one customer of a provider holds: an IPv4 address or an IPv6 /64."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` at once and `per_minute` in the long run."""

    burst: int
    per_minute: float


class RateLimiter:
    """Requests a key may make, by the generic cell rate algorithm.

    Holds at most 50,000 keys; the longest unseen one is forgotten first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._arrivals: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, rate: Rate) -> None:
        """Count one request; TooManyAttempts with the time to wait when there were too many."""
        now = self._clock()
        interval = 60.0 / rate.per_minute
        arrival = max(self._arrivals.get(key, 0.0), now)
        if arrival > now + 2 * rate.burst * interval:
            arrival = now  # the clock stepped back: do not punish for it
        wait = arrival - now - (rate.burst - 1) * interval
        if wait > 0:
            raise TooManyAttempts(wait)
        self._arrivals[key] = arrival + interval
        self._arrivals.move_to_end(key)
        while len(self._arrivals) > _MAX_KEYS:
            self._arrivals.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Rule:
    """After `free` failures, wait 1, 2, 4, … seconds, at most `longest_s`."""

    free: int
    longest_s: float

    def wait_s(self, failures: int) -> float:
        if failures <= self.free:
            return 0.0
        return min(2.0 ** min(failures - self.free - 1, 30), self.longest_s)

    def left_s(self, blocked_until: float, now: float) -> float:
        """What is left to wait; never more than the longest, also when the clock stepped back."""
        return min(blocked_until - now, self.longest_s)


_PAIR = _Rule(free=5, longest_s=900)
_SOURCE = _Rule(free=50, longest_s=900)
_ACCOUNT = _Rule(free=30, longest_s=60)
_DEVICE = _Rule(free=10, longest_s=900)
_FORGET_S = 3600


@dataclass(frozen=True, slots=True)
class Attempt:
    """A guess that was let through and counts as failed until it is known to be right."""

    keys: tuple[bytes, ...]


class LoginGuard:
    """Counts failed passwords, kept in the database so that a restart forgets nothing.

    Three counters slow a stranger down: one for (account, network), one for the network, one for
    the account; the last never asks for more than a minute. A device that signed in to the
    account before is known by its cookie and has a counter of its own, so no number of strangers'
    failures keeps the owner out. Whether the account exists makes no difference.
    """

    def __init__(self, database: AuthDatabaseManager, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def admit(self, *, account: str, source: str, device: str | None) -> Attempt:
        """Count an attempt as failed in advance, or raise TooManyAttempts.

        Counting first keeps parallel guesses from slipping through together.
        """
        rules = self._rules(account, network(source), device)
        wait = 0.0
        async with self._database.session() as connection:
            now = self._clock()
            counts = await self._counts(connection, list(rules), now)
            wait = max(rule.left_s(counts[key][1], now) for key, rule in rules.items())
            if wait <= 0:
                for key, rule in rules.items():
                    await self._count(connection, key, rule, counts[key][0] + 1, now)
        if wait > 0:
            raise TooManyAttempts(wait)
        return Attempt(keys=tuple(rules))

    async def succeed(self, connection: AsyncSession, attempt: Attempt) -> None:
        """The attempt was right: its own counter starts over, shared ones lose this attempt.

        Rows are taken in the order of their keys, as `admit` does, so that no two wait for each
        other.
        """
        first = attempt.keys[0]
        for key in sorted(attempt.keys):
            if key == first:
                await connection.execute(delete(login_failures).where(login_failures.c.key == key))
                continue
            await connection.execute(
                update(login_failures)
                .where(login_failures.c.key == key, login_failures.c.failures > 0)
                .values(failures=login_failures.c.failures - 1, blocked_until=0)
            )

    def _rules(self, account: str, source: str, device: str | None) -> dict[bytes, _Rule]:
        if device is not None:
            return {digest(f"device|{account}|{device}"): _DEVICE}
        return {
            digest(f"pair|{account}|{source}"): _PAIR,
            digest(f"source|{source}"): _SOURCE,
            digest(f"account|{account}"): _ACCOUNT,
        }

    async def _counts(
        self, connection: AsyncSession, keys: list[bytes], now: float
    ) -> dict[bytes, tuple[int, float]]:
        # Rows of others are left to the housekeeping: taken here, out of the order of the keys,
        # they could be waited for by one who holds what is wanted next.
        old = login_failures.c.forget_at < round(now * 1000)
        for key in sorted(keys):
            await connection.execute(delete(login_failures).where(login_failures.c.key == key, old))
            row = {"key": key, "failures": 0, "blocked_until": 0}
            row |= {"forget_at": round((now + _FORGET_S) * 1000)}
            await insert_if_absent(connection, login_failures, row)
        query = select(login_failures).where(login_failures.c.key.in_(sorted(keys)))
        rows = await connection.execute(query.order_by(login_failures.c.key).with_for_update())
        found = {bytes(row.key): (row.failures, row.blocked_until / 1000) for row in rows}
        return {key: found.get(key, (0, 0.0)) for key in keys}

    async def _count(
        self, connection: AsyncSession, key: bytes, rule: _Rule, failures: int, now: float
    ) -> None:
        wait_s = rule.wait_s(failures)
        values = {
            "failures": failures,
            "blocked_until": round((now + wait_s) * 1000) if wait_s else 0,
            "forget_at": round((now + _FORGET_S) * 1000),
        }
        await connection.execute(
            update(login_failures).where(login_failures.c.key == key).values(**values)
        )
