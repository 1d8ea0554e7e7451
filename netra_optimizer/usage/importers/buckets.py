"""Usage that a provider reports summed over a stretch of time.

A row stands for many requests. It becomes as many records as it counts requests, MAX_PARTS at
most, its requests and tokens divided evenly, spread over its time: sums are exact, and so is the
price, for a band of input sizes is decided by the size of one request, not of a day.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from netra_optimizer.usage.importers.base import Parts
from netra_optimizer.usage.importers.tokens import Tokens
from netra_optimizer.usage.importers.values import CONTENT_ID
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.summed import SUMMED_ID, summed_id

MAX_PARTS: Final = 20_000
"""Beyond, a record stands for several requests: what a file says is one row costs no more."""
_DAY: Final = timedelta(days=1)


def spread(
    tokens: Tokens, requests: int, start: datetime, end: datetime, name: str, **fields: Any
) -> Iterator[UsageRecord]:
    """Records that sum to `tokens`; the first get what does not divide.

    `name` says what the row is of, without its figures: a later export of it that counts more takes
    its place. `fields` are UsageRecord's others (Any: each of its own type).
    """
    requests = max(1, requests)
    parts = min(requests, MAX_PARTS)
    counts = {field: getattr(tokens, field) for field in Tokens.__struct_fields__}
    counts["requests"] = requests
    row = summed_id(name, counts, parts)
    step = (end - start) / parts
    for part in range(parts):
        yield UsageRecord(
            id=f"{row}/{part}",
            start=start + step * part,
            **_share(counts, part, parts),
            **fields,
        )


def parts_of(whole: UsageRecord, requests: int, end: datetime | None) -> Parts:
    """The records of a row that sums requests over its time: to a later `end`, else a day.

    A row that has its source's id takes the place of what it said when it summed less.
    """
    parts = max(1, min(requests, MAX_PARTS))
    counts = {name: getattr(whole, name) for name in Tokens.__struct_fields__}
    counts["requests"] = max(1, requests)
    own = not whole.id.startswith(CONTENT_ID)
    row = summed_id(f"id\x1f{whole.id}", counts, parts) if own else whole.id
    cost = None if whole.cost_recorded is None else whole.cost_recorded / counts["requests"]
    until = end if end is not None and end > whole.start else whole.start + _DAY
    step = (until - whole.start) / parts
    shares = (_share(counts, part, parts) for part in range(parts))
    return Parts(
        msgspec.structs.replace(
            whole,
            id=f"{row}/{part}",
            start=whole.start + step * part,
            cost_recorded=None if cost is None else cost * share["requests"],
            **share,
        )
        for part, share in enumerate(shares)
    )


def is_part(record_id: str) -> bool:
    """Whether the id is one that was made for a part of a row."""
    return record_id.startswith((SUMMED_ID, CONTENT_ID)) and "/" in record_id


def _share(counts: Mapping[str, int], part: int, parts: int) -> dict[str, int]:
    """What the requests of a part sum to: the first requests get what does not divide."""
    requests = counts["requests"]
    each, more = divmod(requests, parts)
    first = part * each + min(part, more)
    last = first + each + (part < more)
    return {
        name: n // requests * (last - first) + min(last, n % requests) - min(first, n % requests)
        for name, n in counts.items()
    }
