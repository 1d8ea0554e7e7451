"""A generated workload: usage in columns with planted waste, and the truth about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.generate.feature import FeatureCalls, generate_feature
from netra_optimizer.generate.outcomes import planned_outcomes
from netra_optimizer.generate.scenarios import demo_scenario
from netra_optimizer.generate.spec import FeatureSpec, Scenario
from netra_optimizer.generate.truth import OF_FEATURE, WASTED, Truth, known_truth
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.batch import Values, batch_of
from netra_optimizer.usage.columns import (
    Int64,
    count_array,
    list_array,
    nest,
    real_array,
    text_array,
)
from netra_optimizer.usage.frame import UsageFrame
from netra_optimizer.usage.record import TOKEN_BUCKETS, UsageRecord
from netra_optimizer.verify.outcomes import Outcomes

if TYPE_CHECKING:
    import pyarrow as pa

Column: TypeAlias = NDArray[Any]
"""A column of the generator's, of whatever numbers it holds."""
DEFAULT_START: Final = datetime(2026, 11, 2, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Workload:
    """Usage in USAGE_SCHEMA, sorted by (start, id), with the scenario it came from."""

    scenario: Scenario
    seed: int
    start: datetime
    table: "pa.Table"

    def __len__(self) -> int:
        return self.table.num_rows

    def frame(self, prices: PriceTable | None = None) -> UsageFrame:
        """The usage as levers compute with it."""
        return UsageFrame.from_arrow(self.table, prices)

    def records(self) -> Iterator[UsageRecord]:
        """One record a call, in order."""
        lists = ("tags", "block_hashes", "tool_names")
        for batch in self.table.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                for name in lists:
                    row[name] = tuple(row[name])
                yield UsageRecord(**row)

    def outcomes(self) -> Outcomes | None:
        """Paired scores of the scenario's plans, seeded; None where there are none."""
        return planned_outcomes(self.scenario.outcomes, self.seed)

    def truth(self, prices: PriceTable, frame: UsageFrame | None = None) -> Truth:
        """What the planted changes save, each alone and all together, record by record."""
        return known_truth(self.frame(prices) if frame is None else frame, self.scenario, prices)


def generate_workload(
    seed: int = 0, *, scenario: Scenario | None = None, start: datetime | None = None
) -> Workload:
    """Make a workload: the same seed, scenario and start give the same bytes.

    Without a scenario it is the demonstration's: about 20,000 calls over 14 days.
    """
    scenario = scenario or demo_scenario()
    start = start or DEFAULT_START
    rng = np.random.default_rng(seed)
    parts = [
        generate_feature(
            np.random.default_rng(rng.integers(1 << 62)),
            spec,
            days=scenario.days,
            weekday=start.weekday(),
            block_tokens=scenario.block_tokens,
        )
        for spec in scenario.features
    ]
    import pyarrow as pa

    count = sum(len(part.start_s) for part in parts)
    batch = batch_of(count, _columns(scenario, parts, seed, start))
    return Workload(scenario, seed, start, pa.Table.from_batches([batch]))


def _columns(
    scenario: Scenario, parts: list[FeatureCalls], seed: int, start: datetime
) -> dict[str, Values]:
    import pyarrow as pa

    specs = scenario.features
    start_us = int(start.timestamp()) * 1_000_000
    times = np.concatenate([np.rint(p.start_s * 1e6).astype(np.int64) for p in parts]) + start_us
    order = np.argsort(times, kind="stable")
    which = np.repeat(np.arange(len(parts)), [len(p.start_s) for p in parts])[order]

    def column(name: str) -> Column:
        return np.concatenate([getattr(part, name) for part in parts])[order]

    def text(values: list[str]) -> Values:
        index = count_array(which.astype(np.int32), pa.int32())
        return pa.DictionaryArray.from_arrays(index, text_array(values)).cast(pa.string())

    count = len(times)
    read, written = column("cache_read"), column("cache_write")
    plain = column("prompt") - read - written
    tokens = {name: np.zeros(count, np.int64) for name in TOKEN_BUCKETS}
    tokens |= {"input_uncached": plain, "cache_read": read, "cache_write_5m": written}
    failed = column("failed")
    tokens["output_text"] = np.where(failed, 0, column("output"))
    tokens["reasoning"] = np.where(failed, 0, column("reasoning"))
    columns: dict[str, Values] = {
        "id": text_array([f"g{seed:x}-{at:08d}" for at in range(count)]),
        "start": times[order],
        "model": text_array(_models(specs, which, column("upgraded"))),
        "provider": text([s.provider for s in specs]),
        "operation": text(["chat" for _ in specs]),
        "service_tier": text(["standard" for _ in specs]),
        "latency_ms": real_array(column("latency_ms")),
        "ttft_ms": real_array(column("ttft_ms")),
        **{name: count_array(values, pa.int64()) for name, values in tokens.items()},
        "feature": text([s.name if scenario.named else "" for s in specs]),
        "team": text([s.team if scenario.named else "" for s in specs]),
        "user": text_array([f"user-{n:04d}" for n in column("user").tolist()]),
        "conversation": text_array(_conversations(specs, which, column("conversation"))),
        "status": text_array(["error" if bad else "ok" for bad in failed.tolist()]),
        "error_kind": text_array(_error_kinds(failed, column("refused"))),
        "attempt": count_array(column("attempt").astype(np.int32), pa.int32()),
        "params": text([_params(s) for s in specs]),
        "prompt_hash": text_array([f"{n:016x}" for n in column("prompt_name").tolist()]),
        "block_hashes": _block_lists(parts, order),
        "block_tokens": count_array(np.full(count, scenario.block_tokens, np.int32), pa.int32()),
        "finish_reason": text_array(["error" if bad else "stop" for bad in failed.tolist()]),
        "quality": real_array(column("quality")),
        "cost_recorded": real_array(np.full(count, np.nan)),
        "source": text(["generated" for _ in specs]),
    }
    wasted = column("wasted")
    if wasted.any() or not scenario.named:
        columns["tags"] = list_array(_tags(scenario, which, wasted))
    return columns


def _tags(scenario: Scenario, which: Int64, wasted: Column) -> list[tuple[str, ...]]:
    """What the generator knows and the other columns do not say."""
    of = [() if scenario.named else (OF_FEATURE + spec.name,) for spec in scenario.features]
    return [
        (*of[at], WASTED) if waste else of[at]
        for at, waste in zip(which.tolist(), wasted.tolist(), strict=True)
    ]


def _error_kinds(failed: Column, refused: Column) -> list[str]:
    kinds = np.where(refused, "invalid_request", np.where(failed, "server_error", ""))
    return kinds.tolist()


def _models(specs: tuple[FeatureSpec, ...], which: Int64, upgraded: Column) -> list[str]:
    names = [(s.model, s.upgrade.model if s.upgrade else s.model) for s in specs]
    return [names[at][late] for at, late in zip(which.tolist(), upgraded.tolist(), strict=True)]


def _conversations(specs: tuple[FeatureSpec, ...], which: Int64, conversation: Column) -> list[str]:
    return [
        f"{specs[at].name}-{number}" if specs[at].kind == "chat" else ""
        for at, number in zip(which.tolist(), conversation.tolist(), strict=True)
    ]


def _params(spec: FeatureSpec) -> str:
    return "{}" if spec.temperature is None else f'{{"temperature":{spec.temperature:g}}}'


def _block_lists(parts: list[FeatureCalls], order: Int64) -> Values:
    import pyarrow as pa

    counts = np.concatenate([part.block_counts for part in parts]).astype(np.int64)
    flat = np.concatenate([part.blocks for part in parts])
    begins = np.cumsum(counts) - counts
    taken = counts[order]
    offsets = np.concatenate([[0], np.cumsum(taken)])
    index = np.arange(offsets[-1]) + np.repeat(begins[order] - offsets[:-1], taken)
    return nest(offsets.astype(np.int32), count_array(flat[index], pa.uint64()))
