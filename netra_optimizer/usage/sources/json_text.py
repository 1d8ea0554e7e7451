"""JSON values out of text that arrives in pieces, in bounded memory."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from netra_optimizer.usage.sources.files import MAX_LINE

BROKEN: Final = "broken_json"
TOO_LONG: Final = "too_long"

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[\s,]*")
_NEXT: Final = re.compile(r"[}\]]\s*,\s*(?=\{)|\n\s*(?=\{)")
_MARGIN: Final = 64


def elements(pieces: Iterator[bytes], key: str | None) -> Iterator[Any]:
    """Elements of the top array (or of the array under `key`), each a JSON value.

    In place of an element that cannot be read stands the exception BrokenElement; reading goes on
    at the next element.
    """
    text = _Text(pieces)
    if not text.find_array(key):
        return
    while True:
        text.skip_space()
        if text.at_end() or text.peek() == "]":
            return
        try:
            yield text.value()
        except BrokenElement as broken:
            yield broken
            if not text.skip_to_next():
                return


class BrokenElement(Exception):
    """One element that cannot be read, with the reason for the audit."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Text:
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._text = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        return self._text[self._at]

    def at_end(self) -> bool:
        return self._at >= len(self._text) and not self._more()

    def skip_space(self) -> None:
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._more():
                return

    def find_array(self, key: str | None) -> bool:
        pattern = re.compile(r"\s*\[" if key is None else rf'"{re.escape(key)}"\s*:\s*\[')
        while not (found := pattern.search(self._text)):
            if len(self._text) > MAX_LINE or not self._more():
                return False
        self._at = found.end()
        return True

    def value(self) -> Any:
        """The value at the present place. Raises BrokenElement."""
        while True:
            try:
                found, self._at = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                complete = error.pos < len(self._text) - _MARGIN
                if complete and not error.msg.startswith("Unterminated"):
                    raise BrokenElement(BROKEN) from None
            except (RecursionError, ValueError):
                raise BrokenElement(BROKEN) from None
            else:
                return found
            if len(self._text) - self._at > MAX_LINE:
                raise BrokenElement(TOO_LONG)
            if not self._more(len(self._text) - self._at):
                raise BrokenElement(BROKEN)

    def skip_to_next(self) -> bool:
        """Go behind the end of the broken element; False when nothing follows."""
        self._at = min(self._at + 1, len(self._text))
        while True:
            if found := _NEXT.search(self._text, self._at):
                self._at = found.end()
                return True
            self._at = max(self._at, len(self._text) - _MARGIN)
            if not self._more():
                return False

    def _more(self, at_least: int = 0) -> bool:
        """Read on, forgetting what lies behind; False at the end of the file."""
        parts: list[str] = []
        size = 0
        while not self._ended and size <= at_least:
            piece = next(self._pieces, None)
            if piece is None:
                self._ended = True
                parts.append(self._decode(b"", True))
                break
            parts.append(self._decode(piece))
            size += len(parts[-1])
        added = "".join(parts)
        self._text = self._text[self._at :] + added
        self._at = 0
        return bool(added)
