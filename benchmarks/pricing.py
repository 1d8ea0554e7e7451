"""Pricing in columns against genai-prices one by one, the same calls in one run.

    python benchmarks/pricing.py [--calls 200000]

Prints calls a second of both, their ratio, and the largest difference in USD.
"""

import argparse
import random
import time
from datetime import UTC, datetime, timedelta

import genai_prices
import numpy as np
from genai_prices.data_snapshot import get_snapshot

from netra_optimizer import Calls, PriceTable
from netra_optimizer.pricing import usage_of
from netra_optimizer.usage.columns import Text
from netra_optimizer.usage.record import TOKEN_BUCKETS

MODELS = (
    ("openai", "gpt-4o"), ("openai", "gpt-5"), ("openai", "gpt-4o-mini"), ("openai", "o3"),
    ("anthropic", "claude-sonnet-4-5"), ("anthropic", "claude-3-5-haiku-latest"),
    ("google", "gemini-2.5-pro"), ("google", "gemini-2.5-flash"), ("deepseek", "deepseek-chat"),
    ("groq", "llama-3.3-70b-versatile"),
)  # fmt: skip
ONE_BY_ONE = 4_000


def make(count: int) -> Calls:
    """Random calls of ten models over a year."""
    rng = np.random.default_rng(1)
    which = rng.integers(0, len(MODELS), count).astype(np.int32)
    begin = int(datetime(2025, 11, 1, tzinfo=UTC).timestamp()) * 10**6
    sizes = {
        "input_uncached": 20_000,
        "cache_read": 50_000,
        "cache_write_5m": 4_000,
        "output_text": 2_000,
    }
    return Calls(
        provider=Text(which, tuple(p for p, _ in MODELS)),
        model=Text(which, tuple(m for _, m in MODELS)),
        tier=Text.full(count, "standard"),
        start_us=begin + rng.integers(0, 365 * 86_400 * 10**6, count),
        **{b: rng.integers(0, sizes.get(b, 1), count) for b in TOKEN_BUCKETS},
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    count = parser.parse_args().calls
    get_snapshot()
    calls = make(count)
    prices = PriceTable.load()
    began = time.perf_counter()
    costs = prices.cost(calls)
    in_columns = count / (time.perf_counter() - began)
    chosen = random.Random(2).sample(range(count), min(ONE_BY_ONE, count))
    inputs = [
        (
            usage_of({b: int(getattr(calls, b)[row]) for b in TOKEN_BUCKETS}),
            calls.model[row],
            calls.provider[row],
            datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(calls.start_us[row])),
        )
        for row in chosen
    ]
    began = time.perf_counter()
    expected = [
        genai_prices.calc_price(
            genai_prices.Usage(**usage), model, provider_id=provider, genai_request_timestamp=at
        ).total_price
        for usage, model, provider, at in inputs
    ]
    one_by_one = len(chosen) / (time.perf_counter() - began)
    off = max(abs(float(e) - costs[row]) for e, row in zip(expected, chosen, strict=True))
    print(f"in columns    {in_columns:14,.0f} calls/s ({count:,} calls, first use included)")
    print(f"one by one    {one_by_one:14,.0f} calls/s (genai-prices, {len(chosen):,} of them)")
    print(f"ratio         {in_columns / one_by_one:14,.0f} x")
    print(f"largest difference {off:.1e} USD")


if __name__ == "__main__":
    main()
