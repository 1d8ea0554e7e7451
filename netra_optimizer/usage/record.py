"""One usage record: a call to a model with disjoint token counts.

`UsageRecord` is one row for people and importers; `USAGE_SCHEMA` is the same in columns, the form
in which records travel (Arrow), rest (ClickHouse) and are computed with (numpy).
"""

from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from netra_optimizer.usage.arrow_types import ArrowSchema, ArrowType

if TYPE_CHECKING:
    pass

TOKEN_BUCKETS: Final = (
    "input_uncached",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output_text",
    "reasoning",
    "audio_in",
    "audio_out",
    "image_in",
    "image_out",
)
"""Disjoint: no token is in two of them. All input is the sum of the four first and of audio_in and
image_in; all output is output_text + reasoning + audio_out + image_out."""

INPUT_BUCKETS: Final = (
    "input_uncached",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "audio_in",
    "image_in",
)
OUTPUT_BUCKETS: Final = ("output_text", "reasoning", "audio_out", "image_out")

ServiceTier: TypeAlias = Literal["standard", "flex", "priority", "batch"]


class UsageRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model call. Times UTC, durations in milliseconds, counts in tokens, money in USD."""

    id: str
    """Stable: the source's own id where it has one, else derived from the row's content."""
    start: datetime
    model: str
    provider: str = ""
    """genai-prices provider id where known, else what the source says, else empty."""
    operation: str = "chat"
    service_tier: str = "standard"
    """standard, flex, priority or batch (see ServiceTier)."""
    latency_ms: float | None = None
    ttft_ms: float | None = None
    input_uncached: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output_text: int = 0
    reasoning: int = 0
    audio_in: int = 0
    audio_out: int = 0
    image_in: int = 0
    image_out: int = 0
    requests: int = 1
    """How many calls the record stands for, tokens and cost being those of all of them: more than
    one where a source sums more than are told apart."""
    user: str = ""
    team: str = ""
    feature: str = ""
    tags: tuple[str, ...] = ()
    conversation: str = ""
    trace: str = ""
    span: str = ""
    parent: str = ""
    status: str = "ok"
    """ok or error."""
    error_kind: str = ""
    attempt: int = 1
    retry_of: str = ""
    params: str = ""
    """Request parameters that change the answer, canonical JSON (temperature, max_tokens, …)."""
    prompt_hash: str = ""
    """Equal for byte-equal requests (model excluded), empty when the source has no prompt."""
    block_hashes: tuple[int, ...] = ()
    """64-bit names of the prompt's prefix blocks: equal names mean equal prefixes up to and
    including that block. Empty when the source does not tell."""
    block_tokens: int = 0
    """Tokens a block (the last may be shorter); 0 when unknown."""
    finish_reason: str = ""
    tool_names: tuple[str, ...] = ()
    quality: float | None = None
    cost_recorded: float | None = None
    source: str = ""
    """Name of the importer that read it."""
    import_id: str = ""


def usage_schema() -> ArrowSchema:
    """USAGE_SCHEMA in Arrow: one field for each of UsageRecord's, same names, same order."""
    import pyarrow as pa  # heavy: only when columns are asked for

    def field(name: str, kind: ArrowType, nullable: bool = False) -> ArrowType:
        return pa.field(name, kind, nullable=nullable)

    text, count, real = pa.string(), pa.int64(), pa.float64()
    return pa.schema(
        [
            field("id", text),
            field("start", pa.timestamp("us", tz="UTC")),
            field("model", text),
            field("provider", text),
            field("operation", text),
            field("service_tier", text),
            field("latency_ms", real, True),
            field("ttft_ms", real, True),
            *(field(name, count) for name in TOKEN_BUCKETS),
            field("requests", count),
            field("user", text),
            field("team", text),
            field("feature", text),
            field("tags", pa.list_(text)),
            field("conversation", text),
            field("trace", text),
            field("span", text),
            field("parent", text),
            field("status", text),
            field("error_kind", text),
            field("attempt", pa.int32()),
            field("retry_of", text),
            field("params", text),
            field("prompt_hash", text),
            field("block_hashes", pa.list_(pa.uint64())),
            field("block_tokens", pa.int32()),
            field("finish_reason", text),
            field("tool_names", pa.list_(text)),
            field("quality", real, True),
            field("cost_recorded", real, True),
            field("source", text),
            field("import_id", text),
        ]
    )
