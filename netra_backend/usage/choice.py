"""Which of a workspace's calls a question is about, as a request says it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from netra_backend.errors import InvalidRequestError

if TYPE_CHECKING:
    from netra_optimizer import UsageFilter


class UsageChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that fit everything given. Empty text means calls that have none of it.

    `start` is included, `end` is not; both are RFC 3339, UTC without a zone.
    """

    start: str | None = None
    end: str | None = None
    model: str | None = None
    provider: str | None = None
    feature: str | None = None
    user: str | None = None
    team: str | None = None
    tag: str | None = None
    service_tier: str | None = None
    status: str | None = None

    def as_filter(self) -> "UsageFilter":
        """For the store. Raises InvalidRequestError for a time that is none, or an end before the
        start.
        """
        from netra_optimizer import UsageFilter

        names = {
            name: text for name, text in msgspec.structs.asdict(self).items() if name in _NAMES
        }
        start, end = moment(self.start), moment(self.end)
        if start is not None and end is not None and end < start:
            raise InvalidRequestError(
                f"The period ends at {self.end!r}, before it begins at {self.start!r}.",
                hint="Give the earlier time as from.",
            )
        return UsageFilter(start=start, end=end, **names)


_NAMES = frozenset(UsageChoice.__struct_fields__) - {"start", "end"}


def moment(text: str | None) -> datetime | None:
    """An aware time; UTC where the text names no zone. Raises InvalidRequestError."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the year 1 or 9999 may end in another zone
        raise InvalidRequestError(f"{text!r} is no time.", hint="Write RFC 3339.") from error
