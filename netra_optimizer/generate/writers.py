"""Generated usage as files of the kinds people have: Parquet, LiteLLM SpendLogs, request logs."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from netra_optimizer.errors import InputError
from netra_optimizer.generate.workload import Workload
from netra_optimizer.options import AnalysisOptions
from netra_optimizer.period import split_period
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.record import UsageRecord

FileKind = Literal["parquet", "litellm", "requests"]
Json = dict[str, Any]  # Any: a JSON object of another tool

_WORDS: Final = (
    "order parcel invoice branch ticket table price filter window answer letter garden river "
    "signal market copper handle bridge planet record summer winter corner engine basket museum "
    "doctor farmer pencil button candle forest ladder mirror needle orange pepper rocket saddle "
    "tunnel violin walnut yellow zipper anchor bottle castle desert eleven fabric guitar hammer "
    "island jacket kettle lemon magnet napkin"
).split()


def write_workload(workload: Workload, path: Path, kind: FileKind) -> None:
    """Write the calls to one file; `requests` holds full texts, about 6 bytes a prompt token."""
    match kind:
        case "parquet":
            import pyarrow.parquet as pa_parquet

            pa_parquet.write_table(workload.table, path, compression="zstd")
        case "litellm":
            _write_lines(path, (spend_log(record) for record in workload.records()))
        case "requests":
            _write_lines(path, (request_log(record) for record in workload.records()))
        case _:
            raise InputError(
                f"There is no file kind {kind!r}.", hint="Use parquet, litellm or requests."
            )


def write_truth(workload: Workload, path: Path) -> None:
    """What the planted changes save, alone and together, over the period and over its claim."""
    prices = PriceTable.load()
    frame = workload.frame(prices)
    truth = workload.truth(prices, frame)
    split = split_period(frame.calls.start_us, AnalysisOptions().choose_share)
    everything = split.claim | ~split.claim
    planted = [
        {
            "lever": change.lever,
            "feature": change.feature,
            "savings_usd": truth.saved(at, everything),
            "claim_savings_usd": truth.saved(at, split.claim),
        }
        for at, change in enumerate(truth.planted)
    ]
    answer = {
        "scenario": workload.scenario.name,
        "seed": workload.seed,
        "requests": len(workload),
        "planted": planted,
        "combined_savings_usd": truth.combined(everything),
        "combined_claim_savings_usd": truth.combined(split.claim),
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(answer), indent=2) + b"\n")


def spend_log(record: UsageRecord) -> Json:
    """A row of LiteLLM's spend logs, as its proxy writes them."""
    end = record.start + timedelta(milliseconds=record.latency_ms or 0.0)
    prompt = record.input_uncached + record.cache_read + record.cache_write_5m
    prompt += record.cache_write_1h
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": record.output_text,
        "total_tokens": prompt + record.output_text,
        "prompt_tokens_details": {"cached_tokens": record.cache_read},
        "cache_read_input_tokens": record.cache_read,
        "cache_creation_input_tokens": record.cache_write_5m + record.cache_write_1h,
    }
    first = (
        (record.start + timedelta(milliseconds=record.ttft_ms)).isoformat()
        if record.ttft_ms is not None
        else end.isoformat()
    )
    return {
        "request_id": record.id,
        "call_type": "acompletion",
        "startTime": record.start.isoformat(),
        "endTime": end.isoformat(),
        "completionStartTime": first,
        "model": record.model,
        "model_group": record.model,
        "custom_llm_provider": record.provider,
        "user": record.user,
        "team_id": record.team,
        "session_id": record.conversation,
        "request_tags": [f"feature:{record.feature}"],
        "status": "success" if record.status == "ok" else "failure",
        "cache_hit": "False",
        "prompt_tokens": prompt,
        "completion_tokens": record.output_text,
        "total_tokens": prompt + record.output_text,
        "metadata": {"usage_object": usage, "feature": record.feature},
    }


def request_log(record: UsageRecord) -> Json:
    """A call as a line of {timestamp, request, response}, in its provider's own shape."""
    blocks = [prefix_text(name, record.block_tokens) for name in record.block_hashes]
    shared, rest = blocks[:-1], blocks[-1:]
    parameters = msgspec.json.decode(record.params or "{}", type=Json)
    request: Json = {"model": record.model, "max_tokens": 4096, **parameters}
    anthropic = record.provider == "anthropic"
    if anthropic:
        request["system"] = " ".join(shared)
        request["messages"] = [{"role": "user", "content": " ".join(rest)}]
    else:
        request["messages"] = [
            {"role": "system", "content": " ".join(shared)},
            {"role": "user", "content": " ".join(rest)},
        ]
    request["metadata"] = {"feature": record.feature, "user_id": record.user}
    return {
        "timestamp": record.start.isoformat(),
        "request": request,
        "response": _anthropic(record) if anthropic else _openai(record),
        "latency_ms": record.latency_ms,
    }


def prefix_text(name: int, tokens: int) -> str:
    """Words that stand for one block of a prompt: the same name, the same words."""
    words: list[str] = []
    state = name
    for _ in range(max(1, tokens)):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        words.append(_WORDS[(state >> 33) % len(_WORDS)])
    return " ".join(words)


def _anthropic(record: UsageRecord) -> Json:
    return {
        "id": record.id,
        "type": "message",
        "role": "assistant",
        "model": record.model,
        "content": [{"type": "text", "text": f"Answer {record.id}."}],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": record.input_uncached,
            "cache_read_input_tokens": record.cache_read,
            "cache_creation_input_tokens": record.cache_write_5m + record.cache_write_1h,
            "output_tokens": record.output_text,
        },
    }


def _openai(record: UsageRecord) -> Json:
    prompt = record.input_uncached + record.cache_read
    message = {"role": "assistant", "content": f"Answer {record.id}."}
    return {
        "id": record.id,
        "object": "chat.completion",
        "created": int(record.start.timestamp()),
        "model": record.model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": record.output_text,
            "total_tokens": prompt + record.output_text,
            "prompt_tokens_details": {"cached_tokens": record.cache_read},
        },
    }


def _write_lines(path: Path, rows: Iterator[Json]) -> None:
    encoder = msgspec.json.Encoder()
    with path.open("wb") as file:
        for row in rows:
            file.write(encoder.encode(row) + b"\n")
