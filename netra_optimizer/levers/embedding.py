"""Texts as vectors: the port to an embedding model, and one that needs no model."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
_SPACE: Final = re.compile(r"\s+")
_EDGES: Final = re.compile(r"[\s.!?,;:…]+$")
_WORD: Final = re.compile(r"\w+")
COMMON_WEIGHT: Final = 0.02
_COMMON: Final = frozenset(
    "a an and are as at be by can could do does for from has have how i if in is it me my of on or "
    "our please s so that the their there they this to was we what when where which who why will "
    "with would you your".split()
)


class Embedder(Protocol):
    """Maps texts to unit vectors; near vectors mean near meanings, as far as it can tell."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32[n, d], each row of length 1 (or 0 for a text without words)."""
        ...


def normalized(text: str) -> str:
    """What a normalized cache keys by: Unicode forms, case, white space and last marks made one."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _EDGES.sub("", _SPACE.sub(" ", folded)).strip()


class HashedWords:
    """Words, pairs of words and pieces of words, hashed to fixed places; common words count less.

    It sees common wording, not meaning: a paraphrase in other words is far. That errs on the safe
    side for a cache. An embedding model of your own fits behind the same port.
    """

    def __init__(self, dimensions: int = 2048) -> None:
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Each text by itself: a threshold found on some texts holds for others."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            for piece, weight in _pieces(normalized(text)):
                vectors[row, crc32(piece.encode()) % self.dimensions] += weight
        vectors = np.sqrt(vectors)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _pieces(text: str) -> list[tuple[str, float]]:
    words = _WORD.findall(text)
    found = [(word, COMMON_WEIGHT if word in _COMMON else 1.0) for word in words]
    rare = [word for word in words if word not in _COMMON]
    found += [(f"{a} {b}", 0.7) for a, b in pairwise(rare)]
    for word in rare:
        marked = f"<{word}>"
        found += [(marked[at : at + 4], 0.3) for at in range(max(1, len(marked) - 3))]
    return found
