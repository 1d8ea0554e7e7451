"""The reasoner that asks a language model, within a budget, and does without when it cannot."""

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import structlog

from netra_backend.reasoner.intent import Intent, ModelCall
from netra_backend.reasoner.port import Hearing, Reasoner
from netra_backend.reasoner.reading import INSTRUCTIONS, Reading, intent_of, reading_so_far

if TYPE_CHECKING:
    from purgatory import AsyncCircuitBreakerFactory
    from purgatory.domain.model import ExcludeType
    from pydantic_ai import RunContext
    from pydantic_ai.agent import EventStreamHandler
    from pydantic_ai.messages import AgentStreamEvent
    from pydantic_ai.models import Model
    from pydantic_ai.usage import RunUsage

ANSWER_TOKENS: Final = 2_000
REQUESTS: Final = 2
"""An answer that does not fit the form may be asked for once more."""

_GEMINI: Final = "https://generativelanguage.googleapis.com/v1beta/openai/"
"""Google's models behind OpenAI's protocol."""

_OPENAI: Final = "https://api.openai.com/v1"
_ANTHROPIC: Final = "https://api.anthropic.com"

_log = structlog.get_logger(__name__)

Account = Callable[[ModelCall], Awaitable[None]]
"""Told of each call that was made, whatever came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccess:
    """Which model, by which key and address, and how much of it. Times in seconds."""

    provider: str
    """openai, anthropic or google."""
    model: str
    api_key: str = field(repr=False)
    base_url: str | None = None
    timeout_s: float = 60.0
    budget_usd: float = 1.0


def provider_and_name(model: str) -> tuple[str, str]:
    """`openai:gpt-5-mini` in two; a bare name goes to whose it looks like, else to OpenAI."""
    head, colon, tail = model.partition(":")
    if colon and head in ("openai", "anthropic", "google"):
        return head, tail
    if model.startswith("claude"):
        return "anthropic", model
    return ("google" if model.startswith("gemini") else "openai"), model


class ModelReasoner:
    """Has a model read the question; whatever hinders that, `otherwise` reads it.

    Only the question is sent. A call that could cost more than the budget, or whose price nobody
    knows, is not made. After a few failures of one address in a row the breaker keeps calls from
    it for a while. What kept the model out stands in the intent's `note`.
    """

    def __init__(
        self,
        access: ModelAccess,
        *,
        otherwise: Reasoner,
        breakers: "AsyncCircuitBreakerFactory",
        account: Account,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access
        self._otherwise = otherwise
        self._breakers = breakers
        self._account = account
        self._clock = clock
        self._monotonic = monotonic

    @property
    def models(self) -> tuple[str, ...]:
        """The one model."""
        return (self._access.model,)

    async def understand(self, question: str, *, heard: Hearing | None = None) -> Intent:
        """See Reasoner."""
        text = " ".join(question.split())
        hindrance = self._hindrance(text)
        if hindrance is None:
            try:
                return await self._asked(text, heard)
            except ImportError:
                hindrance = "the extra [llm] is not installed"
            except Exception as error:  # a provider may fail in any way; the run does not
                _log.warning("reasoner_failed", model=self._access.model, error=_kind(error))
                hindrance = _kind(error)
        intent = await self._otherwise.understand(question)
        return intent.noted(f"{self._access.model} was not asked, or did not answer: {hindrance}.")

    async def _asked(self, text: str, heard: Hearing | None) -> Intent:
        # Seconds of imports, once: not in the loop that serves everybody.
        kind = "anthropic" if self._access.provider == "anthropic" else "openai"
        await asyncio.to_thread(import_module, f"pydantic_ai.models.{kind}")

        from pydantic_ai import Agent
        from pydantic_ai.usage import RunUsage, UsageLimits

        agent = Agent(
            _model(self._access),
            output_type=Reading,
            instructions=f"{INSTRUCTIONS}\nToday is {self._clock():%A, %Y-%m-%d}.",
            model_settings={"max_tokens": ANSWER_TOKENS, "timeout": self._access.timeout_s},
        )
        breaker = await self._breakers.get_breaker(
            self._access.base_url or self._access.provider, exclude=_not_its_fault()
        )
        used, started, began = RunUsage(), self._clock(), self._monotonic()
        limits = UsageLimits(
            request_limit=REQUESTS, cost_limit=Decimal(str(self._access.budget_usd))
        )
        status = "error"
        try:
            async with agent, breaker, asyncio.timeout(self._access.timeout_s):
                answer = await agent.run(
                    text,
                    usage=used,
                    usage_limits=limits,
                    event_stream_handler=None if heard is None else _overhearing(text, heard),
                )
            status = "ok"
        finally:
            call = self._call(used, started, (self._monotonic() - began) * 1000, status)
            if call.input_tokens or call.output_tokens:
                await self._account(call)
        return intent_of(answer.output, text).read_by(call)

    def _call(
        self, used: "RunUsage", started: datetime, latency_ms: float, status: str
    ) -> ModelCall:
        return ModelCall(
            provider=self._access.provider,
            model=self._access.model,
            started=started.isoformat(),
            latency_ms=round(latency_ms, 1),
            requests=used.requests,
            input_tokens=used.input_tokens,
            cache_read_tokens=used.cache_read_tokens,
            output_tokens=used.output_tokens,
            cost_usd=_cost(
                self._access,
                used.input_tokens,
                used.output_tokens,
                started,
                read=used.cache_read_tokens,
                written=used.cache_write_tokens,
            )
            or 0.0,
            status=status,
        )

    def _hindrance(self, text: str) -> str | None:
        """Why the model is not asked, None when it is. Every byte is taken as a token."""
        if not self._access.api_key and self._access.base_url is None:
            return f"no key for {self._access.provider} is set"
        most = REQUESTS * (len((INSTRUCTIONS + text).encode()) + ANSWER_TOKENS)
        cost = _cost(self._access, most, REQUESTS * ANSWER_TOKENS, self._clock())
        if cost is None:
            return "its price is not known, so no budget holds"
        if cost > self._access.budget_usd:
            return f"it could cost ${cost:.4f}, more than the budget of a run"
        return None


def _cost(
    access: ModelAccess,
    inputs: int,
    outputs: int,
    at: datetime,
    *,
    read: int = 0,
    written: int = 0,
) -> float | None:
    """USD of all input, `read` from and `written` to a cache included; None without a price."""
    from genai_prices import Usage, calc_price

    try:
        price = calc_price(
            Usage(
                input_tokens=inputs,
                cache_read_tokens=read,
                cache_write_tokens=written,
                output_tokens=outputs,
            ),
            access.model,
            provider_id=access.provider,
            genai_request_timestamp=at,
        )
    except LookupError:
        return None
    return float(price.total_price)


def _overhearing(text: str, heard: Hearing) -> "EventStreamHandler[object]":
    """Follows the form while the model fills it in, token by token."""
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, ToolCallPart, ToolCallPartDelta

    async def follow(_: "RunContext[object]", events: "AsyncIterable[AgentStreamEvent]") -> None:
        form, told = "", None
        async for event in events:
            match event:
                case PartStartEvent(part=ToolCallPart(args=str(begun))):
                    form = begun
                case PartDeltaEvent(delta=ToolCallPartDelta(args_delta=str(more))):
                    form += more
                case _:
                    continue
            reading = reading_so_far(form)
            if reading is not None and reading != told:
                told = reading
                await heard(intent_of(reading, text))

    return follow


def _not_its_fault() -> "ExcludeType":
    """What says nothing of the address: our own refusals, a wrong key, a cancelled run."""
    from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior, UsageLimitExceeded

    def refused(error: Any) -> bool:
        return 400 <= error.status_code < 500 and error.status_code != 429

    return [
        asyncio.CancelledError,
        UsageLimitExceeded,
        UnexpectedModelBehavior,
        (ModelHTTPError, refused),
    ]


def _model(access: ModelAccess) -> "Model":
    if access.provider == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        return AnthropicModel(
            access.model,
            provider=AnthropicProvider(
                api_key=access.api_key or "none", base_url=access.base_url or _ANTHROPIC
            ),
        )
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    base_url = access.base_url or (_GEMINI if access.provider == "google" else _OPENAI)
    provider = OpenAIProvider(api_key=access.api_key or "none", base_url=base_url)
    return OpenAIChatModel(access.model, provider=provider)


def _kind(error: Exception) -> str:
    """What went wrong, without the words of a stranger: they may repeat a key or the question."""
    status: Any = getattr(error, "status_code", None)
    return f"{type(error).__name__}{f' {status}' if isinstance(status, int) else ''}"
