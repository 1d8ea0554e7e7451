"""Who asked, and for what: user, team, feature, conversation and tags out of free-form metadata."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netra_optimizer.usage.importers.values import first, text, texts

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": ("user", "user_id", "userId", "end_user", "end_user_id", "customer_id", "username"),
    "team": ("team", "team_id", "team_alias", "department", "org", "organization", "cost_center"),
    "feature": (
        "feature", "feature_name", "use_case", "usecase", "application", "app", "function",
        "generation_name", "prompt_name", "route", "endpoint_name", "service",
    ),
    "conversation": (
        "conversation", "conversation_id", "session_id", "sessionId", "session", "thread_id",
        "threadId", "chat_id",
    ),
    "trace": ("trace_id", "traceId", "trace"),
}  # fmt: skip

_TAGS: Final = ("tags", "request_tags", "labels")


def attribution(*sources: Mapping[str, Any], tags: Sequence[str] = ()) -> dict[str, Any]:
    """The first source that names each wins; tags such as `feature:search` fill what is left."""
    tagged = dict(tag.split(":", 1) for tag in tags if ":" in tag)
    found: dict[str, Any] = {}
    for field, names in _NAMES.items():
        for source in (*sources, tagged):
            value = first(source, names)
            if value is not None and not isinstance(value, Mapping | list):
                found[field] = text(value).strip()
                break
    return found


def tags_of(*sources: Mapping[str, Any]) -> tuple[str, ...]:
    """Tags of all sources, each once, in order."""
    found: dict[str, None] = {}
    for source in sources:
        for tag in texts(first(source, _TAGS) or ()):
            found[tag] = None
    return tuple(found)
