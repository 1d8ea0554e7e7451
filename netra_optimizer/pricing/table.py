"""Prices as columns: any call of any known model, at the price of its day, thousands at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from netra_optimizer.pricing.custom import CustomPrice, overlay
from netra_optimizer.pricing.names import ModelKey, find_model
from netra_optimizer.pricing.schedule import DAY_US, EPOCH, Schedule, given_away, schedule_of
from netra_optimizer.pricing.tiers import TIER_CONTEXTS, context_of
from netra_optimizer.pricing.units import RATE_COLUMNS
from netra_optimizer.pricing.usage_keys import cost_of_usage
from netra_optimizer.usage.columns import Float64, Int64, rows_by_code
from netra_optimizer.usage.record import INPUT_BUCKETS, TOKEN_BUCKETS

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

    from netra_optimizer.usage.frame import Calls

_SLICE: Final = 131_072
"""Calls priced at a time: intermediate arrays stay small, whatever the number of calls."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Rates:
    """USD a token for each bucket, and USD a request, call by call; nan where unpriced."""

    input_uncached: Float64
    cache_read: Float64
    cache_write_5m: Float64
    cache_write_1h: Float64
    output_text: Float64
    reasoning: Float64
    audio_in: Float64
    audio_out: Float64
    image_in: Float64
    image_out: Float64
    request: Float64


@dataclass(frozen=True)
class Group:
    """Calls of one provider, model and tier: which rows, and their schedule (None: no price)."""

    provider: str
    model: str
    tier: str
    rows: Int64
    schedule: Schedule | None


class PriceTable:
    """genai-prices' bundled list, custom prices before it, as arrays.

    Agrees with `genai_prices.calc_price` call by call to 1e-9 USD. A model without a price has cost
    nan, never zero. `as_of` prices every call as if made on that day (time of day kept).
    """

    def __init__(
        self,
        snapshot: "DataSnapshot",
        *,
        version: str,
        as_of: date | None = None,
        custom: Sequence[CustomPrice] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._snapshot = snapshot
        self.version = version
        self.as_of = as_of
        self.custom = tuple(custom)
        self.aliases = dict(aliases or {})
        self._found: dict[tuple[str, str], tuple[Provider, ModelInfo] | None] = {}
        self._schedules: dict[tuple[str, str, str], Schedule | None] = {}

    @classmethod
    def load(
        cls,
        as_of: date | None = None,
        *,
        custom: Sequence[CustomPrice] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> "PriceTable":
        """The bundled prices.

        `aliases` maps names in the records (an Azure deployment, a gateway's alias) to models,
        written `model` or `provider/model`; they are taken before anything else.
        """
        from importlib.metadata import version

        from genai_prices.data_snapshot import get_snapshot

        return cls(
            get_snapshot(),
            version=f"genai-prices {version('genai-prices')}",
            as_of=as_of,
            custom=custom,
            aliases=aliases,
        )

    def on(self, as_of: date | None) -> "PriceTable":
        """The same prices, every call priced as if made on that day."""
        return PriceTable(
            self._snapshot,
            version=self.version,
            as_of=as_of,
            custom=self.custom,
            aliases=self.aliases,
        )

    def listed(self) -> "PriceTable":
        """The same prices without custom ones."""
        return PriceTable(
            self._snapshot, version=self.version, as_of=self.as_of, aliases=self.aliases
        )

    @property
    def fingerprint(self) -> str:
        """Equal for tables that price everything alike."""
        from hashlib import blake2b

        parts = (self.version, self.as_of, self.custom, sorted(self.aliases.items()))
        return blake2b(repr(parts).encode(), digest_size=12).hexdigest()

    def resolve(self, model: str, provider: str = "") -> ModelKey | None:
        """Who bills this model and under which id; None when nobody is known to."""
        found = self._find(model, provider)
        return ModelKey(found[0].id, found[1].id) if found else None

    def models(self, provider: str) -> list[str]:
        """Ids of the models a provider sells by the token, in the list's order; none given away."""
        for known in self._snapshot.providers:
            if known.id == provider:
                return [
                    model.id
                    for model in known.models
                    if not given_away(model)
                    and self._schedule(known.id, model.id, "standard") is not None
                ]
        return []

    def providers(self) -> list[str]:
        """Ids of all providers."""
        return [provider.id for provider in self._snapshot.providers]

    def context_window(self, model: str, provider: str = "") -> int | None:
        """Tokens a request may hold, None when not known."""
        found = self._find(model, provider)
        return found[1].context_window if found else None

    def is_priced(self, model: str, provider: str = "", tier: str = "standard") -> bool:
        """Whether a call of this model has a price."""
        return self._schedule(provider, model, tier) is not None

    def has_tier(self, model: str, provider: str, tier: str, at: datetime | None = None) -> bool:
        """Whether the provider sells this model in the tier at a price of its own.

        `at` defaults to the table's `as_of`; without either any day counts. A custom price for the
        tier counts as one.
        """
        if tier == "standard":
            return self.is_priced(model, provider)
        if any(entry.tier == tier for entry in self._entries(model, provider, tier)):
            return True
        found = self._find(model, provider)
        if found is None or not _owns(*found) or tier not in TIER_CONTEXTS:
            return False
        if at is None and self.as_of is not None:
            at = datetime.combine(self.as_of, time(), UTC)
        context = context_of(tier)
        return any(
            variant.when.items() <= context.items()
            and (at is None or variant.constraint is None or variant.constraint.active(at))
            for variant in found[1].price_variants or ()
        )

    def cost(self, calls: "Calls") -> Float64:
        """USD for each call, nan where its model has no price."""
        total = np.full(len(calls), np.nan)
        for first in range(0, len(calls), _SLICE):
            part = calls.take(np.arange(first, min(first + _SLICE, len(calls))))
            for group in self.groups(part):
                if group.schedule is not None:
                    total[first + group.rows] = self._cost_of(group, part)
        return total

    def _cost_of(self, group: Group, calls: "Calls") -> Float64:
        counts = np.stack([getattr(calls, b)[group.rows] for b in TOKEN_BUCKETS], axis=1)
        rates = self._lookup(group, calls, group.rows)
        fees = rates[:, -1] if calls.requests is None else rates[:, -1] * calls.requests[group.rows]
        return np.einsum("ij,ij->i", counts, rates[:, :-1]) + fees

    def cost_of_usage(
        self,
        model: str,
        provider: str = "",
        *,
        start_us: Int64,
        usage: Mapping[str, Float64],
        tier: str = "standard",
    ) -> Float64:
        """USD of calls of one model, whatever they are billed by, custom prices apart.

        `usage` holds genai-prices' usage keys (input_tokens including cached ones, web_searches,
        audio_seconds, …). Any model genai-prices knows; nan for others.
        """
        found = self._find(model, provider)
        if found is None:
            return np.full(len(start_us), np.nan)
        when = start_us if self.as_of_us is None else self.as_of_us + start_us % DAY_US
        context = context_of(tier) if _owns(*found) else {}
        return cost_of_usage(found[0].id, found[1], context, when, usage)

    def rates(self, calls: "Calls") -> Rates:
        """Unit prices of each call: tier, day, time of day and size of its input considered."""
        table = np.full((len(calls), len(RATE_COLUMNS)), np.nan)
        for group in self.groups(calls):
            if group.schedule is not None:
                table[group.rows] = self._lookup(group, calls, group.rows)
        return Rates(**{name: table[:, i] for i, name in enumerate(RATE_COLUMNS)})

    def groups(self, calls: "Calls") -> Iterator[Group]:
        """The calls by provider, model and tier, in order of first code."""
        labels = (calls.provider, calls.model, calls.tier)
        for rows in rows_by_code(*((label.codes, len(label.values)) for label in labels)):
            provider, model, tier = (label[int(rows[0])] for label in labels)
            schedule = self._schedule(provider, model, tier)
            yield Group(provider, model, tier, rows, schedule)

    def schedule(self, model: str, provider: str, tier: str) -> Schedule | None:
        """All prices of one model in one tier, None when it has none."""
        return self._schedule(provider, model, tier)

    def unpriced(self, names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those (provider, model) pairs that have no price."""
        return [(p, m) for p, m in names if self._schedule(p, m, "standard") is None]

    def _lookup(self, group: Group, calls: "Calls", rows: Int64) -> Float64:
        assert group.schedule is not None
        inputs = np.zeros(len(rows), np.int64)
        for bucket in INPUT_BUCKETS:
            inputs += getattr(calls, bucket)[rows]
        if calls.requests is not None:
            inputs //= np.maximum(calls.requests[rows], 1)
        return group.schedule.lookup(calls.start_us[rows], inputs, self.as_of_us)

    @property
    def as_of_us(self) -> int | None:
        """The day every call is priced at, in microseconds since 1970; None: its own."""
        if self.as_of is None:
            return None
        return (datetime.combine(self.as_of, time(), UTC) - EPOCH) // timedelta(microseconds=1)

    def _find(self, model: str, provider: str) -> "tuple[Provider, ModelInfo] | None":
        key = (provider, model)
        if key not in self._found:
            name, seller = self._alias(model, provider)
            self._found[key] = find_model(self._snapshot, name, seller) if name else None
        return self._found[key]

    def _alias(self, model: str, provider: str) -> tuple[str, str]:
        target = self.aliases.get(f"{provider}/{model}", self.aliases.get(model))
        if target is None:
            return model, provider
        head, slash, tail = target.partition("/")
        return (tail, head) if slash and head in self.providers() else (target, "")

    def _entries(self, model: str, provider: str, tier: str) -> list[CustomPrice]:
        if not self.custom:
            return []
        names = [(model, provider)]
        if found := self._find(model, provider):
            names.append((found[1].id, found[0].id))
        return [
            entry
            for entry in self.custom
            if entry.tier in ("", tier) and any(entry.matches(*name) for name in names)
        ]

    def _schedule(self, provider: str, model: str, tier: str) -> Schedule | None:
        key = (provider, model, tier)
        if key not in self._schedules:
            found = self._find(model, provider)
            listed = None
            if found is not None:
                context = context_of(tier) if _owns(*found) else {}
                listed = schedule_of(found[1], context)
            self._schedules[key] = overlay(listed, self._entries(model, provider, tier))
        return self._schedules[key]


def _owns(provider: "Provider", model: "ModelInfo") -> bool:
    """genai-prices ignores the context of a model priced by another provider's list."""
    return any(model is own for own in provider.models)
