"""Keys that rotate under load, and how long a revocation takes to arrive. Over real sockets.

    python benchmarks/auth_rotation.py [--seconds 15] [--clients 8] [--json]

Clients refresh without pause; each new access token is verified at once and again just before it
ends, with keys from the published set, while the signing key rotates as fast as its overlap allows.
Refused counts valid tokens that were turned away: it must be 0. Revocation: from the
answer to a sign-out until a reader that waits on the feed has it. One process and one core serve
and drive alike, so rates are lower bounds.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from netra_auth import (
    AuthDatabaseManager,
    AuthDeps,
    AuthFolders,
    AuthOptions,
    PasswordCost,
    create_app,
)
from netra_auth.parts import AuthParts
from netra_core.testing.servers import running

SECRET = "a service secret of the benchmark, long enough"
PASSWORD = "correct horse battery staple"


@dataclass
class Tally:
    refreshed: int = 0
    verified: int = 0
    refused: int = 0
    rotated: int = 0
    revocation_ms: list[float] = field(default_factory=list)


@dataclass
class Verifier:
    """As a backend does it: keys from the published set, fetched again for an unknown kid."""

    http: httpx.AsyncClient
    keys: dict[str, dict[str, str]] = field(default_factory=dict)

    async def accepts(self, token: str) -> bool:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import OKPKey
        from joserfc.jws import extract_compact

        kid = extract_compact(token.encode()).headers()["kid"]
        if kid not in self.keys:
            found = (await self.http.get("/.well-known/jwks.json")).json()["keys"]
            self.keys = {key["kid"]: key for key in found}
        if kid not in self.keys:
            return False
        try:
            jwt.decode(token, OKPKey.import_key(self.keys[kid]), algorithms=["Ed25519"])
        except JoseError:
            return False
        return True


async def sign_in(http: httpx.AsyncClient, name: str) -> dict[str, str]:
    body = {"email": f"{name}@example.com", "password": PASSWORD}
    answer = await http.post("/auth/register", json=body)
    answer.raise_for_status()
    return answer.json()


async def client(http: httpx.AsyncClient, name: str, until: float, tally: Tally) -> None:
    verifier = Verifier(http)
    pair = await sign_in(http, name)
    kept: list[tuple[float, str]] = []
    while time.monotonic() < until:
        answer = await http.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})
        answer.raise_for_status()
        pair = answer.json()
        tally.refreshed += 1
        due = [token for at, token in kept if at <= time.monotonic()]
        kept = [(at, token) for at, token in kept if at > time.monotonic()]
        for token in (pair["access_token"], *due):
            tally.verified += 1
            tally.refused += not await verifier.accepts(token)
        kept.append((time.monotonic() + pair["expires_in"] - 1.5, pair["access_token"]))


async def rotate(parts: AuthParts, until: float, tally: Tally) -> None:
    while time.monotonic() < until:
        await asyncio.sleep(1.0)
        await asyncio.to_thread(parts.keys.rotate)
        tally.rotated += 1


async def revocations(http: httpx.AsyncClient, count: int, tally: Tally) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    for number in range(count):
        pair = await sign_in(http, f"leaver{number}")
        last = (await http.get("/auth/internal/changes", headers=headers)).json()["last"]
        query = {"after": last, "wait_s": 20}
        waiting = asyncio.create_task(
            http.get("/auth/internal/changes", params=query, headers=headers, timeout=30)
        )
        await asyncio.sleep(0.02)
        await http.post("/auth/logout", json={"refresh_token": pair["refresh_token"]})
        started = time.perf_counter()
        await waiting
        tally.revocation_ms.append((time.perf_counter() - started) * 1000)


async def measure(seconds: float, clients: int) -> dict[str, float]:
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        deps = AuthDeps(
            options=AuthOptions(
                service_secret=SECRET,
                access_ttl_s=4,
                key_publish_ahead_s=2,
                password_cost=PasswordCost(time_cost=1, memory_kib=8),
            ),
            database=AuthDatabaseManager(f"sqlite+aiosqlite:///{home}/auth.sqlite"),
            folders=AuthFolders(keys=home / "keys", outbox=home / "outbox"),
        )
        app = create_app(deps)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(deps.database.dispose)
            server = await stack.enter_async_context(running(app, lifespan="on"))
            http = await stack.enter_async_context(
                httpx.AsyncClient(base_url=server.url, timeout=30)
            )
            until = time.monotonic() + seconds
            started = time.perf_counter()
            await asyncio.gather(
                rotate(app.state.parts, until, tally),
                *(client(http, f"person{number}", until, tally) for number in range(clients)),
            )
            elapsed = time.perf_counter() - started
            await revocations(http, 30, tally)
    return {
        "refreshes_per_s": tally.refreshed / elapsed,
        "tokens_verified": tally.verified,
        "keys_rotated": tally.rotated,
        "valid_tokens_refused": tally.refused,
        "revocation_ms_median": statistics.median(tally.revocation_ms),
        "revocation_ms_worst": max(tally.revocation_ms),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.seconds, arguments.clients))
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:24} {value:12,.2f}")


if __name__ == "__main__":
    main()
