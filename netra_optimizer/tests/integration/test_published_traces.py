"""Facts about published traces, reproduced."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from netra_optimizer import Outcomes, analyze
from netra_optimizer.pricing import PriceTable
from netra_optimizer.results import Analysis
from netra_optimizer.usage.batch import batch_of_records
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.verify.noninferiority import non_inferiority

pytestmark = [pytest.mark.real_data, pytest.mark.integration]
START = datetime(2026, 11, 20, tzinfo=UTC)


class TraceRow(msgspec.Struct):
    timestamp: int
    input_length: int
    output_length: int
    hash_ids: tuple[int, ...]


def mooncake_frame(folder: Path, model: str, prices: PriceTable) -> UsageFrame:
    lines = (folder / "mooncake" / "conversation_trace.jsonl").read_bytes().splitlines()
    rows = [msgspec.json.decode(line, type=TraceRow) for line in lines]
    records = [
        UsageRecord(
            id=f"{at:06d}",
            start=START + timedelta(milliseconds=row.timestamp),
            model=model,
            provider="anthropic",
            input_uncached=row.input_length,
            output_text=row.output_length,
            block_hashes=row.hash_ids,
            block_tokens=512,
        )
        for at, row in enumerate(rows)
    ]
    return UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)


@pytest.fixture(scope="module")
def mooncake(real_data: Path) -> Analysis:
    prices = PriceTable.load()
    return analyze(mooncake_frame(real_data, "claude-sonnet-4-5", prices), prices=prices)


def test_reuse_by_lifetime_is_that_of_the_trace(mooncake: Analysis) -> None:
    cache = next(o for o in mooncake.opportunities if o.lever == "prompt_cache")
    shares = {k: round(100 * v, 1) for k, v in cache.evidence["reuse_by_lifetime_s"].items()}
    assert shares == {"60": 10.5, "300": 29.3, "600": 35.0, "3600": 37.4, "unlimited": 37.4}
    change = cache.evidence["input_cost_change_by_lifetime_s"]
    assert {k: round(100 * change[k], 1) for k in ("60", "300", "600")} == {
        "60": 12.9,
        "300": -8.7,
        "600": -15.3,
    }


def test_the_means_are_those_of_the_paper(mooncake: Analysis) -> None:
    usage = mooncake.usage
    assert round(usage.input_tokens / usage.requests) == 12035
    assert round(usage.output_tokens / usage.requests) == 343


def test_caching_for_an_hour_would_lose_and_is_not_proposed(mooncake: Analysis) -> None:
    cache = next(o for o in mooncake.opportunities if o.lever == "prompt_cache")
    assert (cache.status, cache.evidence["lifetime_s"]) == ("verified", 300.0)
    assert cache.savings_usd.low > 0
    assert mooncake.combined.savings_usd.expected == cache.savings_usd.expected


def test_the_two_models_of_gsm8k_score_as_published(real_data: Path) -> None:
    outcomes = Outcomes.read(real_data / "routellm" / "gsm8k_responses.csv")
    weak, strong = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
    assert len(outcomes.items) == 1319
    scores = [outcomes.mean_score(weak), outcomes.mean_score(strong), outcomes.oracle_score()]
    assert [round(100 * score, 1) for score in scores] == [63.8, 85.7, 92.9]
    pair = outcomes.paired(strong, weak)
    test = non_inferiority(pair.baseline.score, pair.candidate.score, margin=0.02)
    assert test.verdict == "inferior"


def test_the_cheaper_model_of_routerarena_is_also_the_better_one(real_data: Path) -> None:
    folder = real_data / "routerarena"
    outcomes = Outcomes.read(*sorted(folder.glob("*.jsonl")))
    haiku, gemini = "claude-3-haiku-20240307", "gemini-2.0-flash-001"
    assert round(100 * outcomes.mean_score(haiku), 1) == 52.3
    assert round(100 * outcomes.mean_score(gemini), 1) == 69.0
    assert round(outcomes.total_cost(haiku), 3) == 0.142
    assert round(outcomes.total_cost(gemini), 3) == 0.038
    prices = PriceTable.load()
    records = [
        UsageRecord(
            id=f"{at:04d}",
            start=START + timedelta(seconds=7 * at),
            model=haiku,
            provider="anthropic",
            input_uncached=int(outcomes.models[haiku].input_tokens[at]),
            output_text=int(outcomes.models[haiku].output_tokens[at]),
        )
        for at in range(len(outcomes.items))
        if np.isfinite(outcomes.models[haiku].input_tokens[at])
    ]
    frame = UsageFrame.from_arrow(pa.Table.from_batches([batch_of_records(records)]), prices)
    found = analyze(frame, prices=prices, outcomes=outcomes)
    switch = next(o for o in found.opportunities if o.lever == "model_switch")
    assert (switch.status, switch.evidence["candidate"]) == ("verified", gemini)
    assert switch.evidence["better"] is True
    assert switch.quality.bound is not None and switch.quality.bound > 0
    assert switch.savings_usd.expected > 0
