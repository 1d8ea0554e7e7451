"""`apex serve` with a plugin in the place of triage: one that does nothing without its user."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import ClassVar

from netra_apex.commands.serve import overrides
from netra_apex.composition import composed, open_settings
from netra_apex.gateway import Gateway
from netra_apex.server import address, run_server
from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext, Effect, ToolPolicy
from netra_backend.agents.findings import Question
from netra_backend.agents.registry import AgentRegistry
from netra_backend.reasoner import Intent, Topic
from netra_core.environment import get_env


class Careful(BaseAgent[Question, Intent]):
    """Asks twice before it goes on; asked to book, it books until the process ends."""

    name: ClassVar[str] = "triage"

    async def run(self, ctx: AgentContext, request: Question) -> Intent:
        if "Book" in request.text:
            once = ToolPolicy(effect=Effect.ONCE)
            await ctx.tool("book", self._book, returns=str, policy=once, amount_usd=3)
        for title in ("Read the usage of all teams?", "Keep the report for a year?"):
            approved = await ctx.approve(title, team_count=4)
            await ctx.think(f"{title} {'Yes' if approved else 'No'}.")
        return Intent(topic=Topic.USAGE, question=request.text)

    async def _book(self, amount_usd: int) -> str:
        await asyncio.Event().wait()
        return f"booked {amount_usd}"


def agents_of(app: Gateway) -> AgentRegistry:
    """The agents of the platform behind this address."""
    platforms = (getattr(service.state, "platform", None) for _, service in app.services)
    return next(platform.agents for platform in platforms if platform is not None)


async def main(home: Path, port: int) -> None:
    manager = open_settings(get_env(), overrides=overrides(host=None, port=port, home=home))
    settings = manager.settings

    async def ready(at: int) -> None:
        print(f"Apex is ready on {address(settings, at)}", flush=True)

    async with composed(manager, say=sys.stdout.write) as app:
        agents_of(app).register_factory("triage", lambda _: Careful(), replace=True)
        await run_server(app, settings=settings, on_ready=ready)


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--home", type=Path)
    options.add_argument("--port", type=int)
    given = options.parse_args()
    asyncio.run(main(given.home, given.port))
