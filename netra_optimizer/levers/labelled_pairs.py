"""Pairs of questions that somebody labelled: does one answer serve both?

Our own are made of `labelled_questions.txt`: 152 meanings of 18 fields, five wordings each, with
questions that differ in a number, a name, a day, a direction or a negation as the counterpart.
A user's own pairs, from a file, replace them.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from netra_optimizer.errors import InputError
from netra_optimizer.usage.sources import Source, open_rows

_SLOT: Final = re.compile(r"\{(\w+)\}")
_SEED: Final = 20_261_126
_ONE: Final = ("one", "first", "a", "question1", "text1", "sentence1", "query1", "prompt1")
_OTHER: Final = ("other", "second", "b", "question2", "text2", "sentence2", "query2", "prompt2")
_SAME: Final = ("same", "label", "is_duplicate", "duplicate", "match", "equivalent")
_YES: Final = frozenset(("1", "1.0", "true", "yes", "y", "same", "duplicate"))
_NO: Final = frozenset(("0", "0.0", "false", "no", "n", "different", "other"))


class PairsUnusable(InputError):
    """A file of labelled pairs cannot be used."""

    code = "OPT-112"


@dataclass(frozen=True)
class LabelledPair:
    """Two questions, and whether one answer serves both. Pairs of a `group` share wordings."""

    one: str
    other: str
    same: bool
    group: str = ""


@dataclass(frozen=True)
class Meaning:
    """One meaning: wordings of it, and questions near in words that mean something else."""

    name: str
    wordings: tuple[str, ...]
    others: tuple[str, ...]


def read_pairs(path: Path | str) -> list[LabelledPair]:
    """Pairs of a CSV, JSON, JSON Lines or Parquet file with two texts and a label in each row.

    Columns: `one`, `other`, `same` (or question1, question2, is_duplicate and the like); the label
    is 1/0, true/false or yes/no. Raises InputError when the file, a column or a label is no good.
    """
    found: list[LabelledPair] = []
    for number, row in enumerate(open_rows(Source(Path(path))).dicts(), 1):
        if not isinstance(row, dict):
            raise PairsUnusable(f"Row {number} of {path} cannot be read ({row}).")
        one, other, same = (_value(row, names) for names in (_ONE, _OTHER, _SAME))
        if not isinstance(one, str) or not isinstance(other, str) or same is None:
            raise PairsUnusable(
                f"Row {number} of {path} has not two texts and a label.",
                hint="Name the columns one, other, same; the label is 1 or 0.",
            )
        label = str(same).strip().lower()
        if label not in _YES | _NO:
            raise PairsUnusable(
                f"Row {number} of {path} has the label {same!r}.",
                hint="Write 1 where one answer serves both questions, else 0.",
            )
        found.append(LabelledPair(one, other, label in _YES))
    if not found:
        raise PairsUnusable(f"{path} holds no pairs.", hint="A header alone is not enough.")
    return grouped(found)


def grouped(pairs: Sequence[LabelledPair]) -> list[LabelledPair]:
    """The pairs with a group each, so that pairs that share a text come to lie on one side."""
    parent: dict[str, str] = {}

    def root(text: str) -> str:
        parent.setdefault(text, text)
        while parent[text] != text:
            parent[text] = parent[parent[text]]
            text = parent[text]
        return text

    for pair in pairs:
        one, other = sorted((root(pair.one), root(pair.other)))
        parent[other] = one
    return [LabelledPair(p.one, p.other, p.same, p.group or root(p.one)) for p in pairs]


@cache
def own_pairs() -> tuple[LabelledPair, ...]:
    """The pairs that come with the project, the same ones each time."""
    slots, meanings = own_meanings()
    chance = random.Random(_SEED)
    return tuple(pair for meaning in meanings for pair in _pairs(meaning, slots, chance))


@cache
def own_meanings() -> tuple[dict[str, tuple[str, ...]], tuple[Meaning, ...]]:
    """Fillings by slot, and the meanings with slots unfilled."""
    text = files(__package__ or __name__).joinpath("labelled_questions.txt").read_text("utf-8")
    slots: dict[str, tuple[str, ...]] = {}
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith(":"):
            name, _, values = line[1:].partition(" ")
            slots[name] = tuple(value.strip() for value in values.split("|"))
        elif not line or line[0] in "#=":
            blocks.append([])
        else:
            blocks[-1].append(line)
    meanings = tuple(
        Meaning(
            block[0],
            tuple(line for line in block if line[0] != "!"),
            tuple(line[2:] for line in block if line[0] == "!"),
        )
        for block in blocks
        if block
    )
    return slots, meanings


def _pairs(
    meaning: Meaning, slots: dict[str, tuple[str, ...]], chance: random.Random
) -> Iterator[LabelledPair]:
    """Every two wordings; each near question against three of them; another filling of a slot."""
    names = sorted(set(_SLOT.findall(meaning.wordings[0])))

    def filling() -> dict[str, str]:
        return {name: chance.choice(slots[name]) for name in names}

    for one, other in combinations(meaning.wordings, 2):
        values = filling()
        yield LabelledPair(_filled(one, values), _filled(other, values), True, meaning.name)
    for other in meaning.others:
        for one in meaning.wordings[:3]:
            values = filling()
            yield LabelledPair(_filled(one, values), _filled(other, values), False, meaning.name)
    for at, one in enumerate(meaning.wordings[:3] if names else ()):
        for other in (one, meaning.wordings[at + 1]):
            values = filling()
            name = chance.choice(names)
            changed = chance.choice([value for value in slots[name] if value != values[name]])
            yield LabelledPair(
                _filled(one, values),
                _filled(other, values | {name: changed}),
                False,
                meaning.name,
            )


def _filled(text: str, values: dict[str, str]) -> str:
    return _SLOT.sub(lambda found: values[found.group(1)], text)


def _value(row: dict[str, Any], names: Sequence[str]) -> object:
    plain = {key.strip().lower().replace(" ", "_"): value for key, value in row.items()}
    return next((plain[name] for name in names if name in plain), None)
