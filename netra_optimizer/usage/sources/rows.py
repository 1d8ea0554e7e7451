"""The shape of a file (JSON Lines, JSON, CSV, Parquet) and its rows as dictionaries."""

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import msgspec

from netra_optimizer.usage.arrow_types import ArrowBatch
from netra_optimizer.usage.errors import FileDamaged, FileEmpty, FileTooLarge
from netra_optimizer.usage.sources.csv_text import (
    WRONG_COLUMNS,
    delimiter_of,
    fields_of,
    records,
)
from netra_optimizer.usage.sources.files import CHUNK, MAX_LINE, MAX_RATIO, RATIO_FROM, Source
from netra_optimizer.usage.sources.json_text import (
    BROKEN,
    TOO_LONG,
    BrokenElement,
    PageEnd,
    Path,
    array_paths,
    elements,
)

Shape: TypeAlias = Literal["jsonl", "json", "csv", "parquet"]
Row: TypeAlias = dict[str, Any]
"""A row as its source wrote it; Any: every source has its own values."""

UNREADABLE_VALUES: Final = "unreadable_values"
NOT_AN_OBJECT: Final = "not_an_object"
CHUNK_ROWS: Final = 8192
SAMPLE_ROWS: Final = 64
_FEW: Final = 8
"""As many of a sample's rows all importers look at."""
LATER_ROWS: Final = 100 * SAMPLE_ROWS
"""As far a log is looked into for the first row that is somebody's."""
BATCH_ROWS: Final = 16_384
BATCH_BYTES: Final = 8 << 20
"""At most so many rows of a Parquet file are read at once, and no more than take about so much."""
MAX_REPEATED: Final = 512 << 20
"""Bytes of a column's batch that repeated values, which the file holds once, may be written out to;
where they might be more, they are written out only as far as BATCH_BYTES at a time."""
_HEAD: Final = 1 << 18
_WRAPPERS: Final = (
    "data", "results", "items", "records", "rows", "logs", "requests", "calls",
    "traces", "spans", "resourceSpans", "resource_spans",
)  # fmt: skip
_BLANKS: Final = b" \t\r\n\x1e"
"""Before a value; the last as in JSON text sequences."""
_decode = msgspec.json.Decoder().decode
_json = json.JSONDecoder()


@dataclass(frozen=True)
class Rows:
    """A file opened as rows. `sample` holds the first ones that could be read."""

    source: Source
    shape: Shape
    header: tuple[str, ...] = ()
    delimiter: str = ","
    path: Path = ()
    """Where the rows lie in JSON documents: in the array these keys lead to, or at the top."""
    sample: list[Row] = field(default_factory=list)

    def dicts(self) -> Iterator[Row | str]:
        """Every row; in place of one that cannot be read its reason."""
        if self.shape == "jsonl":
            return (row for chunk in self.lines() for row in map(decode_line, chunk))
        if self.shape == "json":
            return self._json()
        if self.shape == "csv":
            return self._csv()
        return self._parquet()

    def lines(self) -> Iterator[list[bytes]]:
        """Rows of a JSON Lines file as they stand, blank lines left out, CHUNK_ROWS at a time."""
        chunk: list[bytes] = []
        for line in self.source.lines():
            if line and not line.isspace():
                chunk.append(line)
                if len(chunk) == CHUNK_ROWS:
                    yield chunk
                    chunk = []
        if chunk:
            yield chunk

    def records(self) -> Iterator[list[str] | None]:
        """Rows of a CSV file as lists in the header's order, None for one that is broken."""
        lines = self.source.lines()
        while not next(lines, b"x").strip():
            pass
        return records(lines, len(self.header), self.delimiter)

    def blocks(self) -> Iterator[bytes]:
        """Lines of a CSV file below its header, many at a time."""
        headed = False
        for block in self.source.blocks():
            below = block
            while not headed and below:
                line, _, below = below.partition(b"\n")
                headed = bool(line.strip())
            if below:
                yield below

    def records_of(self, block: bytes, following: Iterator[bytes]) -> Iterator[Row | str]:
        """Rows that begin in a block of `blocks`; their ends may lie in the following ones."""
        waiting = _Waiting(block, following)
        found = records(waiting, len(self.header), self.delimiter, lambda: not waiting.lines)
        for fields in found:
            yield self._row(fields)

    def _row(self, fields: list[str] | None) -> Row | str:
        return WRONG_COLUMNS if fields is None else dict(zip(self.header, fields, strict=True))

    def _json(self) -> Iterator[Row | str]:
        self.source.pages = 0
        for value in elements(self.source.chunks(), self.path):
            if isinstance(value, BrokenElement):
                yield value.reason
            elif isinstance(value, PageEnd):
                self.source.pages += 1
                self.source.more = value.more
            else:
                yield value if isinstance(value, dict) else NOT_AN_OBJECT

    def _csv(self) -> Iterator[Row | str]:
        for fields in self.records():
            yield self._row(fields)

    def _parquet(self) -> Iterator[Row | str]:
        for batch in self.batches():
            yield from batch_rows(batch)

    def batches(self) -> Iterator[ArrowBatch]:
        """Rows of a Parquet file as they lie there, times to the microsecond, some at a time.

        Raises FileDamaged, FileTooLarge.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.source.bytes_read = 0
        try:
            with self.source.open() as raw:
                file = pq.ParquetFile(raw, buffer_size=CHUNK)
                size = _rows_at_once(file.metadata, self.source)
                if folded := _repeating(file):
                    file = pq.ParquetFile(raw, buffer_size=CHUNK, read_dictionary=folded)
                done, rows = 0, max(1, file.metadata.num_rows)
                for batch in file.iter_batches(batch_size=size):
                    done += batch.num_rows
                    self.source.bytes_read = self.source.size * done // rows
                    for part in _written_out(batch):
                        yield _as_text(_to_microseconds(part))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(self.source, error) from None


class _Waiting:
    """Lines of a block, and of the following ones when they are asked for."""

    def __init__(self, block: bytes, following: Iterator[bytes]) -> None:
        self._following = following
        self.lines: list[bytes] = []
        self._fill(block)

    def __iter__(self) -> "_Waiting":
        return self

    def __next__(self) -> bytes:
        while not self.lines:
            self._fill(next(self._following))
        return self.lines.pop()

    def _fill(self, block: bytes) -> None:
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        self.lines = lines[::-1]


def _as_text(batch: ArrowBatch) -> ArrowBatch:
    """The batch with columns of bytes as text, where they are that."""
    import pyarrow as pa

    for place, field_ in enumerate(batch.schema):
        if pa.types.is_binary(field_.type) or pa.types.is_large_binary(field_.type):
            try:
                batch = batch.set_column(place, field_.name, batch.column(place).cast(pa.string()))
            except pa.ArrowInvalid:
                continue
    return batch


def _repeating(file: Any) -> list[str]:  # Any: pyarrow has no types
    """Columns whose values stand once in the file and might take too much in each of their rows.

    One row of each group is read before: a reader refuses a broken description of a column, whereas
    asking for the description itself ends the process.
    """
    metadata, names = file.metadata, set(file.schema_arrow.names)
    for place in range(metadata.num_row_groups):
        next(file.iter_batches(batch_size=1, row_groups=[place], use_threads=False), None)
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    chunks = (group.column(place) for group in groups for place in range(group.num_columns))
    found = (
        chunk.path_in_schema
        for chunk in chunks
        if chunk.path_in_schema in names
        and chunk.physical_type == "BYTE_ARRAY"
        and chunk.has_dictionary_page
        and chunk.total_uncompressed_size * min(BATCH_ROWS, chunk.num_values) > MAX_REPEATED
    )
    return list(dict.fromkeys(found))


def _written_out(batch: ArrowBatch) -> Iterator[ArrowBatch]:
    """The batch with its repeated values in each row, in parts where that takes BATCH_BYTES."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    types = batch.schema.types
    folded = [place for place, kind in enumerate(types) if pa.types.is_dictionary(kind)]
    if not folded:
        yield batch
        return
    sizes = np.zeros(batch.num_rows, np.int64)
    for place in folded:
        column = batch.column(place)
        lengths = pc.call_function("binary_length", [column.dictionary]).take(column.indices)
        sizes += pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False)
    ends, begin = np.cumsum(sizes), 0
    while begin < batch.num_rows:
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + BATCH_BYTES, "right")))
        part = batch.slice(begin, end - begin)
        for place in folded:
            name, kind = batch.schema.names[place], types[place].value_type
            part = part.set_column(place, name, part.column(place).cast(kind))
        yield part
        begin = end


def _rows_at_once(metadata: Any, source: Source) -> int:  # Any: pyarrow has no types
    """Rows whose values take BATCH_BYTES. Raises FileTooLarge where packing hides too much."""
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    whole = sum(group.total_byte_size for group in groups)
    if whole > RATIO_FROM and whole > MAX_RATIO * source.size:
        raise FileTooLarge(
            f"{source.name} unpacks to more than {MAX_RATIO} times its size.",
            hint="If it is genuine, write it anew without compression.",
        )
    widest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1, widest))))


def _to_microseconds(batch: ArrowBatch) -> ArrowBatch:
    """Times to the nanosecond cut to the microsecond, and those of a zone nobody knows in UTC.

    No other can be read as a value; a zone alters nothing of when it was.
    """
    import pyarrow as pa

    for place, kind in enumerate(batch.schema.types):
        if not pa.types.is_timestamp(kind):
            continue
        to = pa.timestamp("us" if kind.unit == "ns" else kind.unit, _known_zone(kind.tz))
        if to != kind:
            cut = batch.column(place).cast(to, safe=False)
            batch = batch.set_column(place, pa.field(batch.schema.names[place], to), cut)
    return batch


def _known_zone(name: str | None) -> str | None:
    import pyarrow as pa

    if name is None:
        return None
    try:
        pa.scalar(0, pa.timestamp("us", name)).as_py()
    except (ValueError, OSError):  # PST, Z: nothing of the kind is a time zone's name
        return "UTC"
    return name


def batch_rows(batch: ArrowBatch) -> Iterator[Row | str]:
    """Rows of a batch; one whose values are none costs itself alone."""
    try:
        yield from batch.to_pylist()
        return
    except (ValueError, OverflowError):  # text that is no UTF-8, a time beyond every calendar
        pass
    for place in range(batch.num_rows):
        try:
            yield batch.slice(place, 1).to_pylist()[0]
        except (ValueError, OverflowError):
            yield UNREADABLE_VALUES


def open_rows(source: Source) -> Rows:
    """Look at the beginning of the file. Raises InputError when it holds no rows of any shape."""
    if source.size == 0:
        raise FileEmpty(f"{source.name} is empty.", hint="Export the calls again.")
    if source.is_parquet:
        return _sampled(Rows(source, "parquet", header=_parquet_columns(source)))
    text = _head(source).lstrip(_BLANKS)
    if not text:
        raise FileEmpty(f"{source.name} holds nothing but blanks.", hint="Export the calls again.")
    if text[:1] == b"[":
        return _sampled(Rows(source, "json"))
    if text[:1] == b"{":
        return _sampled(_json_rows(source, text))
    first = text.split(b"\n", 1)[0].decode("utf-8", "replace").strip("\r")
    delimiter = delimiter_of(first)
    header = fields_of(first, delimiter)
    names = tuple(name.strip().strip("\ufeff") for name in header)
    return _sampled(Rows(source, "csv", header=names, delimiter=delimiter))


def decode_line(line: bytes) -> Row | str:
    """One JSON object, or the reason why it is none."""
    if len(line) > MAX_LINE:
        return TOO_LONG
    try:
        value = _decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _leniently(line)
    return value if isinstance(value, dict) else NOT_AN_OBJECT


def _leniently(line: bytes) -> Row | str:
    """An object with what JSON does not have, or the reason.

    That are NaN and Infinity, and byte order marks of files that were appended to others.
    """
    if b"NaN" not in line and b"Infinity" not in line and not line.startswith(BOM_UTF8):
        return BROKEN
    try:
        value = json.loads(line.removeprefix(BOM_UTF8))
    except (ValueError, RecursionError):
        return BROKEN
    return value if isinstance(value, dict) else NOT_AN_OBJECT


def nested_rows(source: Source) -> Iterator[Rows]:
    """Other readings of a file of JSON objects: as documents, then by each array within the first.

    For files whose rows `open_rows` took are nobody's.
    """
    if source.is_parquet or (text := _head(source).lstrip(_BLANKS))[:1] != b"{":
        return
    yield _sampled(Rows(source, "json"))
    for path in array_paths(text.decode("utf-8", "replace")):
        yield _sampled(Rows(source, "json", path=path))


def later_rows(rows: Rows) -> Iterator[Rows]:
    """The same rows with later ones as their sample, for logs that begin with something else."""
    if rows.shape in ("csv", "parquet"):
        return  # all rows have the same columns
    found = (row for row in rows.dicts() if isinstance(row, dict))
    found = islice(found, len(rows.sample), LATER_ROWS)
    while sample := list(islice(found, _FEW)):
        yield replace(rows, sample=sample)


def _json_rows(source: Source, text: bytes) -> Rows:
    lines = [line for line in text.split(b"\n") if line.strip()]
    complete = lines[:-1] if len(text) >= _HEAD // 2 else lines
    whole = [isinstance(decode_line(line), dict) for line in complete[:SAMPLE_ROWS]]
    objects = [line.lstrip()[:1] == b"{" for line in lines[:SAMPLE_ROWS]]
    if len(lines) > 1 and whole[:1] == [True]:
        return Rows(source, "jsonl")
    path = _wrapper(text)
    if not path and not _several(lines[0]):
        if len(lines) == 1 or sum(objects) > len(objects) / 2:
            return Rows(source, "jsonl")
    return Rows(source, "json", path=path)


def _several(line: bytes) -> bool:
    """Whether a line is a JSON object and more: another one, or a comma behind it."""
    try:
        _, end = _json.raw_decode(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return end > 1


def _wrapper(text: bytes) -> Path:
    """The path to the rows where the document has them under a usual key right below the top."""
    head = text.decode("utf-8", "replace")
    found = {path[0] for path in array_paths(head) if len(path) == 1}
    key = next((key for key in _WRAPPERS if key in found), None)
    return (key,) if key else ()


def _sampled(rows: Rows) -> Rows:
    for row in rows.dicts():
        if isinstance(row, dict):
            rows.sample.append(row)
            if len(rows.sample) == SAMPLE_ROWS:
                break
    return rows


def _head(source: Source) -> bytes:
    head = b""
    for piece in source.chunks():
        head += piece
        if len(head) >= _HEAD:
            break
    return head


def _parquet_columns(source: Source) -> tuple[str, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with source.open() as raw:
            return tuple(pq.ParquetFile(raw).schema_arrow.names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(source, error) from None


def _damaged(source: Source, error: Exception) -> FileDamaged:
    reason = " ".join(str(error).split())[:120]
    return FileDamaged(
        f"{source.name} is a damaged Parquet file ({reason}).", hint="Export it again."
    )
