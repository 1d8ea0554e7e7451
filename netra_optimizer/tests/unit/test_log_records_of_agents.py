"""Agents' log records in OTLP JSON: each event by its own provider's convention."""

import json
from pathlib import Path

import pytest

from netra_optimizer import read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.record import TOKEN_BUCKETS


def record(**attributes: object) -> dict:
    listed = [
        {"key": key.replace("__", "."), "value": {"stringValue": value} if isinstance(value, str)
         else {"intValue": str(value)}}
        for key, value in attributes.items()
    ]  # fmt: skip
    return {"timeUnixNano": "1795168801000000000", "attributes": listed}


def read(folder: Path, *records: dict) -> tuple[list[dict], Audit, str]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "agent"}}]}
    path = folder / "logs.json"
    path.write_text(json.dumps({"resourceLogs": [
        {"resource": resource, "scopeLogs": [{"logRecords": list(records)}]}]}))  # fmt: skip
    imported = read_files(path)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    return rows, imported.audit, imported.format


CLAUDE = {
    "event__name": "claude_code.api_request", "session__id": "s-1", "user__id": "u-1",
    "model": "claude-sonnet-4-5", "input_tokens": "10", "output_tokens": "5",
    "cache_read_tokens": "100", "cache_creation_tokens": "20", "cost_usd": "0.1",
    "duration_ms": "1000", "request_id": "req_1",
}  # fmt: skip
CODEX = {
    "event__name": "codex.sse_event", "event__kind": "response.completed", "model": "gpt-5-codex",
    "conversation__id": "c-1", "input_token_count": 1000, "output_token_count": 50,
    "cached_token_count": 400, "reasoning_token_count": 20,
}  # fmt: skip
GEMINI = {
    "event__name": "gemini_cli.api_response", "model": "gemini-2.5-pro", "input_token_count": 100,
    "output_token_count": 10, "cached_content_token_count": 40, "thoughts_token_count": 30,
    "tool_token_count": 0, "total_token_count": 140, "duration_ms": 500,
}  # fmt: skip


@pytest.mark.parametrize(
    ("event", "expected", "provider"),
    [
        (CLAUDE, {"input_uncached": 10, "cache_read": 100, "cache_write_5m": 20, "output_text": 5},
         "anthropic"),
        (CODEX, {"input_uncached": 600, "cache_read": 400, "output_text": 30, "reasoning": 20},
         "openai"),
        (GEMINI, {"input_uncached": 60, "cache_read": 40, "output_text": 10, "reasoning": 30},
         "google"),
        ({"event__name": "gen_ai.client.inference.operation.details",
          "gen_ai__provider__name": "openai", "gen_ai__request__model": "gpt-4o",
          "gen_ai__usage__input_tokens": 10, "gen_ai__usage__output_tokens": 5},
         {"input_uncached": 10, "output_text": 5}, "openai"),
    ],
)  # fmt: skip
def test_an_agent_s_event_counts_as_its_provider_does(
    event: dict, expected: dict, provider: str, tmp_path: Path
) -> None:
    rows, audit, name = read(tmp_path, record(**event), record(**event))
    kept = 1 if "request_id" in event else 2  # without an id equal events are different calls
    assert (name, audit.rows_read, audit.rows_kept) == ("otlp_logs", 2, kept)
    found = {bucket: rows[0][bucket] for bucket in TOKEN_BUCKETS if rows[0][bucket]}
    assert (found, rows[0]["provider"]) == (expected, provider)


def test_a_call_began_as_long_before_its_event_as_it_lasted(tmp_path: Path) -> None:
    [row], _, _ = read(tmp_path, record(**CLAUDE))
    assert row["start"].isoformat() == "2026-11-20T10:00:00+00:00"
    known = ("id", "latency_ms", "cost_recorded", "user", "conversation", "feature")
    assert [row[key] for key in known] == ["req_1", 1000.0, 0.1, "u-1", "s-1", "agent"]


def test_events_that_are_no_calls_are_left_out_and_failures_kept(tmp_path: Path) -> None:
    rows, audit, _ = read(
        tmp_path,
        record(event__name="claude_code.user_prompt", prompt_length=9),
        record(**{**CODEX, "event__kind": "response.output_text.delta"}),
        record(event__name="claude_code.api_error", model="claude-sonnet-4-5", error="overloaded"),
        {"attributes": "none"},
    )
    assert audit == Audit(4, 1, {"not_a_model_call": 3})
    assert (rows[0]["status"], rows[0]["error_kind"]) == ("error", "overloaded")


def counted(total: int, last: int, cached: int = 0) -> dict:
    def usage(tokens: int) -> dict:
        return {"input_tokens": tokens, "cached_input_tokens": cached, "output_tokens": 50,
                "reasoning_output_tokens": 20, "total_tokens": tokens + 50}  # fmt: skip

    info = {"total_token_usage": usage(total), "last_token_usage": usage(last)}
    return line("event_msg", type="token_count", info=info)


def line(kind: str, **payload: object) -> dict:
    return {"timestamp": "2026-11-20T10:00:00Z", "type": kind, "payload": payload}


def test_codex_s_session_counts_each_call_once_with_the_model_of_its_turn(tmp_path: Path) -> None:
    lines = [
        line("session_meta", id="s-1", cwd="/home/ann/shop"), line("turn_context", model="gpt-5"),
        line("event_msg", type="token_count", info=None), counted(1000, 1000, 400),
        counted(1000, 1000, 400), line("response_item", type="message"),
        line("turn_context", model="gpt-5-mini"), counted(1700, 700),
    ]  # fmt: skip
    path = tmp_path / "rollout.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    imported = read_files(path)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert imported.format == "codex"
    assert imported.audit == Audit(8, 2, {"duplicate": 1, "not_a_model_call": 5})
    assert [(row["model"], row["input_uncached"], row["cache_read"], row["output_text"],
             row["reasoning"], row["conversation"], row["feature"]) for row in rows] == [
        ("gpt-5", 600, 400, 30, 20, "s-1", "shop"), ("gpt-5-mini", 700, 0, 30, 20, "s-1", "shop"),
    ]  # fmt: skip


def at(second: float, row: dict) -> dict:
    return {**row, "timestamp": f"2026-11-20T11:00:{second:06.3f}Z"}


OWN = [line("session_meta", id="s-1", cwd="/shop"), line("turn_context", model="gpt-5"),
       counted(1000, 1000, 400), counted(1700, 700)]  # fmt: skip
LATER = [at(9, counted(2600, 900)), at(15, counted(3600, 1000))]


@pytest.mark.parametrize(
    "copied",
    [
        [line("session_meta", id="s-2", forked_from_id="s-1"), *OWN],
        [line("session_meta", id="s-2", forked_from_id="s-1"), *OWN[1:]],
        [line("session_meta", id="s-2", source={"subagent": {"thread_spawn": {
            "parent_thread_id": "s-1"}}}), *OWN],
    ],
)  # fmt: skip
def test_what_a_forked_session_copied_is_no_second_call(copied: list, tmp_path: Path) -> None:
    fork = [at(0.01 * place, row) for place, row in enumerate(copied)]
    rows = []
    for name, lines in (("a-own", OWN), ("b-fork", [*fork, *LATER])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    imported = read_files(tmp_path)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert imported.audit.dropped["duplicate"] == 2
    assert [(row["conversation"], row["input_uncached"]) for row in rows] == [
        ("s-1", 600), ("s-1", 700), ("s-2", 900), ("s-2", 1000),
    ]  # fmt: skip


def made(second: int, name: int) -> str:
    """A name made so many seconds after ten o'clock, as Codex names sessions and turns."""
    ms = f"{1795168800000 + second * 1000:012x}"
    return f"{ms[:8]}-{ms[8:]}-7000-8000-{name:012x}"


def turn(second: int, name: int = 0) -> dict:
    return line("turn_context", model="gpt-5", turn_id=made(second, name))


def calls_of(folder: Path, **files: list[dict]) -> list[dict]:
    for name, lines in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    imported = read_files(folder)
    return [row for batch in imported.batches() for row in batch.to_pylist()]


def test_copies_of_copies_count_once_and_keep_the_time_of_their_turn(tmp_path: Path) -> None:
    first, second, third = made(0, 1), made(100, 2), made(200, 3)
    a = [line("session_meta", id=first), turn(1), counted(1000, 1000)]
    b = [line("session_meta", id=second, forked_from_id=first), *a, turn(101), counted(1700, 700)]
    c = [line("session_meta", id=third, forked_from_id=second), *b, turn(201), counted(2600, 900)]
    copied_slowly = [at(0.5 * place, row) for place, row in enumerate(c)]
    rows = calls_of(tmp_path, a=copied_slowly, b=b, c=a)
    assert [(row["input_uncached"], row["conversation"]) for row in rows] == [
        (1000, first), (700, first), (900, third),
    ]  # fmt: skip
    assert [row["start"].strftime("%H:%M:%S") for row in rows] == [
        "10:00:01", "10:01:41", "11:00:04",
    ]  # fmt: skip


def test_sessions_that_work_for_one_and_count_alike_are_calls_of_their_own(tmp_path: Path) -> None:
    def child(name: int) -> list[dict]:
        meta = line("session_meta", id=made(5, name), parent_thread_id=made(0, 1))
        return [meta, line("session_meta", id=made(0, 1)), turn(5, name), counted(1000, 1000)]

    rows = calls_of(tmp_path, a=child(2), b=child(3))
    assert [row["conversation"] for row in rows] == [made(5, 2), made(5, 3)]


def test_what_was_copied_with_its_own_times_is_no_second_call(tmp_path: Path) -> None:
    own = [at(5 * place, row) for place, row in enumerate(OWN)]
    child = [at(30, line("session_meta", id="s-2", parent_thread_id="s-1")), *own,
             at(31, OWN[1]), at(34, line("response_item")), at(35, counted(900, 900))]  # fmt: skip
    rows = calls_of(tmp_path, a=own, b=child)
    assert [(row["conversation"], row["input_uncached"]) for row in rows] == [
        ("s-1", 600), ("s-1", 700), ("s-2", 900),
    ]  # fmt: skip


def test_a_session_of_totals_alone_counts_by_how_much_they_grew(tmp_path: Path) -> None:
    lines = [line("session_meta", id="s-1"), line("turn_context", model="gpt-5")]
    for total in (1000, 1000, 1700, 300):  # begun anew at last
        said = counted(total, 0)
        del said["payload"]["info"]["last_token_usage"]
        lines.append(said)
    path = tmp_path / "rollout.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    imported = read_files(path)
    rows = [row for batch in imported.batches() for row in batch.to_pylist()]
    assert [row["input_uncached"] for row in rows] == [1000, 700, 300]
    assert imported.audit == Audit(6, 3, {"duplicate": 1, "not_a_model_call": 2})


@pytest.mark.parametrize(
    ("event", "model", "sold"),
    [
        ("claude_code.api_request", "claude-sonnet-4-5", "anthropic"),
        ("claude_code.api_request", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws"),
        ("claude_code.api_request", "glm-4.6", "zai"),
        ("gemini_cli.api_response", "gemini-2.5-pro", "google"),
        ("qwen-code.api_response", "deepseek-chat", "deepseek"),
    ],
)
def test_an_agent_may_call_models_of_others(
    event: str, model: str, sold: str, tmp_path: Path
) -> None:
    counts = {"input_tokens": 5, "output_tokens": 2, "input_token_count": 5}
    [row], _, _ = read(tmp_path, record(event__name=event, model=model, **counts))
    assert (row["model"], row["provider"]) == (model, sold)


def test_codex_s_provider_is_its_session_s(tmp_path: Path) -> None:
    lines = [line("session_meta", id="s-1", model_provider="azure"),
             line("turn_context", model="gpt-5"), counted(1000, 1000)]  # fmt: skip
    path = tmp_path / "rollout.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    [batch] = read_files(path).batches()
    assert batch.column("provider").to_pylist() == ["azure"]
