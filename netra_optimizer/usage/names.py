"""The model and provider columns of a batch, completed where the source is silent."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netra_optimizer.usage.arrow_types import ArrowArray
from netra_optimizer.usage.batch import constant_text

if TYPE_CHECKING:
    pass


class ModelNames:
    """Fills in the model the user named, and the provider a model's name speaks of.

    A provider the source states is kept as it is. Each name is looked up once.
    """

    def __init__(self) -> None:
        self._providers: dict[str, str] = {}

    def complete(
        self,
        models: Sequence[str] | None,
        providers: Sequence[str] | None,
        default: tuple[str, str],
        rows: int,
    ) -> tuple[Sequence[str] | ArrowArray, Sequence[str] | ArrowArray]:
        """Both columns, `rows` long; `default` is (model, provider) for rows without a model."""
        model, provider = default
        if models is None and providers is None:
            provider = provider or self._provider(model)
            return constant_text(model, rows), constant_text(provider, rows)
        if models is not None and providers is not None and _complete(models, providers):
            return models, providers
        named = list(models) if models is not None else [""] * rows
        sold = list(providers) if providers is not None else [""] * rows
        for row, name in enumerate(named):
            if not name:
                named[row], sold[row] = model, sold[row] or provider
        return named, [
            given or self._provider(name) for name, given in zip(named, sold, strict=True)
        ]

    def _provider(self, model: str) -> str:
        if model not in self._providers:
            self._providers[model] = _looked_up(model)
        return self._providers[model]


def _complete(models: Sequence[str], providers: Sequence[str]) -> bool:
    return "" not in models and "" not in providers


def _looked_up(model: str) -> str:
    from genai_prices.data_snapshot import get_snapshot

    from netra_optimizer.pricing.names import find_model

    found = find_model(get_snapshot(), model, "")
    return found[0].id if found else ""
