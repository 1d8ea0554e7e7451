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
    REST = "what is left of what is now: half, in half, to a third"


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
    rf"|\b(twice|thrice|doubl(?:es?|ed|ing)|tripl(?:es?|ed|ing)|quadruples?)\b)",
    re.I,
)
_PART = re.compile(
    r"\b(?:(by|to|in)\s+)?(?:(a|one|two)\s+)?(half|third|quarter|fifth|tenth)s?\b"
    r"|\b(halv(?:es?|ed|ing))\b",
    re.I,
)
_NO_PART = re.compile(r"\s*(?:an?\s+)?(?:second|minute|hour|day|year)", re.I)


def number(text: str) -> float:
    """1,234.5 or 0,5."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", text):
        return float(text.replace(",", ""))
    return float(text.replace(",", "."))


def amounts(text: str) -> list[Amount]:
    """Shares, factors and parts, in the order in which they stand, the first MOST_AMOUNTS."""
    found: list[Amount] = []
    for match in _PERCENT.finditer(text):
        sign = {"": 0, "+": 1}.get(match[1], -1)
        found.append(Amount(number(match[2]) / 100, Form.SHARE, match.start(), match.end(), sign))
    for match in _FACTOR.finditer(text):
        digits, word = match[1] or match[3], match[2] or match[4] or match[5]
        value = number(digits) if digits else TIMES[word.lower()]
        found.append(Amount(value, Form.FACTOR, match.start(), match.end()))
    for match in _PART.finditer(text):
        if _NO_PART.match(text, match.end()):
            continue  # half a second
        part = PARTS[(match[3] or match[4]).lower()] * (
            2 if (match[2] or "").lower() == "two" else 1
        )
        form = Form.SHARE if (match[1] or "").lower() == "by" else Form.REST
        found.append(Amount(part, form, match.start(), match.end()))
    return sorted(found, key=lambda amount: amount.start)[:MOST_AMOUNTS]
