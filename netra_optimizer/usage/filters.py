"""Which calls a question is about, and what they may be grouped by."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from netra_optimizer.usage.batch import to_us
from netra_optimizer.usage.errors import BadQuery

MAX_TEXT_BYTES: Final = 32 * 1024
"""Of all texts of a filter together: a ClickHouse server takes 128 KiB for one parameter, and less
once what is not ASCII is written in a form field."""

DIMENSIONS: Final[Mapping[str, str]] = {
    "model": "u.model",
    "provider": "u.provider",
    "feature": "u.feature",
    "user": "u.user",
    "team": "u.team",
    "tag": "arrayJoin(if(empty(u.tags), [''], u.tags))",
    "operation": "u.operation",
    "service_tier": "u.service_tier",
    "status": "u.status",
    "error_kind": "u.error_kind",
    "finish_reason": "u.finish_reason",
    "conversation": "u.conversation",
    "source": "u.source",
    "import": "u.import_id",
    "day": "toString(toDate(u.start, 'UTC'))",
    "hour": "formatDateTime(toStartOfHour(u.start, 'UTC'), '%Y-%m-%dT%H:00:00Z', 'UTC')",
    "month": "formatDateTime(u.start, '%Y-%m', 'UTC')",
}
"""What a breakdown may be by → its expression. By tag, a call counts under each of its tags."""

_EQUAL: Final = (
    "model", "provider", "feature", "user", "team", "operation", "service_tier", "status",
    "conversation", "source", "import_id", "trace",
)  # fmt: skip


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls that fit everything given; empty text fits calls that have none of it.

    `start` is included, `end` is not; times are UTC.
    """

    start: datetime | None = None
    end: datetime | None = None
    model: str | None = None
    provider: str | None = None
    feature: str | None = None
    user: str | None = None
    team: str | None = None
    operation: str | None = None
    service_tier: str | None = None
    status: str | None = None
    conversation: str | None = None
    source: str | None = None
    import_id: str | None = None
    trace: str | None = None
    tag: str | None = None

    def where(self) -> tuple[str, dict[str, Any]]:
        """Conditions on alias `u`, each beginning with AND, and their parameters.

        Raises BadQuery for texts of more than MAX_TEXT_BYTES.
        """
        self._require_short()
        conditions: list[str] = []
        parameters: dict[str, Any] = {}
        for name, sign in (("start", ">="), ("end", "<")):
            moment = getattr(self, name)
            if moment is not None:
                conditions.append(
                    f"u.start {sign} fromUnixTimestamp64Micro({{f_{name}:Int64}}, 'UTC')"
                )
                parameters[f"f_{name}"] = to_us(moment)
        for name in _EQUAL:
            value = getattr(self, name)
            if value is not None:
                conditions.append(f"u.{name} = {{f_{name}:String}}")
                parameters[f"f_{name}"] = value
        if self.tag == "":
            conditions.append("empty(u.tags)")
        elif self.tag is not None:
            conditions.append("has(u.tags, {f_tag:String})")
            parameters["f_tag"] = self.tag
        return "".join(f" AND {condition}" for condition in conditions), parameters

    def _require_short(self) -> None:
        size = sum(
            len(value.encode("utf-8", "replace"))
            for name in (*_EQUAL, "tag")
            if isinstance(value := getattr(self, name), str)
        )
        if size > MAX_TEXT_BYTES:
            raise BadQuery(
                f"The texts to look for have {size:,} bytes, more than {MAX_TEXT_BYTES:,}.",
                hint="No name is that long: give the whole name of one thing.",
            )


EVERYTHING: Final = UsageFilter()


def dimensions(by: str | Sequence[str]) -> list[tuple[str, str]]:
    """(name, expression) of what to group by. Raises BadQuery for a name that is none."""
    names = [by] if isinstance(by, str) else list(by)
    for name in names:
        if name not in DIMENSIONS:
            raise BadQuery(
                f"Usage cannot be broken down by {name!r}.",
                hint=f"By one of {', '.join(DIMENSIONS)}.",
            )
    if not names or len(set(names)) < len(names):
        raise BadQuery("A breakdown needs distinct names to be by.", hint="For instance model.")
    return [(name, DIMENSIONS[name]) for name in names]


def rfc3339(us: int) -> str:
    """Microseconds since 1970 as a time stamp in UTC."""
    moment = datetime.fromtimestamp(us // 10**6, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{us % 10**6:06d}Z"
