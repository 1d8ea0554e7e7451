"""A multipart upload, written to its folder as it arrives; never whole in memory."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import Any, BinaryIO, Final

import anyio.to_thread
from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from netra_backend.errors import InvalidRequestError, UploadTooLargeError

FIELDS: Final = ("format", "model", "start")
_OVERHEAD: Final = 64 * 1024

UPLOAD_SCHEMA: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "format": {"type": "string", "description": "Detected when absent."},
                        "model": {
                            "type": "string",
                            "description": "What a trace without models ran on.",
                        },
                        "start": {
                            "type": "string",
                            "description": "When a trace with relative times began (RFC 3339).",
                        },
                    },
                }
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class Upload:
    """A received file and the fields beside it."""

    file_name: str
    path: Path
    size: int
    fields: dict[str, str]


async def receive_upload(request: Request, *, folder: Path, name: str, max_bytes: int) -> Upload:
    """The file of field `file`, stored as `folder/name` with its own suffix.

    Raises UploadTooLargeError as soon as it is known, InvalidRequestError for a body that is no
    such upload.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidRequestError("The body is no multipart/form-data.", hint="Send field `file`.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > max_bytes + _OVERHEAD:
        raise _too_large(max_bytes)
    parser = MultiPartParser(
        request.headers, _bounded(request.stream(), max_bytes), max_files=1, max_fields=10
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InvalidRequestError(f"The upload cannot be read: {error.message}") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not (named := _printable(file.filename)):
            raise InvalidRequestError("There is no file in the upload.", hint="Send field `file`.")
        suffixes = "".join(Path(named).suffixes[-2:])[:32]
        path = folder / f"{name}{suffixes}"
        size = await anyio.to_thread.run_sync(_store, file.file, path)
        fields = {
            key: value
            for key in FIELDS
            if isinstance(value := form.get(key), str) and value.strip()
        }
        return Upload(named, path, size, fields)
    finally:
        await form.close()


def _printable(name: str | None) -> str:
    """Without NUL and whatever else no file system, database or terminal should be given."""
    return "".join(letter for letter in name or "" if letter.isprintable())


async def _bounded(stream: AsyncIterator[bytes], max_bytes: int) -> AsyncGenerator[bytes]:
    received = 0
    async for chunk in stream:
        received += len(chunk)
        if received > max_bytes + _OVERHEAD:
            raise _too_large(max_bytes)
        yield chunk


def _store(source: BinaryIO, path: Path) -> int:
    source.seek(0)
    with path.open("xb") as target:
        copyfileobj(source, target, 1024 * 1024)
        return target.tell()


def _too_large(max_bytes: int) -> UploadTooLargeError:
    return UploadTooLargeError(
        f"The file is larger than {max_bytes:,} bytes.",
        hint="Split it, or raise usage.max_upload_bytes.",
    )
