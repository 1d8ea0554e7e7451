"""Agents that tests put in the place of others, as a plugin would, and what goes with them."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from netra_backend.agents.base import BaseAgent
from netra_backend.agents.context import AgentContext, ToolPolicy
from netra_backend.agents.findings import Question
from netra_backend.composition import Platform
from netra_backend.reasoner import Intent, Topic
from netra_backend.tests.kit import Person, Stack, client
from netra_core.context import UserExecutionContext
from netra_core.state import Scope


class Asking(BaseAgent[Question, Intent]):
    """Triage that asks its user first."""

    name: ClassVar[str] = "triage"

    async def run(self, ctx: AgentContext, request: Question) -> Intent:
        approved = await ctx.approve("Read the usage?", cost_usd=0.0)
        await ctx.think("approved" if approved else "refused")
        return Intent(topic=Topic.USAGE, question=request.text)


class Paying(BaseAgent[Question, Intent]):
    """Triage that first does something outside which must not be done twice."""

    name: ClassVar[str] = "triage"

    def __init__(self, url: str, policy: ToolPolicy, after: Callable[[], None]) -> None:
        super().__init__()
        self._url = url
        self._policy = policy
        self._after = after

    async def run(self, ctx: AgentContext, request: Question) -> Intent:
        receipt = await ctx.tool("pay", self._pay, returns=str, policy=self._policy, amount=3)
        await ctx.think(receipt)
        return Intent(topic=Topic.USAGE, question=request.text)

    async def _pay(self, amount: int, idempotency_key: str = "") -> str:
        async with client(self._url) as http:
            answer = await http.post("/", json={"amount": amount, "key": idempotency_key})
        self._after()
        return answer.text


class Till:
    """The world outside: takes payments over HTTP, one for each key where one is given."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.called = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    @property
    def paid(self) -> int:
        """How often money moved."""
        keyed = {key for key in self.calls if key}
        return len(keyed) + self.calls.count("")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = json.loads((await receive())["body"])
        self.calls.append(body["key"])
        self.called.set()
        await self.open.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"paid"})


def with_payment(
    url: str, policy: ToolPolicy, after: Callable[[], None] = lambda: None
) -> Callable[[Platform], None]:
    def put(platform: Platform) -> None:
        platform.agents.register_factory(
            "triage", lambda _: Paying(url, policy, after), replace=True
        )

    return put


class Producing(BaseAgent[Question, Intent]):
    """Triage that leaves a plan in the thread's state."""

    name: ClassVar[str] = "triage"

    async def run(self, ctx: AgentContext, request: Question) -> Intent:
        async def produce() -> int:
            plan = {"by": "triage", "topic": "usage"}
            return (await ctx.state.set("plan", plan, scope=Scope.THREAD)).version

        await ctx.tool("produce", produce, returns=int)
        consumer = Consuming()
        await ctx.delegate(consumer, request)
        await consumer.shutdown()
        return Intent(topic=Topic.USAGE, question=request.text)


class Consuming(BaseAgent[Question, dict]):
    """Reads the plan."""

    name: ClassVar[str] = "reader"

    async def run(self, ctx: AgentContext, request: Question) -> dict:
        async def consume() -> dict:
            return msgspec.convert(await ctx.state.get("plan", scope=Scope.THREAD), dict)

        return await ctx.tool("consume", consume, returns=dict)


def with_approval(platform: Platform) -> None:
    platform.agents.register_factory("triage", lambda _: Asking(), replace=True)


async def with_asking(made: Stack) -> None:
    with_approval(made.platform)


async def with_producer_and_consumer(made: Stack) -> None:
    made.platform.agents.register_factory("triage", lambda _: Producing(), replace=True)


async def with_triage(made: Stack) -> None:
    from netra_backend.agents.triage import TriageAgent

    reasoner = made.platform.deps.reasoner
    made.platform.agents.register_factory(
        "triage", lambda _: TriageAgent(lambda _: reasoner), replace=True
    )


async def break_reporting(made: Stack) -> None:
    def broken(_: object) -> BaseAgent[object, object]:
        raise RuntimeError("the reporting plugin is broken")

    made.platform.agents.register_factory("reporting", broken, replace=True)


async def mend_reporting(made: Stack) -> None:
    from netra_backend.agents.reporting import ReportingAgent

    analyses = made.platform.analyses
    made.platform.agents.register_factory(
        "reporting", lambda _: ReportingAgent(analyses), replace=True
    )


async def plan_of(made: Stack, ctx: UserExecutionContext) -> object:
    state = made.platform.deps.state
    assert state is not None
    return await state.for_context(ctx.for_thread("any")).get("plan", scope=Scope.THREAD)


async def request_of(ada: Person) -> dict | None:
    items = (await ada.http.get("/api/approvals")).json()["items"]
    return items[0] if items else None


class Clock:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now
