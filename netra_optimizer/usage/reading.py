"""Files of calls into record batches, accounted for to the row."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from netra_optimizer.errors import InputError
from netra_optimizer.results import Audit
from netra_optimizer.usage.arrow_types import ArrowArray, ArrowBatch
from netra_optimizer.usage.batch import batch_of, constant_text
from netra_optimizer.usage.errors import (
    BadOption,
    ColumnMissing,
    FileBinary,
    FileEmpty,
    FormatUnknown,
    ModelNeeded,
    NoUsableRow,
)
from netra_optimizer.usage.importers import Chunk, Importer, Options, importer_named, recognize
from netra_optimizer.usage.importers.base import (
    CONTENT_ID,
    COUNTED_BEFORE,
    DUPLICATE,
    NO_MODEL,
    NO_TIME,
    RowRefused,
)
from netra_optimizer.usage.importers.pages import Pages
from netra_optimizer.usage.importers.reports import is_bill
from netra_optimizer.usage.importers.values import moment
from netra_optimizer.usage.names import ModelNames
from netra_optimizer.usage.occurrences import Occurrences
from netra_optimizer.usage.sources import Rows, Source, sources_of

if TYPE_CHECKING:
    pass

Progress: TypeAlias = Callable[[int, int], None]
"""Told (bytes read, bytes in all) now and then."""


def read_files(
    paths: "Sequence[Path | str] | Path | str",
    *,
    model: str | None = None,
    fmt: str | None = None,
    start: "datetime | str | None" = None,
    timezone: str = "UTC",
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
    import_id: str = "",
) -> "Import":
    """Open files for import; folders stand for the files in them. Formats are recognized.

    `model` (`model` or `provider/model`) is what calls ran on where the file does not say.
    `start` dates a trace whose times are relative; without it such a trace ends `now`. `timezone`
    is the zone of times that have none. `mapping` names columns of a generic table, field → column.
    Raises InputError when a file cannot be read or no importer recognizes it. Of a folder's files
    those are left out and counted, where any other can be read.
    """
    given = [paths] if isinstance(paths, str | Path) else paths
    held = [sources_of(Path(path)) for path in given]
    sources = [source for found in held for source in found]
    if not sources:
        raise FileEmpty("There is no file to read.", hint="Name at least one file.")
    return Import(
        sources,
        found=[source for found in held if len(found) > 1 for source in found],
        fmt=fmt,
        options=_options(model, start, timezone, mapping, now or datetime.now(UTC)),
        progress=progress,
        import_id=import_id,
    )


def check_reading(
    *,
    model: str | None = None,
    fmt: str | None = None,
    start: "datetime | str | None" = None,
    timezone: str = "UTC",
    mapping: Mapping[str, str] | None = None,
) -> None:
    """Look at the options of `read_files` before there is a file. Raises BadOption."""
    if fmt is not None:
        importer_named(fmt)
    _options(model, start, timezone, mapping, datetime.now(UTC))


EXPORT_CUT_OFF: Final = "export_cut_off"
"""Stands, once a report, for what is on pages that its last page here says follow."""
CUT_OFF: Final = "file_cut_off"
"""Stands, once a file, for what lay behind the place where its packed data breaks."""
NOT_USAGE: Final = "file_not_usage"
"""Stands, once a file, for what a folder holds beside usage."""


class Import:
    """Files being imported. `batches` may be called again: it reads from the beginning."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        options: Options,
        found: Collection[Source] = (),
        fmt: str | None = None,
        progress: Progress | None = None,
        import_id: str = "",
    ) -> None:
        """`found` are those of the sources that lay in a folder."""
        self._progress = progress
        self._import_id = import_id
        self._parts, self._left_out = _recognized(sources, found, fmt, options)
        self._total = sum(rows.source.size for _, rows in self._parts)
        self._audit = _Tally()
        latest = [
            latest_us
            for importer, rows in self._parts
            if not options.start and (latest_us := importer.latest_relative_us(rows)) is not None
        ]
        self._options = replace(options, latest_relative_us=max(latest, default=None))
        for importer, rows in self._parts:
            self._require_model(importer, rows)

    @property
    def size(self) -> int:
        """Bytes of the files as they lie there."""
        return self._total

    @property
    def format(self) -> str:
        """Names of the formats found, one for all files or several joined with a plus sign."""
        return "+".join(dict.fromkeys(importer.name for importer, _ in self._parts))

    @property
    def sums(self) -> bool:
        """Whether any file may hold rows that sum requests, and come again with larger figures."""
        return any(importer.sums(rows) for importer, rows in self._parts)

    @property
    def title(self) -> str:
        """The formats for people."""
        return ", ".join(dict.fromkeys(importer.title for importer, _ in self._parts))

    @property
    def audit(self) -> Audit:
        """What became of every row read so far; final once `batches` is exhausted."""
        return self._audit.result()

    def batches(self) -> Iterator[ArrowBatch]:
        """Records in USAGE_SCHEMA, some thousand at a time.

        Raises NoUsableRow or FileEmpty at the end when nothing could be used.
        """
        self._audit = _Tally()
        if self._left_out:
            self._audit.add(Chunk(rows=0, columns={}, dropped=Counter({NOT_USAGE: self._left_out})))
        seen, names, pages = Occurrences(), ModelNames(), Pages()
        done = 0
        for importer, rows in self._parts:
            for chunk in importer.chunks(rows, self._options):
                pages.add(chunk.pages)
                batch = self._finish(chunk, importer, seen, names)
                if self._progress:
                    self._progress(done + rows.source.bytes_read, self._total)
                if batch is not None:
                    yield batch
            if rows.source.cut_off:
                self._audit.add(Chunk(rows=0, columns={}, dropped=Counter({CUT_OFF: 1})))
            done += rows.source.size
        if missing := pages.cut_off:
            self._audit.add(Chunk(rows=0, columns={}, dropped=Counter({EXPORT_CUT_OFF: missing})))
        if self._progress:
            self._progress(self._total, self._total)
        self._audit.require_rows(", ".join(rows.source.name for _, rows in self._parts))

    def _finish(
        self, chunk: Chunk, importer: Importer, seen: Occurrences, names: ModelNames
    ) -> ArrowBatch | None:
        self._audit.add(chunk)
        if not chunk.rows:
            return None
        columns = dict(chunk.columns)
        ids, repeated = _told_apart(columns["id"], seen)
        columns["id"] = ids
        columns["model"], columns["provider"] = names.complete(
            columns.get("model"),
            columns.get("provider"),
            (self._options.model, self._options.provider),
            chunk.rows,
        )
        columns["source"] = constant_text(importer.name, chunk.rows)
        columns["import_id"] = constant_text(self._import_id, chunk.rows)
        batch = batch_of(chunk.rows, columns)
        if repeated:
            rows = set(repeated if chunk.of is None else (chunk.of[row] for row in repeated))
            self._audit.drop(DUPLICATE, len(rows - {COUNTED_BEFORE}))
            kept = np.setdiff1d(np.arange(chunk.rows), repeated)
            return _take(batch, kept) if len(kept) else None
        return batch

    def _require_model(self, importer: Importer, rows: Rows) -> None:
        if not importer.names_model and not self._options.model:
            if any(row.get("model") for row in rows.sample):
                return
            raise ModelNeeded(
                f"{rows.source.name} ({importer.title}) does not say which model answered.",
                hint="Give --model, for instance --model claude-sonnet-4-5.",
            )


class _Tally:
    def __init__(self) -> None:
        self._kept = 0
        self._dropped: Counter[str] = Counter()

    def add(self, chunk: Chunk) -> None:
        self._kept += chunk.rows if chunk.kept is None else chunk.kept
        self._dropped.update(chunk.dropped)

    def drop(self, reason: str, rows: int) -> None:
        self._kept -= rows
        self._dropped[reason] += rows

    def result(self) -> Audit:
        dropped = {reason: count for reason, count in sorted(self._dropped.items()) if count}
        return Audit(self._kept + sum(dropped.values()), self._kept, dropped)

    def require_rows(self, names: str) -> None:
        if self._kept:
            return
        if not self._dropped:
            raise FileEmpty(f"{names} holds no rows.", hint="A header alone is not enough.")
        audit = self.result()
        reasons = ", ".join(f"{reason}: {rows}" for reason, rows in audit.dropped.items())
        hint = "Check the format, or name it with --format."
        if set(audit.dropped) == {NO_MODEL}:
            hint = "Give --model."
        elif set(audit.dropped) == {NO_TIME}:
            hint = "Give --start, the time of calls that have none."
        raise NoUsableRow(
            f"Not one of {audit.rows_read} rows of {names} can be used ({reasons}).", hint=hint
        )


def _recognized(
    sources: Sequence[Source], found: Collection[Source], fmt: str | None, options: Options
) -> tuple[list[tuple[Importer, Rows]], int]:
    """Importer and rows of each source, and how many of those found hold no usage at all."""
    parts: list[tuple[Importer, Rows]] = []
    refusals: list[InputError] = []
    for source in sources:
        try:
            importer, rows = _recognize(source, fmt)
            if source in found:
                importer.require_columns(rows, options)
        except (FileEmpty, FileBinary, FormatUnknown, ColumnMissing) as refused:
            if source not in found:
                raise
            refusals.append(refused)
        else:
            parts.append((importer, rows))
    if not parts:
        raise refusals[0]
    return parts, len(refusals)


def _recognize(source: Source, fmt: str | None) -> tuple[Importer, Rows]:
    importer, rows = recognize(source, importer_named(fmt) if fmt else None)
    if importer is not None:
        return importer, rows
    if rows.shape == "csv" and len(rows.header) < 2:
        raise FormatUnknown(
            f"{source.name} is neither JSON, CSV nor Parquet.",
            hint="Give an export of calls to models.",
        )
    if any(map(is_bill, rows.sample)):
        raise FormatUnknown(
            f"{source.name} is a provider's bill, no usage.",
            hint="Read it with read_bill, and reconcile it with the usage that it bills.",
        )
    columns = rows.header or tuple(dict.fromkeys(key for row in rows.sample for key in row))
    if not columns:
        raise FormatUnknown(
            f"{source.name} holds no row that can be read.", hint="Give JSON Lines, JSON or CSV."
        )
    return importer_named("generic"), rows


def _check_mapping(mapping: Mapping[str, str]) -> None:
    from netra_optimizer.usage.importers.column_names import columns_of

    columns_of((), tuple(mapping.items()))


def _options(
    model: str | None,
    start: "datetime | str | None",
    timezone: str,
    mapping: Mapping[str, str] | None,
    now: datetime,
) -> Options:
    zone = _zone(timezone)
    _check_mapping(mapping or {})
    name, provider = (model or "").strip(), ""
    if "/" in name:
        head, _, tail = name.partition("/")
        if head.lower() in _PROVIDER_WORDS:
            name, provider = tail, head.lower()
    return Options(
        now=now,
        model=name,
        provider=provider,
        start=None if start is None else _start(start, zone),
        timezone=zone,
        mapping=dict(mapping or {}),
    )


_PROVIDER_WORDS: Final = frozenset(
    {
        "anthropic", "openai", "google", "azure", "aws", "groq", "mistral", "deepseek", "cohere",
        "together", "fireworks", "openrouter", "perplexity", "x-ai", "cerebras", "vertex_ai",
        "bedrock", "gemini",
    }
)  # fmt: skip


def _start(value: "datetime | str", zone: tzinfo) -> datetime:
    try:
        return moment(value, zone)
    except RowRefused:
        raise BadOption(
            f"--start {value!r} is no time.", hint="Write it as 2026-11-22T10:00:00Z."
        ) from None


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise BadOption(
            f"--timezone {name!r} is not known.", hint="Write it as Europe/Berlin."
        ) from None


def _told_apart(ids: "Sequence[str] | ArrowArray", seen: Occurrences) -> tuple[Any, list[int]]:
    """Ids made unique where they come from content, and the rows whose own id came before.

    Any: ids as they were given, or a list.
    """
    names: Sequence[str] = ids if isinstance(ids, Sequence) else ids.to_pylist()
    before = seen.count(names)
    again = np.flatnonzero(before).tolist()
    if not again:
        return ids, []
    unique = list(names)
    repeated: list[int] = []
    for row in again:
        if unique[row].startswith(CONTENT_ID):
            unique[row] = f"{unique[row]}#{before[row] + 1}"
        else:
            repeated.append(row)
    return unique, repeated


def _take(batch: ArrowBatch, rows: "np.ndarray") -> ArrowBatch:
    import pyarrow as pa

    from netra_optimizer.usage.columns import count_array

    return batch.take(count_array(rows.astype(np.int64), pa.int64()))
