"""Request traces with block names: the Mooncake shape, and others that carry `hash_ids`.

A line is `{"timestamp", "input_length", "output_length", "hash_ids"}`: `hash_ids` name the blocks of
the prompt's prefix, the last block may be shorter. Counts are whole prompts; nothing is said about
what a cache served, so all input is uncached.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from netra_optimizer.usage.importers.base import (
    NO_TOKENS,
    UNREADABLE,
    Chunk,
    Importer,
    Options,
    RowRefused,
)
from netra_optimizer.usage.importers.relative import RelativeClock
from netra_optimizer.usage.importers.values import (
    content_id,
    count,
    digest,
    first,
    has_count,
    positive,
    text,
)
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, Row, Rows

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
        if not rows.sample:
            return 0.0
        row = rows.sample[0]
        lengths = first(row, _INPUT) is not None and first(row, _OUTPUT) is not None
        if not lengths or first(row, _TIME) is None or "messages" in row:
            return 0.0
        return 0.99 if any(name in row for name in _HASHES) else 0.5

    def latest_relative_us(self, rows: Rows) -> int | None:
        """The largest time stamp, found in a pass over that column alone."""
        clock = _clock(rows)
        if not clock.relative:
            return None
        return max(clock.us(stamps) if (stamps := _stamps(rows)) else [0], default=0)

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Rows in chunks of CHUNK_ROWS."""
        reader = _Reader(_clock(rows), _block_tokens(rows.sample), options)
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
        return (
            content_id("trace", stamp, inputs, outputs, hashes),
            start,
            count(inputs),
            count(outputs),
            hashes,
            positive(row.get("latency_ms")),
            text(first(row, _CONVERSATION)),
            text(row.get("model")),
        )


def _hashes(values: Sequence[object]) -> list[int]:
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
        length, hashes = positive(first(row, _INPUT)), first(row, _HASHES)
        if length and isinstance(hashes, list) and hashes:
            pairs.append((length, len(hashes)))
    if not pairs:
        return DEFAULT_BLOCK
    for size in _BLOCK_SIZES:
        fitting = sum(blocks == -(-length // size) for length, blocks in pairs)
        if fitting >= 0.9 * len(pairs):
            return size
    return max(1, round(max(length / blocks for length, blocks in pairs)))
