"""Azure's published traces of LLM inference: TIMESTAMP, ContextTokens, GeneratedTokens.

ContextTokens counts the whole prompt; all of it is taken as uncached.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import tzinfo
from typing import Any, Final

from netra_optimizer.usage.batch import to_us
from netra_optimizer.usage.importers.base import (
    NO_TOKENS,
    UNREADABLE,
    Chunk,
    Importer,
    Options,
    RowRefused,
)
from netra_optimizer.usage.importers.values import content_id, count, has_count, moment
from netra_optimizer.usage.sources.csv_text import WRONG_COLUMNS
from netra_optimizer.usage.sources.rows import CHUNK_ROWS, Rows

_COLUMNS: Final = ("timestamp", "contexttokens", "generatedtokens")


class AzureImporter(Importer):
    """Times and lengths of a production service."""

    name = "azure"
    title = "Azure LLM inference trace"
    convention = "ContextTokens counts the whole prompt; all of it is taken as uncached"
    names_model = False

    def score(self, rows: Rows) -> float:
        """Sure by its three columns."""
        header = {name.lower() for name in rows.header}
        return 0.99 if rows.shape == "csv" and header.issuperset(_COLUMNS) else 0.0

    def chunks(self, rows: Rows, options: Options) -> Iterator[Chunk]:
        """Rows in chunks of CHUNK_ROWS."""
        header = [name.lower() for name in rows.header]
        places = [header.index(name) for name in _COLUMNS]
        taken: list[tuple[Any, ...]] = []
        dropped: Counter[str] = Counter()
        for fields in rows.records():
            if fields is None:
                dropped[WRONG_COLUMNS] += 1
                continue
            try:
                taken.append(_values([fields[place] for place in places], options.timezone))
            except RowRefused as refused:
                dropped[refused.reason] += 1
            except (ValueError, OverflowError):
                dropped[UNREADABLE] += 1
            if len(taken) == CHUNK_ROWS:
                yield _chunk(taken, dropped)
                taken, dropped = [], Counter()
        if taken or dropped:
            yield _chunk(taken, dropped)


def _values(fields: list[str], zone: tzinfo) -> tuple[str, int, int, int]:
    stamp, inputs, outputs = fields
    if not (has_count(inputs) and has_count(outputs)):
        raise RowRefused(NO_TOKENS)
    start = to_us(moment(stamp, zone))
    found = count(inputs), count(outputs)
    return content_id("azure", start, *found), start, *found


def _chunk(taken: list[tuple[Any, ...]], dropped: Counter[str]) -> Chunk:
    names = ("id", "start", "input_uncached", "output_text")
    columns: dict[str, Any] = dict(zip(names, map(list, zip(*taken, strict=True)), strict=False))
    return Chunk(rows=len(taken), columns=columns, dropped=dropped)
