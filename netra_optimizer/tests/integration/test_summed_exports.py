"""Rows that providers have summed: exported again when they had grown, and of many requests."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from netra_optimizer import PriceTable, TenantUsage, UsageFilter, UsageStore, analyze, read_files
from netra_optimizer.usage.batch import schema
from netra_optimizer.usage.errors import FileDamaged
from netra_optimizer.usage.export import export_usage, focus_table
from netra_optimizer.usage.notebook import Usage

DAY = 86_400
BEGIN = 1_795_132_800
numbered = count()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UsageStore]:
    with UsageStore.open(tmp_path_factory.mktemp("usage") / "store") as opened:
        yield opened


@pytest.fixture
def tenant(store: UsageStore) -> TenantUsage:
    return store.for_tenant(f"tenant-{next(numbered)}")


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def openai(
    *rows: tuple[int, int, int], project: str = "p1", end: int = DAY
) -> list[dict[str, Any]]:
    """Buckets of a day each: (day, requests, input tokens)."""
    return [
        {
            "start_time": BEGIN + DAY * day, "end_time": BEGIN + DAY * day + end,
            "results": [
                {
                    "object": "organization.usage.completions.result", "model": "gpt-4o",
                    "project_id": project, "input_tokens": tokens, "output_tokens": requests,
                    "num_model_requests": requests,
                }
            ],
        }
        for day, requests, tokens in rows
    ]  # fmt: skip


def anthropic(day: int, tokens: int) -> list[dict[str, Any]]:
    """A bucket of a day."""
    return [
        {
            "starting_at": f"2026-11-{20 + day}T00:00:00Z",
            "ending_at": f"2026-11-{21 + day}T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": tokens, "output_tokens": 4,
                    "cache_creation": {"ephemeral_5m_input_tokens": tokens // 10},
                    "model": "claude-sonnet-4-5", "workspace_id": "w",
                }
            ],
        }
    ]  # fmt: skip


def written(path: Path, buckets: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"object": "page", "data": buckets, "has_more": False}))
    return path


@pytest.fixture
def load(tenant: TenantUsage, tmp_path: Path) -> Any:
    """Import buckets into the store, as a file each time; the totals afterwards."""

    def do(buckets: list[dict[str, Any]], import_id: str = "") -> tuple[int, int]:
        path = written(tmp_path / "export.jsonl", buckets)
        tenant.insert(read_files(path).batches(), import_id=import_id)
        totals = tenant.summary(prices=PriceTable.load())
        return totals.requests, totals.input_tokens

    return do


def test_a_day_that_has_grown_takes_the_place_of_what_was_exported_before(load: Any) -> None:
    early = openai((0, 10, 1000)) + openai((1, 4, 400), end=40_000)  # the second is not over
    assert load(early) == (14, 1400)
    assert load(openai((0, 10, 1000), (1, 7, 700))) == (17, 1700)
    assert load(openai((1, 7, 700))) == (17, 1700)
    assert load(openai((1, 7, 700), project="p2")) == (24, 2400)


def test_the_order_of_exports_and_of_their_rows_changes_nothing(
    store: UsageStore, tmp_path: Path
) -> None:
    exports = [
        openai((0, 10, 1000), (1, 4, 400), (2, 9, 900)) + anthropic(0, 1000),
        openai((0, 10, 1000), (1, 7, 700), (2, 5, 500)) + anthropic(0, 250_000),
    ]
    found: list[Any] = []
    for order in (exports, [export[::-1] for export in exports[::-1]]):
        tenant = store.for_tenant(f"tenant-{next(numbered)}")
        for export in order:
            export_file = tmp_path / "e.jsonl"
            for provider in ("start_time", "starting_at"):
                buckets = [bucket for bucket in export if provider in bucket]
                tenant.insert(read_files(written(export_file, buckets)).batches())
        found.append(tenant.arrow().to_pylist())
    assert found[0] == found[1]
    assert sum(row["input_uncached"] for row in found[0]) == 1000 + 700 + 900 + 250_000


def test_what_a_project_is_called_makes_no_other_row_of_it_and_a_row_of_nothing_is_no_call(
    load: Any,
) -> None:
    buckets = openai((0, 3, 300), (1, 0, 0))
    assert load(buckets) == (3, 300)
    for name, requests in (("Lamps", 4), ("Lights", 5)):
        buckets[0]["results"][0] |= {"project_name": name, "num_model_requests": requests}
        assert load(buckets) == (requests, 300)


def test_within_one_file_the_largest_export_of_a_day_counts(tmp_path: Path, load: Any) -> None:
    appended = openai((0, 3, 300)) + openai((0, 5, 500)) + openai((0, 4, 400), (1, 1, 100))
    appended += openai((1, 1, 100))
    assert load(appended) == (6, 600)
    usage = Usage.from_files(written(tmp_path / "appended.json", appended))
    assert (len(usage), usage.audit.dropped, usage.audit.rows_kept) == (6, {"duplicate": 1}, 4)


def test_a_row_of_a_table_that_has_an_id_takes_the_place_of_what_it_was(
    tenant: TenantUsage, prices: PriceTable, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    for requests, tokens in ((3, 300), (5, 1000), (3, 300)):
        table.write_text(
            "id,date,model,requests,input_tokens,output_tokens\n"
            f"day-1,2026-11-20,gpt-4o,{requests},{tokens},9\n"
        )
        tenant.insert(read_files(table).batches())
    summary = tenant.summary(prices=prices)
    assert (summary.requests, summary.input_tokens) == (5, 1000)


def table(path: Path, *rows: str) -> Path:
    """Sums that have ids."""
    path.write_text(
        "\n".join(["id,start,end,model,requests,input_tokens,output_tokens", *rows, ""])
    )
    return path


MONTH = "2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,gpt-4o"


@pytest.mark.parametrize("order", [(30, 2), (1, 3), (3, 1)], ids=str)
def test_a_row_of_a_month_and_one_of_one_request_take_places_in_any_order(
    tenant: TenantUsage, prices: PriceTable, tmp_path: Path, order: tuple[int, ...]
) -> None:
    for requests in order:
        path = table(tmp_path / "t.csv", f"m,{MONTH},{requests},{1000 * requests},0")
        tenant.insert(read_files(path).batches())
    summary = tenant.summary(prices=prices)
    assert (summary.requests, summary.input_tokens) == (max(order), 1000 * max(order))
    assert tenant.count() == max(order)


def test_a_smaller_export_that_is_imported_meanwhile_takes_nothing_from_the_larger(
    tenant: TenantUsage, tmp_path: Path, load: Any
) -> None:
    (grown,) = read_files(written(tmp_path / "grown.jsonl", openai((0, 30, 9000)))).batches()

    def slowly() -> Iterator[Any]:
        yield grown.slice(0, 20)
        yield grown.slice(20, 5)
        load(openai((0, 10, 1000)), import_id="meanwhile")
        yield grown.slice(25)

    tenant.insert(slowly(), import_id="slow", block_rows=1)
    summary = tenant.summary(prices=PriceTable.load())
    assert (summary.requests, summary.input_tokens) == (30, 9000)


def test_sums_that_were_exported_from_here_are_what_they_were_here_and_elsewhere(
    store: UsageStore, prices: PriceTable, tmp_path: Path
) -> None:
    tenant, *others = (store.for_tenant(f"tenant-{next(numbered)}") for _ in range(3))
    rows = (f"m,{MONTH},20003,4000000,7", f"one,{MONTH},1,9,9", f",{MONTH},3,5,5")
    tenant.insert(read_files(table(tmp_path / "t.csv", *rows)).batches())
    tenant.insert(read_files(written(tmp_path / "e.json", openai((0, 3, 300)))).batches())
    before, kept = tenant.summary(prices=prices), tenant.arrow().drop(["source"])
    assert before.requests == 20_003 + 1 + 3 + 3
    for fmt, other in zip(("csv", "parquet"), others, strict=True):
        own = tmp_path / f"own.{fmt}"
        export_usage(tenant, own, prices=prices, fmt=fmt)
        batches = list(read_files(own).batches())
        assert tenant.insert(batches).rows == 0
        other.insert(batches)
        assert other.summary(prices=prices) == before
        assert other.arrow().drop(["source"]) == kept


def test_of_a_larger_export_of_which_only_a_part_is_there_nothing_stays(
    tenant: TenantUsage, tmp_path: Path, load: Any
) -> None:
    load(openai((0, 10, 1000)))
    grown = read_files(written(tmp_path / "grown.jsonl", openai((0, 30, 9000))))
    tenant.insert([batch.slice(0, 20) for batch in grown.batches()])  # and there it died
    assert tenant.summary(prices=PriceTable.load()).input_tokens == 1000
    assert load(openai((0, 30, 9000))) == (30, 9000)


def test_a_file_that_is_refused_at_its_end_takes_nothing_s_place(
    tenant: TenantUsage, tmp_path: Path, load: Any
) -> None:
    load(openai((0, 10, 1000)))
    days = [(day, 20_000, 20_000) for day in range(4)]
    grown = read_files(written(tmp_path / "grown.jsonl", openai(*days)))

    def refused() -> Iterator[Any]:
        yield from grown.batches()
        raise FileDamaged("It breaks.", hint="Send it again.")

    with pytest.raises(FileDamaged):
        tenant.insert(refused(), import_id="refused")
    assert tenant.erase(UsageFilter(import_id="refused")) > 10
    assert tenant.summary(prices=PriceTable.load()).input_tokens == 1000


def test_another_workspace_s_export_of_the_same_rows_stays(
    store: UsageStore, tmp_path: Path, load: Any
) -> None:
    load(openai((0, 3, 300)))
    other = store.for_tenant(f"tenant-{next(numbered)}")
    other.insert(read_files(written(tmp_path / "o.jsonl", openai((0, 5, 500)))).batches())
    assert load(openai((0, 3, 300))) == (3, 300)


def test_rows_that_were_stored_without_such_names_count_once_when_they_come_again(
    tenant: TenantUsage, tmp_path: Path, load: Any
) -> None:
    """They have ids of their content, and tokens beyond the most parts divided evenly."""
    many = 20_017
    buckets = openai((0, 10, 1003), (1, many, 3 * 20_000), (2, 4, 400))
    imported = read_files(written(tmp_path / "old.jsonl", buckets[:2]))
    rows = pa.Table.from_batches(list(imported.batches())).to_pylist()
    for number, row in enumerate(rows):
        row.update(id=f"row:{number}", requests=1)
        if number >= 10:
            row.update(input_uncached=3)
    call = dict(rows[0], id="a call of its own", source="generic")
    tenant.insert(pa.Table.from_pylist([*rows, call], schema()).to_batches())
    assert load(buckets[2:]) == (10 + 20_000 + 1 + 4, 1003 + 60_000 + 101 + 400)
    assert load(buckets) == (10 + many + 1 + 4, 1003 + 60_000 + 101 + 400)


def test_a_row_of_more_requests_than_records_counts_them_all(
    tenant: TenantUsage, prices: PriceTable, tmp_path: Path
) -> None:
    requests = 1_000_003
    path = written(tmp_path / "many.jsonl", openai((0, requests, 1000 * requests)))
    tenant.insert(read_files(path).batches())
    assert tenant.count() == 20_000
    assert tenant.requests() == requests
    assert tenant.summary(prices=prices).requests == requests
    (row,) = tenant.breakdown("model", prices=prices)
    assert (row.requests, row.input_tokens) == (requests, 1000 * requests)
    charges = focus_table(tenant, prices=prices).to_pylist()
    assert {charge["x_Requests"] for charge in charges} == {requests}
    frame = tenant.frame(prices=prices)
    assert analyze(frame, prices=prices).usage.requests == requests


def test_the_price_of_a_row_of_very_many_requests_is_that_of_each(
    tenant: TenantUsage, prices: PriceTable, tmp_path: Path
) -> None:
    size, asked = 200_000, (30_000, 1_000_000)  # twice that size has another price
    buckets = openai(*((day, requests, size * requests) for day, requests in enumerate(asked)))
    for bucket in buckets:
        bucket["results"][0]["model"] = "gpt-5.4"
    tenant.insert(read_files(written(tmp_path / "many.jsonl", buckets)).batches())
    wanted = sum(asked) * (size * 2.5 + 15.0) / 1e6
    assert tenant.summary(prices=prices).cost_usd == pytest.approx(wanted)
    assert tenant.frame(prices=prices).cost_usd.sum() == pytest.approx(wanted)
    assert sum(tenant.cost(prices)["cost_usd"].to_pylist()) == pytest.approx(wanted)


def test_a_fee_for_each_request_is_asked_for_all_that_a_record_stands_for(
    tenant: TenantUsage, prices: PriceTable, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(
        "date,model,provider,requests,input_tokens,output_tokens\n"
        "2026-11-20,sonar,perplexity,50000,50000,50000\n"
    )
    tenant.insert(read_files(table).batches())
    (fee,) = [charge for charge in tenant.charges(prices) if charge["bucket"] == "request"]
    (rate,) = {
        float(value) for value in prices.rates(tenant.frame(prices=prices).calls).request.tolist()
    }
    assert rate > 0
    assert fee["cost_usd"] == pytest.approx(50_000 * rate)
    total = tenant.summary(prices=prices).cost_usd
    assert tenant.frame(prices=prices).cost_usd.sum() == pytest.approx(total)
    assert total > 50_000 * rate


def test_the_column_of_requests_is_one_of_the_schema_s() -> None:
    assert "requests" in schema().names
