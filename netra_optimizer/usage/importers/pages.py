"""Pages of an export that comes page by page, and whether the last of them is there.

A page says whether others follow it. The page that reaches farthest in time is the last one, in
whatever order and in however many files pages are given; where it says that others follow, they
are missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from netra_optimizer.usage.batch import to_us
from netra_optimizer.usage.sources import Source

_MOST_KINDS: Final = 64
"""Kinds of reports told apart, beyond which they count as one."""
_ANY: Final = ""
"""The kind of a page whose buckets are all empty: it may be of any report."""

Last = tuple[int, bool]
"""When the latest bucket of a page begins (microseconds since 1970), and whether it is the end."""


@dataclass
class Pages:
    """The last page of each kind of report."""

    last: dict[str, Last] = field(default_factory=dict)

    def note(self, kind: str, last: Last) -> None:
        """A page; of two that reach as far the one that ends its report counts."""
        if kind not in self.last and len(self.last) >= _MOST_KINDS:
            kind = _ANY
        self.last[kind] = max(self.last.get(kind, last), last)

    def add(self, others: Mapping[str, Last]) -> None:
        """The pages of another file."""
        for kind, last in others.items():
            self.note(kind, last)

    @property
    def cut_off(self) -> int:
        """How many reports go on behind the last page that is there."""
        return sum(not self._ended(kind) for kind in self.last)

    def _ended(self, kind: str) -> bool:
        same = self.last if kind == _ANY else (kind, _ANY)
        return max(self.last[one] for one in same if one in self.last)[1]


class PagesRead:
    """Follows the pages of one file while their buckets are read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seen = 0
        self._kind = _ANY
        self._latest_us = 0
        self._pages = Pages()

    @property
    def last(self) -> Mapping[str, Last]:
        """The last page of each kind of report so far."""
        return self._pages.last

    def follow(self) -> None:
        """Note the page that has ended since, if the file is read below its pages."""
        if self._source.pages > self._seen:
            self._seen = self._source.pages
            self.end(self._source.more)

    def bucket(self, kind: str, start: "datetime | None") -> None:
        """A bucket of the present page."""
        self._kind = kind or self._kind
        if start is not None:
            self._latest_us = max(self._latest_us, to_us(start))

    def end(self, more: object) -> None:
        """The end of the present page; `more` is what it says, if it says so."""
        if isinstance(more, bool):
            self._pages.note(self._kind, (self._latest_us, not more))
        self._kind, self._latest_us = _ANY, 0
