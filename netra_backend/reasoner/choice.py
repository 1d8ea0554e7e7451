"""Which reasoner reads a user's questions: a language model where one is configured."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

from netra_backend.reasoner.intent import ModelCall
from netra_backend.reasoner.model import ModelAccess, ModelReasoner, provider_and_name
from netra_backend.reasoner.port import Reasoner
from netra_core.configuration import UnifiedConfigurationManager
from netra_core.context import UserExecutionContext

if TYPE_CHECKING:
    from purgatory import AsyncCircuitBreakerFactory

FAILURES: Final = 3
"""So many in a row, and an address is left alone …"""
REST_S: Final = 60.0
"""… for so long."""
MAX_BREAKERS: Final = 1000
"""Users whose failures are remembered; who has not asked for longest is let go."""


class ConfigurationOf(Protocol):
    """The configuration as it is for a user, or for all (None); None where there is none."""

    def __call__(self, ctx: UserExecutionContext | None, /) -> UnifiedConfigurationManager | None:
        """See the class."""
        ...


class Reasoners:
    """Makes a reasoner for each user from the live settings `llm.*` as they are for that user.

    `plain` needs no model; it reads where none is set, and whatever a model could not read.
    `account` is told, for a user, of each call that was made. An address is left alone for the user
    whose calls failed there: keys and time limits are each user's own, and so are their failures.
    """

    def __init__(
        self,
        plain: Reasoner,
        configuration_of: ConfigurationOf,
        account: Callable[[UserExecutionContext, ModelCall], Awaitable[None]],
    ) -> None:
        self._plain = plain
        self._configuration_of = configuration_of
        self._account = account
        self._breakers: OrderedDict[tuple[str, str], AsyncCircuitBreakerFactory] = OrderedDict()

    def models_of(self, user: UserExecutionContext) -> tuple[str, ...]:
        """Names of the models that read this user's questions, as the settings are now."""
        manager = self._configuration_of(user)
        named = None if manager is None else manager.get("llm.model")
        return self._plain.models if not named else (provider_and_name(str(named))[1],)

    def of(self, user: UserExecutionContext) -> Reasoner:
        """The reasoner for this user, as the settings are now."""
        manager = self._configuration_of(user)
        named = None if manager is None else manager.get("llm.model")
        if manager is None or not named:
            return self._plain
        provider, model = provider_and_name(str(named))
        key = {"anthropic": "anthropic_api_key", "google": "gemini_api_key"}
        secret = manager.get(f"llm.{key.get(provider, 'openai_api_key')}")
        return ModelReasoner(
            ModelAccess(
                provider=provider,
                model=model,
                api_key="" if secret is None else secret.get_secret_value(),
                base_url=manager.get("llm.base_url"),
                timeout_s=manager.get_float("llm.timeout_s"),
                budget_usd=manager.get_float("llm.budget_usd"),
            ),
            otherwise=self._plain,
            breakers=self._breakers_of(user),
            account=lambda call: self._account(user, call),
        )

    def _breakers_of(self, user: UserExecutionContext) -> "AsyncCircuitBreakerFactory":
        from purgatory import AsyncCircuitBreakerFactory

        found = self._breakers.pop(user.stream, None)
        self._breakers[user.stream] = found or AsyncCircuitBreakerFactory(FAILURES, REST_S)
        if len(self._breakers) > MAX_BREAKERS:
            self._breakers.popitem(last=False)
        return self._breakers[user.stream]
