"""Prices a team was given or knows: for models nobody lists, and for negotiated rates."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec
import numpy as np

from netra_optimizer.errors import PricingError
from netra_optimizer.pricing.schedule import BEGINNING, DAY_US, EPOCH, Schedule
from netra_optimizer.pricing.units import BUCKET_UNITS, RATE_COLUMNS
from netra_optimizer.usage.record import TOKEN_BUCKETS


class CustomPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price list entry of one's own, in USD per million tokens.

    It holds for calls whose model is `model` (as recorded or as resolved; "*" is any) and, when
    `provider` is given, only there. `discount` takes a share off the listed price instead (0.2 is
    20 % less); both may be given, the discount is then taken off the prices given here. The latest
    entry whose `start` has come wins; `tier` limits it to one service tier.
    """

    model: str
    provider: str = ""
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    reasoning: float | None = None
    audio_in: float | None = None
    audio_out: float | None = None
    image_in: float | None = None
    image_out: float | None = None
    request: float | None = None
    """USD for one request, whatever its size."""
    discount: float = 0.0
    start: date | None = None
    tier: str = ""

    def __post_init__(self) -> None:
        amounts = [getattr(self, name) for name in _PRICE_FIELDS]
        if any(amount is not None and not amount >= 0 for amount in amounts):
            raise BadPrice(f"A price of model {self.model!r} is negative or no number.")
        if not 0 <= self.discount < 1:
            raise BadPrice(
                f"discount {self.discount!r} of model {self.model!r} is no share.",
                hint="Give 0.2 for 20 % off.",
            )
        if not self.discount and all(amount is None for amount in amounts):
            raise BadPrice(
                f"The entry of model {self.model!r} states no price.",
                hint="Give input and output in USD per million tokens, or a discount.",
            )

    def matches(self, model: str, provider: str) -> bool:
        """Whether the entry speaks of this model at this provider."""
        return self.model.lower() in ("*", model.lower()) and (
            not self.provider or self.provider.lower() == provider.lower()
        )

    def rates(self, listed: list[float] | None) -> list[float] | None:
        """The rate row this entry makes of the listed one; None when neither states a price."""
        keys = {
            "input_mtok": self.input,
            "output_mtok": self.output,
            "cache_read_mtok": self.cache_read,
            "cache_write_mtok": self.cache_write,
            "cache_write_1h_mtok": self.cache_write_1h,
            "output_reasoning_mtok": self.reasoning,
            "input_audio_mtok": self.audio_in,
            "output_audio_mtok": self.audio_out,
            "input_image_mtok": self.image_in,
            "output_image_mtok": self.image_out,
        }
        given = {key: amount for key, amount in keys.items() if amount is not None}
        if not given and self.request is None:
            row = listed
        elif listed is None and self.input is None and self.request is None:
            row = None  # nobody lists what its input costs: not known, and never zero
        else:
            base = listed or [0.0] * (len(TOKEN_BUCKETS) + 1)
            row = [
                next((given[key] / 1e6 for key in BUCKET_UNITS[bucket] if key in given), old)
                for bucket, old in zip(TOKEN_BUCKETS, base, strict=False)
            ]
            row.append(base[-1] if self.request is None else self.request)
        return None if row is None else [rate * (1 - self.discount) for rate in row]


_WIDTH: Final = len(RATE_COLUMNS)
_PRICE_FIELDS: Final = tuple(
    name
    for name in CustomPrice.__struct_fields__
    if name not in ("model", "provider", "discount", "start", "tier")
)


class BadPrice(PricingError):
    """A custom price states nothing or something impossible."""

    code = "OPT-201"


def overlay(listed: Schedule | None, entries: Sequence[CustomPrice]) -> Schedule | None:
    """The listed schedule with the entries laid over it, each from its start on.

    A named model beats "*", a named provider beats any, a named tier beats any; then the latest
    start wins, then the last in the list.
    """
    if not entries:
        return listed
    base = listed or Schedule(
        np.array([BEGINNING]), np.array([0]), np.array([-1]), np.full((1, 1, 1, _WIDTH), np.nan)
    )
    dates = sorted({*base.dates_us.tolist(), *(_start_us(entry) for entry in entries)})
    cells = base.rates[np.searchsorted(base.dates_us, dates, "right") - 1]
    rates = np.array(
        [
            [[_best(entries, date, row.tolist()) for row in bands] for bands in clocks]
            for date, clocks in zip(dates, cells, strict=True)
        ]
    )
    if np.isnan(rates).all():
        return None
    return Schedule(np.array(dates, np.int64), base.times_us, base.over, rates)


def _best(entries: Sequence[CustomPrice], date_us: int, listed: list[float]) -> list[float]:
    begun = [
        (entry.model != "*", bool(entry.provider), bool(entry.tier), _start_us(entry), place)
        for place, entry in enumerate(entries)
        if _start_us(entry) <= date_us
    ]
    if not begun:
        return listed
    known = None if np.isnan(listed).any() else listed
    return entries[max(begun)[-1]].rates(known) or listed


def _start_us(entry: CustomPrice) -> int:
    if entry.start is None:
        return BEGINNING
    return (entry.start - EPOCH.date()).days * DAY_US
