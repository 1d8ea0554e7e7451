"""Numbers in a question, as people write them."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

NUMBER: Final = r"(?<!\d)(\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,15})?|\d{1,15}(?:[.,]\d{1,15})?)"
"""Bounded, so that no row of digits is tried from each of its places to its end."""
MOST_AMOUNTS: Final = 20
"""So many of a clause, or of a question's sums of money, are looked at, the first ones."""
TIMES: Final = {
    "twice": 2.0, "double": 2.0, "doubles": 2.0, "doubling": 2.0, "doubled": 2.0, "two": 2.0,
    "thrice": 3.0, "triple": 3.0, "triples": 3.0, "tripling": 3.0, "tripled": 3.0, "three": 3.0,
    "quadruple": 4.0, "quadruples": 4.0, "four": 4.0, "five": 5.0, "ten": 10.0,
}  # fmt: skip
PARTS: Final = {
    "half": 1 / 2, "halve": 1 / 2, "halves": 1 / 2, "halving": 1 / 2, "halved": 1 / 2,
    "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5, "tenth": 1 / 10,
}  # fmt: skip


class Form(Enum):
    """How an amount is put."""

    SHARE = "a share of what is now: 20 %, by a third"
    FACTOR = "so many times as much: 2x, twice"
    REST = "what is left of what is now: half, in half, to a third, to 80 %"


@dataclass(frozen=True)
class Amount:
    """One number, where it stands, and its sign when it has one."""

    value: float
    form: Form
    start: int
    end: int
    sign: int = 0


_PERCENT = re.compile(rf"([-+−–]?)\s*{NUMBER}\s*(?:%|percent\b|per cent\b|pct\b)", re.I)
_FACTOR = re.compile(
    rf"(?:\bfactor (?:of )?(?:{NUMBER}|(two|three|four|five|ten)\b)"
    rf"|{NUMBER}\s*(?:x|×|times|[- ]?fold)(?![a-z])"
    rf"|\b(two|three|four|five|ten)(?:\s+times|[- ]?fold)\b"
    rf"|\b(twice|thrice|doubl(?:es?|ed|ing)(?! down)|tripl(?:es?|ed|ing)|quadruples?)\b)",
    re.I,
)
_PART = re.compile(
    r"\b(?:(by|to|in)\s+)?(?:(a|one|two)\s+)?(half|third|quarter|fifth|tenth)s?\b"
    r"|\b(halv(?:es?|ed|ing))\b",
    re.I,
)
_NO_PART = re.compile(
    r"\s*(?:an?\s+)?(?:second|minute|hour|day|year)|[- ]part(?:y|ies)\b|-\w|'s|\s+over\b", re.I
)
_MEASURE = re.compile(r"(?:\d|%|\b(?:[km]|usd|dollars|requests|calls|tokens))\s*$", re.I)
"""Before a quarter it is each of a year's four: $12k a quarter."""
_OTHER = re.compile(
    r"\s+(?:of\s+)?(?:the\s+|our\s+)?(?:quality|accuracy|uptime|availability|reliability"
    r"|precision|recall|discount|(?:cache )?hits?)\b",
    re.I,
)
"""Behind a percentage it is of something that is no subject here."""
_AT = re.compile(r"\b(?:at|for|than|most|only|with)\s+(?:about\s+|around\s+)?$", re.I)
_MORE_OR_LESS = re.compile(
    r"\s+(?:as much again|again\b|more\b|less\b|off\b|fewer\b|cheaper\b|dearer\b|faster\b"
    r"|quicker\b|slower\b|lower\b|higher\b|bigger\b|smaller\b)",
    re.I,
)
"""Behind a part: it is a share of what is now, not what is left of it."""
_TAKEN = re.compile(
    r"\b(?:sav(?:e|es|ing)|cut(?:s|ting)?|trim\w*|slash\w*|shav\w+|tak(?:e|es|ing)|drop|remove"
    r"|knock|los(?:e|es|ing))(?:\s+(?:off|away|up to|at least|at most|about|around|some|another"
    r"|more than|over))?\s+$",
    re.I,
)
"""Before a share of something: that much of it is taken away."""
_NEAR: Final = 80
_PART_OF = re.compile(r"\s+of\b", re.I)
_OF = re.compile(r"\s+(?:of|off|on|from)\b", re.I)
_TO = re.compile(r"(?<![\d%])(?<!up)(?<!\d[ %])(?<!\d %)\s+to\s+(?:about\s+|around\s+)?$", re.I)
"""Not as in 20 to 30 %, nor as in up to 30 %."""


def before_of(text: str, place: int) -> str:
    """What stands before a place and may say what it is about: never all of a long text."""
    return text[max(0, place - _NEAR) : place]


def number(text: str) -> float:
    """1,234.5 or 0,5."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", text):
        return float(text.replace(",", ""))
    return float(text.replace(",", "."))


def amounts(text: str) -> list[Amount]:
    """Shares, factors and parts, in the order in which they stand, the first MOST_AMOUNTS."""
    found: list[Amount] = []
    for match in _PERCENT.finditer(text):
        share = _percentage(text, match)
        if share is not None:
            found.append(share)
    for match in _FACTOR.finditer(text):
        digits, word = match[1] or match[3], match[2] or match[4] or match[5]
        value = number(digits) if digits else TIMES[word.lower()]
        found.append(Amount(value, Form.FACTOR, match.start(), match.end()))
    for match in _PART.finditer(text):
        if _NO_PART.match(text, match.end()) or not _is_part(text, match):
            continue  # half a second, next quarter, half of our calls fail
        part = PARTS[(match[3] or match[4]).lower()] * (
            2 if (match[2] or "").lower() == "two" else 1
        )
        found.append(Amount(part, _form(text, match), match.start(), match.end()))
    return sorted(found, key=lambda amount: amount.start)[:MOST_AMOUNTS]


def _percentage(text: str, match: re.Match[str]) -> Amount | None:
    """None where it says how large a part of something is: 60 % of our bill."""
    before, value = before_of(text, match.start(1 if match[1] else 2)), number(match[2]) / 100
    sign = {"": 0, "+": 1}.get(match[1], -1)
    if sign < 0 and before.rstrip()[-1:] in ("%", *"0123456789"):
        sign = 0  # 20-30 %
    if _OTHER.match(text, match.end()):
        return None
    if sign == 0 and _TO.search(before):
        return Amount(value, Form.REST, match.start(), match.end())
    if _PART_OF.match(text, match.end()) and not _TAKEN.search(before):
        return None
    return Amount(value, Form.SHARE, match.start(), match.end(), sign)


def _is_part(text: str, match: re.Match[str]) -> bool:
    """Whether a part is one of an amount: no quarter of a year, no share that is only told."""
    before, way = before_of(text, match.start()), (match[1] or "").lower()
    if match[4]:
        return True
    if match[3].lower() != "half":
        if not match[2] or way == "in" or (not way and _MEASURE.search(before)):
            return False
    if way or not _PART_OF.match(text, match.end()):
        return True
    return bool(_TAKEN.search(before) or _AT.search(before))


def _form(text: str, match: re.Match[str]) -> Form:
    """Of a part: by a third, a third cheaper and a third off are shares; to a third is a rest."""
    word, after = (match[1] or "").lower(), match.end()
    if word in ("to", "in"):
        return Form.REST
    taken = _OF.match(text, after) and _TAKEN.search(before_of(text, match.start()))
    return Form.SHARE if word == "by" or taken or _MORE_OR_LESS.match(text, after) else Form.REST
