"""Costs against LiteLLM's cost function, wherever its price data agree with genai-prices'."""

import json
import random
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from netra_optimizer import Calls, PriceTable
from netra_optimizer.usage.columns import Text
from netra_optimizer.usage.record import TOKEN_BUCKETS

NOW_US = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()) * 10**6
COSTS = """
import json, sys
import litellm
rates, costs = {}, {}
for provider in ("openai", "anthropic", "deepseek", "mistral", "xai", "groq"):
    for name, entry in litellm.model_cost.items():
        if entry.get("litellm_provider") != provider or entry.get("mode") != "chat":
            continue
        model = name.split("/")[-1]
        rates[model] = [provider, *(entry.get(key) for key in (
            "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost",
            "cache_creation_input_token_cost"))]
for case in json.load(sys.stdin):
    if case["model"] in rates:
        case["custom_llm_provider"] = rates[case["model"]][0]
        number = case.pop("number")
        try:
            costs[number] = sum(litellm.cost_per_token(**case))
        except litellm.exceptions.NotFoundError:
            pass
        except Exception as error:
            if "isn't mapped" not in str(error):
                raise
print(json.dumps({"rates": rates, "costs": costs}))
"""


@pytest.mark.process
def test_where_price_data_agree_litellm_s_cost_function_does() -> None:
    rng = random.Random(21)
    prices = PriceTable.load()
    models = [
        (provider, model)
        for provider in ("openai", "anthropic", "deepseek", "mistral", "x-ai", "groq")
        for model in prices.models(provider)
    ]
    cases = []
    for number in range(len(models) * 4):
        fresh, read, write = (rng.randrange(20_000) for _ in range(3))
        write = write if models[number % len(models)][0] == "anthropic" else 0
        cases.append(
            {
                "number": number, "model": models[number % len(models)][1],
                "prompt_tokens": fresh + read + write, "completion_tokens": rng.randrange(4000),
                "cache_read_input_tokens": read, "cache_creation_input_tokens": write,
            }
        )  # fmt: skip
    child = subprocess.run(
        [sys.executable, "-c", COSTS],
        input=json.dumps(cases), capture_output=True, text=True, check=True, timeout=100,
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )  # fmt: skip
    theirs = json.loads(child.stdout.splitlines()[-1])
    calls = Calls(
        provider=Text.of([models[case["number"] % len(models)][0] for case in cases]),
        model=Text.of([case["model"] for case in cases]),
        tier=Text.full(len(cases), "standard"),
        start_us=np.full(len(cases), NOW_US),
        **{bucket: np.zeros(len(cases), np.int64) for bucket in TOKEN_BUCKETS}
        | {
            "input_uncached": np.array([
                c["prompt_tokens"] - c["cache_read_input_tokens"] - c["cache_creation_input_tokens"]
                for c in cases]),
            "cache_read": np.array([case["cache_read_input_tokens"] for case in cases]),
            "cache_write_5m": np.array([case["cache_creation_input_tokens"] for case in cases]),
            "output_text": np.array([case["completion_tokens"] for case in cases]),
        },
    )  # fmt: skip
    ours, rates = prices.cost(calls), prices.rates(calls)
    agreeing: set[str] = set()
    for number, cost in theirs["costs"].items():
        row = int(number)
        model = cases[row]["model"]
        _, given, said, read, write = theirs["rates"][model]
        same = (given, said) == pytest.approx((rates.input_uncached[row], rates.output_text[row]))
        same = same and read == pytest.approx(rates.cache_read[row])
        if cases[row]["cache_creation_input_tokens"]:
            same = same and write == pytest.approx(rates.cache_write_5m[row])
        if same:
            assert ours[row] == pytest.approx(cost, abs=1e-9), (model, cases[row])
            agreeing.add(model)
    assert len(agreeing) >= 40
