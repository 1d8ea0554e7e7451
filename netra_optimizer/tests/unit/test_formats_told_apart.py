"""Logs of calls that resemble a tool's format in one field stay logs of calls."""

import json
from pathlib import Path

import pytest

from netra_optimizer import InputError, Usage, read_files

USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
         "prompt_tokens_details": {"cached_tokens": 40}}  # fmt: skip
FLAT = {"model": "gpt-4o", "input_tokens": 100, "output_tokens": 20, "cached_tokens": 40}
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "?"}]}


def at(second: int) -> str:
    return f"2026-11-20T10:00:0{second}Z"


def read(folder: Path, rows: list[dict]) -> tuple[list[dict], str]:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    imported = read_files(path)
    found = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert all((row["input_uncached"], row["cache_read"]) == (60, 40) for row in found)
    assert all((row["output_text"], row["status"]) == (20, "ok") for row in found)
    return found, imported.format


@pytest.mark.parametrize(
    "beside",
    [
        {"span_kind": "client", "start_ns": 1795168800000000000},
        {"span_kind": "SERVER", "metrics": {"cpu": 4}},
        {"span_attributes": {"type": "http"}, "metrics": "off"},
        {"meta": {"kind": "batch-job"}, "metrics": {"cpu": 4}},
        {"attributes": {"event.name": "llm.call", "service": "shop"}},
        {"span_id": "s", "data": {"gen_ai.system": "openai"}},
        {"span_id": "s", "tags": {"user.id": "u", "feature": "chat"}},
        {"properties": {"$ai_model": "x"}},
        {"type": "gemini", "tokens": None},
        {"say": "hello", "ts": 5},
    ],
)
def test_a_table_of_calls_is_told_by_its_counts(beside: dict, tmp_path: Path) -> None:
    rows, name = read(tmp_path, [{"timestamp": at(n), **FLAT, **beside} for n in range(3)])
    assert (len(rows), name) == (3, "generic")


@pytest.mark.parametrize(
    "beside",
    [
        {"extra": {"id": "session-5", "status": 500}},
        {"attributes": {"model": "shop", "timestamp": "2020-01-01T00:00:00Z", "id": "x"}},
        {"attributes": {"event.name": "llm.call"}},
        {"fields": {"status": 500, "id": "x"}},
        {"message": json.dumps({"id": "m", "text": "hello", "timestamp": 5})},
    ],
)
def test_what_stands_beside_a_call_does_not_replace_it(beside: dict, tmp_path: Path) -> None:
    answers = [{"id": f"chatcmpl-answer{n}", "model": "gpt-4o", "usage": USAGE} for n in range(3)]
    bodies = [
        {"timestamp": at(n), "request": ASKED, "response": answer, **beside}
        for n, answer in enumerate(answers)
    ]
    rows, name = read(tmp_path, bodies)
    assert name == "requests"
    assert [row["id"] for row in rows] == [answer["id"] for answer in answers]
    assert {(row["model"], row["start"].year) for row in rows} == {("gpt-4o", 2026)}
    bare = [{"timestamp": at(n), "model": "gpt-4o", "usage": USAGE, **beside} for n in range(3)]
    assert len(read(tmp_path, bare)[0]) == 3


@pytest.mark.parametrize(
    "beside",
    [
        {"pricing": {"prompt": 0.003, "completion": 0.015}},
        {"prices": {"input": 3, "output": 15}},
        {"lengths": {"input": 3000, "output": 500}},
        {"scores": {"completion": 1, "prompt": 0}},
    ],
)
def test_inputs_and_outputs_are_counts_only_where_they_are_called_so(
    beside: dict, tmp_path: Path
) -> None:
    rows, _ = read(tmp_path, [{"timestamp": at(1), "model": "gpt-4o", **beside, "told": USAGE}])
    assert len(rows) == 1
    path = tmp_path / "none.jsonl"
    path.write_text(json.dumps({"timestamp": at(1), "model": "gpt-4o", **beside}))
    with pytest.raises(InputError):
        Usage.from_files(path, model="gpt-4o")
    short = {"input": 100, "output": 20, "cached": 40}
    rows, _ = read(tmp_path, [{"timestamp": at(1), "model": "gpt-4o", **beside, "tokens": short}])
    assert len(rows) == 1


def test_a_flat_table_of_spans_is_read_by_its_attributes_whatever_else_it_has(
    tmp_path: Path,
) -> None:
    row = {
        "start_time": at(1), "end_time": at(2), "context.span_id": "s", "context.trace_id": "t",
        "attributes.llm.model_name": "gpt-4o", "attributes.openinference.span.kind": "LLM",
        "attributes.llm.token_count.prompt": 100, "attributes.llm.token_count.completion": 20,
        "attributes.llm.token_count.prompt_details.cache_read": 40,
        "tags": {"team": "web"}, "data": {"x": 1},
    }  # fmt: skip
    rows, name = read(tmp_path, [row])
    assert (len(rows), name) == (1, "spans")
