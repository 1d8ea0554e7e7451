"""LiteLLM SpendLogs into the store against a plain loop, the same file in one run.

    python benchmarks/import_litellm.py [--rows 100000]

The plain loop: json.loads and one pydantic record a row in one process, nothing recognized and
nothing stored. Ours: read and audited, repeats in the file recognized; then the same with what the
store has recognized, and stored in ClickHouse (on two cores); then the same file again. The loop
runs before and after, and the best of its rounds counts, as the best of ours does.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, NonNegativeInt

from netra_optimizer import TenantUsage, UsageStore, read_files


class PlainRecord(BaseModel):
    """The fields of a usage record that this source fills, as pydantic checks them."""

    id: str
    start: datetime
    model: str
    provider: str
    operation: str
    latency_ms: float | None
    ttft_ms: float | None
    input_uncached: NonNegativeInt
    cache_read: NonNegativeInt
    cache_write_5m: NonNegativeInt
    output_text: NonNegativeInt
    reasoning: NonNegativeInt
    user: str
    team: str
    feature: str
    tags: list[str]
    conversation: str
    status: str
    cost_recorded: float | None


def write(path: Path, rows: int) -> None:
    """A file as the proxy's export has it."""
    rng = random.Random(1)
    start = datetime(2026, 11, 1, tzinfo=UTC)
    with path.open("w") as file:
        for row in range(rows):
            prompt, said = rng.randrange(200, 9000), rng.randrange(5, 900)
            read = rng.randrange(0, prompt // 2)
            at = start + timedelta(seconds=row * 0.7)
            usage = {
                "prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said,
                "prompt_tokens_details": {"cached_tokens": read, "audio_tokens": None},
                "completion_tokens_details": {"reasoning_tokens": said // 3},
                "cache_read_input_tokens": read, "cache_creation_input_tokens": 0,
            }  # fmt: skip
            model = rng.choice(["gpt-4o-2024-08-06", "claude-sonnet-4-5-20250929", "gpt-5-mini"])
            file.write(json.dumps({
                "request_id": f"chatcmpl-{row:012x}", "call_type": "acompletion",
                "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
                "spend": prompt * 3e-6, "total_tokens": prompt + said, "prompt_tokens": prompt,
                "completion_tokens": said, "startTime": at.isoformat(),
                "endTime": (at + timedelta(seconds=2.25)).isoformat(),
                "completionStartTime": (at + timedelta(seconds=0.5)).isoformat(), "model": model,
                "model_id": "3f0a", "model_group": model, "api_base": "", "cache_hit": "None",
                "custom_llm_provider": "anthropic" if "claude" in model else "openai",
                "user": "default_user_id", "end_user": f"u-{rng.randrange(400)}",
                "cache_key": "off",
                "team_id": "t-1", "request_tags": ["User-Agent: openai", "feature:search"],
                "session_id": f"s-{row // 9}", "status": "success", "requester_ip_address": "",
                "messages": {}, "response": {}, "proxy_server_request": {},
                "metadata": {"user_api_key_alias": "web", "user_api_key_team_id": "t-1",
                             "user_api_key_team_alias": "web", "status": "success",
                             "usage_object": usage,
                             "model_map_information": {"model_map_key": model},
                             "additional_usage_values": {"cache_read_input_tokens": read},
                             "spend_logs_metadata": None, "requester_custom_headers": {}},
            }) + "\n")  # fmt: skip


def plain(path: Path) -> int:
    """The loop anybody would write first: the same record, nothing recognized, nothing stored."""
    with path.open() as file:
        return len([_plain_record(json.loads(line)) for line in file])


def _plain_record(row: dict) -> PlainRecord:
    usage = row["metadata"]["usage_object"]
    read = usage["cache_read_input_tokens"] or 0
    write = usage["cache_creation_input_tokens"] or 0
    reasoning = (usage["completion_tokens_details"] or {}).get("reasoning_tokens") or 0
    start = datetime.fromisoformat(row["startTime"])
    end = datetime.fromisoformat(row["endTime"])
    spoken = datetime.fromisoformat(row["completionStartTime"])
    tags = dict(tag.split(":", 1) for tag in row["request_tags"] if ":" in tag)
    return PlainRecord(
        id=row["request_id"],
        start=start,
        model=row["model"],
        provider=row["custom_llm_provider"],
        operation="chat" if "completion" in row["call_type"] else "embeddings",
        latency_ms=(end - start).total_seconds() * 1000,
        ttft_ms=(spoken - start).total_seconds() * 1000,
        input_uncached=row["prompt_tokens"] - read - write,
        cache_read=read,
        cache_write_5m=write,
        output_text=row["completion_tokens"] - reasoning,
        reasoning=reasoning,
        user=row["end_user"] or row["user"],
        team=row["metadata"]["user_api_key_team_alias"] or row["team_id"],
        feature=tags.get("feature", ""),
        tags=row["request_tags"],
        conversation=row["session_id"],
        status="error" if row["status"] == "failure" else "ok",
        cost_recorded=row["spend"],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spend.jsonl"
        write(path, rows)
        loops = [_timed(lambda: plain(path)) for _ in range(2)]
        reads = [_timed(lambda: [None for _ in read_files(path).batches()]) for _ in range(3)]
        with UsageStore.open(Path(folder) / "store") as store:
            tenant = store.for_tenant("bench")
            tenant.insert(read_files(_first(path, Path(folder))).batches())  # loads what is lazy
            tenant.erase()
            stored = [_import(tenant, path) for _ in range(2)]
        loops.append(_timed(lambda: plain(path)))
    loop = min(loops)
    print(f"plain loop {rows / loop:10,.0f} rows/s  json.loads and pydantic, nothing stored")
    for name, took in (
        ("read", min(reads)),
        ("stored", stored[0]),
        ("again", stored[1]),
    ):
        print(f"{name:10} {rows / took:10,.0f} rows/s  {loop / took:5.1f} x  {SAYS[name]}")


SAYS = {
    "read": "audited, repeats in the file recognized, columns in Arrow",
    "stored": "the same, recognized against the store, stored and queryable",
    "again": "the same file again: every row recognized",
}


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _import(tenant: TenantUsage, path: Path) -> float:
    began = time.perf_counter()
    imported = read_files(path)
    inserted = tenant.insert(imported.batches())
    took = time.perf_counter() - began
    print(f"{inserted} {imported.audit}")
    return took


def _first(path: Path, folder: Path) -> Path:
    small = folder / "small.jsonl"
    with path.open() as file:
        small.write_text("".join(next(file) for _ in range(10)))
    return small


if __name__ == "__main__":
    main()
