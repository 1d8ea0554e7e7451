"""How easily a password is guessed: zxcvbn, with its dictionaries held in 1 MB instead of 12."""

import ast
import re
import sys
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_SCORED_LENGTH: Final = 72
_LISTS: Final = "zxcvbn.frequency_lists"
_RANK_BITS: Final = 16
_scoring = threading.Lock()
"""The library keeps the words of a call in a table of its module."""


@dataclass(frozen=True, slots=True)
class Strength:
    """`score` from 0 (guessed at once) to 4; `warning` says what makes it weak, or is empty."""

    score: int
    warning: str


class RankedWords:
    """Where each of up to 65,535 distinct words stands, from 1: about 16 bytes a word.

    Kept are 48 bits of a word's hash: a text that is none of the words is taken for one with a
    chance of one in a thousand million. What is asked for most by far is no word, which one look
    at a table of flags mostly tells.
    """

    def __init__(self, words: Iterable[str]) -> None:
        packed = sorted(_hashed(word) | rank for rank, word in enumerate(words, 1))
        if len(packed) >= 1 << _RANK_BITS:
            raise ValueError(f"{len(packed)} words are too many")
        self._packed = array("q", packed)
        flags = 1 << (8 * len(packed)).bit_length()
        self._last = flags - 1
        self._flags = bytearray(flags)
        for found in packed:
            self._flags[found >> _RANK_BITS & self._last] = 1

    def __contains__(self, word: str) -> bool:
        if not self._flags[hash(word) >> _RANK_BITS & self._last]:
            return False
        return self._rank(word) is not None

    def __getitem__(self, word: str) -> int:
        if (rank := self._rank(word)) is None:
            raise KeyError(word)
        return rank

    def _rank(self, word: str) -> int | None:
        place = bisect_left(self._packed, wanted := _hashed(word))
        if place == len(self._packed):
            return None
        rank = self._packed[place] - wanted
        return rank if rank < 1 << _RANK_BITS else None


def strength(password: str, *, about: Iterable[str] = ()) -> Strength:
    """Score the first 72 characters; `about` are words on the person, which are tried first.

    Calls from several threads take turns; the first loads the library, a tenth of a second.
    """
    with _scoring:
        found = _library().zxcvbn(password[:_SCORED_LENGTH], user_inputs=list(about))
    return Strength(found["score"], found["feedback"]["warning"])


def _hashed(word: str) -> int:
    return hash(word) >> _RANK_BITS << _RANK_BITS


@cache
def _library() -> Any:  # Any: the library has no types
    """The library, given its dictionaries by us: as it loads them they would take 12 MB."""
    empty = ModuleType(_LISTS)
    vars(empty)["FREQUENCY_LISTS"] = {}
    sys.modules[_LISTS] = empty
    try:
        import zxcvbn
        from zxcvbn import matching
    finally:
        del sys.modules[_LISTS]
    tables: Any = matching.RANKED_DICTIONARIES  # Any: said to be dicts, asked for `in` and `[]`
    try:
        for name, words in _frequency_lists(Path(zxcvbn.__file__).parent):
            tables[name] = RankedWords(words)
    except (OSError, ValueError):  # another release's lists: they work, at their price
        matching.add_frequency_lists(import_module(_LISTS).FREQUENCY_LISTS)
    return zxcvbn


def _frequency_lists(package: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """Name and words of each list, a word in memory at a time.

    Their module is one dict, `{"surnames": "smith,johnson,…".split(","), …}`; ValueError where it
    is not.
    """
    source = (package / "frequency_lists.py").read_text(encoding="utf-8")
    [table] = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Dict))
    for name, value in zip(table.keys, table.values, strict=True):
        match name, value:
            case (
                ast.Constant(value=str(found)),
                ast.Call(func=ast.Attribute(value=ast.Constant(value=str(words)), attr="split")),
            ):
                yield found, (match[0] for match in re.finditer("[^,]+", words))
            case _:
                raise ValueError(f"{_LISTS} is not written as expected")
