"""Bytes of a file: unpacked, without byte order mark, in bounded memory."""

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from netra_optimizer.usage.errors import FileBinary, FileDamaged, FileMissing, FileTooLarge
from netra_optimizer.usage.sources.packed import BROKEN, ZIP, kind_of, members_of, unpacking

CHUNK: Final = 1 << 20
MAX_LINE: Final = 32 << 20
"""Bytes of one line or one JSON value; real records stay far below."""
MAX_RATIO: Final = 200
RATIO_FROM: Final = 64 << 20
"""A file that unpacks to more than this, and to more than MAX_RATIO times its size, is refused."""
PARQUET_MAGIC: Final = b"PAR1"
_BOMS: Final = (
    (codecs.BOM_UTF8, ""),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NAMED_DELIMITER: Final = re.compile(rb'"?sep=[,;|\t]"?\r?\n', re.IGNORECASE)
_OTHER_KINDS: Final = {
    ZIP: "a zip or Excel file",
    b"%PDF": "a PDF",
    b"SQLite format 3": "an SQLite database",
    b"\x89PNG": "an image",
}


class Source:
    """One file to import: a path, a member of the zip archive there, or bytes in memory.

    Read as often as needed.
    """

    def __init__(self, path: Path, content: bytes | None = None, *, member: str = "") -> None:
        self.path = path
        self.name = f"{path.name}/{member}" if member else path.name
        self._member = member
        self._content = content
        self.bytes_read = 0
        """Compressed bytes consumed by the latest reading."""
        self.cut_off = False
        """Whether the latest reading ended where the packed data breaks, not where it ends."""
        self.pages = 0
        """Pages that the latest reading has behind it, of those that say whether others follow."""
        self.more = False
        """Whether the latest of them says so."""
        try:
            if content is None and path.is_fifo():
                # Reading would wait for a writer, and a file is read more than once.
                raise FileMissing(
                    f"{path} is a pipe, not a file.", hint="Save what comes out of it to a file."
                )
            self.size = len(content) if content is not None else path.stat().st_size
            with self.open() as file:
                self.head = file.read(8)
        except OSError as error:
            raise FileMissing(
                f"Cannot read {path}: {error.strerror or error}.",
                hint="Check the path and its permissions.",
            ) from None

    @property
    def is_parquet(self) -> bool:
        """Whether the file is Parquet by its first bytes."""
        return self.head.startswith(PARQUET_MAGIC)

    def open(self) -> BinaryIO:
        """The raw bytes."""
        if self._content is not None:
            return io.BytesIO(self._content)
        return self.path.open("rb")

    def chunks(self) -> Iterator[bytes]:
        """Unpacked UTF-8 text in pieces, its lines ended by a line feed.

        Without byte order mark and the line by which spreadsheets name a table's delimiter.
        """
        pieces = self._text()
        first = next(pieces, b"")
        if named := _NAMED_DELIMITER.match(first):
            first = first[named.end() :]
        if b"\r" in first and b"\n" not in first:  # lines ended by \r alone
            first, pieces = first.replace(b"\r", b"\n"), (p.replace(b"\r", b"\n") for p in pieces)
        if first:
            yield first
        yield from pieces

    def _text(self) -> Iterator[bytes]:
        pieces = self._unpacked()
        first = next(pieces, b"")
        while len(first) < 64 and (more := next(pieces, b"")):
            first += more
        bom, encoding = next(((b, e) for b, e in _BOMS if first.startswith(b)), (b"", ""))
        first = first[len(bom) :]
        if encoding := encoding or _unmarked(first):
            yield from _transcoded(first, pieces, encoding)
            return
        _refuse_binary(first, self.name)
        yield first
        yield from pieces

    def lines(self, max_line: int = MAX_LINE) -> Iterator[bytes]:
        """Lines without their end, blank ones included.

        A line longer than `max_line` comes as its first bytes, with more than `max_line` of them:
        the rest is skipped, memory stays bounded.
        """
        for block in self.blocks(max_line):
            lines = block.split(b"\n")
            if not lines[-1]:
                lines.pop()
            yield from lines

    def blocks(self, max_line: int = MAX_LINE) -> Iterator[bytes]:
        """Whole lines with their ends, about CHUNK bytes at a time; too long ones as in `lines`."""
        rest: list[bytes] = []
        size = 0
        skipping = False
        for chunk in self.chunks():
            end = chunk.rfind(b"\n") + 1
            if skipping:
                begin = chunk.find(b"\n") + 1
                if not begin:
                    continue
                skipping = False
            else:
                begin = 0
            if end:
                block = b"".join([*rest, chunk[begin:end]])
                rest, size = [], 0
                if block:
                    yield block
            rest.append(chunk[max(begin, end) :])
            size += len(rest[-1])
            if size > max_line:
                yield b"".join(rest)
                rest, size, skipping = [], 0, True
        if size:
            yield b"".join(rest)

    def _unpacked(self) -> Iterator[bytes]:
        self.bytes_read = 0
        self.cut_off = False
        with self.open() as raw:
            kind = kind_of(self.head)
            if not kind or (kind == "zip" and not self._member):
                while piece := raw.read(CHUNK):
                    self.bytes_read += len(piece)
                    yield piece
                return
            total = 0
            with unpacking(raw, kind, self._member, self.name) as file:
                while piece := self._unpack(file, total):
                    self.bytes_read = min(raw.tell(), self.size)
                    total += len(piece)
                    if total > RATIO_FROM and total > MAX_RATIO * self.size:
                        raise FileTooLarge(
                            f"{self.name} unpacks to more than {MAX_RATIO} times its size.",
                            hint="If it is genuine, unpack it first.",
                        )
                    yield piece

    def _unpack(self, file: Any, before: int) -> bytes:
        """The next piece. Any: a reader as `unpacking` makes them."""
        try:
            return file.read1(CHUNK)
        except BROKEN:
            self.cut_off = True
            if before:
                return b""  # what came before the break counts
            raise FileDamaged(
                f"{self.name} cannot be unpacked: its packed data is damaged.",
                hint="Transfer it again.",
            ) from None


def sources_of(path: Path) -> list[Source]:
    """A file, or what it stands for: a folder for its files, an archive for its members."""
    if path.is_dir():
        inner = sorted(path.rglob("*"))
        files = [found for found in inner if found.is_file() and found.name[:1] != "."]
        return [source for found in files for source in sources_of(found)]
    source = Source(path)
    members = members_of(path) if source.head.startswith(ZIP) else []
    return [Source(path, member=member) for member in members] or [source]


def _unmarked(first: bytes) -> str:
    """The UTF-16 of a text without byte order mark: every other byte of its beginning is zero."""
    even, odd = first[:64:2], first[1:64:2]
    if len(odd) > 1 and 0 not in even and not any(odd):
        return "utf-16-le"
    if len(odd) > 1 and 0 not in odd and not any(even):
        return "utf-16-be"
    return ""


def _transcoded(first: bytes, pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    yield decoder.decode(first).encode("utf-8", "replace")
    for piece in pieces:
        yield decoder.decode(piece).encode("utf-8", "replace")


def _refuse_binary(first: bytes, name: str) -> None:
    kind = next((kind for magic, kind in _OTHER_KINDS.items() if first.startswith(magic)), None)
    if kind or b"\0" in first[:8192]:
        raise FileBinary(
            f"{name} is {kind or 'binary data, neither text nor Parquet'}.",
            hint="Give JSON Lines, JSON, CSV or Parquet, plain or packed (gzip, zstd, zip).",
        )
