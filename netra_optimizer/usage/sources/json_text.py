"""JSON values out of text that arrives in pieces, in bounded memory."""

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from netra_optimizer.usage.sources.files import MAX_LINE

BROKEN: Final = "broken_json"
TOO_LONG: Final = "too_long"

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = re.compile(r"[\s,\x1e]*")
_NEXT: Final = re.compile(r"[}\]]\s*,\s*(?=\{)|\n\s*(?=\{)")
_MARGIN: Final = 64
_DEEPEST: Final = 4

MORE: Final = "has_more"
"""What a page calls whether others follow it."""

Path: TypeAlias = tuple[str, ...]
"""Keys that lead to the array of rows in a document; none: the rows lie at the top."""


def elements(pieces: Iterator[bytes], path: Path = ()) -> Iterator[Any]:
    """The rows of all JSON documents of a text, whatever stands between these, as JSON values.

    With a path, the elements of the array it leads to in each document that is an object; else the
    documents themselves. Documents that are arrays stand for their elements. In place of a value
    that cannot be read stands the exception BrokenElement; reading goes on at the next one. Behind
    the elements of a document that says whether others follow it stands a PageEnd.
    """
    text = _Text(pieces)
    while mark := text.mark():
        try:
            if mark == "[":
                yield from _items(text)
            elif mark == "{" and path:
                yield from _members(text, path)
            elif mark in "]}:":  # left behind by something broken
                text.step()
            else:
                yield text.value()
        except BrokenElement as broken:
            yield broken
            if not text.skip_to_next():
                return


def _items(text: "_Text") -> Iterator[Any]:
    """Elements of the array the text stands at, and what is broken among them."""
    text.step()
    while (mark := text.mark()) and mark != "]":
        try:
            yield text.value()
        except BrokenElement as broken:
            yield broken
            if not text.skip_to_next():
                return
    if mark:
        text.step()


def _members(text: "_Text", path: Sequence[str]) -> Iterator[Any]:
    """Elements of the array under `path` in the object the text stands at; all else is passed over.

    Raises BrokenElement where the object cannot be read, and for one without such an array.
    """
    text.step()
    (wanted, *below), found = path, False
    more: Any = None
    while text.mark() == '"':
        key = text.value()
        if text.mark() != ":":
            raise BrokenElement(BROKEN)
        text.step()
        mark = text.mark()
        if key == wanted and mark == "[" and not below:
            found = True
            yield from _items(text)
        elif key == wanted and mark == "{" and below:
            found = True
            yield from _members(text, below)
        else:
            beside = text.value()
            more = beside if key == MORE else more
    if text.mark() != "}":
        raise BrokenElement(BROKEN)
    text.step()
    if not found:
        raise BrokenElement(BROKEN)
    if isinstance(more, bool):
        yield PageEnd(more)


def array_paths(head: str) -> list[Path]:
    """Paths to all arrays of objects, or empty ones, in the document that begins with `head`.

    In the order of the document, as far as the head tells.
    """
    found: list[Path] = []
    try:
        _walk(head, _SPACE.match(head, 0).end(), (), found)  # type: ignore[union-attr]
    except (ValueError, IndexError, RecursionError):
        pass
    return found


def _walk(head: str, at: int, path: Path, found: list[Path]) -> int:
    """Behind the object at `at`. Raises ValueError or IndexError where the head ends."""
    at = _blank(head, at + 1)
    while head[at] != "}":
        key, at = _DECODER.raw_decode(head, at)
        at = _blank(head, at)
        if not isinstance(key, str) or head[at] != ":":
            raise ValueError
        at = _blank(head, at + 1)
        here = (*path, key)
        if head[at] == "[" and head[_blank(head, at + 1)] in "{]":
            found.append(here)
        if head[at] == "{" and len(here) < _DEEPEST:
            at = _walk(head, at, here, found)
        else:
            _, at = _DECODER.raw_decode(head, at)
        at = _blank(head, at)
    return at + 1


def _blank(head: str, at: int) -> int:
    return _SPACE.match(head, at).end()  # type: ignore[union-attr]


@dataclass(frozen=True)
class PageEnd:
    """The end of a page, and whether it says that others follow."""

    more: bool


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

    def mark(self) -> str:
        """The character at which the next value begins; empty at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def step(self) -> None:
        """Go behind that character."""
        self._at += 1

    def value(self) -> Any:
        """The value at the present place. Raises BrokenElement."""
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                complete = error.pos < len(self._text) - _MARGIN
                if complete and not error.msg.startswith("Unterminated"):
                    raise BrokenElement(BROKEN) from None
            except (RecursionError, ValueError):
                raise BrokenElement(BROKEN) from None
            else:
                cut = end == len(self._text) and not self._ended
                if not cut or not isinstance(found, int | float):
                    self._at = end
                    return found
                self._more(end - self._at)  # the number may go on
                continue
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
                self._at = len(self._text)
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
