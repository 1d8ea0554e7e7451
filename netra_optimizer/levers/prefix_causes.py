"""Why two prompts part where they do: the likely cause, from the place and from what comes after.

Both texts run alike for `shared` characters. What stood in one place is compared with what stands
there now, up to where the texts run alike again.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from netra_optimizer.levers.prompt_log import Block, PromptText, is_tool
from netra_optimizer.usage.importers.values import canonical

Cause = Literal[
    "time_stamp", "identifier", "counter", "user_name", "whitespace", "key_order",
    "tools_reordered", "tools_changed", "reordered", "inserted", "left_out", "summarized",
    "rewritten", "variable_first", "expired", "other_prompt",
]  # fmt: skip

ADVICE: Final[dict[Cause, str]] = {
    "time_stamp": "Move the time behind the stable part of the prompt, or round it to the day.",
    "identifier": "Move the id behind the stable part of the prompt.",
    "counter": "Move the number that changes behind the stable part of the prompt.",
    "user_name": "Move the person's name or address behind the stable part of the prompt.",
    "whitespace": "Build the prompt the same way each time; only blanks or line ends differ.",
    "key_order": "Write JSON with sorted keys; only the order of keys differs.",
    "tools_reordered": "Send the tools in one fixed order.",
    "tools_changed": "Keep the list of tools as it is during a conversation; tools come first.",
    "reordered": "Send these parts in one fixed order.",
    "inserted": "Append new text at the end instead of inserting it before older text.",
    "left_out": "Drop or sum up old turns in large steps, not a little with every call.",
    "summarized": "Sum up the history in large steps: each summary starts the cache anew.",
    "rewritten": "Keep what was sent word for word; append corrections.",
    "variable_first": "Put what stays the same first, and what changes from call to call behind.",
    "expired": "Keep prefixes warm, or cache for an hour: calls came after the entry had died.",
    "other_prompt": "Another kind of prompt took turns with it; nothing is broken.",
}
NEAR: Final = 48
PIECE: Final = 32
"""Characters by which a text is recognized again."""
SHORT: Final = 160
_SUMMARY: Final = 400
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{2,4}")
_TIME: Final = re.compile(
    r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\b\d{1,2}:\d{2}(:\d{2})?"
    r"|(?<![\w-])1[5-9]\d{8}(\d{3}){0,2}(?![\w-])"
    r"|\b(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b|\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun),"
    r"|\b(\d{1,2}(st|nd|rd|th)? )?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d{1,4}"
    r"|\b\d{1,2}\.? (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b|\b\d{1,2} ?[ap]m\b",
    re.IGNORECASE,
)
_IDENTIFIER: Final = re.compile(
    r"\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{7,}\b"
    r"|\b[A-Za-z]+[-_:#](?=[\w-]*\d)[\w-]{3,}|\b(?=\w*\d)(?=\w*[A-Za-z])\w{8,}\b"
    r"|\b(?:id|ID|Id|session|request|trace|user|customer|order|ticket|tenant|account|nonce|uuid|run)"
    r"[\"' _]*(?:id|ID|no|number)?[\"']?\s*(?:is|[:=#])?\s*[\"']?#?\d+|\b\d{6,}\b"
)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
_NUMBER: Final = re.compile(r"\d+")
_PERSON: Final = re.compile(
    r"(?:\b(?:user|name|named|customer|client|hello|hi|dear|assist(?:ing)?|help(?:ing)?|for|with|to|"
    r"mr|mrs|ms|dr|called|member|agent|username|employee|colleague|person)\b)[\"'\s:=.,]*$",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"[^\W\d_]+(?:[ .'-]+[^\W\d_]+){0,3}")
_SKIPS: Final = (
    0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072,
    4096, 6144, 8192, 16384, 32768, 65536,
)  # fmt: skip


@dataclass(frozen=True)
class Parting:
    """Two prompts, the characters they share, and where they run alike again (None: nowhere)."""

    last: PromptText
    now: PromptText
    shared: int
    resumed: tuple[int, int] | None

    @classmethod
    def of(cls, last: PromptText, now: PromptText, shared: int) -> "Parting":
        """Find where the texts meet again."""
        return cls(last, now, shared, _resumes(last.text, now.text, shared))

    @property
    def before(self) -> str:
        """What stood there."""
        return self.last.text[self.shared : self.resumed[0]] if self.resumed else ""

    @property
    def after(self) -> str:
        """What stands there now."""
        return self.now.text[self.shared : self.resumed[1]] if self.resumed else ""


def block_at(prompt: PromptText, at: int) -> tuple[str, int]:
    """The block that holds a character of the prompt, and the character's place in it."""
    for block in prompt.blocks:
        if at <= block.end:
            return block.name, max(0, at - block.start)
    return ("text", at) if not prompt.blocks else (prompt.blocks[-1].name, at)


def likely_cause(parting: Parting) -> Cause:
    """The likely cause of a break."""
    if _only_blanks_differ(parting):
        return "whitespace"
    blocks = _blocks_cause(parting)
    if blocks == "key_order" or blocks == "tools_reordered":
        return blocks
    if parting.resumed is None:
        return blocks or _json_cause(parting) or "rewritten"
    before, after = parting.before, parting.after
    if max(len(before), len(after)) <= SHORT and (changing := _changing(parting)):
        return changing
    if blocks:
        return blocks
    if written := _json_cause(parting):
        return written
    if not before.strip() or not after.strip():
        return "inserted" if after.strip() else "left_out"
    if _swapped(parting):
        return "reordered"
    if len(before) >= _SUMMARY and len(before) > 2 * len(after):
        return "summarized"
    return "rewritten"


def _resumes(last: str, now: str, shared: int) -> tuple[int, int] | None:
    """Where both run alike again: the nearest place by the sum of what is skipped in either."""
    best: tuple[int, int] | None = None
    for skip in _SKIPS:
        if best is not None and skip >= best[0] + best[1] - 2 * shared:
            break
        for one, other, turned in ((last, now, False), (now, last, True)):
            piece = one[shared + skip : shared + skip + PIECE]
            if len(piece) < PIECE or not piece.strip():
                continue
            found = other.find(piece, shared)
            if found < 0:
                continue
            at = (found, shared + skip) if turned else (shared + skip, found)
            at = _earliest(last, now, at, shared)
            if best is None or sum(at) < sum(best):
                best = at
    return best


def _earliest(last: str, now: str, at: tuple[int, int], shared: int) -> tuple[int, int]:
    """The same meeting, as far to the left as the texts agree."""
    one, other = at
    while one > shared and other > shared and last[one - 1] == now[other - 1]:
        one, other = one - 1, other - 1
    return one, other


def _only_blanks_differ(parting: Parting) -> bool:
    at = parting.shared
    one, other = ("".join(t[at : at + 600].split()) for t in (parting.last.text, parting.now.text))
    length = min(len(one), len(other), 80)
    if length < 20 or one[:length] != other[:length]:
        return False
    return parting.last.text[at : at + 1].isspace() or parting.now.text[at : at + 1].isspace()


def _blocks_cause(parting: Parting) -> Cause | None:
    """What the blocks of two requests tell: keys or tools in another order, other tools."""
    now, last = _holding(parting.now, parting.shared), _holding(parting.last, parting.shared)
    if now is None or last is None:
        return None
    if now.name == last.name and now.plain and now.plain == last.plain:
        return "key_order"
    if not (_is_tool(now) or _is_tool(last)):
        return None
    tools, before = _tools(parting.now), _tools(parting.last)
    if Counter(tools) == Counter(before):
        return "tools_reordered"
    return "tools_changed"


def _holding(prompt: PromptText, at: int) -> Block | None:
    return next((block for block in prompt.blocks if at <= block.end), None)


def _is_tool(block: Block) -> bool:
    return block.name.startswith(("tools", "functions"))


def _tools(prompt: PromptText) -> list[int]:
    return [block.plain for block in prompt.blocks if _is_tool(block)]


def _json_cause(parting: Parting) -> Cause | None:
    """What JSON tells that stands in the line of the difference: other keys' order, other tools."""
    values: list[object] = []
    for text in (parting.last.text, parting.now.text):
        begin = text.rfind("\n", 0, parting.shared) + 1
        end = text.find("\n", parting.shared)
        line = text[begin : end if end >= 0 else len(text)]
        start = min((at for mark in "[{" if (at := line.find(mark)) >= 0), default=-1)
        stop = max(line.rfind("}"), line.rfind("]")) + 1
        if start < 0 or stop <= start:
            return None
        try:
            values.append(msgspec.json.decode(line[start:stop].encode("utf-8", "replace")))
        except msgspec.DecodeError:
            return None
    last, now = values
    if last == now:
        return "key_order"
    if not isinstance(last, list) or not isinstance(now, list):
        return None
    tools = all(is_tool(item) for item in (*last, *now))
    if Counter(map(canonical, last)) == Counter(map(canonical, now)):
        return "tools_reordered" if tools else "reordered"
    return "tools_changed" if tools else None


def _changing(parting: Parting) -> Cause | None:
    """A time, an id, a number or a name stands in both places."""
    assert parting.resumed is not None
    windows = (
        (parting.last.text, parting.resumed[0]),
        (parting.now.text, parting.resumed[1]),
    )
    for pattern, cause in _PATTERNS:
        if all(_covered(pattern, text, parting.shared, end) for text, end in windows):
            return cause
    names = [_whole_words(text, parting.shared, end) for text, end in windows]
    if all(_WORDS.fullmatch(name) and len(name) <= 48 for name in names):
        head = parting.now.text[
            : parting.now.text.rfind(names[1], 0, parting.shared + len(names[1]))
        ]
        titled = all(word[:1].isupper() for name in names for word in re.split(r"[ .'-]+", name))
        if _PERSON.search(head[-NEAR:]) and (titled or _PERSON_FIELD.search(head[-NEAR:])):
            return "user_name"
    return None


_PATTERNS: Final[tuple[tuple[re.Pattern[str], Cause], ...]] = (
    (_UUID, "identifier"),
    (_EMAIL, "user_name"),
    (_TIME, "time_stamp"),
    (_IDENTIFIER, "identifier"),
    (_NUMBER, "counter"),
)
_PERSON_FIELD: Final = re.compile(
    r"\b(?:user|name|username|customer)[\"' ]*[:=][\"' ]*$", re.IGNORECASE
)


def _covered(pattern: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """Whether matches cover the place that changed, but for marks between them."""
    left, right = max(0, start - NEAR), min(len(text), end + NEAR)
    window = text[left:right]
    open_at = start - left
    close_at = max(end - left, open_at + 1)
    spans = [m.span() for m in pattern.finditer(window) if m.end() > open_at - 1]
    spans = [span for span in spans if span[0] <= close_at]
    if not spans:
        return False
    covered = sum(max(0, min(b, close_at) - max(a, open_at)) for a, b in spans)
    touched = any(a <= open_at <= b or a < close_at <= b for a, b in spans)
    return touched and covered >= 0.5 * (close_at - open_at) - 1


def _whole_words(text: str, start: int, end: int) -> str:
    """What changed, widened to whole words."""
    while start > 0 and (text[start - 1].isalpha() or text[start - 1] in "'-"):
        start -= 1
    while end < len(text) and (text[end].isalpha() or text[end] in "'-"):
        end += 1
    return text[start:end]


def _swapped(parting: Parting) -> bool:
    """Whether what changed is the same lines in another order."""
    before, after = (sorted(part.split()) for part in (parting.before, parting.after))
    return len(before) > 3 and before == after
