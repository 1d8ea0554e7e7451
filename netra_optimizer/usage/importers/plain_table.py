"""Tables of calls read a block of lines at a time.

Rows that hold nothing out of the ordinary become columns at once; every other row goes to the
reader of single rows. Both give the same records, the same audit and the same order.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from netra_optimizer.usage.arrow_types import ArrowArray, ArrowTable
from netra_optimizer.usage.batch import batch_of, batch_of_records, constant_text, to_us
from netra_optimizer.usage.columns import (
    Bool,
    Float64,
    Int32,
    Int64,
    compute,
    count_array,
    hash_list_array,
    list_array,
    scalar,
    text_array,
)
from netra_optimizer.usage.importers.base import (
    BAD_TIME,
    NO_MODEL,
    NO_TIME,
    NO_TOKENS,
    Chunk,
    Options,
    Outcome,
    RowRefused,
)
from netra_optimizer.usage.importers.durations import durations_ms
from netra_optimizer.usage.importers.typed_table import Typed
from netra_optimizer.usage.importers.values import (
    HOUR_MS,
    canonical,
    digest,
    is_yes,
    moment,
    optional_moment,
    positive,
)
from netra_optimizer.usage.importers.vectors import (
    Strings,
    coded,
    content_ids,
    counts,
    finite,
    known_time,
    mapped,
    real_numbers,
    times,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, batch_rows

ReadRow = Callable[[Row | str], Sequence[Outcome]]
"""What becomes of one row."""
Convert = Callable[[object], Any]
"""How a field is read; Any: each field has its own type."""

INPUT_PARTS: Final = ("cache_read", "cache_write_5m", "cache_write_1h", "audio_in", "image_in")
OUTPUT_PARTS: Final = ("reasoning", "audio_out", "image_out")
_OUTPUTS: Final = ("output_text", *OUTPUT_PARTS)
_CACHED: Final = ("cache_read", "cache_write_5m", "cache_write_1h")
_TOTALS: Final = ("input", "input_uncached", "output", "output_text")
_REALS: Final = ("latency_ms", "ttft_ms", "quality", "cost_recorded")
_LISTS: Final = ("tags", "tool_names")
_MOST: Final = int(np.iinfo(np.int32).max)


class PlainTable:
    """Some rows of a table in columns of text, read as one chunk.

    `columns` names the column of each field; `converters` read the fields a call may do without,
    `failure` says from status and error what went wrong, and `unpaid` from what a gateway's cache
    is said to have done whether a row must be looked at. `typed` holds what is not text.
    """

    def __init__(
        self,
        table: ArrowTable,
        columns: Mapping[str, str],
        options: Options,
        *,
        converters: Mapping[str, Convert],
        failure: Callable[[object, object], str],
        unpaid: Callable[[object], bool],
        typed: Typed | None = None,
    ) -> None:
        self._table = table
        self._typed = typed
        self._columns = columns
        self._options = options
        self._converters = converters
        self._failure = failure
        self._unpaid = unpaid
        self._rows: int = (table if typed is None else typed.batch).num_rows
        self._dropped: Counter[str] = Counter()

    @property
    def sums(self) -> bool:
        """Whether any row stands for more requests than one, or for none."""
        column = self._column("requests")
        return column is not None and not set(coded(column)[1]) <= {"", "1"}

    def chunk(self, read_row: ReadRow) -> Chunk:
        """The rows' records in their order; `read_row` reads those out of the ordinary."""
        if not self._rows:
            return Chunk(rows=0, columns={})
        start, timed = self._starts()
        model, named = self._models()
        error_kind, failed = self._failures()
        tokens, given, plain = self._tokens()
        blocks, known_blocks = self._block_tokens()
        plain &= known_blocks
        plain &= ~self._cached()
        self._drop(NO_MODEL, timed & ~named)
        self._drop(NO_TOKENS, timed & named & plain & ~given & ~failed)
        usual = np.flatnonzero(timed & named & plain & (given | failed))
        columns: dict[str, Any] = {
            "start": start,
            "model": model,
            "error_kind": error_kind,
            "status": mapped(error_kind, lambda kind: "error" if kind else "ok"),
            **tokens,
            **blocks,
            **self._optional(start, self._spoken(tokens)),
            "id": self._ids(model),
        }
        if len(usual) < self._rows:
            columns = {name: _taken(values, usual) for name, values in columns.items()}
        odd = np.flatnonzero(timed & named & ~plain)
        places, records = self._single(odd, read_row)
        if records:
            columns = _merged(columns, usual, records, places)
        return Chunk(rows=len(usual) + len(records), columns=columns, dropped=self._dropped)

    def _column(self, field: str) -> Strings | None:
        if field not in self._columns or self._columns[field] not in self._table.column_names:
            return None
        return Strings.of(self._table.column(self._columns[field]).chunk(0))

    def _drop(self, reason: str, rows: Bool) -> None:
        if rows.any():
            self._dropped[reason] += int(rows.sum())

    def _starts(self) -> tuple[Int64, Bool]:
        if self._typed is not None and "start" in self._typed.times:
            us, there = self._typed.times["start"]
            ok = there & known_time(us)
            self._drop(NO_TIME, ~there)
            self._drop(BAD_TIME, there & ~ok)
            return us, ok
        column = self._column("start") or _blank(self._rows)
        us, ok = times(column, naive=str(self._options.timezone) == "UTC")
        for row in np.flatnonzero(~ok).tolist():
            try:
                us[row] = to_us(moment(column.array[row].as_py(), self._options.timezone))
                ok[row] = True
            except RowRefused as refused:
                self._dropped[refused.reason] += 1
        return us, ok

    def _models(self) -> tuple[ArrowArray, Bool]:
        column = mapped((self._column("model") or _blank(self._rows)).array, str.strip)
        named = Strings.of(column).lengths > 0
        return column, named | bool(self._options.model)

    def _failures(self) -> tuple[ArrowArray, Bool]:
        """The kind of error of each row, and whether there is one."""
        status, error = self._column("status"), self._column("error_kind")
        codes = np.zeros(self._rows, np.int64)
        given: list[Sequence[str | None]] = []
        for column in (status, error):
            code, values = coded(column) if column else (np.zeros(1, np.int32), [None])
            codes = codes * len(values) + code
            given.append(values)
        pairs, place = np.unique(codes, return_inverse=True)
        width = len(given[1])
        kinds = [
            self._failure(given[0][at // width], given[1][at % width]) for at in pairs.tolist()
        ]
        failed = np.array([bool(kind) for kind in kinds], np.bool_)[place]
        return text_array(kinds).take(count_array(place.astype(np.int64), pa.int64())), failed

    def _tokens(self) -> tuple[dict[str, Int64], Bool, Bool]:
        """The buckets, whether a total is given at all, and whether all counts are plain."""
        read = {
            field: counts(column)
            for field in (*_TOTALS, *INPUT_PARTS, "cache_write", *OUTPUT_PARTS, "total")
            if (column := self._column(field)) is not None
        }
        nothing = np.zeros(self._rows, np.int64)
        plain = np.ones(self._rows, np.bool_)
        for _, _, ok in read.values():
            plain &= ok

        def value(field: str) -> Int64:
            return read[field][0] if field in read else nothing

        def has(field: str) -> Bool:
            return read[field][1] if field in read else np.zeros(self._rows, np.bool_)

        given = has("input") | has("input_uncached") | has("output") | has("output_text")
        parts = {name: value(name) for name in INPUT_PARTS if name in read}
        if "cache_write" in read:
            five, hour = value("cache_write_5m"), value("cache_write_1h")
            parts["cache_write_5m"] = five + np.maximum(0, value("cache_write") - five - hour)
        cached = sum((parts[name] for name in _CACHED if name in parts), nothing)
        own_in, own_out = has("input_uncached"), has("output_text")
        plain &= own_in | (cached <= value("input"))
        plain &= own_out | (value("reasoning") <= value("output"))
        plain &= (
            own_in | own_out | ~has("total") | (cached + value("reasoning") == 0)
            | (value("total") == value("input") + value("output"))
        )  # fmt: skip
        found = _divided(
            value("input"), INPUT_PARTS, parts, "input_uncached", value, has("input_uncached")
        )
        said = {name: value(name) for name in OUTPUT_PARTS if name in read}
        found |= _divided(
            value("output"), OUTPUT_PARTS, said, "output_text", value, has("output_text")
        )
        return {name: np.where(given, counted, 0) for name, counted in found.items()}, given, plain

    def _block_tokens(self) -> tuple[dict[str, Int32], Bool]:
        column = self._column("block_tokens")
        if column is None:
            return {}, np.ones(self._rows, np.bool_)
        size, _, ok = counts(column)
        return {"block_tokens": np.minimum(size, _MOST).astype(np.int32)}, ok

    def _spoken(self, tokens: Mapping[str, Int64]) -> Int64:
        parts = (tokens[name] for name in _OUTPUTS if name in tokens)
        return sum(parts, np.zeros(self._rows, np.int64))

    def _cached(self) -> Bool:
        if (column := self._column("gateway_cache")) is None:
            return np.zeros(self._rows, np.bool_)
        codes, values = coded(column)
        return np.array([self._unpaid(value) for value in values], np.bool_)[codes]

    def _optional(self, start: Int64, outputs: Int64) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field, convert in self._converters.items():
            if field == "block_tokens":
                continue
            if self._typed is not None and field in self._typed.blocks:
                found[field] = self._typed.blocks[field]
                continue
            if self._typed is not None and field in self._typed.reals:
                found[field] = finite(self._typed.reals[field], convert)
                continue
            if self._typed is not None and field in self._typed.lists:
                lists = self._typed.lists[field].to_pylist()
                found[field] = list_array([convert(value) for value in lists])
                continue
            column = self._column(field)
            if column is None:
                continue
            if field in _REALS:
                found[field] = real_numbers(column, convert)
            elif field == "block_hashes":
                codes, values = coded(column)
                read = hash_list_array([convert(value) for value in values])
                found[field] = read.take(count_array(codes, pa.int32()))
            elif field in _LISTS or field == "attempt":
                codes, values = coded(column)
                read = [convert(value) for value in values]
                found[field] = (
                    np.array([min(attempt, _MOST) for attempt in read], np.int32)[codes]
                    if field == "attempt"
                    else list_array(read).take(count_array(codes, pa.int32()))
                )
            else:
                found[field] = mapped(column.array, convert)
        self._durations(found, start, outputs)
        if (batched := self._column("batch")) is not None:
            tier = found.get("service_tier", constant_text("standard", self._rows))
            yes = mapped(batched.array, lambda value: "batch" if is_yes(value) else "")
            told = compute().equal(yes, scalar("batch"))
            found["service_tier"] = compute().if_else(told, yes, tier)
        if (prompts := self._column("prompt")) is not None:
            found["prompt_hash"] = _or_digests(found.get("prompt_hash"), prompts)
        return found

    def _durations(self, found: dict[str, Any], start: Int64, outputs: Int64) -> None:
        """Durations from columns in seconds or without a unit, and from the end, where need be."""
        for field, spoken in (("latency", outputs), ("ttft", 1)):
            for name in (f"{field}_s", field):
                if (column := self._column(name)) is None:
                    continue
                known = found.get(f"{field}_ms", np.full(self._rows, np.nan))
                said = real_numbers(column, positive)
                with np.errstate(over="ignore"):
                    taken = said * 1000 if name != field else durations_ms(said, spoken)
                taken[np.isinf(taken)] = np.nan
                found[f"{field}_ms"] = np.where(np.isnan(known), taken, known)
        ends = self._ends()
        if ends is None:
            return
        end, ok = ends
        known: Float64 = found.get("latency_ms", np.full(self._rows, np.nan))
        taken = np.where(ok & (end >= start), (end - start) / 1000, np.nan)
        if (requests := self._column("requests")) is not None:
            taken[(requests.lengths > 0) & (taken >= HOUR_MS)] = np.nan
        found["latency_ms"] = np.where(np.isnan(known) | (known == 0), taken, known)

    def _ends(self) -> tuple[Int64, Bool] | None:
        if self._typed is not None and "end" in self._typed.times:
            us, there = self._typed.times["end"]
            return us, there & known_time(us)
        column = self._column("end")
        if column is None:
            return None
        zone = self._options.timezone
        end, ok = times(column, naive=str(zone) == "UTC")
        for row in np.flatnonzero(~ok & (column.lengths > 0)).tolist():
            when = optional_moment(column.array[row].as_py(), zone)
            if when is not None:
                end[row], ok[row] = to_us(when), True
        return end, ok

    def _content(self) -> Mapping[str, ArrowArray]:
        """Every column, as it stands in a JSON string."""
        if self._typed is not None:
            return self._typed.content
        return {name: self._table.column(name).chunk(0) for name in self._table.column_names}

    def _rows_at(self, places: Int64) -> Iterable[Row | str]:
        at = count_array(places, pa.int64())
        if self._typed is not None:
            return batch_rows(self._typed.batch.take(at))
        return self._table.take(at).to_pylist()

    def _ids(self, model: ArrowArray) -> ArrowArray:
        """The source's own, else by the row's content."""
        own = self._column("id")
        if own is not None and own.lengths.all():
            return own.array
        content = self._content()
        names = list(msgspec.json.decode(canonical(dict.fromkeys(content, 0))))
        parts: list[ArrowArray | str] = ["row\x1f", model, "\x1f{"]
        for at, name in enumerate(names):
            parts += [
                f'{"," if at else ""}{canonical(name)}:"',
                content[name],
                '"',
            ]
        made = content_ids([*parts, "}"], self._rows)
        if own is None:
            return made
        functions = compute()
        return functions.if_else(functions.equal(own.array, scalar("")), made, own.array)

    def _single(self, odd: Int64, read_row: ReadRow) -> tuple[list[int], list[UsageRecord]]:
        places: list[int] = []
        records: list[UsageRecord] = []
        if not len(odd):
            return places, records
        for place, row in zip(odd.tolist(), self._rows_at(odd), strict=True):
            for outcome in read_row(row):
                if isinstance(outcome, str):
                    self._dropped[outcome] += 1
                else:
                    places.append(place)
                    records.append(outcome)
        return places, records


def _divided(
    total: Int64,
    order: Sequence[str],
    parts: Mapping[str, Int64],
    rest: str,
    value: Callable[[str], Int64],
    own: Bool,
) -> dict[str, Int64]:
    """Parts and their rest: no part takes more than is left; `own`: the rest itself is said."""
    left = total
    found: dict[str, Int64] = {}
    for name in order:
        if name in parts:
            taken = np.minimum(parts[name], left)
            left = left - taken
            found[name] = np.where(own, parts[name], taken)
    found[rest] = np.where(own, value(rest), left)
    return found


def _blank(rows: int) -> Strings:
    return Strings.of(text_array([""] * rows))


def _or_digests(hashes: "ArrowArray | None", prompts: Strings) -> ArrowArray:
    """Hashes where they are given, else of the prompt's text."""
    known = hashes.to_pylist() if hashes is not None else [""] * len(prompts)
    return text_array(
        [
            name or (digest("prompt", prompt) if prompt else "")
            for name, prompt in zip(known, prompts.array.to_pylist(), strict=True)
        ]
    )


def _taken(values: Any, rows: Int64) -> Any:
    """Any: a numpy or an Arrow column."""
    if isinstance(values, np.ndarray):
        return values[rows]
    return values.take(count_array(rows, pa.int64()))


def _merged(
    columns: dict[str, Any], rows: Int64, records: Sequence[UsageRecord], places: Sequence[int]
) -> dict[str, Any]:
    """Columns with records put between their rows."""
    both = pa.Table.from_batches([batch_of(len(rows), columns), batch_of_records(records)])
    order = np.argsort(np.concatenate([rows, places]), kind="stable")
    ordered = both.take(count_array(order, pa.int64())).combine_chunks()
    return {name: ordered.column(name).chunk(0) for name in ordered.column_names}
