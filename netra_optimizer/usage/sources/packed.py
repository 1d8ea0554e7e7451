"""Files packed with gzip, zstd, bzip2 or xz, and the members of zip archives."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final

from netra_optimizer.usage.errors import FileDamaged, FileTooLarge

ZIP: Final = b"PK\x03\x04"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_KINDS: Final = {b"\x1f\x8b": "gzip", _ZSTD: "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz", ZIP: "zip"}
_OFFICE: Final = "[Content_Types].xml"
"""What every workbook of Excel holds, which is a zip archive too."""
_APPLE: Final = "__MACOSX/"
MAX_MEMBERS: Final = 2_000
"""Files of one archive: its whole directory is read again for each of them."""
MAX_DIRECTORY: Final = 4 << 20
"""Bytes of an archive's directory, which takes ten times as much in memory."""
_SIZE_OF_DIRECTORY: Final = 5
_UNOPENED: Final = (ValueError, RuntimeError, KeyError)
"""A name that is no text, a password, a way of packing that nobody has, a name that is gone."""
BROKEN: Final = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def kind_of(head: bytes) -> str:
    """What packed a file that begins so, empty for a plain one."""
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "")


def members_of(path: Path) -> list[str]:
    """Names of the files in a zip archive, in order; none for a workbook and what is no archive.

    Raises FileTooLarge for one of more files than are taken.
    """
    try:
        with path.open("rb") as raw:
            # What ZipFile itself goes by, and reads whole: it says not how large it is before.
            end = zipfile._EndRecData(raw)  # pyright: ignore
            if end and end[_SIZE_OF_DIRECTORY] > MAX_DIRECTORY:
                raise _too_many(path.name)
        with zipfile.ZipFile(path) as archive:
            found = [member.filename for member in archive.infolist() if not member.is_dir()]
    except (*BROKEN, *_UNOPENED):
        return []
    if len(found) > MAX_MEMBERS:
        raise _too_many(path.name)
    if _OFFICE in found:
        return []
    return [
        member for member in found if not member.startswith(_APPLE) and Path(member).name[:1] != "."
    ]


def unpacking(raw: Any, kind: str, member: str, name: str) -> Any:
    """A reader of the unpacked bytes. Any: binary files, which have `read1`.

    Raises FileDamaged for a member that cannot be opened.
    """
    if kind == "zip":
        try:
            inner: Any = zipfile.ZipFile(raw).open(member)
            within = kind_of(inner.peek(8))
        except (*BROKEN, *_UNOPENED) as error:
            raise FileDamaged(
                f"{name} cannot be unpacked ({error}).", hint="Unpack it, and give what it holds."
            ) from None
        return unpacking(inner, within, "", name) if within and within != "zip" else inner
    if kind == "gzip":
        return gzip.GzipFile(fileobj=raw)
    if kind == "bzip2":
        return bz2.BZ2File(raw)
    if kind == "xz":
        return lzma.LZMAFile(raw)
    return io.BufferedReader(_Zstd(raw))


def _too_many(name: str) -> FileTooLarge:
    return FileTooLarge(
        f"{name} holds more than {MAX_MEMBERS:,} files.",
        hint="Unpack it, and give the folder, or pack fewer files at a time.",
    )


class _Zstd(io.RawIOBase):
    def __init__(self, raw: BinaryIO) -> None:
        import pyarrow as pa

        self._stream = pa.CompressedInputStream(raw, "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: as RawIOBase has it
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)
