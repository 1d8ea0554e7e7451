"""All levers: those that come with the optimizer and those which installed packages add."""

from importlib.metadata import entry_points
from typing import Final

from netra_optimizer.errors import AnalysisError
from netra_optimizer.levers.base import Lever
from netra_optimizer.levers.batch_tier import BatchTierLever
from netra_optimizer.levers.context_growth import ContextGrowthLever
from netra_optimizer.levers.model_switch import ModelSwitchLever
from netra_optimizer.levers.output_tokens import OutputTokensLever
from netra_optimizer.levers.prompt_cache import PromptCacheLever
from netra_optimizer.levers.provider_switch import ProviderSwitchLever
from netra_optimizer.levers.response_cache import ResponseCacheLever
from netra_optimizer.levers.retry_waste import RetryWasteLever
from netra_optimizer.levers.routing import RoutingLever

ENTRY_POINT_GROUP: Final = "netra_optimizer.levers"


class LeverRegistry:
    """Levers by id, in the order they were registered; a second one of an id is refused."""

    def __init__(self, levers: tuple[Lever, ...] = ()) -> None:
        self._levers: dict[str, Lever] = {}
        for lever in levers:
            self.register(lever)

    def register(self, lever: Lever) -> None:
        """Add a lever. AnalysisError when its id is taken."""
        if lever.id in self._levers:
            raise AnalysisError(
                f"There is a lever {lever.id!r} already.", hint="Give yours another id."
            )
        self._levers[lever.id] = lever

    def load_entry_points(self, group: str = ENTRY_POINT_GROUP) -> None:
        """Add levers of installed packages; each entry point names a Lever class."""
        for entry in entry_points(group=group):
            self.register(entry.load()())

    def levers(self) -> tuple[Lever, ...]:
        """All of them."""
        return tuple(self._levers.values())


def default_levers() -> LeverRegistry:
    """The optimizer's own levers, then those of installed packages."""
    registry = LeverRegistry(
        (
            PromptCacheLever(),
            ResponseCacheLever(),
            BatchTierLever(),
            ModelSwitchLever(),
            RoutingLever(),
            ProviderSwitchLever(),
            RetryWasteLever(),
            ContextGrowthLever(),
            OutputTokensLever(),
        )
    )
    registry.load_entry_points()
    return registry
