"""Langfuse's usage types as its SDKs and integrations name them, and its exports' spellings."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netra_optimizer import read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.record import TOKEN_BUCKETS


def observation(**fields) -> dict:
    return {
        "id": "obs-1", "traceId": "tr-1", "type": "GENERATION", "name": "answer",
        "startTime": "2026-11-20T10:00:00.000Z", "endTime": "2026-11-20T10:00:03.000Z",
        "parentObservationId": None, "model": "gpt-4o", "level": "DEFAULT", **fields,
    }  # fmt: skip


def read(path: Path) -> tuple[list[dict], Audit, str]:
    imported = read_files(path)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    return rows, imported.audit, imported.format


def counts_of(folder: Path, details: dict) -> dict[str, int]:
    path = folder / "o.jsonl"
    path.write_text(json.dumps(observation(usageDetails=details)))
    [row] = read(path)[0]
    return {bucket: row[bucket] for bucket in TOKEN_BUCKETS if row[bucket]}


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        pytest.param(
            {"input": 93, "output": 18, "total": 1163, "input_cached_tokens": 1024,
             "input_audio_tokens": 0, "output_reasoning_tokens": 20, "output_audio_tokens": 0,
             "output_accepted_prediction_tokens": 3, "output_rejected_prediction_tokens": 5},
            {"input_uncached": 93, "cache_read": 1024, "output_text": 26, "reasoning": 20},
            id="openai: what is none of the kinds that have a bucket is plain",
        ),
        pytest.param(
            {"input": 0, "output": 0, "total": 150, "input_text_tokens": 20,
             "input_audio_tokens": 80, "output_text_tokens": 10, "output_audio_tokens": 40},
            {"input_uncached": 20, "audio_in": 80, "output_text": 10, "audio_out": 40},
            id="openai audio",
        ),
        pytest.param(
            {"input": 21, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 188,
             "output": 393, "total": 4602},
            {"input_uncached": 21, "cache_read": 4000, "cache_write_5m": 188, "output_text": 393},
            id="anthropic",
        ),
        pytest.param(
            {"input_tokens": 21, "cache_read_input_tokens": 4000, "output_tokens": 393,
             "input_cache_creation_5m": 88, "input_cache_creation_1h": 100},
            {"input_uncached": 21, "cache_read": 4000, "cache_write_5m": 88, "cache_write_1h": 100,
             "output_text": 393},
            id="anthropic's own names, writes split",
        ),
        pytest.param(
            {"input": 21, "output": 393, "cache_creation_input_tokens": 188,
             "input_cache_creation_5m": 88, "input_cache_creation_1h": 100, "total": 602},
            {"input_uncached": 21, "cache_write_5m": 88, "cache_write_1h": 100,
             "output_text": 393},
            id="writes whole and split",
        ),
        pytest.param(
            {"input": 0, "prompt_modality_TEXT": 226, "prompt_modality_IMAGE": 774, "output": 0,
             "candidate_modality_TEXT": 12, "thoughts_token_count": 88, "total": 1100},
            {"input_uncached": 226, "image_in": 774, "output_text": 12, "reasoning": 88},
            id="gemini through langchain",
        ),
        pytest.param(
            {"prompt_tokens": 30, "completion_tokens": 12},
            {"input_uncached": 30, "output_text": 12},
            id="openai's names as they are",
        ),
        pytest.param(
            {"promptTokens": 30, "completionTokens": 12, "totalTokens": 42},
            {"input_uncached": 30, "output_text": 12},
            id="camel case",
        ),
        pytest.param(
            {"input": 30, "output": 12, "total": 42, "input_cached_tokens": 10},
            {"input_uncached": 20, "cache_read": 10, "output_text": 12},
            id="a total that leaves no room for the parts",
        ),
    ],
)  # fmt: skip
def test_usage_types_sum_to_what_langfuse_counts(
    details: dict, expected: dict, tmp_path: Path
) -> None:
    assert counts_of(tmp_path, details) == expected


def test_usage_that_is_no_tokens_is_left_out(tmp_path: Path) -> None:
    rows = [
        observation(id="c", usage={"input": 900, "output": 100, "unit": "CHARACTERS"}),
        observation(id="t", usage={"input": 9, "output": 1, "unit": "TOKENS"}),
        observation(id="n", usageDetails={"pages": 3}),
    ]
    path = tmp_path / "o.json"
    path.write_text(json.dumps({"data": rows, "meta": {"page": 1, "totalItems": 3}}))
    found, audit, name = read(path)
    assert [row["id"] for row in found] == ["t"]
    assert (name, audit) == ("langfuse", Audit(3, 1, {"no_token_counts": 2}))


def test_the_blob_export_in_snake_case_is_the_same_in_every_container(tmp_path: Path) -> None:
    row = {
        "id": "obs-1", "trace_id": "tr-1", "project_id": "p", "environment": "production",
        "type": "GENERATION", "parent_observation_id": "", "start_time": "2026-11-20 10:00:00.000",
        "end_time": "2026-11-20 10:00:03.000", "name": "answer", "level": "DEFAULT",
        "provided_model_name": "gpt-4o-2024-08-06", "completion_start_time": None,
        "model_parameters": '{"temperature":"0.2"}', "total_cost": 0.004,
        "usage_details": {"input": 93, "input_cached_tokens": 1024, "output": 26, "total": 1143},
        "cost_details": {"input": 0.001, "total": 0.004}, "metadata": {"team": "web"},
    }  # fmt: skip
    flat = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with (tmp_path / "b.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(flat))
        writer.writeheader()
        writer.writerow(flat)
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "c.parquet")
    maps = pa.map_(pa.string(), pa.int64())
    schema = pa.schema(
        [
            pa.field(name, maps if name == "usage_details" else pa.array([value]).type)
            for name, value in flat.items()
        ]
    )
    whole = {**flat, "usage_details": list(row["usage_details"].items())}
    pq.write_table(pa.Table.from_pylist([whole], schema), tmp_path / "d.parquet")
    seen = []
    for name in ("a.jsonl", "b.csv", "c.parquet", "d.parquet"):
        [found], audit, fmt = read(tmp_path / name)
        assert (fmt, audit) == ("langfuse", Audit(1, 1, {})), name
        seen.append(found)
    assert seen[1:] == seen[:1] * 3
    assert (seen[0]["model"], seen[0]["cache_read"], seen[0]["output_text"], seen[0]["team"],
            seen[0]["cost_recorded"]) == ("gpt-4o-2024-08-06", 1024, 26, "web", 0.004)  # fmt: skip


@pytest.mark.parametrize(
    ("tier", "details"),
    [
        ("priority", {"input": 100, "input_priority": 60, "input_priority_cache_read": 40,
                      "output": 20, "output_priority": 15, "output_priority_reasoning": 5,
                      "total": 120}),
        ("flex", {"input": 0, "input_flex": 60, "input_flex_cache_read": 40, "output": 0,
                  "output_flex": 15, "output_flex_reasoning": 5, "total": 120}),
    ],
)  # fmt: skip
def test_a_tier_that_names_the_usage_types_is_the_call_s(
    tier: str, details: dict, tmp_path: Path
) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text(json.dumps(observation(usageDetails=details)))
    [row] = read(path)[0]
    assert row["service_tier"] == tier
    assert counts_of(tmp_path, details) == {
        "input_uncached": 60, "cache_read": 40, "output_text": 15, "reasoning": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "details",
    [
        {"input": 60, "input_cached_tokens": 40, "output": 20, "output_reasoning_tokens": 5,
         "total": 120},
        {"input": 100, "input_cached_tokens": 40, "output": 15, "output_reasoning_tokens": 5,
         "total": 120},
        {"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 15,
         "thoughtsTokenCount": 5, "totalTokenCount": 120},
    ],
)  # fmt: skip
def test_input_and_output_may_count_their_parts_each_in_their_own_way(
    details: dict, tmp_path: Path
) -> None:
    assert counts_of(tmp_path, details) == {
        "input_uncached": 60, "cache_read": 40, "output_text": 15, "reasoning": 5,
    }  # fmt: skip
