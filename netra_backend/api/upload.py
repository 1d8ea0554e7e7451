"""A multipart upload, written to its folder as it arrives; never whole in memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import Annotated, Any, BinaryIO, Final

import anyio.to_thread
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from netra_backend.errors import InvalidRequestError, UploadTooLargeError
from netra_core.events.types import JsonObject

_OVERHEAD: Final = 64 * 1024
_MOST_COLUMNS: Final = 64
_MOST_OF_A_FIELD: Final = 4096
"""Bytes of a field that is no file: fields are held in memory, files are not."""


class ReadingFields(BaseModel):
    """How the file is to be read, as `apex analyze` takes it; an empty field is none."""

    model_config = ConfigDict(extra="forbid")

    format: Annotated[
        str | None, Field(max_length=64, description="Detected when absent; docs/formats.md.")
    ] = None
    model: Annotated[
        str | None, Field(max_length=255, description="What calls ran on where the file is silent.")
    ] = None
    start: Annotated[
        str | None,
        Field(max_length=64, description="When a trace with relative times began (RFC 3339)."),
    ] = None
    timezone: Annotated[
        str, Field(max_length=64, description="Zone of times that have none: Europe/Berlin.")
    ] = "UTC"
    map: Annotated[
        list[Annotated[str, Field(max_length=600)]],
        Field(
            max_length=_MOST_COLUMNS,
            description="FIELD=COLUMN, once for each column of a table that is to be named.",
        ),
    ] = []

    def options(self) -> JsonObject:
        """As an import keeps it. Raises InvalidRequestError for a column that is not named."""
        mapping: dict[str, str] = {}
        for text in self.map:
            field, equals, column = (part.strip() for part in text.partition("="))
            if not (field and equals and column):
                raise InvalidRequestError(f"map: {text!r} is not FIELD=COLUMN.")
            mapping[field] = column
        return {
            "format": self.format,
            "model": self.model,
            "start": self.start,
            "timezone": self.timezone,
            "mapping": mapping,
        }


def _upload_schema() -> dict[str, Any]:
    """The form in OpenAPI; Any: JSON Schema."""
    schema = ReadingFields.model_json_schema()
    schema.pop("title")
    schema["required"] = ["file"]
    schema["properties"] = {
        "file": {"type": "string", "format": "binary"},
        **schema["properties"],
    }
    return {
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": schema}},
        }
    }


UPLOAD_SCHEMA: Final = _upload_schema()


@dataclass(frozen=True, slots=True)
class Upload:
    """A received file and how it is to be read."""

    file_name: str
    path: Path
    size: int
    options: JsonObject


async def receive_upload(
    request: Request,
    *,
    folder: Path,
    name: str,
    max_bytes: int,
    check: Callable[[JsonObject], Awaitable[None]],
) -> Upload:
    """The file of field `file`, stored as `folder/name` with its own suffix.

    `check` is asked for the options before the file is kept. Raises UploadTooLargeError as soon as
    it is known, InvalidRequestError for a body that is no such upload.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise InvalidRequestError("The body is no multipart/form-data.", hint="Send field `file`.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > max_bytes + _OVERHEAD:
        raise _too_large(max_bytes)
    parser = MultiPartParser(
        request.headers,
        _bounded(request.stream(), max_bytes),
        max_files=1,
        max_fields=2 * _MOST_COLUMNS,
        max_part_size=_MOST_OF_A_FIELD,
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
        options = _reading(form)
        await check(options)
        size = await anyio.to_thread.run_sync(_store, file.file, path)
        return Upload(named, path, size, options)
    finally:
        await form.close()


def _reading(form: FormData) -> JsonObject:
    given: dict[str, Any] = {}
    for key, value in form.multi_items():
        if key == "file" or not isinstance(value, str) or not value.strip():
            continue
        if key == "map":
            given.setdefault("map", []).append(value)
        elif key in given:
            raise InvalidRequestError(f"{key}: given more than once.")
        else:
            given[key] = value.strip()
    try:
        return ReadingFields.model_validate(given).options()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(("file", *ReadingFields.model_fields))
        raise InvalidRequestError(f"{where}: {first['msg']}.", hint=f"Fields: {known}.") from None


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
