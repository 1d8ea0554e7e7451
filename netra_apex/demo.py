"""The demo workspace: a person, two weeks of generated calls, and a first answer."""

import asyncio
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from netra_client import ApexClient, ApiError, ClientError, SignedOutError

if TYPE_CHECKING:
    from netra_optimizer import Analysis

EMAIL = "demo@example.com"
NAME = "Demo"
SEED = 7
DAYS = 14
QUESTION = "Where can we save money at equal quality?"


@dataclass(frozen=True, kw_only=True)
class DemoWorkspace:
    """What a visitor needs: how to sign in, and the analysis of the demo's calls."""

    email: str
    password: str
    analysis: "Analysis"


async def prepare_demo(
    url: str, home: Path, *, say: Callable[[str], None], now: datetime | None = None
) -> DemoWorkspace:
    """Sign the demo's person in, load its calls once, ask a first question, await its report.

    What an earlier start left is used again. Raises ClientError when the server refuses.
    """
    password = _password(home)
    async with ApexClient(url) as client:
        await _sign_in(client, password)
        if not (await client.get("/api/usage/imports"))["items"]:
            say(f"Generating {DAYS} days of calls …")
            await _load(client, home, now or datetime.now(UTC))
        analyses = (await client.get("/api/analyses"))["items"]
        if not analyses:
            say("Asking: " + QUESTION)
            await _ask(client)
            analyses = (await client.get("/api/analyses"))["items"]
        analysis = await _analysis(client, analyses[0]["id"])
    return DemoWorkspace(email=EMAIL, password=password, analysis=analysis)


def _password(home: Path) -> str:
    path = home / "keys" / "demo_password"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(f"demo-{secrets.token_urlsafe(12)}", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


async def _sign_in(client: ApexClient, password: str) -> None:
    try:
        await client.login(EMAIL, password)
    except (SignedOutError, ApiError):
        await client.register(EMAIL, password, name=NAME)


async def _load(client: ApexClient, home: Path, now: datetime) -> None:
    with tempfile.TemporaryDirectory(dir=home, prefix="demo-") as folder:
        path = Path(folder) / "demo-calls.parquet"
        await asyncio.to_thread(_write_calls, path, now)
        started = await client.import_file(path)
        state = await client.wait_for_import(started["import_id"])
    if state["status"] != "completed":
        why = (state.get("error") or {}).get("message", f"the import was {state['status']}")
        raise ClientError(f"The demo's calls were not loaded: {why}")


def _write_calls(path: Path, now: datetime) -> None:
    from netra_optimizer import generate_workload
    from netra_optimizer.generate import write_workload

    start = (now - timedelta(days=DAYS)).replace(minute=0, second=0, microsecond=0)
    write_workload(generate_workload(SEED, start=start), path, "parquet")


async def _ask(client: ApexClient) -> None:
    run_id = (await client.post_message(QUESTION))["run_id"]
    async for _ in client.run_events(run_id):
        pass
    run = await client.run(run_id)
    while run["status"] == "running":  # the last event is logged just before the run is closed
        await asyncio.sleep(0.05)
        run = await client.run(run_id)
    if run["status"] != "completed":
        raise ClientError(f"The demo's question was not answered: the run {run['status']}.")


async def _analysis(client: ApexClient, analysis_id: str) -> "Analysis":
    from netra_optimizer import Analysis

    report = (await client.get(f"/api/analyses/{analysis_id}"))["report"]
    imports = (await client.get("/api/usage/imports"))["items"]
    audits: list[dict[str, Any]] = [item["audit"] for item in imports if item.get("audit")]
    return msgspec.convert(
        {
            "usage": await client.get("/api/usage/summary"),
            "audit": {
                "rows_read": sum(audit["rows_read"] for audit in audits),
                "rows_kept": sum(audit["rows_kept"] for audit in audits),
                "dropped": {key: n for audit in audits for key, n in audit["dropped"].items()},
            },
            "opportunities": report["opportunities"],
            "combined": report["combined"],
        },
        Analysis,
        strict=False,
    )
