"""What broke a prefix, read from the texts of prompts: where, why, and what it cost.

Each prompt is compared with the last few of its conversation; the one it shares most with is the
one it continues. Where it leaves that one before its end, the rest could not be read from a cache.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from netra_optimizer.usage.importers.prompts import prompt_text
from netra_optimizer.usage.sources import Source, open_rows

Cause = Literal[
    "time_stamp", "identifier", "counter", "inserted", "left_out", "rewritten", "other_prompt"
]

LOOK_BACK: Final = 8
BYTES_A_TOKEN: Final = 4
SAME_PROMPT: Final = 0.1
"""Below this share in common two prompts are of different kinds."""
MIN_LOST_TOKENS: Final = 16
NEAR: Final = 40
PIECE: Final = 48
"""Characters by which a text is recognized again."""
_TIME: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}(:\d{2})?|\b1[5-9]\d{8}(\d{3}){0,2}\b"
    r"|\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,"
    r"|\b\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
)
_IDENTIFIER: Final = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-|\b[0-9a-f]{12,}\b|\b\w*_[0-9a-zA-Z]{10,}\b"
)
_NUMBER: Final = re.compile(r"\d+")
_CHANGING: Final[tuple[tuple[re.Pattern[str], Cause], ...]] = (
    (_TIME, "time_stamp"),
    (_IDENTIFIER, "identifier"),
    (_NUMBER, "counter"),
)
ADVICE: Final[dict[Cause, str]] = {
    "time_stamp": "Move the time behind the stable part of the prompt, or round it to the day.",
    "identifier": "Move the id behind the stable part of the prompt.",
    "counter": "Move the number that changes behind the stable part of the prompt.",
    "inserted": "Append new text at the end instead of inserting it before older text.",
    "left_out": "Drop or sum up old turns in large steps, not a little with every call.",
    "rewritten": "Keep what was sent word for word; append corrections.",
    "other_prompt": "Another kind of prompt took turns with it; nothing is broken.",
}


@dataclass(frozen=True)
class PromptText:
    """One call's prompt in full: whose conversation it belongs to, when, and the text."""

    conversation: str
    at: float
    """Seconds, on any clock."""
    text: str


@dataclass
class PrefixBreaks:
    """Breaks of one cause. Tokens are estimated at four bytes of text."""

    cause: Cause
    calls: int = 0
    tokens_lost: int = 0
    earliest_token: int | None = None
    """Where in the prompt the first difference stood, at the earliest."""
    examples: list[dict[str, Any]] = field(default_factory=list)

    def cost_usd(self, input_usd: float, read_usd: float) -> float:
        """What the lost tokens cost above the price of reading them, given USD a token."""
        return self.tokens_lost * (input_usd - read_usd)


@dataclass(frozen=True)
class PrefixReport:
    """All breaks by cause, costliest first, over the compared calls."""

    calls: int
    continued: int
    """Calls that carry a whole earlier prompt on, as a cache wants it."""
    breaks: tuple[PrefixBreaks, ...]

    def evidence(self, input_usd: float, read_usd: float) -> list[dict[str, Any]]:
        """Plain rows for a report."""
        return [
            {
                "cause": found.cause,
                "calls": found.calls,
                "tokens_lost": found.tokens_lost,
                "first_difference_at_token": found.earliest_token,
                "cost_usd": found.cost_usd(input_usd, read_usd),
                "advice": ADVICE[found.cause],
                "example": found.examples[0] if found.examples else None,
            }
            for found in self.breaks
        ]


def find_prefix_breaks(prompts: Iterable[PromptText]) -> PrefixReport:
    """Compare each prompt with the last LOOK_BACK ones of its conversation, in order of time."""
    recent: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=LOOK_BACK))
    found: dict[Cause, PrefixBreaks] = {}
    calls = continued = 0
    for prompt in sorted(prompts, key=lambda p: (p.at, p.conversation)):
        earlier = recent[prompt.conversation]
        if earlier:
            calls += 1
            whole = _compare(earlier, prompt.text, found)
            continued += whole
        earlier.append(prompt.text)
    ranked = sorted(found.values(), key=lambda b: (-b.tokens_lost, b.cause))
    return PrefixReport(calls, continued, tuple(ranked))


def read_prompts(paths: Sequence[Path | str], *, limit: int = 50_000) -> Iterator[PromptText]:
    """Prompts of logs that hold full texts (sessions, requests); other files give none."""
    given = 0
    for path in paths:
        for row in _rows(Path(path)):
            prompt = _prompt(row)
            if prompt is not None:
                yield prompt
                given += 1
                if given >= limit:
                    return


def shared_length(one: str, other: str) -> int:
    """Characters in common from the start; by halving, so that long texts are quick."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _compare(earlier: Iterable[str], text: str, found: dict[Cause, PrefixBreaks]) -> bool:
    """Account for one call; True when it carries an earlier prompt on."""
    shared, last = max(
        ((shared_length(before, text), before) for before in earlier), key=lambda pair: pair[0]
    )
    lost = (len(last) - shared) // BYTES_A_TOKEN
    if lost < MIN_LOST_TOKENS:
        return True
    cause = _cause(last, text, shared)
    breaks = found.setdefault(cause, PrefixBreaks(cause))
    breaks.calls += 1
    if cause != "other_prompt":
        breaks.tokens_lost += lost
    at = shared // BYTES_A_TOKEN
    breaks.earliest_token = at if breaks.earliest_token is None else min(at, breaks.earliest_token)
    if len(breaks.examples) < 3:
        before, now = (t[max(0, shared - NEAR) : shared + NEAR] for t in (last, text))
        breaks.examples.append({"at_token": at, "before": before, "now": now})
    return False


def _cause(last: str, text: str, shared: int) -> Cause:
    """The likely cause: what stands around the first difference, and what comes after it."""
    if _found_later(text, last, shared):
        return "left_out"
    if _found_later(last, text, shared):
        return "inserted"
    spans = [t[max(0, shared - NEAR) : shared + NEAR] for t in (last, text)]
    inside = min(NEAR, shared)
    if _resumes(last, text, shared):
        for pattern, cause in _CHANGING:
            if all(_covers(pattern, span, inside) for span in spans):
                return cause
        return "rewritten"
    if shared < SAME_PROMPT * max(1, min(len(last), len(text))):
        return "other_prompt"
    return "rewritten"


def _found_later(piece_of: str, inside: str, shared: int) -> bool:
    """Whether what follows the difference in one text comes later in the other one."""
    piece = piece_of[shared : shared + PIECE]
    return len(piece) == PIECE and inside.find(piece, shared + 1) >= 0


def _covers(pattern: re.Pattern[str], span: str, at: int) -> bool:
    """Whether a match touches the place of the difference."""
    return any(m.start() <= at <= m.end() for m in pattern.finditer(span))


def _resumes(last: str, text: str, shared: int) -> bool:
    """Whether the two texts run alike again some characters after the difference."""
    for skip in (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
        piece = last[shared + skip : shared + skip + PIECE]
        if len(piece) < PIECE:
            return False
        if text.find(piece, shared) >= 0:
            return True
    return False


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        yield from (row for row in open_rows(Source(file)).dicts() if isinstance(row, dict))


def _prompt(row: dict[str, Any]) -> PromptText | None:
    asked = row.get("input")
    conversation = str(row.get("session_id") or "")
    request = row.get("request")
    if isinstance(request, dict):
        asked = prompt_text(request)
        metadata = request.get("metadata")
        named = metadata if isinstance(metadata, dict) else {}
        conversation = str(
            row.get("session_id") or named.get("session_id") or named.get("feature") or ""
        )
    if not isinstance(asked, str) or not asked:
        return None
    return PromptText(conversation, _seconds(row.get("timestamp")), asked)


def _seconds(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        from datetime import datetime

        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            return 0.0
    return 0.0
