"""LiteLLM's lines read in columns and row by row: the same records, the same audit."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netra_optimizer import InputError, read_files

USUAL: dict[str, Any] = {
    "request_id": "chatcmpl-1", "call_type": "acompletion", "spend": 0.01, "total_tokens": 150,
    "prompt_tokens": 100, "completion_tokens": 50, "startTime": "2026-11-20T10:00:00.250000+00:00",
    "endTime": "2026-11-20T10:00:02+00:00", "completionStartTime": "2026-11-20T10:00:01.5Z",
    "model": "gpt-4o", "model_group": "group", "cache_hit": "False",
    "custom_llm_provider": "openai", "user": "default", "end_user": "u-1", "team_id": "t-1",
    "request_tags": ["User-Agent: openai", "feature:search"], "session_id": "s-1",
    "status": "success", "request_duration_ms": None, "messages": {}, "response": {},
    "proxy_server_request": {},
    "metadata": {
        "user_api_key_alias": "web", "user_api_key_team_alias": None, "status": "success",
        "user_api_key_team_id": "t-2", "user_api_key_user_id": "k-1",
        "user_api_key_end_user_id": None,
        "usage_object": {
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": None},
            "completion_tokens_details": {"reasoning_tokens": 20},
            "cache_read_input_tokens": 30, "cache_creation_input_tokens": 10,
        },
        "additional_usage_values": {"cache_read_input_tokens": 30},
    },
}  # fmt: skip

COUNTS = st.sampled_from([0, 1, 7, 20, 50, 100, 150, 10**12, 10**13, -1, None, "5", 2.5, True])
WORDS = st.sampled_from(
    [None, "", " ", "a", " padded ", "True", "true", "TRUE ", "false", "failure", "success", "ü",
     "default", "flex", "priority", 5, True, False, [], {}, "{}", "[]", ["x"], {"k": "v"}]
)  # fmt: skip
TIMES = st.sampled_from(
    ["2026-11-20T10:00:00Z", "2026-11-20 10:00:01.5+00:00", "2026-11-20T10:00:02.123456789Z",
     "2026-11-20T12:00:00+02:00", "2026-11-20T10:00:00", "2026-02-30T10:00:00Z",
     "1989-01-01T00:00Z", "2199-12-31T23:59:59.999999Z", "2200-01-01T00:00:00Z",
     "2026-11-20T24:00:00Z",
     "", None, "2026-11-20T10:00:00.1234567+00:00", "2026-11-20t10:00:00z", "soon", 1795168800,
     1795168800.5,
     "２026-11-20T10:00:00Z", "2026-11-20T10:00:00,5Z", "2026-11-20T10:00:60Z"]
)  # fmt: skip
TAGS = st.lists(
    st.sampled_from(
        ["feature:search", "user:bob", "team:core", "session_id:z", "trace_id:t", "feature: x ",
         "plain", "", ":", "a:b:c", "user:"]
    ),
    max_size=3,
) | st.sampled_from([None, "a,b", '["q"]', [5], [None, "x"], {}])  # fmt: skip
DETAILS = st.fixed_dictionaries(
    {},
    optional={
        name: COUNTS
        for name in (
            "cached_tokens", "audio_tokens", "image_tokens", "text_tokens", "reasoning_tokens",
            "cache_creation_tokens", "cache_read_tokens", "unheard_of", "thinking_tokens",
            "cache_write_tokens", "tool_use_tokens", "video_tokens",
        )
    }
    | {
        "cache_creation_token_details": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "ephemeral_5m_input_tokens": COUNTS, "ephemeral_1h_input_tokens": COUNTS,
                "ephemeral_1h_tokens": COUNTS, "ephemeral_30m_input_tokens": COUNTS,
                "ephemeral_12h_input_tokens": COUNTS,
            },
        )
    },
)  # fmt: skip
USAGES = st.none() | st.fixed_dictionaries(
    {},
    optional={
        name: COUNTS
        for name in (
            "prompt_tokens", "completion_tokens", "total_tokens", "cache_read_input_tokens",
            "cache_creation_input_tokens", "reasoning_tokens", "prompt_cache_hit_tokens", "cost",
        )
    }
    | {
        "prompt_tokens_details": st.none() | DETAILS,
        "completion_tokens_details": st.none() | DETAILS,
        "input_tokens_details": st.none() | DETAILS,
        "service_tier": WORDS,
        "server_tool_use": st.none() | st.just({"web_search_requests": 1}),
    },
)  # fmt: skip
METADATA = {
    "usage_object": USAGES, "additional_usage_values": USAGES, "status": WORDS, "team": WORDS,
    "feature": WORDS, "tags": TAGS, "session_id": WORDS, "spend_logs_metadata": WORDS,
    "requester_metadata": WORDS, "user_api_key_alias": WORDS, "user_api_key_team_alias": WORDS,
    "user_api_key_team_id": WORDS, "user_api_key_user_id": WORDS,
    "user_api_key_end_user_id": WORDS,
}  # fmt: skip
FIELDS = {
    "spend": st.sampled_from([None, 0, -1.5, 0.25, "0.5", 3, True]),
    "prompt_tokens": COUNTS, "completion_tokens": COUNTS, "total_tokens": COUNTS,
    "startTime": TIMES, "endTime": TIMES, "completionStartTime": TIMES, "end_time": TIMES,
    "model": WORDS, "call_type": st.sampled_from(["aembedding", "abatch", "", None, "responses"]),
    "cache_hit": WORDS, "custom_llm_provider": WORDS, "user": WORDS, "end_user": WORDS,
    "team_id": WORDS, "session_id": WORDS, "status": WORDS, "request_tags": TAGS,
    "request_duration_ms": st.sampled_from([None, 0, 12, 3.5, -4, "9"]), "service_tier": WORDS,
    "messages": st.sampled_from([{}, [], "", None, "{}", [{"role": "user", "content": "hi"}]]),
    "response": st.sampled_from([{}, "", None, {"service_tier": "flex"}, "text"]),
    "proxy_server_request": st.sampled_from([{}, "{}", {"body": {"temperature": 1}}]),
    "metadata": st.sampled_from([None, {}, "", '{"status": "failure"}']),
}  # fmt: skip


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A usual row with some of its values changed or taken away."""
    row = {**USUAL, "metadata": dict(USUAL["metadata"])}
    for name in draw(st.sets(st.sampled_from([*METADATA]), max_size=2)):
        row["metadata"][name] = draw(METADATA[name])
    for name in draw(st.sets(st.sampled_from([*FIELDS]), max_size=2)):
        row[name] = draw(FIELDS[name])
    for name in draw(st.sets(st.sampled_from([*row]), max_size=1)):
        del row[name]
    return row


def read(path: Path) -> tuple[list[dict[str, Any]], tuple[int, int, dict[str, int]]]:
    imported = read_files(path, fmt="litellm", model="fallback")
    try:
        records = [row for batch in imported.batches() for row in batch.to_pylist()]
    except InputError:
        records = []
    audit = imported.audit
    key = lambda row: row["id"]  # noqa: E731
    return sorted(records, key=key), (audit.rows_read, audit.rows_kept, audit.dropped)


@given(st.lists(rows(), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n", "\n\n"]))
@settings(
    max_examples=80, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
def test_lines_and_an_array_make_the_same_records(
    tmp_path: Path, given_rows: list[dict[str, Any]], end: str
) -> None:
    numbered = [
        {**row, "request_id": f"r-{place:03}"} if "request_id" in row else row
        for place, row in enumerate(given_rows)
    ]
    lines, array = tmp_path / "lines.jsonl", tmp_path / "array.json"
    lines.write_bytes(end.join(json.dumps(row) for row in numbered).encode())
    array.write_text(json.dumps(numbered))
    assert read(lines) == read(array)


def test_a_usual_line_takes_the_way_in_columns() -> None:
    from netra_optimizer.usage.importers.litellm_lines import plain_rows
    from netra_optimizer.usage.sources.blocks import Block

    chunk, others = plain_rows(Block(json.dumps(USUAL).encode()))
    assert others == []
    assert chunk is not None
    assert chunk.rows == 1
    assert chunk.columns["cache_read"].tolist() == [30]
    assert chunk.columns["input_uncached"].tolist() == [60]


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1}{"a": 2}\n{"b": [{"c": 3}\n{"d": 4}]}\n',
        b'{"a": [{"b": 1}\n{"c": 2}]}\n',
        b'{"a": "x}\n{y"}\n',
        b'{"a": 1},{"a": 2}\n\n',
    ],
)
def test_lines_that_only_together_are_json_stay_broken(tmp_path: Path, text: bytes) -> None:
    usual = json.dumps(USUAL).encode() + b"\n"
    path = tmp_path / "broken.jsonl"
    path.write_bytes(usual + text)
    broken = len([line for line in text.split(b"\n") if line])
    assert read(path)[1] == (1 + broken, 1, {"broken_json": broken})


def test_a_line_that_is_not_utf_8_costs_itself_alone(tmp_path: Path) -> None:
    usual = json.dumps(USUAL).encode()
    path = tmp_path / "bytes.jsonl"
    path.write_bytes(usual + b"\n" + usual.replace(b"group", b"gr\xffup") + b"\n")
    assert read(path)[1] == (2, 1, {"broken_json": 1})


@pytest.mark.parametrize("zone", ["Z", "+00:00"])
@pytest.mark.parametrize("digits", range(7))
def test_times_in_columns_are_the_times_of_the_standard_library(zone: str, digits: int) -> None:
    from datetime import UTC, datetime

    from netra_optimizer.usage.batch import to_us
    from netra_optimizer.usage.importers.times import utc_us

    fraction = f".{'987654'[:digits]}" if digits else ""
    written = [
        f"{year}-{month:02}-{day:02}{mark}23:59:5{day % 10}{fraction}{zone}"
        for year in (1990, 2000, 2024, 2100, 2199)
        for month, day in ((1, 1), (2, 28), (3, 31), (12, 31))
        for mark in "T "
    ]
    found, known = utc_us([*written, "2026-11-20", "", "ü" * 20])
    assert known.tolist() == [True] * len(written) + [False] * 3
    expected = [to_us(datetime.fromisoformat(text).astimezone(UTC)) for text in written]
    assert found[: len(written)].tolist() == expected
