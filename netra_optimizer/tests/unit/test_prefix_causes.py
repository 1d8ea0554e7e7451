"""Traces with one planted cause: it is named, with its place, and priced by the rules."""

import copy
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from netra_optimizer import PrefixReport, Usage, analyze, find_prefix_breaks, read_prompts
from netra_optimizer.pricing import PriceTable

START = datetime(2026, 11, 18, 9, 0, 7, tzinfo=UTC)
NAMES = ("Anna Schmidt", "Boris Petrov", "Carla Gomez", "Dana Levi", "Emil Novak", "Fay Wong")
WORDS = (
    "parcel invoice refund courier depot label weight customs pallet return stamp driver van route "
    "signature counter branch window holiday claim damage photo letter street number postcode"
).split()
TOOLS = ("find_parcel", "list_depots", "open_claim", "send_letter")
Json = dict[str, Any]  # Any: a request in its provider's shape
Change = Callable[[Json, int, int, random.Random], None]
"""Plants a cause in the request of (conversation, turn)."""


def prose(chance: random.Random, sentences: int) -> str:
    return " ".join(
        " ".join(chance.choices(WORDS, k=chance.randint(7, 14))).capitalize() + "."
        for _ in range(sentences)
    )


def tool(name: str, chance: random.Random) -> Json:
    text = {"type": "string", "description": prose(chance, 2)}
    schema = {"type": "object", "properties": {"number": text, "reason": text}}
    return {"name": name, "description": prose(chance, 3), "input_schema": schema}


def trace(
    path: Path,
    change: Change | None,
    *,
    seed: int = 1,
    talks: int = 3,
    turns: int = 5,
    model: str = "claude-sonnet-4-5",
    gap_s: float = 40,
) -> Path:
    """Conversations of an agent with tools and a long system prompt, as a request log."""
    chance = random.Random(seed)
    system = prose(chance, 60)
    tools = [tool(name, chance) for name in TOOLS]
    lines: list[bytes] = []
    for talk in range(talks):
        said: list[Json] = []
        for turn in range(turns):
            said.append({"role": "user", "content": prose(chance, 12)})
            request: Json = {
                "model": model,
                "max_tokens": 100,
                "tools": copy.deepcopy(tools),
                "system": system,
                "messages": copy.deepcopy(said),
            }
            if change is not None:
                change(request, talk, turn, chance)
            size = len(msgspec.json.encode(request)) // 4
            at = START + timedelta(seconds=talk * 20 + turn * gap_s)
            row = {
                "timestamp": at.isoformat(),
                "session_id": f"talk-{talk}",
                "request": request,
                "response": {
                    "type": "message",
                    "model": model,
                    "usage": {"input_tokens": size, "output_tokens": 50},
                },
            }
            lines.append(msgspec.json.encode(row))
            said.append({"role": "assistant", "content": prose(chance, 12)})
    path.write_bytes(b"\n".join(lines))
    return path


def as_openai(row: Json) -> Json:
    request, size = row["request"], row["response"]["usage"]["input_tokens"]
    tools: list[Json] = []
    for given in request["tools"]:
        inner = {k if k != "input_schema" else "parameters": v for k, v in given.items()}
        tools.append({"type": "function", "function": inner})
    said = [{"role": "system", "content": request["system"]}, *request["messages"]]
    answer = {"model": "gpt-4o", "choices": [{"message": {"content": "Yes."}}]}
    usage = {"prompt_tokens": size, "completion_tokens": 50}
    asked = {"model": "gpt-4o", "tools": tools, "messages": said}
    return row | {"request": asked, "response": answer | {"usage": usage}}


def as_session(row: Json) -> Json:
    request = row["request"]
    tools = [msgspec.json.encode(given).decode() for given in request["tools"]]
    said = [f"{message['role']}: {message['content']}" for message in request["messages"]]
    at = datetime.fromisoformat(row["timestamp"]).timestamp()
    return {
        "timestamp": int(at * 1e6),
        "input": "\n\n".join([f"system: {request['system']}", "\n".join(tools), *said]),
        "output": "Yes.",
        "session_id": row["session_id"],
    }


SHAPES: dict[str, Callable[[Json], Json]] = {
    "anthropic": lambda row: row,
    "openai": as_openai,
    "session": as_session,
}
MOVED = {"system": "messages[0]", "messages[0]": "messages[1]", "messages[2]": "messages[3]"}
"""OpenAI's system prompt is the first message."""


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def report(path: Path, prices: PriceTable) -> PrefixReport:
    return find_prefix_breaks(read_prompts([path]), prices=prices)


def when(talk: int, turn: int) -> datetime:
    return START + timedelta(seconds=talk * 20 + turn * 40)


def stamp(written: str) -> Change:
    def plant(request: Json, talk: int, turn: int, chance: random.Random) -> None:
        request["system"] = (
            f"Current time: {when(talk, turn).strftime(written)}\n{request['system']}"
        )

    return plant


def request_id(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    name = uuid.UUID(int=chance.getrandbits(128), version=4)
    request["system"] = f"Request {name}. {request['system']}"


def session_id(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    request["system"] = f"Session: sess-{(talk + 3) * 7919:x}k{talk}z. {request['system']}"


def person(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    request["system"] = f"You are helping {NAMES[talk]}. {request['system']}"


def person_field(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    request["system"] = f"username: {NAMES[talk].split()[0].lower()}\n{request['system']}"


def step(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    request["system"] = f"This is step {turn + 1} of the plan. {request['system']}"


def shuffled_tools(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    request["tools"] = request["tools"][turn % 4 :] + request["tools"][: turn % 4]


def another_tool(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    if turn % 2:
        request["tools"] = [t for t in request["tools"] if t["name"] != "list_depots"]


def reworded_tool(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    request["tools"][1]["description"] = prose(chance, 3)


def keys_in_another_order(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    if turn % 2:
        request["tools"] = [dict(reversed(t.items())) for t in request["tools"]]


def blanks(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    if turn % 2:
        request["system"] = request["system"].replace(". ", ".\n", 6)


def window(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    request["messages"] = request["messages"][-5:]


def summary(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    if turn == 3:
        said = {"role": "user", "content": "Summary so far: " + prose(chance, 3)}
        request["messages"] = [said, *request["messages"][4:]]


def edited_file(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    lines = request["messages"][0]["content"].split(". ")
    lines[5] = prose(random.Random(turn), 2)
    request["messages"][0]["content"] = ". ".join(lines)


def note(request: Json, talk: int, turn: int, chance: random.Random) -> None:
    if turn >= 3:
        said = prose(random.Random(talk), 4)
        request["messages"].insert(2, {"role": "user", "content": said})


PLANTED: list[tuple[str, Change, str, str]] = [
    ("iso time", stamp("%Y-%m-%dT%H:%M:%SZ"), "time_stamp", "system"),
    ("spoken time", stamp("%A, %d %B %Y, %H:%M:%S"), "time_stamp", "system"),
    ("american time", stamp("%b %d, %Y %I:%M:%S %p"), "time_stamp", "system"),
    ("epoch time", stamp("%s"), "time_stamp", "system"),
    ("request id", request_id, "identifier", "system"),
    ("session id", session_id, "identifier", "system"),
    ("person", person, "user_name", "system"),
    ("person in a field", person_field, "user_name", "system"),
    ("step", step, "counter", "system"),
    ("tools shuffled", shuffled_tools, "tools_reordered", "tools["),
    ("tool left out", another_tool, "tools_changed", "tools[1]"),
    ("tool reworded", reworded_tool, "tools_changed", "tools[1]"),
    ("key order", keys_in_another_order, "key_order", "tools[0]"),
    ("blanks", blanks, "whitespace", "system"),
    ("window", window, "left_out", "messages["),
    ("summary", summary, "summarized", "messages[0]"),
    ("edited file", edited_file, "rewritten", "messages[0]"),
    ("note", note, "inserted", "messages[2]"),
]


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize(
    ("plant", "cause", "block"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED]
)
def test_a_planted_cause_is_named_with_its_block(
    plant: Change,
    cause: str,
    block: str,
    shape: str,
    tmp_path: Path,
    prices: PriceTable,
    full_counts: bool,
) -> None:
    for seed in range(1, 9 if full_counts else 2):
        path = trace(tmp_path / "t.jsonl", plant, seed=seed)
        rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        path.write_bytes(b"\n".join(msgspec.json.encode(SHAPES[shape](row)) for row in rows))
        prompts = read_prompts([path], model="gpt-4o")
        found = find_prefix_breaks(prompts, prices=prices, model="gpt-4o", provider="openai")
        assert [b.cause for b in found.breaks if b.tokens_lost] == [cause]
        if shape != "session" or block.startswith("tools"):
            place = MOVED.get(block, block) if shape == "openai" else block
            assert found.breaks[0].block.startswith(place)
        assert found.breaks[0].cost_usd > 0


def test_an_unbroken_trace_says_so(tmp_path: Path, prices: PriceTable) -> None:
    found = report(trace(tmp_path / "t.jsonl", None), prices)
    assert found.unbroken
    assert found.breaks == ()
    assert found.continued == found.calls == 12  # of 15 calls three begin a conversation


def test_the_place_is_the_character_of_the_block_where_the_texts_part(
    tmp_path: Path, prices: PriceTable
) -> None:
    found = report(trace(tmp_path / "t.jsonl", stamp("%Y-%m-%dT%H:%M:%SZ"), talks=1), prices)
    assert found.breaks[0].examples
    for example in found.breaks[0].examples:
        # "Current time: 2026-11-18T09:0" is common to every two of them at least.
        assert len("Current time: 2026-11-18T09:0") <= example["at_character_of_block"] < 34
        assert example["block"] == "system"


def test_calls_that_come_too_late_are_told_as_expired(tmp_path: Path, prices: PriceTable) -> None:
    slow = report(trace(tmp_path / "t.jsonl", None, gap_s=400), prices)
    assert [(b.cause, b.calls) for b in slow.breaks] == [("expired", 12)]
    assert slow.breaks[0].cost_usd > 0
    assert report(trace(tmp_path / "t.jsonl", None, gap_s=290), prices).unbroken


def priced(path: Path, prices: PriceTable) -> list[float]:
    """By hand: what could have been read after each difference, at input less read price."""
    rows = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    costs: list[float] = []
    for last, now in pairwise(rows):
        texts: list[str] = []
        for request in (last["request"], now["request"]):
            tools = [msgspec.json.encode(tool).decode() for tool in request["tools"]]
            said = [f"{m['role']}: {m['content']}" for m in request["messages"]]
            texts.append("\n".join([*tools, request["system"], *said]))
        shared = next(i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b)
        size = now["response"]["usage"]["input_tokens"]
        whole = size * len(texts[0]) / len(texts[1])
        begun = size * shared / len(texts[1])
        costs.append((whole - (begun if begun >= 1024 else 0)) * 2.7e-6)
    return costs


def test_a_break_costs_what_a_reader_would_not_have_paid(
    tmp_path: Path, prices: PriceTable
) -> None:
    path = trace(tmp_path / "t.jsonl", stamp("%Y-%m-%dT%H:%M:%SZ"), talks=1)
    found = report(path, prices)
    # Sonnet 4.5: 3 USD a million of input, 0.30 read; nothing below 1,024 tokens is cached.
    assert found.breaks[0].cost_usd == pytest.approx(sum(priced(path, prices)), rel=0.02)


def test_below_the_shortest_length_and_after_its_life_nothing_is_lost(
    tmp_path: Path, prices: PriceTable
) -> None:
    # Haiku 4.5 caches from 4,096 tokens, Sonnet 4.5 from 1,024.
    plant = stamp("%Y-%m-%dT%H:%M:%SZ")
    short = report(trace(tmp_path / "a.jsonl", plant, turns=2, model="claude-haiku-4-5"), prices)
    assert (short.breaks[0].cause, short.breaks[0].cost_usd) == ("time_stamp", 0.0)
    late = report(trace(tmp_path / "b.jsonl", plant, talks=1, gap_s=301), prices)
    assert (late.breaks[0].calls, late.breaks[0].cost_usd) == (4, 0.0)


def test_a_model_without_a_price_is_counted_and_not_priced(
    tmp_path: Path, prices: PriceTable
) -> None:
    path = trace(tmp_path / "t.jsonl", step, model="my-own-model")
    found = report(path, prices)
    assert found.unpriced == found.breaks[0].calls > 0
    assert found.breaks[0].cost_usd == 0.0


def test_an_analysis_proposes_to_mend_what_breaks_and_says_what_that_is_worth(
    tmp_path: Path, prices: PriceTable
) -> None:
    path = trace(tmp_path / "t.jsonl", stamp("%Y-%m-%dT%H:%M:%SZ"))
    frame = Usage.from_files(path).frame(prices)
    found = analyze(frame, prices=prices, prompts=read_prompts([path]))
    mend = next(o for o in found.opportunities if o.id == "prompt_cache:prefix_breaks")
    assert (mend.status, found.combined.attribution.get(mend.id)) == ("needs_evaluation", None)
    assert mend.savings_usd.expected == pytest.approx(report(path, prices).breaks[0].cost_usd)
    assert mend.evidence["prefix_breaks"][0]["cause"] == "time_stamp"
    assert mend.patch["prompt"][0]["block"] == "system"
    assert any("Prefix broken, time stamp (system" in note for note in found.notes)
    sound = trace(tmp_path / "s.jsonl", None)
    frame = Usage.from_files(sound).frame(prices)
    found = analyze(frame, prices=prices, prompts=read_prompts([sound]))
    assert [o for o in found.opportunities if o.id == "prompt_cache:prefix_breaks"] == []
    assert any(note.startswith("No prefix was broken") for note in found.notes)
