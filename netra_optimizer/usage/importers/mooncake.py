"""Request traces with block names: the Mooncake shape, and others that carry `hash_ids`.

A line is `{"timestamp", "input_length", "output_length", "hash_ids"}`: `hash_ids` name the blocks
of the prompt's prefix, the last block may be shorter. Counts are whole prompts; nothing is said
about what a cache served, so all input is uncached.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from netra_optimizer.usage.columns import Float64, Int64, count_array, list_offsets, nest
from netra_optimizer.usage.importers.base import (
    CONTENT_ID,
    NO_TOKENS,
    UNREADABLE,
    Chunk,
    Importer,
    Options,
    RowRefused,
)
from netra_optimizer.usage.importers.relative import LONGEST_US, RelativeClock, zero_us
from netra_optimizer.usage.importers.values import (
    MAX_TOKENS,
    count,
    digest,
    first,
    has_count,
    json_or,
    positive,
    text,
)
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, Row, Rows, decode_line

DEFAULT_BLOCK: Final = 512
_BLOCK_SIZES: Final = (512, 16, 32, 64, 128, 256, 1024, 2048, 4096, 8, 4)
_TIME: Final = ("timestamp", "time", "arrival_time", "ts")
_INPUT: Final = ("input_length", "input_tokens", "prompt_tokens", "prompt_length", "input_len")
_OUTPUT: Final = ("output_length", "output_tokens", "completion_tokens", "output_len")
_HASHES: Final = ("hash_ids", "block_hashes", "block_hash_ids", "prefix_hashes")
_CONVERSATION: Final = ("conversation", "session_id", "chat_id", "conversation_id")
_MASK: Final = (1 << 64) - 1


class MooncakeImporter(Importer):
    """Traces of a serving cluster: lengths and block names, no text."""

    name = "mooncake"
    title = "Mooncake request trace"
    convention = "input_length counts the whole prompt; all of it is taken as uncached"
    names_model = False

    def score(self, rows: Rows) -> float:
        """Sure when lengths stand beside block names."""
        names = {name for row in rows.sample for name in row}
        if not all(names.intersection(usual) for usual in (_TIME, _INPUT, _OUTPUT)):
            return 0.0
        if names.intersection(_HASHES):
            return 0.99
        return 0.5 if names <= {*_TIME, *_INPUT, *_OUTPUT, *_CONVERSATION} else 0.0

    def latest_relative_us(self, rows: Rows) -> int | None:
        """The largest time stamp, found in a pass over that column alone."""
        clock = _clock(rows)
        if not clock.relative:
            return None
        return max(clock.us(stamps) if (stamps := _stamps(rows)) else [0], default=0)

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Rows in chunks of CHUNK_ROWS."""
        reader = _Reader(_clock(rows), _block_tokens(rows.sample), options)
        if rows.shape == "jsonl":
            for lines in rows.lines():
                yield reader.plain_chunk(lines) or reader.chunk(map(decode_line, lines))
            return
        part: list[Row | str] = []
        for row in rows.dicts():
            part.append(row)
            if len(part) == CHUNK_ROWS:
                yield reader.chunk(part)
                part = []
        if part:
            yield reader.chunk(part)


class _Reader:
    def __init__(self, clock: RelativeClock, block_tokens: int, options: Options) -> None:
        self._clock = clock
        self._block_tokens = block_tokens
        self._options = options

    def plain_chunk(self, lines: list[bytes]) -> Chunk | None:
        """Lines that are all just as published, at once; None when one of them is not."""
        if not self._clock.relative:
            return None
        try:
            found = _decode_lines(b"\n".join(lines))
            stamps = np.array([line.timestamp for line in found], np.float64)
            inputs = np.array([line.input_length for line in found], np.int64)
            outputs = np.array([line.output_length for line in found], np.int64)
            hashes = [line.hash_ids for line in found]
            flat = np.fromiter(chain.from_iterable(hashes), np.uint64)
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
            return None
        us = np.round(stamps * self._clock.us_per_unit)
        if len(found) != len(lines) or not _plausible(us, inputs, outputs):
            return None
        offsets = list_offsets(hashes)
        ends = offsets.tolist()
        names = memoryview(flat.tobytes())
        ids = [
            trace_id(line.timestamp, line.input_length, line.output_length, names[8 * a : 8 * b])
            for line, a, b in zip(found, ends, ends[1:], strict=False)
        ]
        start = zero_us(self._options) + us.astype(np.int64)
        columns: dict[str, Any] = {
            "id": ids,
            "start": start,
            "input_uncached": inputs,
            "output_text": outputs,
            "block_hashes": nest(offsets, count_array(flat, pa.uint64())),
            "block_tokens": np.full(len(found), self._block_tokens, np.int32),
        }
        return Chunk(rows=len(found), columns=columns)

    def chunk(self, rows: Iterable[Row | str]) -> Chunk:
        dropped: Counter[str] = Counter()
        taken = []
        for row in rows:
            if isinstance(row, str):
                dropped[row] += 1
                continue
            try:
                taken.append(self._values(row))
            except RowRefused as refused:
                dropped[refused.reason] += 1
            except (TypeError, ValueError, OverflowError):
                dropped[UNREADABLE] += 1
        names = (
            "id", "start", "input_uncached", "output_text", "block_hashes", "latency_ms",
            "conversation", "model",
        )  # fmt: skip
        columns: dict[str, Any] = dict(
            zip(names, map(list, zip(*taken, strict=True)), strict=False)
        )
        columns["block_tokens"] = [self._block_tokens] * len(taken)
        return Chunk(rows=len(taken), columns=columns, dropped=dropped)

    def _values(self, row: Row) -> tuple[Any, ...]:
        inputs, outputs = first(row, _INPUT), first(row, _OUTPUT)
        if not (has_count(inputs) and has_count(outputs)):
            raise RowRefused(NO_TOKENS)
        stamp = first(row, _TIME)
        start = self._clock.absolute_us(stamp, self._options)
        hashes = _hashes(first(row, _HASHES) or ())
        lengths = count(inputs), count(outputs)
        return (
            trace_id(stamp, *lengths, np.array(hashes, np.uint64).tobytes()),
            start,
            *lengths,
            hashes,
            positive(row.get("latency_ms")),
            text(first(row, _CONVERSATION)),
            text(row.get("model")),
        )


def trace_id(stamp: object, inputs: int, outputs: int, names: "bytes | memoryview") -> str:
    """The id of a row by its content; whole numbers weigh the same however they are written."""
    when = positive(stamp)
    head = f"{stamp if when is None else when:}|{inputs}|{outputs}|".encode()
    return f"{CONTENT_ID}{blake2b(head + names, digest_size=16).hexdigest()}"


class _Line(msgspec.Struct):
    timestamp: float
    input_length: int
    output_length: int
    hash_ids: list[int]


_decode_lines = msgspec.json.Decoder(_Line).decode_lines


def _plausible(us: Float64, *counts: Int64) -> bool:
    times = bool(((us >= 0) & (us <= LONGEST_US)).all())
    return times and all(bool(((c >= 0) & (c <= MAX_TOKENS)).all()) for c in counts)


def _hashes(values: "Sequence[object] | str") -> list[int]:
    if isinstance(values, str):
        values = json_or(values, [])  # a list in a cell of a table
    if not isinstance(values, list):
        return []
    return [
        value & _MASK if type(value) is int else int(digest("block", text(value))[:16], 16)
        for value in values
    ]


def _clock(rows: Rows) -> RelativeClock:
    return RelativeClock.of([first(row, _TIME) for row in rows.sample], whole_is_ms=True)


class _Stamp(msgspec.Struct):
    timestamp: float | int | str | None = None


_decode_stamp = msgspec.json.Decoder(_Stamp).decode


def _stamps(rows: Rows) -> list[float]:
    found: list[float] = []
    if rows.shape == "jsonl" and rows.sample and "timestamp" in rows.sample[0]:
        for chunk in rows.lines():
            for line in chunk:
                try:
                    stamp = _decode_stamp(line).timestamp
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    continue
                _add(found, stamp)
    else:
        for row in rows.dicts():
            if isinstance(row, dict):
                _add(found, first(row, _TIME))
    return found


def _add(found: list[float], stamp: object) -> None:
    value = positive(stamp)
    if value is not None and (not found or value > found[-1]):
        found[:] = [value]


def _block_tokens(sample: Sequence[Row]) -> int:
    """The usual block size that explains every prompt's number of blocks."""
    pairs = []
    for row in sample:
        length, hashes = positive(first(row, _INPUT)), _hashes(first(row, _HASHES) or ())
        if length and hashes:
            pairs.append((length, len(hashes)))
    if not pairs:
        return DEFAULT_BLOCK
    for size in _BLOCK_SIZES:
        fitting = sum(blocks == -(-length // size) for length, blocks in pairs)
        if fitting >= 0.9 * len(pairs):
            return size
    return min(max(1, round(max(length / blocks for length, blocks in pairs))), 1 << 20)
