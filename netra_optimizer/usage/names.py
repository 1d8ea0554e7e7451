"""The model and provider columns of a batch, completed where the source is silent."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from netra_optimizer.usage.arrow_types import ArrowArray
from netra_optimizer.usage.batch import constant_text
from netra_optimizer.usage.columns import Int32, Text, Texts, count_array, text_array, texts


class ModelNames:
    """Fills in the model the user named, and the provider a model's name speaks of.

    A provider the source states is kept as it is. Each name is looked up once.
    """

    def __init__(self) -> None:
        self._providers: dict[str, str] = {}

    def complete(
        self,
        models: Sequence[str] | ArrowArray | None,
        providers: Sequence[str] | ArrowArray | None,
        default: tuple[str, str],
        rows: int,
    ) -> tuple[ArrowArray, ArrowArray]:
        """Both columns, `rows` long; `default` is (model, provider) for rows without a model."""
        model, provider = default
        if models is None and providers is None:
            provider = provider or self._provider(model)
            return constant_text(model, rows), constant_text(provider, rows)
        if isinstance(models, list) and isinstance(providers, list):
            if "" not in models and "" not in providers:
                return models, providers
        codes, names = _coded(models, rows)
        sold, sellers = _coded(providers, rows)
        pairs, place = np.unique(codes.astype(np.int64) * len(sellers) + sold, return_inverse=True)
        named: list[str] = []
        given: list[str] = []
        for pair in pairs.tolist():
            name, seller = names[pair // len(sellers)], sellers[pair % len(sellers)]
            if not name:
                name, seller = model, seller or provider
            named.append(name)
            given.append(seller or self._provider(name))
        at = count_array(place.astype(np.int64), pa.int64())
        return text_array(named).take(at), text_array(given).take(at)

    def _provider(self, model: str) -> str:
        if model not in self._providers:
            self._providers[model] = _looked_up(model)
        return self._providers[model]


def _coded(column: "Sequence[str] | ArrowArray | None", rows: int) -> tuple[Int32, Texts]:
    if column is None:
        return np.zeros(rows, np.int32), ("",)
    text = texts(column) if isinstance(column, pa.Array) else Text.of(column)
    return text.codes, text.values


def _looked_up(model: str) -> str:
    from genai_prices.data_snapshot import get_snapshot

    from netra_optimizer.pricing.names import find_model

    found = find_model(get_snapshot(), model, "")
    return found[0].id if found else ""


@lru_cache(maxsize=1024)
def provider_of_url(url: str) -> str:
    """The provider whose API lies at an address, empty where it is nobody's known."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider(None, None, url).id
    except LookupError:
        return ""
