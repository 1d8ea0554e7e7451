"""Time stamps in columns: the one spelling that machines write, parsed without a loop."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from netra_optimizer.usage.columns import Bool, Int64

_WHOLE: Final = b"dddd-dd-ddTdd:dd:dd"
_LONGEST: Final = len(_WHOLE) + len(".123456+00:00")
_FIRST_US, _LAST_US = (
    int(np.datetime64(year, "us").astype(np.int64)) for year in ("1990-01-01", "2200-01-01")
)


def utc_us(texts: Sequence[str]) -> tuple[Int64, Bool]:
    """Microseconds since 1970, and which of the texts are such a time: UTC, 1990 to 2199, written.

    `2026-11-01T10:00:00.123456Z`, or with `+00:00`, a blank for the T, no fraction or up to six
    digits of it. Another spelling may be as good: it is just not read here.
    """
    found = np.zeros(len(texts), np.int64)
    known = np.zeros(len(texts), np.bool_)
    if not all(map(str.isascii, texts)):
        texts = [text if text.isascii() else "" for text in texts]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    for length in np.flatnonzero(np.bincount(lengths, minlength=1)[: _LONGEST + 1]).tolist():
        rows = np.flatnonzero(lengths == length)
        chosen = texts if len(rows) == len(texts) else [texts[row] for row in rows.tolist()]
        here, us = _of_length("".join(chosen).encode(), length)
        found[rows[here]] = us
        known[rows[here]] = True
    return found, known


def _of_length(text: bytes, length: int) -> tuple[Int64, Int64]:
    """Which of the equally long texts are times written as the first is, and these times."""
    zone = b"Z" if text[length - 1 : length] == b"Z" else b"+00:00"
    end = length - len(zone)
    fraction = end - len(_WHOLE) - 1
    nothing = np.zeros(0, np.int64)
    if fraction != -1 and not 1 <= fraction <= 6:
        return nothing, nothing
    form = _WHOLE + (b"." + _DIGITS[:fraction] if fraction > 0 else b"") + zone
    letters = np.frombuffer(text.replace(b" ", b"T"), np.uint8).reshape(-1, length)
    least = np.frombuffer(form.replace(b"d", b"0"), np.uint8)
    most = np.frombuffer(form.replace(b"d", b"9"), np.uint8)
    fits = ((letters >= least) & (letters <= most)).all(1)
    here = np.flatnonzero(fits)
    try:
        chosen = letters if len(here) == len(letters) else letters[here]
        written = np.ascontiguousarray(chosen[:, :end]).view(f"S{end}").ravel()
        us = written.astype("datetime64[us]").view(np.int64)
    except ValueError:  # one of them is no day or no hour
        return nothing, nothing
    good = (us >= _FIRST_US) & (us < _LAST_US)
    return here[good], us[good]


_DIGITS: Final = b"dddddd"
