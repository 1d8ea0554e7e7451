"""The usage store on the embedded engine: priced by its join, bound to a tenant, safe to repeat."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import genai_prices
import numpy as np
import pyarrow as pa
import pytest
from genai_prices.data_snapshot import get_snapshot

from netra_optimizer import (
    PriceTable,
    StoreError,
    TenantUsage,
    UsageFilter,
    UsageRecord,
    UsageStore,
    read_files,
)
from netra_optimizer.pricing import TIER_CONTEXTS, context_of, usage_of
from netra_optimizer.usage.columns import reals
from netra_optimizer.usage.record import TOKEN_BUCKETS

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
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


def call(id: str, **fields) -> UsageRecord:
    given = {"start": T0, "model": "gpt-4o", "provider": "openai", "input_uncached": 1000, **fields}
    return UsageRecord(id=id, **given)


FULL = UsageRecord(
    id="full", start=T0 + timedelta(microseconds=7), model="claude-sonnet-4-5",
    provider="anthropic",
    operation="chat", service_tier="batch", latency_ms=12.5, ttft_ms=None, input_uncached=1,
    cache_read=2, cache_write_5m=3, cache_write_1h=4, output_text=5, reasoning=6, audio_in=7,
    audio_out=8, image_in=9, image_out=10, user="ü😀", team="t", feature="f", tags=("a", "b:c"),
    conversation="c", trace="tr", span="sp", parent="pa", status="error", error_kind="rate_limit",
    attempt=2, retry_of="x", params='{"temperature":0}', prompt_hash="ph",
    block_hashes=(0, 2**64 - 1), block_tokens=64, finish_reason="length", tool_names=("search",),
    quality=0.5, cost_recorded=0.25, source="test", import_id="imp",
)  # fmt: skip


def test_a_record_comes_back_as_it_went_in(tenant: TenantUsage) -> None:
    tenant.insert([[FULL]])
    row = tenant.arrow().to_pylist()[0]
    expected = {name: getattr(FULL, name) for name in UsageRecord.__struct_fields__}
    lists = ("tags", "tool_names", "block_hashes")
    assert row == {k: list(v) if k in lists else v for k, v in expected.items()}
    frame = tenant.frame()
    assert (frame.user[0], frame.calls.tier[0], frame.blocks(0).tolist()) == (
        "ü😀",
        "batch",
        [0, 2**64 - 1],
    )
    assert np.isnan(frame.ttft_ms[0])
    assert frame.calls.input_tokens[0] == 1 + 2 + 3 + 4 + 7 + 9


def test_two_thousand_random_usages_cost_in_sql_what_genai_prices_says(
    tenant: TenantUsage, prices: PriceTable, full_counts: bool
) -> None:
    rng = random.Random(3)
    snapshot = get_snapshot()
    models = [(p.id, m.id) for p in snapshot.providers for m in p.models]
    records, expected = [], {}
    while len(records) < (20_000 if full_counts else 2_000):
        provider, model = rng.choice(models)
        tokens = {
            b: rng.choice((0, rng.randrange(900), rng.randrange(300_000))) for b in TOKEN_BUCKETS
        }
        tier = rng.choice(list(TIER_CONTEXTS))
        start = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=rng.randrange(1_600 * 86_400 * 10**6)
        )
        try:
            price = genai_prices.calc_price(
                genai_prices.Usage(**usage_of(tokens)), model, provider_id=provider,
                genai_request_timestamp=start, price_context=dict(context_of(tier)),
            )  # fmt: skip
        except LookupError:
            continue
        name = str(len(records))
        records.append(
            call(name, start=start, model=model, provider=provider, service_tier=tier, **tokens)
        )
        expected[name] = float(price.total_price)
    tenant.insert([records])
    table = tenant.cost(prices)
    ids, costs = table["id"].to_pylist(), reals(table["cost_usd"])
    assert len(ids) == len(records)
    for name, cost in zip(ids, costs.tolist(), strict=True):
        if np.isnan(cost):
            assert expected[name] == 0
        else:
            assert cost == pytest.approx(expected[name], abs=1e-9), name
    np.testing.assert_allclose(
        tenant.frame(prices=prices).cost_usd, costs, atol=1e-9, equal_nan=True
    )


def test_sql_reprices_history_and_honours_custom_prices(tenant: TenantUsage) -> None:
    from netra_optimizer import CustomPrice

    old = datetime(2025, 5, 1, tzinfo=UTC)
    tenant.insert([[call("a", model="o3", start=old, input_uncached=10**6)]])
    assert tenant.summary(prices=PriceTable.load()).cost_usd == pytest.approx(10.0)
    assert tenant.summary(prices=PriceTable.load(date(2026, 1, 1))).cost_usd == pytest.approx(2.0)
    dear = PriceTable.load(custom=[CustomPrice(model="o3", input=100.0)])
    assert tenant.summary(prices=dear).cost_usd == pytest.approx(100.0)


def test_a_summary_counts_everything_and_names_what_has_no_price(
    tenant: TenantUsage, prices: PriceTable
) -> None:
    tenant.insert(
        [
            [
                call("a", cache_read=500, output_text=10, reasoning=5, cost_recorded=0.5),
                call("b", start=T0 + timedelta(hours=30), status="error", input_uncached=0),
                call("c", model="acme-llm-9", provider="", start=T0 + timedelta(hours=1)),
            ]
        ]
    )
    found = tenant.summary(prices=prices)
    assert (found.requests, found.errors) == (3, 1)
    assert (found.input_tokens, found.cached_input_tokens, found.output_tokens) == (2500, 500, 15)
    assert found.cost_usd == pytest.approx(1000 * 2.5e-6 + 500 * 1.25e-6 + 15 * 10e-6)
    assert found.recorded_usd == pytest.approx(0.5)
    assert (found.first, found.last) == (
        "2026-11-20T10:00:00.000000Z",
        "2026-11-21T16:00:00.000000Z",
    )
    assert found.unpriced == {"acme-llm-9": 1}


def test_an_empty_tenant_has_nothing(tenant: TenantUsage, prices: PriceTable) -> None:
    found = tenant.summary(prices=prices)
    assert (found.requests, found.cost_usd, found.first, found.unpriced) == (0, 0.0, None, {})
    assert tenant.breakdown("model", prices=prices) == []
    assert len(tenant.frame(prices=prices)) == 0


def test_a_breakdown_groups_by_any_dimensions_and_adds_up(
    tenant: TenantUsage, prices: PriceTable
) -> None:
    rng = random.Random(4)
    tenant.insert(
        [
            [
                call(
                    str(i), feature=rng.choice("xyz"), user=rng.choice("uv"), latency_ms=float(i),
                    model=rng.choice(["gpt-4o", "gpt-4o-mini"]), tags=tuple(rng.sample("pqr", 2)),
                    start=T0 + timedelta(hours=rng.randrange(72)),
                    input_uncached=rng.randrange(9999),
                )
                for i in range(500)
            ]
        ]
    )  # fmt: skip
    whole = tenant.summary(prices=prices)
    for by in ("feature", ["model", "day"], "hour", ["user", "feature", "service_tier"], "month"):
        rows = tenant.breakdown(by, prices=prices)
        assert sum(row.requests for row in rows) == 500
        assert sum(row.cost_usd for row in rows) == pytest.approx(whole.cost_usd)
        assert sum(row.input_tokens for row in rows) == whole.input_tokens
    assert [row.key["day"] for row in tenant.breakdown("day", prices=prices)] == [
        "2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23",
    ]  # fmt: skip
    by_tag = tenant.breakdown("tag", prices=prices)
    assert sum(row.requests for row in by_tag) == 1000
    one = tenant.breakdown("feature", UsageFilter(feature="x", model="gpt-4o"), prices=prices)
    assert [row.key for row in one] == [{"feature": "x"}]


def test_totals_are_what_the_calls_cost_one_by_one_whatever_became_of_them(
    tenant: TenantUsage, full_counts: bool
) -> None:
    """Over every change of a price: dates, times of day, sizes; repeats, erasure, other prices."""
    rng = random.Random(12)
    snapshot = get_snapshot()
    models = [(p.id, m.id) for p in snapshot.providers for m in p.models]
    models = rng.sample(models, 60) + [("deepseek", "deepseek-chat"), ("", "acme-llm-9")] * 9
    step = timedelta(microseconds=1)
    edges = [datetime(2025, 2, 9, 0, 30, tzinfo=UTC), datetime(2025, 6, 10, tzinfo=UTC), T0]
    records = [
        call(
            str(number), model=model, provider=provider, service_tier=rng.choice([*TIER_CONTEXTS]),
            start=rng.choice(edges) + rng.choice([-step, step, timedelta(hours=rng.randrange(72))]),
            status=rng.choice(["ok", "error"]), feature=rng.choice("xyz"), tags=("a", "b"),
            cost_recorded=rng.choice([None, 0.5]), latency_ms=rng.choice([None, 1.0, 7.0]),
            **{b: rng.choice((0, 900, 200_000, 200_001, 10**6)) for b in TOKEN_BUCKETS},
        )
        for number, (provider, model) in enumerate(
            rng.choice(models) for _ in range(20_000 if full_counts else 1500)
        )
    ]  # fmt: skip
    tenant.insert([records[:900]])
    tenant.insert([records, records[:50]])
    tenant.erase(UsageFilter(feature="z", status="error"))
    kept = {r.id: r for r in records if not (r.feature == "z" and r.status == "error")}
    for prices in (PriceTable.load(), PriceTable.load(date(2025, 6, 9))):
        table = tenant.cost(prices)
        cost = dict(zip(table["id"].to_pylist(), reals(table["cost_usd"]).tolist(), strict=True))
        assert cost.keys() == kept.keys()
        whole = tenant.summary(prices=prices)
        priced = [found for found in cost.values() if not np.isnan(found)]
        assert 0 < len(priced) < len(cost)
        assert whole.requests == len(kept)
        assert whole.cost_usd == pytest.approx(sum(priced), rel=1e-12)
        assert sum(whole.unpriced.values()) == len(cost) - len(priced)
        for by in ("feature", "model", "hour", "service_tier", "tag", ["day", "model", "status"]):
            rows = tenant.breakdown(by, prices=prices)
            times = 2 if by == "tag" else 1
            assert sum(row.cost_usd for row in rows) == pytest.approx(times * sum(priced))
            assert sum(row.requests for row in rows) == times * len(kept)
        for row in tenant.breakdown("feature", prices=prices):
            mine = [r for r in kept.values() if r.feature == row.key["feature"]]
            known = [cost[r.id] for r in mine if not np.isnan(cost[r.id])]
            assert row.cost_usd == pytest.approx(sum(known), rel=1e-12)
            assert row.unpriced_requests == len(mine) - len(known)
            assert row.errors == sum(r.status == "error" for r in mine)
            assert row.recorded_usd == sum(r.cost_recorded or 0 for r in mine)
            assert row.latency_p95_ms == 7.0
            assert row.output_tokens == sum(
                r.output_text + r.reasoning + r.audio_out + r.image_out for r in mine
            )


def test_calls_that_nobody_timed_have_no_latency(tenant: TenantUsage, prices: PriceTable) -> None:
    """Not one of 0 ms."""
    timed = [call(f"t{at}", feature="timed", latency_ms=10.0 * at) for at in (1, 2, 3)]
    tenant.insert([[call("a", feature="plain"), *timed, call("b", feature="timed")]])
    found = {row.key["feature"]: row for row in tenant.breakdown("feature", prices=prices)}
    assert (found["plain"].latency_p50_ms, found["plain"].latency_p95_ms) == (None, None)
    assert found["timed"].latency_p50_ms == 20.0


def test_a_breakdown_by_what_is_no_dimension_is_refused(
    tenant: TenantUsage, prices: PriceTable
) -> None:
    for by in ("colour", "model; DROP TABLE usage_records", []):
        with pytest.raises(StoreError, match="OPT-304"):
            tenant.breakdown(by, prices=prices)


def test_a_second_insert_of_the_same_records_changes_nothing(
    tenant: TenantUsage, prices: PriceTable
) -> None:
    records = [call(str(i), start=T0 + timedelta(seconds=i)) for i in range(1000)]
    assert tenant.insert([records[:600], records[400:]]).rows == 1000
    before = tenant.summary(prices=prices)
    again = tenant.insert([records, records[:5]])
    assert (again.rows, again.repeated) == (0, 1005)
    assert tenant.insert([[*records[990:], call("new")]]).rows == 1
    assert tenant.summary(prices=prices).requests == before.requests + 1


def test_no_tenant_sees_touches_or_blocks_another_s_records(
    store: UsageStore, prices: PriceTable
) -> None:
    ann, bob = store.for_tenant("ann"), store.for_tenant("bob")
    assert ann.insert([[call("same"), call("hers")]]).rows == 2
    assert bob.insert([[call("same", user="bob")]]).rows == 1
    assert (ann.count(), bob.count()) == (2, 1)
    assert bob.frame().id.to_list() == ["same"]
    assert bob.erase() == 1
    assert (ann.count(), ann.summary(prices=prices).requests, bob.count()) == (2, 2, 0)
    assert store.for_tenant("ann' OR '1'='1").count() == 0
    with pytest.raises(ValueError, match="id"):
        store.for_tenant("")


def test_erasure_and_retention_remove_exactly_what_fits(tenant: TenantUsage) -> None:
    tenant.insert(
        [[call(str(i), start=T0 + timedelta(days=i), user="ab"[i % 2]) for i in range(10)]]
    )
    assert tenant.erase(UsageFilter(end=T0 + timedelta(days=4))) == 4
    assert tenant.erase(UsageFilter(user="b", tag=None)) == 3
    assert sorted(tenant.frame().id.to_list()) == ["4", "6", "8"]
    assert tenant.erase(UsageFilter(tag="none")) == 0


def test_filters_take_any_text_as_a_value(tenant: TenantUsage) -> None:
    odd = "x' OR 1=1 --\\ {tenant:String} \n"
    tenant.insert([[call("a", user=odd, tags=(odd,)), call("b", user="y")]])
    assert tenant.count(UsageFilter(user=odd)) == 1
    assert tenant.count(UsageFilter(tag=odd)) == 1
    assert tenant.erase(UsageFilter(user=odd)) == 1
    assert tenant.frame().id.to_list() == ["b"]


def test_an_import_run_twice_leaves_each_row_once(tenant: TenantUsage, tmp_path: Path) -> None:
    lines = [
        json.dumps(
            {"timestamp": i % 7, "input_length": 600, "output_length": 2, "hash_ids": [1, i % 3]}
        )
        for i in range(400)
    ]
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(lines))
    first = tenant.insert(read_files(path, model="gpt-4o").batches(), import_id="one")
    again = tenant.insert(read_files(path, model="gpt-4o").batches(), import_id="two")
    assert (first.rows, first.repeated) == (400, 0)
    assert (again.rows, again.repeated) == (0, 400)
    assert tenant.count(UsageFilter(import_id="one")) == 400


def test_an_insert_cut_off_is_ended_by_running_it_again(tenant: TenantUsage) -> None:
    records = [[call(f"{size}-{i}") for i in range(size)] for size in (66_000, 500)]

    class Cut(Exception):
        pass

    def dying() -> Iterator[list[UsageRecord]]:
        yield records[0]
        raise Cut

    with pytest.raises(Cut):
        tenant.insert(dying())
    assert tenant.count() == 66_000
    assert tenant.insert(records).rows == 500
    assert tenant.count() == 66_500


def test_rows_come_in_canonical_order_whatever_order_they_came_in(tenant: TenantUsage) -> None:
    records = [call(f"{i:03}", start=T0 + timedelta(seconds=i // 3)) for i in range(99)]
    shuffled = random.Random(5).sample(records, len(records))
    tenant.insert([shuffled[:50], shuffled[50:]])
    assert tenant.frame().id.to_list() == [record.id for record in records]


def test_a_frame_read_in_slices_is_the_frame_read_whole(
    tenant: TenantUsage, prices: PriceTable
) -> None:
    rng = random.Random(6)
    records = [
        call(
            f"{i:04}", start=T0 + timedelta(seconds=rng.randrange(99)), user=rng.choice("xyz"),
            tags=tuple(rng.sample("pqr", rng.randrange(3))), latency_ms=rng.choice([None, 1.5]),
            block_hashes=tuple(rng.randrange(2**64) for _ in range(rng.randrange(4))),
        )
        for i in range(1000)
    ]  # fmt: skip
    tenant.insert([records])
    whole, sliced = tenant.frame(prices=prices), tenant.frame(prices=prices, whole_rows=300)
    for name in ("id", "user", "tags", "params", "source"):
        assert getattr(whole, name).to_list() == getattr(sliced, name).to_list()
    for name in ("block_hashes", "block_offsets", "tag_offsets", "latency_ms", "cost_usd"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(sliced, name))
    np.testing.assert_array_equal(whole.calls.start_us, sliced.calls.start_us)
    assert whole.calls.model.to_list() == sliced.calls.model.to_list()


def test_arrow_batches_need_not_be_built_by_an_importer(tenant: TenantUsage) -> None:
    from netra_optimizer.usage.batch import batch_of_records

    batch = batch_of_records([call("a"), call("b")])
    assert isinstance(batch, pa.RecordBatch)
    assert tenant.insert([batch]).rows == 2
