"""Output on terminals and pipes that do not speak Unicode: a plainer letter, never an error."""

import codecs
import sys
from io import TextIOWrapper

_PLAINER = {
    "—": "-", "–": "-", "−": "-", "·": "-", "…": "...", "→": "->", "✓": "ok", "✗": "x", "█": "#",
    "░": ".", "─": "-", "│": "|", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "“": '"', "”": '"',
    "’": "'", "×": "x", "±": "+-", "≥": ">=", "≤": "<=",
}  # fmt: skip


def speak_any_encoding() -> None:
    """Have standard output and error write a plainer letter for one that they cannot."""
    codecs.register_error("apex.plainer", plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="apex.plainer")


def plainer(error: UnicodeError) -> tuple[str, int]:
    """A codec's error handler: each letter as one that every encoding has."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_PLAINER.get(letter, "?") for letter in letters), error.end
