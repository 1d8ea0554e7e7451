"""Reuse of prompts in text, against a plain comparison of every prompt with every earlier one."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from netra_optimizer import Usage, audit_caching, read_prompts
from netra_optimizer.pricing import PriceTable
from netra_optimizer.usage.importers.prompts import BLOCK_BYTES

LIFETIMES = {"60": 60.0, "300": 300.0, "600": 600.0, "3600": 3600.0, "unlimited": 1e12}
MODEL = "claude-sonnet-4-5"


@dataclass(frozen=True)
class Said:
    at: float
    text: str


@pytest.fixture(scope="module")
def prices() -> PriceTable:
    return PriceTable.load()


def plain_reuse(calls: Sequence[Said]) -> dict[str, float]:
    """Share of tokens (four bytes each) in blocks that a prompt within the lifetime had."""
    cut = [
        [
            call.text.encode()[at : at + BLOCK_BYTES]
            for at in range(0, len(call.text.encode()), BLOCK_BYTES)
        ]
        for call in calls
    ]
    tokens = [-(-len(call.text.encode()) // 4) for call in calls]
    found: dict[str, float] = {}
    for name, lifetime in LIFETIMES.items():
        reused = 0
        for at, now in enumerate(calls):
            best = 0
            for before in range(at):
                if now.at - calls[before].at <= lifetime:
                    same = 0
                    for one, other in zip(cut[before], cut[at], strict=False):
                        if one != other:
                            break
                        same += 1
                    best = max(best, same)
            reused += min(best * BLOCK_BYTES // 4, tokens[at])
        found[name] = reused / sum(tokens)
    return found


def measured(paths: Sequence[Path], prices: PriceTable) -> dict[str, float]:
    frame = Usage.from_files(paths, model=MODEL).frame(prices)
    (use,) = audit_caching(frame, prices).uses
    return use.reuse_by_lifetime_s


def sessions(path: Path, seed: int) -> list[Said]:
    """Conversations that share a start, come back late, are cut, and are asked twice."""
    chance = random.Random(seed)
    shared = "".join(chance.choices("abcdef \n", k=3000))
    talks = [shared[: chance.choice((700, 1500, 3000))] for _ in range(6)]
    calls: list[Said] = []
    rows: list[str] = []
    now = 1_763_400_000.0
    for _ in range(80):
        now += chance.choice((2, 30, 200, 900, 4000)) + chance.random()
        talk = chance.randrange(len(talks))
        talks[talk] += "".join(chance.choices("uvwxyzö \n", k=chance.randint(0, 900)))
        if chance.random() < 0.1:
            talks[talk] = talks[talk][: len(talks[talk]) // 2]
        micros = int(now * 1e6)
        calls.append(Said(micros / 1e6, talks[talk]))
        rows.append(
            json.dumps(
                {
                    "timestamp": micros,
                    "input": talks[talk],
                    "output": "x",
                    "session_id": f"s{talk}",
                }
            )
        )
    path.write_text("\n".join(rows))
    return calls


@pytest.mark.parametrize("seed", range(4))
def test_reuse_is_that_of_a_plain_comparison(seed: int, tmp_path: Path, prices: PriceTable) -> None:
    path = tmp_path / "sessions.jsonl"
    calls = sessions(path, seed)
    expected = plain_reuse(calls)
    assert measured([path], prices) == pytest.approx(expected, abs=1e-12)
    assert 0 < expected["60"] < expected["unlimited"] < 1


@pytest.mark.real_data
@pytest.mark.parametrize("publisher", ["magagent", "miniswe", "taubench"])
def test_reuse_in_published_sessions_is_that_of_a_plain_comparison(
    publisher: str, real_data: Path, prices: PriceTable
) -> None:
    paths = sorted((real_data / "agent_traces" / publisher).iterdir())
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    calls = sorted((Said(row["timestamp"] / 1e6, row["input"]) for row in rows), key=lambda c: c.at)
    assert measured(paths, prices) == pytest.approx(plain_reuse(calls), abs=1e-9)


@pytest.mark.real_data
@pytest.mark.parametrize("publisher", ["magagent", "miniswe", "taubench"])
def test_every_prompt_of_the_published_sessions_is_read(publisher: str, real_data: Path) -> None:
    paths = sorted((real_data / "agent_traces" / publisher).iterdir())
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    texts = sorted(row["input"] for row in rows if row["input"])
    prompts = list(read_prompts(paths, model=MODEL))
    assert sorted(prompt.text for prompt in prompts) == texts
    assert {prompt.conversation for prompt in prompts} == {
        row["session_id"] for row in rows if row["input"]
    }
