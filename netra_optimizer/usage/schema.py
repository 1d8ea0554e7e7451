"""Tables of the usage store, and the ordered list of migrations that makes them."""

from typing import Final

from netra_optimizer.usage.record import TOKEN_BUCKETS

VERSION_TABLE: Final = "apex_schema"
USAGE_TABLE: Final = "usage_records"
RATES_TABLE: Final = "price_rates"
ARRIVING_PREFIX: Final = "usage_arriving_"
"""Begins the names of the tables that hold a block's ids while they are looked up."""

_BUCKETS = ",\n    ".join(f"{bucket} Int64 CODEC(T64, LZ4)" for bucket in TOKEN_BUCKETS)
_RATES = ",\n    ".join(f"{bucket} Float64" for bucket in (*TOKEN_BUCKETS, "request"))

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        f"""
CREATE TABLE IF NOT EXISTS {USAGE_TABLE} (
    tenant LowCardinality(String),
    id String,
    start DateTime64(6, 'UTC') CODEC(Delta, LZ4),
    model LowCardinality(String),
    provider LowCardinality(String),
    operation LowCardinality(String),
    service_tier LowCardinality(String),
    latency_ms Nullable(Float64),
    ttft_ms Nullable(Float64),
    {_BUCKETS},
    user String,
    team LowCardinality(String),
    feature LowCardinality(String),
    tags Array(LowCardinality(String)),
    conversation String,
    trace String,
    span String,
    parent String,
    status LowCardinality(String),
    error_kind LowCardinality(String),
    attempt Int32,
    retry_of String,
    params String,
    prompt_hash String,
    block_hashes Array(UInt64),
    block_tokens Int32,
    finish_reason LowCardinality(String),
    tool_names Array(LowCardinality(String)),
    quality Nullable(Float64),
    cost_recorded Nullable(Float64),
    source LowCardinality(String),
    import_id LowCardinality(String),
    id_hash UInt64 MATERIALIZED xxh3(id),
    PROJECTION by_id (SELECT tenant, id_hash, id ORDER BY tenant, id_hash)
) ENGINE = MergeTree ORDER BY (tenant, start, id)
""",
        f"""
CREATE TABLE IF NOT EXISTS {RATES_TABLE} (
    prices String,
    provider String,
    model String,
    tier LowCardinality(String),
    from_us Int64,
    until_us Int64,
    clock_from_us Int64,
    clock_until_us Int64,
    over Int64,
    upto Int64,
    {_RATES}
) ENGINE = MergeTree ORDER BY (prices, provider, model, tier)
""",
    ),
    # A block of an import is one file instead of one a column: written in half the time. Merges
    # make the large parts by column again.
    (f"ALTER TABLE {USAGE_TABLE} MODIFY SETTING min_bytes_for_wide_part = 134217728",),
    # What a provider sums beyond what is told apart stands in one record for several requests.
    (
        f"ALTER TABLE {USAGE_TABLE} "
        "ADD COLUMN IF NOT EXISTS requests Int64 DEFAULT 1 CODEC(T64, LZ4) AFTER image_out",
    ),
)
"""Migration n (from 1) is applied once, in order; a statement must bear being run again."""
