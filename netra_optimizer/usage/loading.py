"""Files being imported into the frame of their records, in memory that is bounded."""

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from netra_optimizer.usage.frame import UsageFrame

if TYPE_CHECKING:
    from netra_optimizer.usage.arrow_types import ArrowBatch
    from netra_optimizer.usage.reading import Import

LOCAL_TENANT: Final = "local"
STORED_ROWS: Final = 200_000
STORED_BYTES: Final = 32 << 20
"""More, or larger files, are spooled: the engine of the store alone would take 300 MB."""


@contextmanager
def loaded_frame(
    imported: "Import", *, stored_rows: int = STORED_ROWS, stored_bytes: int = STORED_BYTES
) -> Generator[UsageFrame]:
    """The frame of all records, unpriced, sorted by (start, id); valid within the context.

    Few records go through a usage store of their own, and so do rows that were summed and may have
    been exported again; many wait in files and never meet there. Both give the same frame. Raises
    InputError as `batches` does.
    """
    batches = imported.batches()
    held: list[ArrowBatch] = []
    rows = 0
    if imported.size <= stored_bytes or imported.sums:
        held, rows = _first(batches, stored_rows)
        if rows <= stored_rows or imported.sums:
            with tempfile.TemporaryDirectory(prefix="apex-") as folder:
                yield from _stored(Path(folder), chain(held, batches))
            return
    from netra_optimizer.usage.spool import spooled_frame

    yield spooled_frame(chain(held, batches))


def _stored(folder: Path, batches: "Iterator[ArrowBatch]") -> Iterator[UsageFrame]:
    from netra_optimizer.usage.store import UsageStore

    with UsageStore.open(folder / "usage") as store:
        tenant = store.for_tenant(LOCAL_TENANT)
        tenant.insert(batches)
        yield tenant.frame()


def _first(batches: "Iterator[ArrowBatch]", rows: int) -> "tuple[list[ArrowBatch], int]":
    """Batches of more than `rows` records, or all there are; and how many records they hold."""
    held: list[ArrowBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        if count > rows:
            break
    return held, count
