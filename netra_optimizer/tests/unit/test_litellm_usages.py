"""LiteLLM's SpendLogs with every spelling of their usage objects, in every container."""

import csv
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netra_optimizer import read_files
from netra_optimizer.results import Audit
from netra_optimizer.usage.record import TOKEN_BUCKETS

SPELLINGS = (
    "openai",
    "openai, split",
    "openai, half a day",
    "anthropic",
    "anthropic, split",
    "both",
)


def usage_of(spelling: str, counts: dict[str, int]) -> dict:
    """The usage object the gateway keeps of a call with these tokens."""
    five, hour, read = (counts[name] for name in ("cache_write_5m", "cache_write_1h", "cache_read"))
    split = {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour}
    inside: dict = {"cached_tokens": read or None, "audio_tokens": counts["audio_in"],
                    "image_tokens": counts["image_in"], "text_tokens": None}  # fmt: skip
    usage: dict = {
        "prompt_tokens": sum(counts[name] for name in TOKEN_BUCKETS[:4])
        + counts["audio_in"] + counts["image_in"],
        "completion_tokens": counts["output_text"] + counts["reasoning"] + counts["audio_out"]
        + counts["image_out"],
        "completion_tokens_details": {
            "reasoning_tokens": counts["reasoning"], "audio_tokens": counts["audio_out"],
            "image_tokens": counts["image_out"]},
        "prompt_tokens_details": inside,
    }  # fmt: skip
    usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    if spelling.startswith("openai") or spelling == "both":
        inside["cache_write_tokens"] = five + hour
    if spelling == "openai, split":
        inside["cache_creation_token_details"] = split
    if spelling == "openai, half a day":
        inside["cache_creation_token_details"] = {
            "ephemeral_30m_input_tokens": five, "ephemeral_12h_input_tokens": hour,
            "ephemeral_5m_input_tokens": None, "ephemeral_1h_input_tokens": None}  # fmt: skip
    if spelling.startswith("anthropic") or spelling == "both":
        usage |= {"cache_creation_input_tokens": five + hour, "cache_read_input_tokens": read}
    if spelling == "anthropic, split":
        usage["cache_creation"] = split
    return usage


def calls(rng: random.Random, number: int) -> tuple[list[dict], list[dict[str, int]]]:
    """Rows of the log, and the tokens of each call."""
    rows, tokens = [], []
    for at in range(number):
        counts = {name: rng.choice([0, 0, rng.randrange(1, 5000)]) for name in TOKEN_BUCKETS}
        spelling = rng.choice(SPELLINGS)
        if "," not in spelling:
            counts["cache_write_1h"] = 0
        usage = usage_of(spelling, counts)
        tokens.append(counts)
        rows.append(
            {
                "request_id": f"r{at:05d}", "call_type": "acompletion", "spend": 0.1,
                "startTime": "2026-11-20T10:00:00.123000Z", "endTime": "2026-11-20T10:00:01Z",
                "model": "claude-sonnet-4-5", "custom_llm_provider": "anthropic",
                "prompt_tokens": usage["prompt_tokens"], "cache_hit": "None",
                "completion_tokens": usage["completion_tokens"],
                "total_tokens": usage["total_tokens"], "request_tags": ["feature:search"],
                "metadata": {"usage_object": usage, "user_api_key_team_alias": "web"},
                "messages": "{}", "response": "{}", "status": "success", "team_id": "t-1",
            }
        )  # fmt: skip
    return rows, tokens


@pytest.mark.parametrize("container", ["jsonl", "json", "csv", "parquet"])
def test_every_spelling_gives_the_tokens_of_the_call_in_every_container(
    container: str, tmp_path: Path, full_counts: bool
) -> None:
    rows, tokens = calls(random.Random(3), 20_000 if full_counts else 400)
    flat = [
        {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}
        for row in rows
    ]
    path = tmp_path / f"spend.{container}"
    if container == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif container == "json":
        path.write_text(json.dumps(rows))
    elif container == "parquet":
        pq.write_table(pa.Table.from_pylist(flat), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(flat[0]))
            writer.writeheader()
            writer.writerows(flat)
    imported = read_files(path)
    found = sorted(
        (row for batch in imported.batches() for row in batch.to_pylist()),
        key=lambda row: row["id"],
    )
    assert (imported.format, imported.audit) == ("litellm", Audit(len(rows), len(rows), {}))
    assert [{name: row[name] for name in TOKEN_BUCKETS} for row in found] == tokens
    assert {(row["team"], row["feature"], row["latency_ms"]) for row in found} == {
        ("web", "search", 877.0)
    }
