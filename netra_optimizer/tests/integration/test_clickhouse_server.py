"""The usage store on a server by URL: the same SQL and client over HTTP, in another process."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from netra_optimizer import (
    PriceTable,
    StoreError,
    UsageFilter,
    UsageRecord,
    UsageStore,
)
from netra_optimizer.usage.database import Database
from netra_optimizer.usage.errors import BadQuery
from netra_optimizer.usage.filters import MAX_TEXT_BYTES
from netra_optimizer.usage.schema import MIGRATIONS
from netra_optimizer.usage.summed import summed_id

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
PASSWORD = "p@ss/wörd"
QUOTED = "p%40ss%2Fw%C3%B6rd"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server") / "data"
    command = [sys.executable, "-m", "netra_core.testing.clickhouse", "--path", str(folder)]
    process = subprocess.Popen(
        [*command, "--password", PASSWORD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    yield process.stdout.readline().strip()
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


def url(server: str, password: str = QUOTED) -> str:
    return server.replace("http://", f"http://default:{password}@")


def call(id: str, **fields) -> UsageRecord:
    given = {"start": T0, "model": "gpt-4o", "provider": "openai", "input_uncached": 1000, **fields}
    return UsageRecord(id=id, **given)


@pytest.mark.process
def test_a_server_stores_prices_recognizes_and_erases_like_the_embedded_engine(server: str) -> None:
    prices = PriceTable.load()
    with UsageStore.open(url(server)) as store:
        tenant, other = store.for_tenant("ann"), store.for_tenant("bob")
        odd = "x' OR 1=1 -- ü\n\t"
        records = [
            call(f"{i:04}", start=T0 + timedelta(seconds=i), user=odd, block_hashes=(i, 2**64 - 1))
            for i in range(3000)
        ]
        assert tenant.insert([records[:1000], records[1000:]]).rows == 3000
        assert tenant.insert([records]).repeated == 3000
        assert other.insert([records[:1]]).rows == 1
        frame = tenant.frame(UsageFilter(user=odd), prices=prices)
        assert frame.id.to_list() == [record.id for record in records]
        assert frame.blocks(7).tolist() == [7, 2**64 - 1]
        summary = tenant.summary(prices=prices)
        assert summary.cost_usd == pytest.approx(3000 * 1000 * 2.5e-6)
        assert summary.cost_usd == pytest.approx(float(frame.cost_usd.sum()))
        rows = tenant.breakdown(["model", "hour"], prices=prices)
        assert [row.requests for row in rows] == [3000]
        assert tenant.erase(UsageFilter(end=T0 + timedelta(seconds=10))) == 10
        assert (tenant.count(), other.count()) == (2990, 1)


@pytest.mark.process
def test_a_server_keeps_the_larger_export_of_rows_that_were_summed(server: str) -> None:
    def export(tokens: int) -> list[UsageRecord]:
        counts = {"input_uncached": tokens, "requests": 1}
        return [
            call(f"{summed_id(f'row {row}', counts, 1)}/0", input_uncached=tokens)
            for row in range(600)
        ]

    prices = PriceTable.load()
    with UsageStore.open(url(server)) as store:
        tenant = store.for_tenant("sums")
        for tokens in (10, 30, 20):
            tenant.insert([export(tokens)])
        summary = tenant.summary(prices=prices)
    assert (summary.requests, summary.input_tokens) == (600, 600 * 30)


@pytest.mark.process
def test_a_block_of_an_import_needs_no_field_longer_than_a_server_takes(server: str) -> None:
    records = [call(f"{'long-id-' * 4}{i:06}") for i in range(6000)]
    with UsageStore.open(url(server)) as store:
        tenant = store.for_tenant("dora")
        assert tenant.insert([records[:5000]]).rows == 5000
        assert (tenant.insert([records]).rows, tenant.insert([records]).rows) == (1000, 0)
    database = Database.open(url(server))
    with pytest.raises(DatabaseError, match="too long"):
        database.rows("SELECT {text:String}", {"text": "x" * 200_000})
    database.close()


@pytest.mark.process
def test_no_table_of_an_insert_is_left_behind(server: str) -> None:
    store = UsageStore.open(url(server))
    assert store.for_tenant("eve").insert([[call("a")]]).rows == 1
    store.close()
    database = Database.open(url(server))
    names = [name for (name,) in database.rows("SHOW TABLES")]
    database.close()
    assert sorted(names) == ["apex_schema", "price_rates", "usage_records"]


def test_whatever_holds_a_tenant_is_ordered_by_it_first() -> None:
    statements = [statement for version in MIGRATIONS for statement in version]
    tables = [text for text in statements if re.search(r"^\s*tenant ", text, re.MULTILINE)]
    assert tables
    for text in tables:
        orders = re.findall(r"ORDER BY \(?(\w+)", text)
        assert set(orders) == {"tenant"}, text


@pytest.mark.process
def test_a_second_client_finds_what_the_first_one_stored(server: str) -> None:
    for expected in (1, 0):
        with UsageStore.open(url(server)) as store:
            assert store.for_tenant("carl").insert([[call("a")]]).rows == expected


@pytest.mark.process
@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "wrong-password"])
def test_a_server_that_cannot_be_used_is_named_without_its_password(
    server: str, address: str
) -> None:
    wrong = "s3cret-one"
    target = (
        url(server, wrong) if address == "wrong-password" else "http://d:s3cret-one@127.0.0.1:9"
    )
    with pytest.raises(StoreError, match="OPT-302") as raised:
        UsageStore.open(target)
    assert wrong not in str(raised.value)
    assert raised.value.retryable


@pytest.mark.process
def test_texts_longer_than_any_name_are_refused_and_the_longest_that_are_not_are_found(
    server: str,
) -> None:
    longest = "ü" * (MAX_TEXT_BYTES // 2)
    with UsageStore.open(url(server)) as store:
        tenant = store.for_tenant("long")
        tenant.insert([[call("1", user=longest), call("2")]])
        assert tenant.count(UsageFilter(user=longest)) == 1
        for where in (
            UsageFilter(user=longest + "x"),
            UsageFilter(tag="x" * 200_000),
            UsageFilter(user=longest, team="x"),
        ):
            for ask in (tenant.count, tenant.erase):
                with pytest.raises(BadQuery) as refused:
                    ask(where)
                assert refused.value.code == "OPT-304"
        assert tenant.count() == 2


@pytest.mark.process
def test_figures_stay_the_same_where_two_nodes_wrote_the_prices_at_once(server: str) -> None:
    prices = PriceTable.load()
    where = url(server)
    with UsageStore.open(where) as one, UsageStore.open(where) as other:
        one.for_tenant("both").insert([[call("1"), call("2", model="house-model")]])
        nodes = [store.for_tenant("both") for store in (one, other)]
        for store in (one, other):  # neither knows yet what the other is about to write
            store.for_tenant("nobody").summary(prices=prices)
        alone = nodes[0].summary(prices=prices)
        assert (alone.requests, alone.unpriced) == (2, {"house-model": 1})
        for node in nodes:
            assert node.summary(prices=prices) == alone
            assert [row.requests for row in node.breakdown("model", prices=prices)] == [1, 1]
            assert node.cost(prices).num_rows == 2
            assert sum(c["tokens"] for c in node.charges(prices)) == alone.input_tokens
