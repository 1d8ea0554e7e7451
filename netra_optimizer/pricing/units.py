"""How our token buckets are named in genai-prices' terms.

genai-prices bills a token at the most specific unit the model has a price for: a reasoning token at
`output_reasoning_mtok` where there is one, else at `output_mtok`. Its `input_tokens` counts all
input, cached included; ours are disjoint, so each bucket has one unit and one rate.
"""

from collections.abc import Mapping
from typing import Final

from netra_optimizer.usage.record import TOKEN_BUCKETS

BUCKET_UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    "input_uncached": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "output_text": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "audio_in": ("input_audio_mtok", "input_mtok"),
    "audio_out": ("output_audio_mtok", "output_mtok"),
    "image_in": ("input_image_mtok", "input_mtok"),
    "image_out": ("output_image_mtok", "output_mtok"),
}
"""Price keys a bucket is billed by, most specific first."""

REQUEST_KEY: Final = "requests_kcount"
"""Price of 1,000 requests, whatever their size."""

RATE_COLUMNS: Final = (*TOKEN_BUCKETS, "request")
"""Columns of every rate row: USD per token of each bucket, then USD per request."""

TOKEN_KEYS: Final = frozenset(key for keys in BUCKET_UNITS.values() for key in keys)


def usage_of(tokens: Mapping[str, int]) -> dict[str, int]:
    """Our disjoint buckets as keyword arguments of `genai_prices.Usage`."""
    count = {bucket: int(tokens.get(bucket, 0)) for bucket in TOKEN_BUCKETS}
    writes = count["cache_write_5m"] + count["cache_write_1h"]
    outputs = count["output_text"] + count["reasoning"] + count["audio_out"] + count["image_out"]
    return {
        "input_tokens": count["input_uncached"]
        + count["cache_read"]
        + writes
        + count["audio_in"]
        + count["image_in"],
        "cache_read_tokens": count["cache_read"],
        "cache_write_tokens": writes,
        "cache_write_5m_tokens": count["cache_write_5m"],
        "cache_write_1h_tokens": count["cache_write_1h"],
        "input_audio_tokens": count["audio_in"],
        "input_image_tokens": count["image_in"],
        "cache_audio_read_tokens": 0,
        "cache_image_read_tokens": 0,
        "output_tokens": outputs,
        "output_reasoning_tokens": count["reasoning"],
        "output_audio_tokens": count["audio_out"],
        "output_image_tokens": count["image_out"],
    }
