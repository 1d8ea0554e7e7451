"""A provider's bill, held against what the records cost.

OpenAI's organization costs (amounts in USD) and Anthropic's cost report (amounts in cents), or the
tables their consoles export (amounts in USD).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from netra_optimizer.usage.errors import FileDamaged, FormatUnknown
from netra_optimizer.usage.importers.base import RowRefused
from netra_optimizer.usage.importers.pages import Pages, PagesRead
from netra_optimizer.usage.importers.reports import STARTS, buckets, kind_of, results_of
from netra_optimizer.usage.importers.values import first, mapping, moment, number, text
from netra_optimizer.usage.sources import Source, open_rows
from netra_optimizer.usage.sources.json_text import MORE
from netra_optimizer.usage.sources.rows import Row

if TYPE_CHECKING:
    from netra_optimizer.usage.store import BreakdownRow

CENT: Final = 0.01
TOLERANCE: Final = 0.01
"""Bill and records agree within a cent or one per cent."""
ROUNDING: Final = 1e-6


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one provider asks for one model (empty: something else) on one day, UTC."""

    day: date
    provider: str
    model: str
    item: str
    amount_usd: float


class BillDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Bill and records of one model on one day (model empty: of all), and why they differ.

    `reason`: agrees; discount (all of the provider's lines are off by one share); no_usage (billed,
    no record); not_billed (recorded, no bill line); unpriced (records without a price); not_tokens
    (the line is no charge for a model's tokens); credit (money given back); differs. `explanation`
    says it in a sentence.
    """

    day: date
    provider: str
    model: str
    billed_usd: float
    computed_usd: float
    reason: str
    explanation: str = ""


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """A bill and the records. `discount` is the share of a provider's list price not billed."""

    billed_usd: float
    computed_usd: float
    lines: list[BillDifference]
    discount: dict[str, float]


def read_bill(paths: "Sequence[Path | str] | Path | str") -> list[BillLine]:
    """Lines of OpenAI's costs and Anthropic's cost reports. Raises InputError for anything else.

    Pages may lie in several files and in any order; where the last of them says that others follow,
    the bill is not whole and is refused.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[BillLine] = []
    pages = Pages()
    for path in given:
        source = Source(Path(path))
        read = PagesRead(source)
        lines = list(_lines_of(source, read))
        pages.add(read.last)
        if not lines:
            raise FormatUnknown(
                f"{source.name} is no bill.",
                hint="Give OpenAI's organization costs or Anthropic's cost report as JSON.",
            )
        found += lines
    if pages.cut_off:
        names = ", ".join(Path(path).name for path in given)
        raise FileDamaged(
            f"{names} ends before the bill does: its last page says that others follow.",
            hint="Fetch the pages that follow, and give them all.",
        )
    return found


def _lines_of(source: Source, pages: PagesRead) -> Iterator[BillLine]:
    for row in open_rows(source).dicts():
        pages.follow()
        whole = _whole(row, source.name)
        for bucket in buckets(whole):
            pages.bucket(kind_of(results_of(bucket)), _day_of(bucket))
            yield from _lines(bucket)
        if isinstance(whole.get("data"), list):
            pages.end(whole.get(MORE))
    pages.follow()


def _whole(row: Row | str, name: str) -> Row:
    """The row; a bill of which a part cannot be read is no bill to reconcile with."""
    if isinstance(row, str):
        raise FileDamaged(
            f"{name} cannot be read to its end ({row}).", hint="Download the bill again."
        )
    return row


def reconcile(usage: "Iterable[BreakdownRow]", bill: Iterable[BillLine]) -> Reconciliation:
    """Hold records, broken down by day, provider and model, against a bill.

    Models are compared by the name the bill uses, else by their names without dates. A line that
    names nothing is held against all that no other line of its day and provider speaks of.
    """
    records = {
        (date.fromisoformat(row.key["day"]), row.key["provider"], row.key["model"]): row
        for row in usage
    }
    billed: dict[Key, float] = {}
    others: list[BillLine] = []
    for line in bill:
        if line.item and (not line.model or line.amount_usd < 0):
            others.append(line)
            continue
        key = line.day, line.provider, line.model
        billed[key] = billed.get(key, 0.0) + line.amount_usd
    computed, shown = _by_billed_name(records, billed)
    discount = _discounts(billed, computed)
    lines = [
        _difference(key, shown.get(key, key[2]), billed, computed, discount)
        for key in sorted(billed.keys() | computed.keys())
    ]
    lines += map(_other, others)
    return Reconciliation(
        billed_usd=sum(line.billed_usd for line in lines),
        computed_usd=sum(line.computed_usd for line in lines),
        lines=lines,
        discount={provider: share for provider, share in discount.items() if share},
    )


Key = tuple[date, str, str]
_MODEL_ID: Final = re.compile(r"(?=[^\d]*\d)[A-Za-z0-9][\w.:-]*-[\w.:-]+")
_DATED: Final = re.compile(r"[-@](\d{4}-\d\d-\d\d|\d{8}|latest)$")


def _plain_name(model: str) -> str:
    """A model's name without its date, and as an id where the bill writes it for people.

    A model tuned by its customer is named by what it was made of.
    """
    if model.startswith("ft:"):
        model = f"ft-{model.split(':')[1]}"
    return _DATED.sub("", model.strip().lower().replace(" ", "-").replace(".", "-"))


def _by_billed_name(
    records: "Mapping[Key, BreakdownRow]", billed: Mapping[Key, float]
) -> tuple[dict[Key, tuple[float, int]], dict[Key, str]]:
    """Cost and unpriced calls under the names of the bill, and the name to show for each."""
    plain = {(day, seller, _plain_name(model)): model for day, seller, model in billed if model}
    computed: dict[Key, tuple[float, int]] = {}
    names: dict[Key, set[str]] = {}
    for (day, seller, model), row in records.items():
        key = day, seller, model
        if key not in billed:
            whole = "" if (day, seller, "") in billed else model
            key = day, seller, plain.get((day, seller, _plain_name(model)), whole)
        cost, unpriced = computed.get(key, (0.0, 0))
        computed[key] = cost + row.cost_usd, unpriced + row.unpriced_requests
        names.setdefault(key, set()).add(model)
    shown = {key: next(iter(found)) for key, found in names.items() if len(found) == 1 and key[2]}
    return computed, shown


def _day_of(bucket: Mapping[str, Any]) -> datetime | None:
    try:
        return moment(first(bucket, STARTS), UTC)
    except RowRefused:
        return None


def _lines(bucket: Mapping[str, Any]) -> Iterator[BillLine]:
    begin = _day_of(bucket)
    if begin is None:
        return
    day = begin.date()
    for result in results_of(bucket) or [bucket]:
        amount = result.get("amount")
        item = text(first(result, ("line_item", "description", "token_type", "cost_type")))
        model = text(result.get("model"))
        if (
            isinstance(amount, Mapping) or "amount_value" in result
        ):  # OpenAI's, nested or in a table
            value, provider = number(first(mapping(amount), ("value",))), "openai"
            value = number(result.get("amount_value")) if value is None else value
            model = item.partition(",")[0].strip() if "," in item else model or _as_model(item)
        elif "cost_usd" in result:  # the table of Anthropic's console
            value, provider = number(result.get("cost_usd")), "anthropic"
        elif "amount" in result:
            cents = number(amount)
            value, provider = None if cents is None else cents / 100, "anthropic"
        else:
            continue
        said = first(result, ("currency", "amount_currency")) or mapping(amount).get("currency")
        if not model and item == "tokens":
            item = ""  # all models' tokens of the day together
        if value is not None and text(said or "usd").lower() == "usd":
            yield BillLine(day=day, provider=provider, model=model, item=item, amount_usd=value)


def _as_model(item: str) -> str:
    """The model that a line item names and nothing more, such as dall-e-3; else empty."""
    return item if _MODEL_ID.fullmatch(item) else ""


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


def _difference(
    key: Key,
    shown: str,
    billed: Mapping[Key, float],
    computed: Mapping[Key, tuple[float, int]],
    discount: Mapping[str, float],
) -> BillDifference:
    amount, (cost, unpriced) = billed.get(key, 0.0), computed.get(key, (0.0, 0))
    share = discount.get(key[1], 0.0)
    more = abs(amount - cost)
    if key not in computed:
        reason, why = "no_usage", "Billed, but no call of it is recorded here."
    elif unpriced:
        reason = "unpriced"
        why = f"{unpriced} calls have no price: give one, or say which model the name stands for."
    elif key not in billed:
        reason, why = "not_billed", "Recorded, but the bill has no line for it."
    elif _close(amount, cost):
        reason = "agrees"
        why = f"Off by ${more:.4f}, as rounding leaves." if more > ROUNDING else ""
    elif share and _close(amount, cost * (1 - share)):
        reason, why = "discount", f"Billed at {share:.1%} below the list."
    elif amount > cost:
        reason = "differs"
        why = (
            f"${more:.2f} more was billed: calls that are not recorded, or a dearer tier or region."
        )
    else:
        reason = "differs"
        why = f"${more:.2f} less was billed: a credit or an agreed price, or calls recorded twice."
    return BillDifference(
        day=key[0], provider=key[1], model=shown, billed_usd=amount, computed_usd=cost,
        reason=reason, explanation=why,
    )  # fmt: skip


def _other(line: BillLine) -> BillDifference:
    credit = line.amount_usd < 0
    return BillDifference(
        day=line.day,
        provider=line.provider,
        model=line.item,
        billed_usd=line.amount_usd,
        computed_usd=0.0,
        reason="credit" if credit else "not_tokens",
        explanation="Money given back." if credit else "No charge for a model's tokens.",
    )


def _close(billed: float, computed: float) -> bool:
    return abs(billed - computed) <= max(CENT, TOLERANCE * abs(computed))
