"""A provider's bill, held against what the records cost.

OpenAI's organization costs (amounts in USD) and Anthropic's cost report (amounts in cents).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from netra_optimizer.usage.errors import FormatUnknown
from netra_optimizer.usage.importers.base import RowRefused
from netra_optimizer.usage.importers.reports import STARTS, buckets, results_of
from netra_optimizer.usage.importers.values import first, mapping, moment, number, text
from netra_optimizer.usage.sources import Source, open_rows

if TYPE_CHECKING:
    from netra_optimizer.usage.store import BreakdownRow

CENT: Final = 0.01
TOLERANCE: Final = 0.01
"""Bill and records agree within a cent or one per cent."""


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider asks for one model (empty: something else) on one day, UTC."""

    day: date
    provider: str
    model: str
    item: str
    amount_usd: float


class BillDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Bill and records of one model on one day, and why they differ.

    `reason`: agrees; discount (all of the provider's lines are off by one share); no_usage (billed,
    no record); not_billed (recorded, no bill line); unpriced (records without a price); not_tokens
    (the line is no charge for a model's tokens); differs.
    """

    day: date
    provider: str
    model: str
    billed_usd: float
    computed_usd: float
    reason: str


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """A bill and the records. `discount` is the share of a provider's list price not billed."""

    billed_usd: float
    computed_usd: float
    lines: list[BillDifference]
    discount: dict[str, float]


def read_bill(paths: "Sequence[Path | str] | Path | str") -> list[BillLine]:
    """Lines of OpenAI's costs and Anthropic's cost reports. Raises InputError for anything else."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[BillLine] = []
    for path in given:
        source = Source(Path(path))
        lines = [
            line
            for row in open_rows(source).dicts()
            if isinstance(row, dict)
            for bucket in buckets(row)
            for line in _lines(bucket)
        ]
        if not lines:
            raise FormatUnknown(
                f"{source.name} is no bill.",
                hint="Give OpenAI's organization costs or Anthropic's cost report as JSON.",
            )
        found += lines
    return found


def reconcile(usage: "Iterable[BreakdownRow]", bill: Iterable[BillLine]) -> Reconciliation:
    """Hold records, broken down by day, provider and model, against a bill.

    Models are compared by the name the bill uses, and by its beginning where the bill abbreviates.
    """
    computed: dict[tuple[date, str, str], tuple[float, int]] = {}
    for row in usage:
        key = date.fromisoformat(row.key["day"]), row.key["provider"], row.key["model"]
        computed[key] = row.cost_usd, row.unpriced_requests
    billed: dict[tuple[date, str, str], float] = {}
    others: list[BillLine] = []
    for line in bill:
        if not line.model:
            others.append(line)
            continue
        key = _recorded_as(line, computed)
        billed[key] = billed.get(key, 0.0) + line.amount_usd
    discount = _discounts(billed, computed)
    lines = [
        BillDifference(
            day=key[0],
            provider=key[1],
            model=key[2],
            billed_usd=billed.get(key, 0.0),
            computed_usd=computed.get(key, (0.0, 0))[0],
            reason=_reason(key, billed, computed, discount),
        )
        for key in sorted(billed.keys() | computed.keys())
    ]
    lines += [
        BillDifference(
            day=line.day,
            provider=line.provider,
            model=line.item,
            billed_usd=line.amount_usd,
            computed_usd=0.0,
            reason="not_tokens",
        )
        for line in others
    ]
    return Reconciliation(
        billed_usd=sum(line.billed_usd for line in lines),
        computed_usd=sum(line.computed_usd for line in lines),
        lines=lines,
        discount={provider: share for provider, share in discount.items() if share},
    )


Key = tuple[date, str, str]


def _lines(bucket: Mapping[str, Any]) -> Iterator[BillLine]:
    try:
        day = moment(first(bucket, STARTS), UTC).date()
    except RowRefused:
        return
    for result in results_of(bucket):
        amount = result.get("amount")
        if isinstance(amount, Mapping):
            value, item = number(amount.get("value")), text(result.get("line_item"))
            model = item.partition(",")[0].strip() if "," in item else ""
            provider = "openai"
        elif "amount" in result:
            cents = number(amount)
            value = None if cents is None else cents / 100
            item = text(first(result, ("description", "cost_type")))
            model, provider = text(result.get("model")), "anthropic"
        else:
            continue
        currency = first(result, ("currency",)) or mapping(amount).get("currency") or "usd"
        if value is not None and text(currency).lower() == "usd":
            yield BillLine(day=day, provider=provider, model=model, item=item, amount_usd=value)


def _recorded_as(line: BillLine, computed: Mapping[Key, object]) -> Key:
    exact = line.day, line.provider, line.model
    if exact in computed:
        return exact
    for key in computed:
        same_day = key[:2] == exact[:2]
        if same_day and (key[2].startswith(line.model) or line.model.startswith(key[2])):
            return key
    return exact


def _discounts(
    billed: Mapping[Key, float], computed: Mapping[Key, tuple[float, int]]
) -> dict[str, float]:
    """The one share that explains all of a provider's lines, 0 where there is none."""
    shares: dict[str, list[float]] = {}
    for key, amount in billed.items():
        cost, unpriced = computed.get(key, (0.0, 0))
        if cost > 1.0 and not unpriced:
            shares.setdefault(key[1], []).append(1 - amount / cost)
    return {
        provider: round(sum(found) / len(found), 4)
        for provider, found in shares.items()
        if len(found) > 1 and max(found) - min(found) < TOLERANCE and min(found) > TOLERANCE
    }


def _reason(
    key: Key,
    billed: Mapping[Key, float],
    computed: Mapping[Key, tuple[float, int]],
    discount: Mapping[str, float],
) -> str:
    if key not in computed:
        return "no_usage"
    cost, unpriced = computed[key]
    if unpriced:
        return "unpriced"
    if key not in billed:
        return "not_billed"
    if _close(billed[key], cost):
        return "agrees"
    share = discount.get(key[1], 0.0)
    return "discount" if share and _close(billed[key], cost * (1 - share)) else "differs"


def _close(billed: float, computed: float) -> bool:
    return abs(billed - computed) <= max(CENT, TOLERANCE * abs(computed))
