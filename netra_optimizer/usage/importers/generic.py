"""Tables nobody's importer knows: CSV, JSON or Parquet with columns that say what they are.

Columns are found by their usual names, whatever their case and underscores; `--map FIELD=COLUMN`
names the others. `input_tokens` is taken to include cached tokens (as OpenAI and OpenTelemetry
count), unless the numbers say otherwise: parts that do not fit, or a total that counts them on top.
A column that says `uncached` is what it says, and so is `input_tokens` beside Anthropic's own names
for cached tokens. Nested `usage` objects are read by their own convention.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from netra_optimizer.usage.errors import ColumnMissing, ModelNeeded
from netra_optimizer.usage.importers.answers import tier_of
from netra_optimizer.usage.importers.base import (
    FROM_CACHE,
    NO_MODEL,
    NO_TOKENS,
    Chunk,
    Options,
    Outcome,
    Parts,
    RowImporter,
)
from netra_optimizer.usage.importers.buckets import is_part, parts_of
from netra_optimizer.usage.importers.column_names import columns_of
from netra_optimizer.usage.importers.conventions import inclusive_tokens
from netra_optimizer.usage.importers.durations import duration_ms
from netra_optimizer.usage.importers.tokens import Tokens
from netra_optimizer.usage.importers.usage_objects import has_tokens, tokens_of
from netra_optimizer.usage.importers.values import (
    HOUR_MS,
    canonical,
    content_id,
    count,
    digest,
    has_count,
    is_yes,
    json_or,
    mapping,
    milliseconds,
    moment,
    number,
    optional_moment,
    positive,
    text,
    texts,
)
from netra_optimizer.usage.importers.wrapped import logged, untyped
from netra_optimizer.usage.record import TOKEN_BUCKETS, UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows, batch_rows

_BAD_STATUS: Final = frozenset(
    {"error", "failed", "failure", "err", "exception", "timeout", "false"}
)
_OPENROUTER: Final = frozenset({"model_permaslug", "native_tokens_prompt"})
"""Columns of its exports alone; the provider they name is whom it asked, not who sends the bill."""
_NO: Final = frozenset({"false", "no", "f", "n", "0", "0.0"})
_HITS: Final = frozenset({"hit", "semantic hit"})
_INPUT_PARTS: Final = ("cache_read", "cache_write_5m", "cache_write_1h", "audio_in", "image_in")
_OUTPUT_PARTS: Final = ("reasoning", "audio_out", "image_out")
_SPECIAL_COUNTS: Final = frozenset((*_INPUT_PARTS, *_OUTPUT_PARTS, "cache_write"))
"""Columns without which input is plain input and output is plain text."""
_COUNTS: Final = _SPECIAL_COUNTS | {
    "input", "input_uncached", "output", "output_text", "total",
}  # fmt: skip


class GenericImporter(RowImporter):
    """Any table with a time and token counts."""

    name = "generic"
    title = "table of calls (columns by name)"
    convention = (
        "input_tokens includes cached tokens, unless the columns (uncached, or Anthropic's names) "
        "or the numbers say otherwise"
    )

    def score(self, rows: Rows) -> float:
        """Low, so that every known format comes first."""
        names = _names(rows, rows.sample[:8])
        fields = columns_of(tuple(sorted(names)), ())
        if not ("start" in fields and (_counts(fields) or _embeds(rows, fields))):
            return 0.0
        return 0.4

    def sums(self, rows: Rows) -> bool:
        """By what its first rows count as requests."""
        names = tuple(dict.fromkeys(name for row in rows.sample for name in row))
        columns = columns_of(names, ())
        if _counts_by_id(columns, names):
            return True
        column = columns.get("requests")
        return any((number(row.get(column)) or 1) > 1 for row in rows.sample) if column else False

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """All rows. Raises ColumnMissing when no column holds what no call can be without."""
        self.require_columns(rows, options)
        if _vectorized(rows, options):
            read = self._batches if rows.shape == "parquet" else self._blocks
            yield from read(rows, options)
        else:
            yield from super().chunks(rows, options)

    def require_columns(self, rows: Rows, options: Options) -> None:
        """Raises ColumnMissing when no column holds what no call can be without."""
        names = _names(rows, rows.sample)
        fields = columns_of(tuple(sorted(names)), tuple(sorted(options.mapping.items())))
        known = ", ".join(sorted(names)[:20])
        for field, found, usual in (
            ("start", "start" in fields, "timestamp"),
            (
                "input and output",
                _counts(fields) or _embeds(rows, fields),
                "input_tokens and output_tokens",
            ),
        ):
            if not found:
                raise ColumnMissing(
                    f"{rows.source.name} has no column for {field} (its columns: {known}).",
                    hint=f"Name it {usual}, use --map, or give --format.",
                )
        if "model" not in fields and not options.model:
            raise ModelNeeded(
                f"{rows.source.name} has no column for the model (its columns: {known}).",
                hint="Give --model, or name the column with --map model=COLUMN.",
            )

    def _blocks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """A CSV file a block of lines at a time; one out of the ordinary, or with sums, by row."""
        from netra_optimizer.usage.importers.plain_table import PlainTable
        from netra_optimizer.usage.sources.csv_blocks import OutOfTheOrdinary, table_of

        columns = columns_of(tuple(rows.header), tuple(sorted(options.mapping.items())))
        blocks = rows.blocks()
        for block in blocks:
            try:
                table, broken = table_of(block, rows.header, rows.delimiter)
            except OutOfTheOrdinary:
                yield from self.row_by_row(rows.records_of(block, blocks), options)
                continue
            plain = PlainTable(
                table, columns, options, converters=_OPTIONAL,
                failure=_failure_in(columns.get("status", "")), unpaid=_unpaid,
            )  # fmt: skip
            if plain.sums:
                yield from self.row_by_row([*broken.elements(), *table.to_pylist()], options)
                continue
            found = plain.chunk(lambda row: self.outcomes(row, options))
            found.dropped.update(broken)
            yield found

    def _batches(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """A Parquet file a batch at a time; one out of the ordinary, or with sums, by row."""
        from netra_optimizer.usage.importers.plain_table import PlainTable
        from netra_optimizer.usage.importers.typed_table import typed_table
        from netra_optimizer.usage.sources.csv_blocks import OutOfTheOrdinary

        columns = columns_of(tuple(rows.header), tuple(sorted(options.mapping.items())))
        naive = str(options.timezone) == "UTC"
        for batch in rows.batches():
            try:
                table, typed = typed_table(
                    batch, columns, naive=naive, is_count=_COUNTS.__contains__
                )
                plain = PlainTable(
                    table, columns, options, converters=_OPTIONAL,
                    failure=_failure_in(columns.get("status", "")), unpaid=_unpaid, typed=typed,
                )  # fmt: skip
                if plain.sums:
                    raise OutOfTheOrdinary
                found = plain.chunk(lambda row: self.outcomes(row, options))
            except OutOfTheOrdinary:
                yield from self.row_by_row(batch_rows(batch), options)
            else:
                yield found

    def read(self, row: Row, options: Options) -> Outcome | Parts:
        """One call, or as many as the row sums."""
        given = tuple(sorted(options.mapping.items()))
        columns = columns_of(tuple(row), given)
        if (call := _unwrapped(row, columns)) is not row:
            row, columns = call, columns_of(tuple(call), given)

        def value(field: str) -> Any:
            return row.get(columns[field]) if field in columns else None

        start = moment(value("start"), options.timezone)
        model = text(value("model")).strip()
        if not (model or options.model):
            return NO_MODEL
        if "gateway_cache" in columns and _from_cache(value):
            return FROM_CACHE
        failed = _failure_in(columns.get("status", ""))(value("status"), value("error_kind"))
        tokens = _tokens(value, plain=not _SPECIAL_COUNTS.intersection(columns))
        if tokens is None:
            if not failed:
                return NO_TOKENS
            tokens = Tokens()
        more = {
            field: convert(row.get(columns[field]))
            for field, convert in _OPTIONAL.items()
            if field in columns
        }
        for field in ("latency", "ttft"):
            if f"{field}_s" in columns and more.get(f"{field}_ms") is None:
                seconds = positive(value(f"{field}_s"))
                more[f"{field}_ms"] = None if seconds is None else number(seconds * 1000)
            if field in columns and more.get(f"{field}_ms") is None:
                outputs = tokens.output_tokens if field == "latency" else 1
                more[f"{field}_ms"] = duration_ms(value(field), outputs)
        requests = number(value("requests"))
        if requests == 0 and tokens == Tokens():
            return NO_TOKENS
        end = optional_moment(value("end"), options.timezone)
        if "end" in columns and not more.get("latency_ms"):
            took = milliseconds(start, end)
            more["latency_ms"] = None if _is_stretch(requests, took) else took
        if "prompt" in columns and not more.get("prompt_hash"):
            prompt = value("prompt")
            more["prompt_hash"] = digest("prompt", text(prompt)) if prompt else ""
        if not row.keys().isdisjoint(_OPENROUTER):
            more["provider"] = "openrouter"
        if is_yes(value("batch")):
            more["service_tier"] = "batch"
        record = UsageRecord(
            id=text(value("id")) or _content_id(row, model),
            start=start,
            model=model,
            status="error" if failed else "ok",
            error_kind=failed,
            **{name: getattr(tokens, name) for name in TOKEN_BUCKETS},
            **more,
        )
        many = int(requests or 1)
        if is_part(record.id):  # of a row that was taken apart before it was exported from here
            return msgspec.structs.replace(record, requests=max(1, many))
        grows = requests is not None and bool(value("id")) and _counts_by_id(columns, row)
        return parts_of(record, many, end) if many > 1 or grows else record


def _counts_by_id(columns: Mapping[str, str], names: Collection[str]) -> bool:
    """Whether rows have ids and count requests: one of one may count more when it comes again.

    Calls that were exported from a store of ours have both as well, and are what they are.
    """
    return {"id", "requests"} <= columns.keys() and not _OURS.issubset(names)


def _names(rows: Rows, sample: Sequence[Row]) -> set[str]:
    if rows.header and _counts(columns_of(tuple(rows.header), ())):
        return set(rows.header)
    return set(rows.header) | {key for row in sample for key in _unwrapped(row)}


def _unwrapped(row: Row, columns: Mapping[str, str] | None = None) -> Row:
    """The call, where a row holds one object and nothing else, or a collector wrapped it."""
    if len(row) == 1:
        row = {**mapping(next(iter(row.values())))} or row
        columns = None
    found = columns_of(tuple(row), ()) if columns is None else columns
    return untyped(row) if _counts(found) else logged(row)


def _from_cache(value: Callable[[str], Any]) -> bool:
    """Whether a gateway's own cache answered: it says so, and that nothing was paid.

    A hit that was paid, or that counts cached tokens, is one of the provider's cache.
    """
    said = value("gateway_cache")
    paid = number(value("cost_recorded"))
    if text(said).strip().lower() in _HITS:
        return not paid and (paid == 0 or not positive(value("cache_read")))
    return is_yes(said) and paid == 0


def _unpaid(said: object) -> bool:
    """Whether a row says that a cache answered, so that its other fields tell which."""
    return text(said).strip().lower() in _HITS or is_yes(said)


def _vectorized(rows: Rows, options: Options) -> bool:
    """Whether the table is one whose usual rows can be read in columns."""
    if rows.shape not in ("csv", "parquet") or len(set(rows.header)) < len(rows.header):
        return False
    columns = columns_of(tuple(rows.header), tuple(sorted(options.mapping.items())))
    if not _counts(columns) or _counts_by_id(columns, rows.header):
        return False
    return not _ROW_BY_ROW.intersection(columns) and _OPENROUTER.isdisjoint(rows.header)


_OURS: Final = frozenset({"source", "import_id", "block_tokens"})
"""Columns of our own exports beside those that any table may have."""
_ROW_BY_ROW: Final = frozenset({"usage"})
"""Fields that say more than a column can."""


def _stripped(value: object) -> str:
    return text(value).strip()


_PLAIN: Final = (
    "user", "team", "feature", "conversation", "trace", "span", "parent", "retry_of", "params",
    "finish_reason",
)  # fmt: skip


_OPTIONAL: Final[dict[str, Callable[[object], Any]]] = {
    **dict.fromkeys((*_PLAIN, "provider"), _stripped),
    "operation": lambda value: text(value) or "chat",
    "service_tier": tier_of,
    "latency_ms": positive,
    "ttft_ms": positive,
    "tags": texts,
    "attempt": lambda value: max(1, int(number(value) or 1)),
    "prompt_hash": text,
    "block_hashes": lambda value: _hashes(value),
    "block_tokens": count,
    "tool_names": texts,
    "quality": number,
    "cost_recorded": positive,
}
"""Fields that a call may do without, and how each is read where the table has it."""


def _embeds(rows: Rows, fields: Mapping[str, str]) -> bool:
    """Whether there is no output because the models have none: their names say so."""
    models = [text(_unwrapped(row).get(fields.get("model", ""))) for row in rows.sample]
    return "input" in fields and bool(models) and all("embed" in name.lower() for name in models)


def _counts(fields: Mapping[str, str]) -> bool:
    whole = ("input" in fields or "input_uncached" in fields) and (
        "output" in fields or "output_text" in fields
    )
    return whole or "usage" in fields


def _tokens(value: Any, *, plain: bool) -> Tokens | None:
    nested = mapping(value("usage"))
    if nested and has_tokens(nested):
        return tokens_of(nested)
    given = [value(field) for field in ("input", "input_uncached", "output", "output_text")]
    if not any(map(has_count, given)):
        return None
    inputs, uncached, outputs, spoken = given
    if plain:
        return Tokens(
            input_uncached=count(uncached if has_count(uncached) else inputs),
            output_text=count(spoken if has_count(spoken) else outputs),
        )
    parts = {name: count(value(name)) for name in _INPUT_PARTS}
    parts["cache_write_5m"] += max(
        0, count(value("cache_write")) - parts["cache_write_5m"] - parts["cache_write_1h"]
    )
    said = {name: count(value(name)) for name in _OUTPUT_PARTS}
    own = has_count(uncached) or has_count(spoken)
    return inclusive_tokens(
        {
            "prompt_tokens": count(uncached) + sum(parts.values())
            if has_count(uncached)
            else inputs,
            "completion_tokens": count(spoken) + sum(said.values())
            if has_count(spoken)
            else outputs,
            "total_tokens": None if own else value("total"),
            "cache_read_tokens": parts["cache_read"],
            "cache_write_5m_tokens": parts["cache_write_5m"],
            "cache_write_1h_tokens": parts["cache_write_1h"],
            "input_audio_tokens": parts["audio_in"],
            "input_image_tokens": parts["image_in"],
            "reasoning_tokens": said["reasoning"],
            "output_audio_tokens": said["audio_out"],
            "output_image_tokens": said["image_out"],
        }
    )


@lru_cache(maxsize=256)
def _failure_in(column: str) -> Callable[[object, object], str]:
    """What tells failures by a status of this name: one named success may be a number."""
    if not column.lower().endswith("success"):
        return _failure
    return lambda status, error: _failure(
        "false" if text(status).strip().lower() in _NO else "", error
    )


def _failure(status: object, error: object) -> str:
    kind = text(error).strip()
    if kind.lower() in ("none", "null", "false", "0", "nan"):
        kind = ""
    code = number(status)
    if code is not None and code >= 400:
        return kind or f"http_{int(code)}"
    if text(status).strip().lower() in _BAD_STATUS:
        return kind or "error"
    return kind


def _is_stretch(requests: float | None, took_ms: float | None) -> bool:
    """Whether begin and end are those of what a row sums, not of a call."""
    if requests is None or took_ms is None:
        return False
    return requests >= 2 or took_ms >= HOUR_MS


def _hashes(value: object) -> tuple[int, ...]:
    if isinstance(value, str):
        value = json_or(value, [])
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    return tuple(
        item & (2**64 - 1) if type(item) is int else int(digest("block", text(item))[:16], 16)
        for item in value
    )


def _content_id(row: Row, model: str) -> str:
    return content_id("row", model, canonical({key: text(value) for key, value in row.items()}))
