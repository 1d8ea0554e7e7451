"""Usage for other tools: calls as CSV or Parquet, cost rows in FOCUS columns."""

from collections.abc import Mapping
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from netra_optimizer.usage.arrow_types import ArrowTable
from netra_optimizer.usage.errors import BadQuery
from netra_optimizer.usage.filters import EVERYTHING, UsageFilter

if TYPE_CHECKING:
    from netra_optimizer.pricing.table import PriceTable
    from netra_optimizer.usage.store import TenantUsage

FORMATS: Final = ("csv", "parquet", "focus")
_LISTS: Final = ("tags", "tool_names", "block_hashes")

FOCUS_COLUMNS: Final = (
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ListUnitPrice",
    "ContractedUnitPrice", "BillingCurrency", "PricingCurrency", "BillingAccountId",
    "BillingAccountName", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart",
    "ChargePeriodEnd", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit", "PricingCategory",
    "ServiceCategory", "ServiceSubcategory", "ServiceName", "ProviderName", "PublisherName",
    "InvoiceIssuerName", "RegionId", "RegionName", "SkuId", "SkuMeter", "SkuPriceDetails",
    "SkuPriceId", "SubAccountId", "SubAccountName", "Tags",
    "x_Model", "x_TokenType", "x_ServiceTier", "x_Requests",
)  # fmt: skip
"""Columns of FOCUS_VERSION that usage of models fills, all mandatory ones among them, and ours
after x_. A row is one kind of token of one model, tier, team, feature and user on one day, or the
fee for its requests. A call to a model provisions nothing, hence no resource. ListCost leaves
prices of one's own out. Costs and unit prices are null where there is no price, which FOCUS has no
place for: it allows neither null nor a zero that nobody was charged."""
FOCUS_VERSION: Final = "1.2"
_NOBODY: Final = "Unknown"
"""Where the seller is not known; columns that name one may not be null."""
_NUMBERS: Final = (
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ListUnitPrice",
    "ContractedUnitPrice", "PricingQuantity",
)  # fmt: skip
_METERS: Final = {
    "input_uncached": "Input Tokens", "cache_read": "Cached Input Tokens",
    "cache_write_5m": "Cache Write Tokens (5 minutes)",
    "cache_write_1h": "Cache Write Tokens (1 hour)", "output_text": "Output Tokens",
    "reasoning": "Reasoning Tokens", "audio_in": "Audio Input Tokens",
    "audio_out": "Audio Output Tokens", "image_in": "Image Input Tokens",
    "image_out": "Image Output Tokens", "request": "Requests",
}  # fmt: skip

_FORMULA: Final = r"^[=+\t\r]|^[-@].*[(|!]"
"""What a spreadsheet takes for a formula when it opens a CSV file."""


def export_usage(
    tenant: "TenantUsage",
    path: Path,
    *,
    prices: "PriceTable",
    fmt: str = "csv",
    where: UsageFilter = EVERYTHING,
) -> int:
    """Write calls (csv, parquet) or cost rows (focus, CSV); returns the number of rows.

    Lists are JSON in CSV, and texts that a spreadsheet would execute have an apostrophe before
    them. Raises BadQuery for another format.
    """
    if fmt not in FORMATS:
        raise BadQuery(f"Usage is not exported as {fmt!r}.", hint=f"As {', '.join(FORMATS)}.")
    if fmt == "focus":
        table = focus_table(tenant, prices=prices, where=where)
    else:
        table = tenant.arrow(where, prices=prices)
        if fmt == "csv":
            table = _flat(table)
    _write(table, path, parquet=fmt == "parquet")
    return int(table.num_rows)


def focus_table(
    tenant: "TenantUsage", *, prices: "PriceTable", where: UsageFilter = EVERYTHING
) -> ArrowTable:
    """The cost rows in FOCUS_COLUMNS."""
    import pyarrow as pa

    charges = tenant.charges(prices, where)
    listed = tenant.charges(prices.listed(), where) if prices.custom else charges
    list_cost = {_key(charge): charge["cost_usd"] for charge in listed}
    rows = [_focus_row(charge, list_cost.get(_key(charge))) for charge in charges]
    kinds: dict[str, Any] = dict.fromkeys(FOCUS_COLUMNS, pa.string())
    kinds |= dict.fromkeys(_NUMBERS, pa.float64())
    kinds |= dict.fromkeys(("ConsumedQuantity", "x_Requests"), pa.int64())
    return pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))


def _key(charge: Mapping[str, Any]) -> tuple[str, ...]:
    """What a charge is for; Any: text and numbers."""
    names = ("day", "provider", "model", "tier", "team", "feature", "user", "bucket")
    return tuple(str(charge[name]) for name in names)


def _focus_row(charge: Mapping[str, Any], list_cost: float | None) -> dict[str, Any]:
    day, model, seller, meter = (
        charge["day"], charge["model"], charge["provider"], _METERS[charge["bucket"]],
    )  # fmt: skip
    fee = charge["bucket"] == "request"
    consumed = charge["requests"] if fee else charge["tokens"]
    priced = consumed / (1e3 if fee else 1e6)
    tags = {name: charge[name] for name in ("feature", "user", "team") if charge[name]}
    cost = charge["cost_usd"]
    seller = seller or _NOBODY
    price = f"{seller}/{model}/{charge['bucket']}"
    details = {"TokenType": charge["bucket"], "ServiceTier": charge["tier"]}
    month = date.fromisoformat(day).replace(day=1)
    return {
        "BilledCost": _rounded(cost),
        "EffectiveCost": _rounded(cost),
        "ListCost": _rounded(list_cost),
        "ContractedCost": _rounded(cost),
        "ListUnitPrice": None if list_cost is None else _rounded(list_cost / priced),
        "ContractedUnitPrice": None if cost is None else _rounded(cost / priced),
        "BillingCurrency": "USD",
        "PricingCurrency": "USD",
        "BillingAccountId": seller,
        "BillingAccountName": seller,
        "BillingPeriodStart": f"{month}T00:00:00Z",
        "BillingPeriodEnd": f"{(month + timedelta(days=32)).replace(day=1)}T00:00:00Z",
        "ChargePeriodStart": f"{day}T00:00:00Z",
        "ChargePeriodEnd": f"{charge['next_day']}T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": f"{model}: {meter}",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": consumed,
        "ConsumedUnit": "Requests" if fee else "Tokens",
        "PricingQuantity": priced,
        "PricingUnit": "1000 Requests" if fee else "1000000 Tokens",
        "PricingCategory": "Standard",  # what each tier costs is agreed beforehand
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "ServiceName": model,
        "ProviderName": seller,
        "PublisherName": seller,
        "InvoiceIssuerName": seller,
        "SkuId": price,
        "SkuMeter": meter,
        "SkuPriceDetails": msgspec.json.encode(details).decode(),
        "SkuPriceId": f"{price}/{charge['tier']}",
        "SubAccountId": charge["team"] or None,
        "SubAccountName": charge["team"] or None,
        "Tags": msgspec.json.encode(tags).decode(),
        "x_Model": model,
        "x_TokenType": charge["bucket"],
        "x_ServiceTier": charge["tier"],
        "x_Requests": charge["requests"],
    }


def _rounded(amount: float | None) -> float | None:
    """To 13 digits, within 1e-12 of itself: what sums of binary fractions are off by goes."""
    return None if amount is None else float(f"{amount:.13g}")


def _flat(table: ArrowTable) -> ArrowTable:
    import pyarrow as pa

    for name in _LISTS:
        place = table.schema.get_field_index(name)
        texts = [msgspec.json.encode(value).decode() for value in table[name].to_pylist()]
        table = table.set_column(place, name, pa.array(texts, pa.string()))
    return table


def _write(table: ArrowTable, path: Path, *, parquet: bool) -> None:
    if parquet:
        import pyarrow.parquet as pq

        pq.write_table(table, path)
        return
    import pyarrow.csv as pc

    pc.write_csv(_no_formulas(table), path)


def _no_formulas(table: ArrowTable) -> ArrowTable:
    """Texts that a spreadsheet would execute, with an apostrophe before them.

    Names come from whoever sends usage. `@cf/…`, `-1` and the like compute nothing and stay.
    """
    import pyarrow as pa

    pc: Any = import_module("pyarrow.compute")  # Any: it makes its functions when imported
    for place, field in enumerate(table.schema):
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
            continue
        texts = table.column(place)
        formula = pc.match_substring_regex(texts, _FORMULA)
        if pc.any(formula).as_py():
            marked = pc.binary_join_element_wise("'", texts, "")
            table = table.set_column(place, field.name, pc.if_else(formula, marked, texts))
    return table
