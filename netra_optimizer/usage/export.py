"""Usage for other tools: calls as CSV or Parquet, cost rows in FOCUS columns."""

from collections.abc import Mapping
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
    "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "BillingCurrency",
    "ChargePeriodStart", "ChargePeriodEnd", "ChargeCategory", "ChargeDescription",
    "ChargeFrequency", "ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit",
    "PricingCategory", "ServiceCategory", "ServiceName", "ProviderName", "PublisherName",
    "InvoiceIssuerName", "ResourceId", "ResourceType", "SkuId", "SubAccountId", "Tags",
    "x_TokenType", "x_ServiceTier", "x_Requests",
)  # fmt: skip
"""FOCUS 1.2 columns that usage of models fills, and ours after x_. A row is one kind of token of
one model, tier, team, feature and user on one day. Costs are null where there is no price."""


def export_usage(
    tenant: "TenantUsage",
    path: Path,
    *,
    prices: "PriceTable",
    fmt: str = "csv",
    where: UsageFilter = EVERYTHING,
) -> int:
    """Write calls (csv, parquet) or cost rows (focus, CSV); returns the number of rows.

    Lists are JSON in CSV. Raises BadQuery for another format.
    """
    if fmt not in FORMATS:
        raise BadQuery(f"Usage is not exported as {fmt!r}.", hint=f"As {', '.join(FORMATS)}.")
    if fmt == "focus":
        table = focus_table(tenant, prices=prices, where=where)
    else:
        table = tenant.arrow(where)
        cost = tenant.cost(prices, where)["cost_usd"]
        table = table.append_column("cost_usd", cost)
        if fmt == "csv":
            table = _flat(table)
    _write(table, path, parquet=fmt == "parquet")
    return int(table.num_rows)


def focus_table(
    tenant: "TenantUsage", *, prices: "PriceTable", where: UsageFilter = EVERYTHING
) -> ArrowTable:
    """The cost rows in FOCUS_COLUMNS."""
    import pyarrow as pa

    rows = [_focus_row(row) for row in tenant.charges(prices, where)]
    kinds: dict[str, Any] = dict.fromkeys(FOCUS_COLUMNS, pa.string())
    kinds |= dict.fromkeys(
        ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "PricingQuantity"),
        pa.float64(),
    )
    kinds |= dict.fromkeys(("ConsumedQuantity", "x_Requests"), pa.int64())
    return pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))


def _focus_row(charge: Mapping[str, Any]) -> dict[str, Any]:
    day, model, tokens = charge["day"], charge["model"], charge["tokens"]
    tags = {name: charge[name] for name in ("feature", "user", "team") if charge[name]}
    cost = charge["cost_usd"]
    return {
        "BilledCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        "ContractedCost": cost,
        "BillingCurrency": "USD",
        "ChargePeriodStart": f"{day}T00:00:00Z",
        "ChargePeriodEnd": f"{charge['next_day']}T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{model} {charge['bucket']} tokens",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": tokens,
        "ConsumedUnit": "Tokens",
        "PricingQuantity": tokens / 1e6,
        "PricingUnit": "1M Tokens",
        "PricingCategory": "Standard" if charge["tier"] == "standard" else "Other",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": model,
        "ProviderName": charge["provider"],
        "PublisherName": charge["provider"],
        "InvoiceIssuerName": charge["provider"],
        "ResourceId": model,
        "ResourceType": "Model",
        "SkuId": f"{charge['provider']}/{model}/{charge['bucket']}/{charge['tier']}",
        "SubAccountId": charge["team"],
        "Tags": msgspec.json.encode(tags).decode(),
        "x_TokenType": charge["bucket"],
        "x_ServiceTier": charge["tier"],
        "x_Requests": charge["requests"],
    }


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

    pc.write_csv(table, path)
