"""Answers that report other models' calls inside their own, and goes that their top leaves out."""

import json
from pathlib import Path

import pytest

from netra_optimizer import read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.record import TOKEN_BUCKETS

AT = "2026-11-20T10:00:00Z"


def go(kind: str, inputs: int, outputs: int, **more) -> dict:
    """One go of an answer, as Anthropic lists it."""
    return {"type": kind, "input_tokens": inputs, "output_tokens": outputs,
            "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, **more}  # fmt: skip


ADVISED = {
    "input_tokens": 400, "output_tokens": 530, "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "iterations": [
        go("message", 400, 90),
        go("advisor_message", 820, 1600, model="claude-opus-4-6"),
        go("message", 1300, 440, cache_read_input_tokens=400),
    ],
}  # fmt: skip


def read(folder: Path, rows: list[dict]) -> tuple[list[dict], Audit]:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    imported = read_files(path)
    found = [row for batch in imported.batches() for row in batch.to_pylist()]
    return found, imported.audit


def answered(folder: Path, **answer) -> tuple[list[dict], Audit]:
    said = {"id": "a-1", "model": "claude-sonnet-4-5", **answer}
    return read(folder, [{"timestamp": AT, "latency_ms": 900, "response": said,
                          "request": {"model": said["model"], "messages": []}}])  # fmt: skip


def calls(rows: list[dict]) -> list[dict]:
    """Model, latency and buckets of each."""
    return [
        {"model": row["model"], "ms": row["latency_ms"]}
        | {name: row[name] for name in TOKEN_BUCKETS if row[name]}
        for row in rows
    ]


def test_an_advisor_is_a_call_of_its_own_model_and_every_go_counts(tmp_path: Path) -> None:
    rows, audit = answered(tmp_path, type="message", usage=ADVISED)
    assert calls(rows) == [
        {"model": "claude-sonnet-4-5", "ms": 900, "input_uncached": 1700, "cache_read": 400,
         "output_text": 530},
        {"model": "claude-opus-4-6", "ms": None, "input_uncached": 820, "output_text": 1600},
    ]  # fmt: skip
    assert len({row["id"] for row in rows}) == 2
    assert audit == Audit(1, 1, {})


def test_an_advisor_in_claude_code_counts_once_however_often_it_was_logged(tmp_path: Path) -> None:
    line = {
        "type": "assistant", "timestamp": AT, "sessionId": "s", "uuid": "u", "requestId": "r",
        "cwd": "/x", "message": {"id": "m", "model": "claude-sonnet-4-5", "content": [],
                                 "usage": ADVISED},
    }  # fmt: skip
    rows, audit = read(tmp_path, [line, line])
    assert [row["model"] for row in rows] == ["claude-sonnet-4-5", "claude-opus-4-6"]
    assert [row["conversation"] for row in rows] == ["s", "s"]
    assert audit == Audit(2, 1, {"duplicate": 1})


def test_a_compaction_counts_where_nothing_speaks_of_caches(tmp_path: Path) -> None:
    usage = {"input_tokens": 23_000, "output_tokens": 1000, "iterations": [
        {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
        {"type": "message", "input_tokens": 23_000, "output_tokens": 1000}]}  # fmt: skip
    rows, _ = answered(tmp_path, type="message", usage=usage)
    assert calls(rows) == [
        {"model": "claude-sonnet-4-5", "ms": 900, "input_uncached": 203_000, "output_text": 4500}
    ]


def test_a_model_that_declined_before_another_answered_is_a_call_of_its_own(tmp_path: Path) -> None:
    usage = {**go("", 50, 30), "iterations": [
        go("message", 40, 5, model="claude-opus-4-6"),
        go("fallback_message", 50, 30, model="claude-sonnet-4-5")]}  # fmt: skip
    rows, _ = answered(tmp_path, type="message", usage=usage)
    assert calls(rows) == [
        {"model": "claude-sonnet-4-5", "ms": 900, "input_uncached": 50, "output_text": 30},
        {"model": "claude-opus-4-6", "ms": None, "input_uncached": 40, "output_text": 5},
    ]


@pytest.mark.parametrize(
    ("tools", "drawn_by"),
    [([{"type": "image_generation", "model": "gpt-image-1"}], "gpt-image-1"),
     ([], "image_generation")],
)  # fmt: skip
def test_pictures_that_a_tool_drew_are_a_call_of_the_model_that_drew(
    tools: list[dict], drawn_by: str, tmp_path: Path
) -> None:
    rows, audit = answered(
        tmp_path, object="response", model="gpt-5", tools=tools,
        usage={"input_tokens": 40, "output_tokens": 10, "total_tokens": 50},
        tool_usage={"image_gen": {
            "input_tokens": 50, "input_tokens_details": {"image_tokens": 0, "text_tokens": 50},
            "output_tokens": 1056, "total_tokens": 1106,
            "output_tokens_details": {"image_tokens": 1056, "text_tokens": 0}},
            "web_search": {"num_requests": 1}},
    )  # fmt: skip
    assert calls(rows) == [
        {"model": "gpt-5", "ms": 900, "input_uncached": 40, "output_text": 10},
        {"model": drawn_by, "ms": None, "input_uncached": 50, "image_out": 1056},
    ]
    assert audit == Audit(1, 1, {})


def test_a_compound_system_is_the_calls_of_its_members(tmp_path: Path) -> None:
    def member(model: str, asked: int, said: int) -> dict:
        usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
        return {"model": model, "usage": usage}

    members = [member("llama-3.3-70b-versatile", 400, 50), member("openai/gpt-oss-120b", 600, 150)]
    rows, _ = answered(
        tmp_path, model="groq/compound", x_groq={"id": "q"},
        usage={"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
        usage_breakdown={"models": members},
    )  # fmt: skip
    assert calls(rows) == [
        {"model": "llama-3.3-70b-versatile", "ms": 900, "input_uncached": 400, "output_text": 50},
        {"model": "openai/gpt-oss-120b", "ms": None, "input_uncached": 600, "output_text": 150},
    ]
    assert {row["provider"] for row in rows} == {"groq"}


@pytest.mark.parametrize("drawn", [{"data": [{"b64_json": "x"}]}, {"b64_json": "x"}])
def test_what_a_picture_took_is_output_in_pictures_where_nobody_says_otherwise(
    drawn: dict, tmp_path: Path
) -> None:
    usage = {"input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
             "output_tokens": 400, "total_tokens": 450}  # fmt: skip
    told = {**usage, "output_tokens_details": {"text_tokens": 100, "image_tokens": 300}}
    for said, text, picture in ((usage, 0, 400), (told, 100, 300)):
        [row], _ = answered(tmp_path, model="gpt-image-1.5", usage=said, **drawn)
        assert (row["output_text"], row["image_out"], row["image_in"]) == (text, picture, 40)


def test_an_advisor_that_a_gateway_added_to_the_top_counts_once(tmp_path: Path) -> None:
    summed = {**ADVISED, "input_tokens": 400 + 820 + 1300, "output_tokens": 90 + 1600 + 440,
              "cache_read_input_tokens": 400}  # fmt: skip
    rows, _ = answered(tmp_path, type="message", usage=summed)
    assert [(row["model"], row["input_uncached"], row["cache_read"], row["output_text"])
            for row in rows] == [
        ("claude-sonnet-4-5", 1700, 400, 530), ("claude-opus-4-6", 820, 0, 1600),
    ]  # fmt: skip
