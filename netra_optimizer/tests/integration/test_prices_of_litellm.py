"""Costs against LiteLLM's cost function, wherever its price data agree with genai-prices'."""

import json
import random
import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from netra_optimizer import Calls, PriceTable
from netra_optimizer.pricing import Rates
from netra_optimizer.usage.columns import Text
from netra_optimizer.usage.record import TOKEN_BUCKETS

NOW_US = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()) * 10**6
LIST = "model_prices_and_context_window_backup.json"
SELLERS = {
    "openai": "openai", "anthropic": "anthropic", "deepseek": "deepseek", "mistral": "mistral",
    "xai": "x-ai", "groq": "groq", "gemini": "google", "azure": "azure", "bedrock": "aws",
    "bedrock_converse": "aws", "perplexity": "perplexity", "cohere_chat": "cohere",
    "together_ai": "together", "cerebras": "cerebras", "moonshot": "moonshotai",
}  # fmt: skip
"""LiteLLM's names of providers, and genai-prices'."""
COSTS = """
import json, sys
import litellm
litellm.suppress_debug_info = True
costs = {}
for number, (name, seller, tier, usage) in enumerate(json.load(sys.stdin)):
    try:
        found = litellm.cost_per_token(
            model=name, custom_llm_provider=seller, service_tier=tier,
            usage_object=litellm.Usage(**usage))
    except litellm.exceptions.NotFoundError:
        continue
    except Exception as error:
        if "isn't mapped" not in str(error):
            raise
    else:
        costs[number] = sum(found)
print(json.dumps(costs))
"""
RATES = {
    "input_uncached": "input_cost_per_token", "output_text": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost", "reasoning": "output_cost_per_reasoning_token",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}  # fmt: skip


def litellm_s_list() -> dict[str, dict]:
    """Its price list as it ships, without the import that takes seconds."""
    spec = find_spec("litellm")
    assert spec is not None and spec.origin is not None
    return json.loads(Path(spec.origin).with_name(LIST).read_text())


def litellm_s_costs(cases: list) -> dict[str, float]:
    child = subprocess.run(
        [sys.executable, "-c", COSTS],
        input=json.dumps(cases), capture_output=True, text=True, check=True, timeout=100,
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )  # fmt: skip
    return json.loads(child.stdout.splitlines()[-1])


def usage_of(counts: dict[str, int]) -> dict:
    writes = counts["cache_write_5m"] + counts["cache_write_1h"]
    prompt = counts["input_uncached"] + counts["cache_read"] + writes
    completion = counts["output_text"] + counts["reasoning"]
    return {
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion, "cache_read_input_tokens": counts["cache_read"],
        "cache_creation_input_tokens": writes,
        "prompt_tokens_details": {
            "cached_tokens": counts["cache_read"], "cache_creation_tokens": writes,
            "cache_creation_token_details": {
                "ephemeral_5m_input_tokens": counts["cache_write_5m"],
                "ephemeral_1h_input_tokens": counts["cache_write_1h"]}},
        "completion_tokens_details": {"reasoning_tokens": counts["reasoning"]},
    }  # fmt: skip


def random_counts(rng: random.Random, seller: str) -> dict[str, int]:
    """A call's tokens, below every size at which a price changes."""
    counts = {bucket: rng.choice([0, rng.randrange(1, 20_000)]) for bucket in RATES}
    if seller not in ("anthropic", "bedrock", "bedrock_converse"):
        counts |= {"cache_write_5m": 0, "cache_write_1h": 0}
    return counts


def agree(entry: dict, tier: str, counts: dict[str, int], rates: Rates, row: int) -> bool:
    """Whether both lists have the same price for every kind of token of the call, and no other."""
    if rates.request[row]:
        return False
    suffix = "" if tier == "standard" else f"_{tier}"
    for bucket, key in RATES.items():
        listed = entry.get(key + suffix)
        if listed is None and bucket == "reasoning":
            listed = entry.get(RATES["output_text"] + suffix)
        if counts[bucket] and listed != pytest.approx(float(getattr(rates, bucket)[row])):
            return False
    return True


@pytest.mark.process
def test_where_price_data_agree_litellm_s_cost_function_does(full_counts: bool) -> None:
    rng = random.Random(21)
    prices = PriceTable.load()
    listed = litellm_s_list()
    cases = []
    for name, entry in listed.items():
        seller = entry.get("litellm_provider")
        if seller not in SELLERS or entry.get("mode") not in ("chat", "responses"):
            continue
        model = name.removeprefix(f"{seller}/")
        if not prices.is_priced(model, SELLERS[seller]):
            continue
        for _ in range(40 if full_counts else 4):
            tiers = ("standard", "flex", "priority") if seller == "openai" else ("standard",)
            cases.append((name, model, seller, rng.choice(tiers), random_counts(rng, seller)))
    theirs = litellm_s_costs(
        [
            (name, seller, None if tier == "standard" else tier, usage_of(counts))
            for name, _, seller, tier, counts in cases
        ]
    )
    nothing = np.zeros(len(cases), np.int64)
    calls = Calls(
        provider=Text.of([SELLERS[seller] for _, _, seller, _, _ in cases]),
        model=Text.of([model for _, model, *_ in cases]),
        tier=Text.of([tier for *_, tier, _ in cases]),
        start_us=np.full(len(cases), NOW_US),
        **dict.fromkeys(TOKEN_BUCKETS, nothing)
        | {b: np.array([counts[b] for *_, counts in cases]) for b in RATES},
    )
    ours, rates = prices.cost(calls), prices.rates(calls)
    agreeing: set[tuple[str, str]] = set()
    for row, (name, _, seller, tier, counts) in enumerate(cases):
        cost = theirs.get(str(row))
        if cost is None or not agree(listed[name], tier, counts, rates, row):
            continue
        assert ours[row] == pytest.approx(cost, abs=1e-9), (name, tier, counts)
        agreeing.add((seller, name))
    assert len(agreeing) >= 200
    assert len({seller for seller, _ in agreeing}) >= 10
