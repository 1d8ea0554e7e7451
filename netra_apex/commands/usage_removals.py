"""`apex usage erase` and `apex usage removals`: calls go for good, and what went is listed."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from netra_apex.printable import printable
from netra_apex.signed_in import DEFAULT_URL, sign_in
from netra_apex.usage_source import Chosen, chosen
from netra_client import ApexClient, ClientError

T = TypeVar("T")

_Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME=VALUE", help="Only these calls, e.g. user=u-17."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Url = Annotated[str, typer.Option("--url", help="Address of the server.")]
_Email = Annotated[str | None, typer.Option("--email", help="Sign in as this person.")]


def erase(
    start: Annotated[
        str | None, typer.Option("--from", help="Calls from this time on (ISO 8601).")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Calls before this time.")] = None,
    only: _Only = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="All calls of the workspace.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: _Json = False,
    url: _Url = DEFAULT_URL,
    email: _Email = None,
) -> None:
    """Remove calls of your workspace for good; owners and admins may.

    apex usage erase --only user=u-17

    apex usage erase --to 2026-01-01 --yes
    """
    which = chosen(start, end, only or [])
    if bool(which.query()) is everything:
        raise typer.BadParameter(
            "choose calls by --from, --to or --only, or give --everything",
            param_hint="--everything",
        )
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("is needed where nobody can be asked", param_hint="--yes")
    removal = _asked(url, email, lambda client: _erase(client, which, everything, yes))
    if as_json:
        _print_json(removal)
    elif removal["status"] == "completed":
        typer.echo(_told(removal))
    if removal["status"] != "completed":
        error = removal["error"] or {"message": "it did not end", "code": "API-500"}
        typer.echo(printable(f"apex: {error['message']} [{error['code']}]"), err=True)
        raise typer.Exit(1)


def removals(as_json: _Json = False, url: _Url = DEFAULT_URL, email: _Email = None) -> None:
    """List what was removed from your workspace's usage, and how long calls are kept.

    apex usage removals
    """

    async def ask(client: ApexClient) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        kept = await client.get("/api/usage/retention")
        return kept, (await client.get("/api/usage/removals"))["items"]

    kept, items = _asked(url, email, ask)
    if as_json:
        _print_json({**kept, "items": items})
        return
    days = kept["keep_days"]
    typer.echo("Calls are kept for ever." if days is None else f"Calls are kept {days} days.")
    if kept["calls_due"]:
        typer.echo(f"{kept['calls_due']:,} are older and about to go.")
    for item in items:
        by = f", by {item['asked_by']}" if item["asked_by"] else ""
        typer.echo(f"{item['created_at'][:19]}  {item['kind']}{by}  {_which(item)}: {_told(item)}")


async def _erase(client: ApexClient, which: Chosen, everything: bool, yes: bool) -> dict[str, Any]:
    total = await client.get("/api/usage/summary", **which.query())
    if not yes:
        period = f" ({total['first'][:10]} to {total['last'][:10]})" if total["requests"] else ""
        typer.confirm(f"Remove {total['requests']:,} calls{period} for good?", abort=True, err=True)
    return await client.erase_usage({**which.query(), "everything": everything})


def _which(removal: dict[str, Any]) -> str:
    """Which calls were chosen, in words; Any: an answer of the API."""
    words = {"start": "from", "end": "to"}
    chosen: dict[str, str] = removal["chosen"]
    named = [f"{words.get(name, name)} {value}" for name, value in chosen.items()]
    return ", ".join(named) or "all calls"


def _told(removal: dict[str, Any]) -> str:
    """What went, in a line; Any: an answer of the API."""
    if removal["status"] != "completed":
        return str(removal["status"])
    removed, before = removal["calls_removed"], removal["calls_before"]
    period = ""
    if removed:
        period = f", {removal['first_removed'][:10]} to {removal['last_removed'][:10]}"
    return f"{removed:,} of {before:,} calls removed{period}; {removal['calls_after']:,} are left"


def _asked(url: str, email: str | None, ask: Callable[[ApexClient], Awaitable[T]]) -> T:
    async def signed_in() -> T:
        async with ApexClient(url.rstrip("/")) as client:
            await sign_in(client, email)
            return await ask(client)

    try:
        return asyncio.run(signed_in())
    except ClientError as error:
        typer.echo(printable(f"apex: {error}"), err=True)
        raise typer.Exit(1) from None


def _print_json(value: Any) -> None:  # Any: what JSON can hold
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
