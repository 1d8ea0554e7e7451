"""Apply a patch to what is there, and take it back exactly.

A change is a JSON object laid over another one: objects are merged, lists of named entries
(`model_name`) by their names, all else is replaced. `undo` restores the first state, key by key.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]  # Any: a JSON object of another tool
_NAME: Final = "model_name"


@dataclass(frozen=True)
class Applied:
    """The state with the change in it; `undo` gives back the state before, exactly."""

    state: Json
    _before: Json

    def undo(self) -> Json:
        """The first state, a fresh copy."""
        return deepcopy(self._before)


def apply_to_router(config: Mapping[str, Any], patch: Mapping[str, Any]) -> Applied:
    """A `litellm` patch over arguments of LiteLLM's Router; other routes stay as they are."""
    return Applied(_merged(config, patch.get("litellm", {})), deepcopy(dict(config)))


def apply_to_request(request: Mapping[str, Any], patch: Mapping[str, Any], client: str) -> Applied:
    """An `openai` or `anthropic` patch over a request of that client.

    Marks of the prompt cache go on the request's own system prompt; its words stay.
    """
    change = dict(patch.get(client, {}))
    state = deepcopy(dict(request))
    marks = change.pop("system", None)
    if isinstance(marks, list) and marks:
        state = _marked(state, marks[0].get("cache_control"))
    return Applied(_merged(state, change), deepcopy(dict(request)))


def _marked(request: Json, mark: object) -> Json:
    """The request with a mark on the end of its system prompt, or with all marks taken off."""
    system = request.get("system")
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    if not blocks:
        return request
    plain = [{k: v for k, v in block.items() if k != "cache_control"} for block in blocks]
    if mark is not None:
        plain[-1] = plain[-1] | {"cache_control": mark}
    return request | {"system": plain}


def _merged(state: Mapping[str, Any], change: Mapping[str, Any]) -> Json:
    result = deepcopy(dict(state))
    for key, value in change.items():
        there = result.get(key)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            result[key] = _merged(there, value)
        elif isinstance(value, list) and isinstance(there, list) and _named([*there, *value]):
            result[key] = _merged_by_name(there, value)
        else:
            result[key] = deepcopy(value)
    return result


def _named(entries: list[object]) -> bool:
    return all(isinstance(entry, Mapping) and _NAME in entry for entry in entries)


def _merged_by_name(there: list[Json], change: list[Json]) -> list[Json]:
    """Entries of a name that is there take the change; new names are added at the end."""
    result = deepcopy(there)
    for entry in change:
        same = [at for at, known in enumerate(result) if known[_NAME] == entry[_NAME]]
        if not same:
            result.append(deepcopy(entry))
        for at in same:
            result[at] = _merged(result[at], entry)
    return result
