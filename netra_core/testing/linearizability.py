"""Is what clients of one key saw what a single, sequential register could have shown them?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One operation as its client saw it. `version` is the one written, read, or (for a write
    that was refused) the one that refused it; 0 and None mean absent. Times only need an order.
    """

    started: float
    ended: float
    kind: Literal["write", "read"]
    version: int
    value: Any  # Any: the register holds whatever clients write


def violations(history: Sequence[Observed]) -> list[str]:
    """Why the history is not linearizable; empty when it is.

    Versions name the order in which writes took effect, so the check is exact: each version is
    written once and without gaps, each read shows the value of its version, and whatever ended
    before another operation began is ordered before it.
    """
    found: list[str] = []
    written: dict[int, Any] = {0: None}
    for operation in history:
        if operation.kind == "write":
            if operation.version in written:
                found.append(f"version {operation.version} was written twice")
            written[operation.version] = operation.value
    if missing := sorted(set(range(max(written) + 1)) - written.keys()):
        found.append(f"versions {missing} were never acknowledged")
    for operation in history:
        if operation.kind == "read" and operation.version not in written:
            found.append(f"version {operation.version} was read and never written")
        elif operation.kind == "read" and operation.value != written[operation.version]:
            found.append(f"version {operation.version} was read with another value")
    return found + _out_of_order(history)


def _out_of_order(history: Sequence[Observed]) -> list[str]:
    """What ended before something began must not come after it in the order of versions."""
    found: list[str] = []
    by_end = sorted(history, key=lambda operation: operation.ended)
    newest_ended, index = 0, 0
    for operation in sorted(history, key=lambda operation: operation.started):
        while index < len(by_end) and by_end[index].ended < operation.started:
            newest_ended = max(newest_ended, by_end[index].version)
            index += 1
        late = operation.version < newest_ended or (
            operation.kind == "write" and operation.version == newest_ended
        )
        if late:
            found.append(
                f"{operation.kind} of version {operation.version} began after"
                f" version {newest_ended} was seen"
            )
    return found
