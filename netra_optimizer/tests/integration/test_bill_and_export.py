"""Usage held against the provider's bill, and handed on as CSV, Parquet, FOCUS, pandas, Polars."""

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from netra_optimizer import (
    BillLine,
    BreakdownRow,
    CustomPrice,
    InputError,
    PriceTable,
    StoreError,
    TenantUsage,
    Usage,
    UsageFilter,
    UsageRecord,
    UsageStore,
    export_usage,
    read_bill,
    reconcile,
)
from netra_optimizer.usage.export import FOCUS_COLUMNS, focus_table

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsageStore]:
    with UsageStore.open(tmp_path_factory.mktemp("store") / "s") as opened:
        yield opened


@pytest.fixture(scope="module")
def tenant(store: UsageStore) -> TenantUsage:
    records = [
        call("a", feature="search", team="web", cache_read=400_000, output_text=10_000),
        call("b", user="ü", tags=("x", "y"), service_tier="batch"),
        call("c", start=T0 + timedelta(days=1), model="gpt-4o-mini-2024-07-18"),
        call("d", model="claude-sonnet-4-5", provider="anthropic", input_uncached=150_000),
        call("e", model="acme-llm-9", provider=""),
    ]
    found = store.for_tenant("t")
    found.insert([records])
    return found


def call(id: str, **fields) -> UsageRecord:
    given = {"start": T0, "model": "gpt-4o-2024-08-06", "provider": "openai",
             "input_uncached": 1_000_000, **fields}  # fmt: skip
    return UsageRecord(id=id, **given)


def test_a_bill_is_explained_line_by_line(
    tenant: TenantUsage, prices: PriceTable, tmp_path: Path
) -> None:
    midnight = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp())

    def openai(value: float, item: str | None) -> dict:
        return {"object": "organization.costs.result", "line_item": item, "project_id": None,
                "amount": {"value": value, "currency": "usd"}}  # fmt: skip

    page = {"object": "page", "data": [{
        "object": "bucket", "start_time": midnight, "end_time": midnight + 86400, "results": [
            openai(2.5 + 1.25, "gpt-4o-2024-08-06, input"),
            openai(0.5, "gpt-4o-2024-08-06, cached input"),
            openai(0.1, "gpt-4o-2024-08-06, output"), openai(7.0, "o3-2025-04-16, input"),
            openai(1.0, "web search tool calls")]}]}  # fmt: skip
    report = {"data": [{"starting_at": "2026-11-20T00:00:00Z", "results": [
        {"amount": "36.00", "currency": "USD", "model": "claude-sonnet-4-5-20250929",
         "cost_type": "tokens", "description": "Claude Sonnet 4.5 Input Tokens"}]}]}  # fmt: skip
    (tmp_path / "costs.json").write_text(json.dumps(page))
    (tmp_path / "report.json").write_text(json.dumps(report))
    bill = read_bill([tmp_path / "costs.json", tmp_path / "report.json"])
    assert sum(line.amount_usd for line in bill) == pytest.approx(12.35 + 0.36)
    found = tenant.reconcile(bill, UsageFilter(end=T0 + timedelta(hours=1)), prices=prices)
    reasons = {line.model: (line.reason, round(line.billed_usd, 4), round(line.computed_usd, 4))
               for line in found.lines}  # fmt: skip
    assert reasons == {
        "gpt-4o-2024-08-06": ("agrees", 4.35, 4.35),
        "o3-2025-04-16": ("no_usage", 7.0, 0.0),
        "web search tool calls": ("not_tokens", 1.0, 0.0),
        "claude-sonnet-4-5": ("differs", 0.36, 0.45),
        "acme-llm-9": ("unpriced", 0.0, 0.0),
    }
    assert found.billed_usd - found.computed_usd == pytest.approx(12.71 - 4.80)


def test_one_share_off_all_lines_is_a_discount() -> None:
    usage = [
        BreakdownRow(
            key={"day": f"2026-11-{day}", "provider": "openai", "model": "gpt-4o"},
            requests=1, errors=0, input_tokens=1, cached_input_tokens=0, output_tokens=1,
            cost_usd=cost, unpriced_requests=0, recorded_usd=None, latency_p50_ms=None,
            latency_p95_ms=None,
        )
        for day, cost in ((20, 10.0), (21, 20.0))
    ]  # fmt: skip
    bill = [
        BillLine(
            day=date(2026, 11, day), provider="openai", model="gpt-4o", item="", amount_usd=usd
        )
        for day, usd in ((20, 8.5), (21, 17.0))
    ]
    found = reconcile(usage, bill)
    assert [line.reason for line in found.lines] == ["discount", "discount"]
    assert found.discount == {"openai": 0.15}
    uneven = reconcile(usage, [bill[0]])
    assert [line.reason for line in uneven.lines] == ["differs", "not_billed"]


def day_of(model: str, cost: float, *, provider: str = "openai", unpriced: int = 0) -> BreakdownRow:
    return BreakdownRow(
        key={"day": "2026-11-20", "provider": provider, "model": model},
        requests=5, errors=0, input_tokens=1, cached_input_tokens=0, output_tokens=1,
        cost_usd=cost, unpriced_requests=unpriced, recorded_usd=None, latency_p50_ms=None,
        latency_p95_ms=None,
    )  # fmt: skip


def billed(model: str, usd: float, *, item: str = "x", provider: str = "openai") -> BillLine:
    return BillLine(
        day=date(2026, 11, 20), provider=provider, model=model, item=item, amount_usd=usd
    )


def test_models_are_compared_by_name_whatever_their_dates_and_never_by_beginnings() -> None:
    usage = [day_of("gpt-4o-mini-2024-07-18", 1.0), day_of("gpt-4o-2024-08-06", 5.0),
             day_of("gpt-4o-2024-11-20", 2.0),
             day_of("claude-sonnet-4-5-20250929", 3.0, provider="anthropic")]  # fmt: skip
    bill = [billed("gpt-4o", 7.0), billed("gpt-4o-mini", 1.004),
            billed("Claude Sonnet 4.5", 3.0, provider="anthropic")]  # fmt: skip
    found = reconcile(usage, bill)
    assert {(line.model, line.billed_usd, line.computed_usd, line.reason)
            for line in found.lines} == {
        ("gpt-4o", 7.0, 7.0, "agrees"), ("gpt-4o-mini-2024-07-18", 1.004, 1.0, "agrees"),
        ("claude-sonnet-4-5-20250929", 3.0, 3.0, "agrees"),
    }  # fmt: skip
    explained = {line.model: line.explanation for line in found.lines}
    assert "0.0040" in explained["gpt-4o-mini-2024-07-18"]
    assert explained["gpt-4o"] == ""


def test_a_bill_of_whole_days_and_money_given_back_are_told() -> None:
    usage = [day_of("gpt-4o", 5.0), day_of("o3", 2.0), day_of("secret-model", 0.0, unpriced=3)]
    whole = reconcile(usage[:2], [billed("", 7.5, item=""), billed("", -1.0, item="credit")])
    assert [(line.model, line.billed_usd, line.computed_usd, line.reason)
            for line in whole.lines] == [
        ("", 7.5, 7.0, "differs"), ("credit", -1.0, 0.0, "credit"),
    ]  # fmt: skip
    assert "$0.50 more was billed" in whole.lines[0].explanation
    unpriced = reconcile(usage, [billed("gpt-4o", 5.0), billed("secret-model", 4.0)])
    said = {line.model: (line.reason, line.explanation) for line in unpriced.lines}
    assert said["secret-model"][0] == "unpriced"
    assert "3 calls" in said["secret-model"][1]
    assert said["o3"][0] == "not_billed"


def test_the_consoles_tables_are_bills_too(tmp_path: Path) -> None:
    (tmp_path / "anthropic.csv").write_text(
        "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,"
        "cost_type\n"
        "2026-11-20,Claude Sonnet 4.5,Default,k,standard,<= 200k,input_no_cache,0.30,token\n"
        "2026-11-20,Claude Sonnet 4.5,Default,k,standard,<= 200k,output,0.15,token\n"
        "2026-11-20,,Default,k,,,,0.02,web_search\n"
    )
    (tmp_path / "openai.csv").write_text(
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item\n"
        '1795132800,1795219200,2026-11-20T00:00:00Z,2026-11-21T00:00:00Z,2.5,usd,"gpt-4o, input"\n'
    )
    lines = read_bill([tmp_path / "anthropic.csv", tmp_path / "openai.csv"])
    assert [(line.day, line.provider, line.model, line.amount_usd) for line in lines] == [
        (date(2026, 11, 20), "anthropic", "Claude Sonnet 4.5", 0.30),
        (date(2026, 11, 20), "anthropic", "Claude Sonnet 4.5", 0.15),
        (date(2026, 11, 20), "anthropic", "", 0.02),
        (date(2026, 11, 20), "openai", "gpt-4o", 2.5),
    ]
    found = reconcile([day_of("claude-sonnet-4-5", 0.45, provider="anthropic")], lines)
    reasons = [(line.model, line.reason) for line in found.lines]
    assert ("claude-sonnet-4-5", "agrees") in reasons
    assert ("web_search", "not_tokens") in reasons


def test_a_file_that_is_no_bill_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"data": [{"a": 1}]}')
    with pytest.raises(InputError, match="no bill"):
        read_bill(tmp_path / "x.json")


def test_calls_leave_as_csv_and_parquet_with_their_cost(
    tenant: TenantUsage, prices: PriceTable, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    assert export_usage(tenant, tmp_path / "u.csv", prices=prices) == 5
    assert export_usage(tenant, tmp_path / "u.parquet", prices=prices, fmt="parquet") == 5
    with (tmp_path / "u.csv").open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    columns = {row["id"]: row for row in pq.read_table(tmp_path / "u.parquet").to_pylist()}
    assert float(rows["d"]["cost_usd"]) == columns["d"]["cost_usd"] == pytest.approx(0.45)
    assert json.loads(rows["b"]["tags"]) == columns["b"]["tags"] == ["x", "y"]
    assert rows["b"]["user"] == columns["b"]["user"] == "ü"
    with pytest.raises(StoreError, match="xml"):
        export_usage(tenant, tmp_path / "u.xml", prices=prices, fmt="xml")


def test_names_that_a_spreadsheet_would_execute_are_text_in_csv_and_themselves_in_parquet(
    store: UsageStore, prices: PriceTable, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    names = {
        '=HYPERLINK("http://x")': True, "+1+1": True, "@SUM(1+1)": True, "-2+c|' /C x'!A0": True,
        "\t=1": True, "@cf/meta/llama": False, "-1": False, "a=b": False, "": False,
    }  # fmt: skip
    found = store.for_tenant("formulas")
    found.insert([[call(str(i), feature=name) for i, name in enumerate(names)]])
    for form in ("csv", "parquet", "focus"):
        export_usage(found, tmp_path / form, prices=prices, fmt=form)
    with (tmp_path / "csv").open(newline="") as file:
        told = {row["feature"] for row in csv.DictReader(file)}
    assert told == {f"'{name}" if marked else name for name, marked in names.items()}
    assert set(pq.read_table(tmp_path / "parquet")["feature"].to_pylist()) == names.keys()
    with (tmp_path / "focus").open(newline="") as file:
        tags = [json.loads(row["Tags"]) for row in csv.DictReader(file)]
    assert {tag.get("feature", "") for tag in tags} == names.keys()


def test_calls_that_arrive_during_an_export_are_in_it_whole_or_not_at_all(
    store: UsageStore, prices: PriceTable, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    busy = store.for_tenant("busy")
    busy.insert([[call("first")]])
    done = Event()

    def arrive() -> None:
        for number in range(100):
            busy.insert([[call(f"n{number}")]])
        done.set()

    sender = Thread(target=arrive)
    sender.start()
    while not done.is_set():
        export_usage(busy, tmp_path / "busy", prices=prices, fmt="parquet")
        assert None not in pq.read_table(tmp_path / "busy")["cost_usd"].to_pylist()
    sender.join()


def test_focus_rows_sum_to_what_was_used_and_spent(
    tenant: TenantUsage, prices: PriceTable, tmp_path: Path
) -> None:
    export_usage(tenant, tmp_path / "focus.csv", prices=prices, fmt="focus")
    with (tmp_path / "focus.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    summary = tenant.summary(prices=prices)
    assert sum(int(row["ConsumedQuantity"]) for row in rows) == (
        summary.input_tokens + summary.output_tokens
    )
    assert sum(float(row["BilledCost"]) for row in rows if row["BilledCost"]) == pytest.approx(
        summary.cost_usd
    )
    unpriced = [row for row in rows if row["ServiceName"] == "acme-llm-9"]
    assert [row["BilledCost"] for row in unpriced] == [""]
    web = [row for row in rows if row["SubAccountId"] == "web"]
    assert [row["x_TokenType"] for row in web] == ["input_uncached", "cache_read", "output_text"]
    assert web[0]["ChargePeriodStart"] == "2026-11-20T00:00:00Z"
    assert web[0]["ChargePeriodEnd"] == "2026-11-21T00:00:00Z"
    assert json.loads(web[0]["Tags"]) == {"feature": "search", "team": "web"}
    assert (web[0]["BillingPeriodStart"], web[0]["BillingPeriodEnd"]) == (
        "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z",
    )  # fmt: skip
    assert (float(web[0]["ListUnitPrice"]), web[0]["SkuMeter"]) == (2.5, "Input Tokens")


def test_focus_prices_are_the_list_s_whatever_number_of_tokens_they_are_made_from(
    store: UsageStore, prices: PriceTable
) -> None:
    found = store.for_tenant("few-tokens")
    found.insert(
        [
            [
                call(f"c{n}", model="gpt-4o-mini", input_uncached=n, feature=f"f{n}")
                for n in range(1, 100)
            ]
        ]
    )
    rows = focus_table(found, prices=prices).to_pylist()
    assert {(row["ListUnitPrice"], row["ContractedUnitPrice"]) for row in rows} == {(0.15, 0.15)}
    exact = found.cost(prices)["cost_usd"].to_pylist()
    by_size = sorted(row["BilledCost"] for row in rows)
    assert by_size == pytest.approx(sorted(exact), rel=1e-12)
    assert max(len(str(row["BilledCost"])) for row in rows) < len("1.2345678901e-05")


def test_focus_tells_a_negotiated_cost_from_the_list_s_and_bills_fees_by_request(
    store: UsageStore,
) -> None:
    records = [
        call("a"), call("p", model="sonar", provider="perplexity", input_uncached=1_000_000),
        call("q", model="sonar", provider="perplexity", input_uncached=0, output_text=10),
    ]  # fmt: skip
    own = PriceTable.load(custom=[CustomPrice(model="*", provider="openai", discount=0.2)])
    found = store.for_tenant("negotiated")
    found.insert([records])
    rows = focus_table(found, prices=own).to_pylist()
    summary = found.summary(prices=own)
    assert set(rows[0]) == set(FOCUS_COLUMNS)
    assert sum(row["BilledCost"] for row in rows) == pytest.approx(summary.cost_usd)
    [deal] = [row for row in rows if row["ProviderName"] == "openai"]
    assert (deal["BilledCost"], deal["ListCost"]) == pytest.approx((2.0, 2.5))
    assert (deal["ContractedUnitPrice"], deal["ListUnitPrice"]) == pytest.approx((2.0, 2.5))
    [fee] = [row for row in rows if row["x_TokenType"] == "request"]
    assert (fee["ConsumedQuantity"], fee["ConsumedUnit"], fee["PricingUnit"]) == (
        2, "Requests", "1000 Requests",
    )  # fmt: skip
    assert fee["BilledCost"] == pytest.approx(0.024)


MANDATORY = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory",
    "ServiceName", "ServiceSubcategory",
}  # fmt: skip
"""Of a FOCUS 1.2 cost and usage dataset."""
MAY_BE_NULL = {"ChargeClass", "RegionId", "RegionName", "SubAccountId", "SubAccountName"}


def test_focus_rows_hold_what_the_specification_wants_in_each_column(
    store: UsageStore, prices: PriceTable
) -> None:
    records = [
        call("a", team="web"), call("b", service_tier="batch"), call("c", provider=""),
        call("p", model="sonar", provider="perplexity"),
    ]  # fmt: skip
    found = store.for_tenant("specified")
    found.insert([records])
    rows = focus_table(found, prices=prices).to_pylist()
    custom = [name.startswith("x_") for name in FOCUS_COLUMNS]
    assert MANDATORY <= set(FOCUS_COLUMNS) and custom == sorted(custom)
    for row in rows:
        absent = {name for name, value in row.items() if value is None}
        assert absent <= MAY_BE_NULL and "" not in row.values()
        assert (row["ChargeCategory"], row["ChargeClass"], row["ChargeFrequency"]) == (
            "Usage", None, "Usage-Based",
        )  # fmt: skip
        assert row["PricingCategory"] == "Standard"
        assert (row["ServiceCategory"], row["ServiceSubcategory"]) == (
            "AI and Machine Learning", "Generative AI",
        )  # fmt: skip
        for unit in ("PricingUnit", "ConsumedUnit"):
            assert re.fullmatch(r"([1-9]\d* )?(Tokens|Requests)", row[unit])
        for edge in ("BillingPeriod", "ChargePeriod"):
            for name in (f"{edge}Start", f"{edge}End"):
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[name])
        for cost, price in (
            ("ListCost", "ListUnitPrice"),
            ("ContractedCost", "ContractedUnitPrice"),
        ):
            assert row[cost] == pytest.approx(row[price] * row["PricingQuantity"])
        assert json.loads(row["SkuPriceDetails"])["ServiceTier"] == row["x_ServiceTier"]
    assert {row["ProviderName"] for row in rows} == {"openai", "perplexity", "Unknown"}


def test_a_notebook_gets_pandas_polars_and_arrow_alike(tmp_path: Path, prices: PriceTable) -> None:
    rows = [{"timestamp": 1795168800 + i, "model": "gpt-4o", "input_tokens": 1000 * i,
             "output_tokens": 5, "tags": ["a"]} for i in (3, 1, 2)]  # fmt: skip
    (tmp_path / "u.jsonl").write_text("\n".join(map(json.dumps, rows)))
    usage = Usage.from_files(tmp_path / "u.jsonl")
    assert (len(usage), usage.format, usage.audit.rows_kept) == (3, "generic", 3)
    expected = usage.to_arrow(prices).to_pylist()
    assert [row["input_uncached"] for row in expected] == [1000, 2000, 3000]
    pandas, polars = usage.to_pandas(prices), usage.to_polars(prices)
    assert pandas["cost_usd"].tolist() == polars["cost_usd"].to_list()
    assert polars["cost_usd"].to_list() == pytest.approx([0.0025 * i + 0.00005 for i in (1, 2, 3)])
    assert polars["start"][0] == pandas["start"][0].to_pydatetime() == expected[0]["start"]
    assert usage.frame(prices).cost_usd.tolist() == polars["cost_usd"].to_list()
