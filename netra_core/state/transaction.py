"""A transaction over several keys of one view."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from netra_core.state.scopes import check_ttl
from netra_core.state.store import Change, Write, moved
from netra_core.state.types import Address, Fence, JsonValue, Scope
from netra_core.state.values import decode, encode

if TYPE_CHECKING:
    from netra_core.state.view import StateView


class StateTransaction:
    """Reads are remembered with their versions, writes are kept until the end of the block.

    Serializable: it commits only when every key read is still what it was, and its reads are of one
    moment: `get` raises StateConflictError as soon as a key read before has moved.
    """

    def __init__(self, view: StateView) -> None:
        self._view = view
        self._read: dict[Address, int] = {}
        self._writes: dict[Address, Write] = {}
        self._fence: Fence | None = None
        self.changes: list[Change] = []

    async def __aenter__(self) -> StateTransaction:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and (self._writes or self._read):
            await self._commit()

    async def get(
        self, key: str, *, scope: Scope = Scope.USER, default: JsonValue = None
    ) -> JsonValue:
        """The value as this transaction sees it, its own writes included."""
        address = self._view.address(scope, key)
        if (write := self._writes.get(address)) is not None:
            return default if write.kind == "delete" else decode(write.data)
        # All keys read so far are read again in the same moment: the block never sees two of them
        # from different moments, not even when it would fail at its end.
        addresses = list(dict.fromkeys([*self._read, address]))
        found = dict(zip(addresses, await self._view.records(addresses), strict=True))
        versions = {at: 0 if record is None else record.version for at, record in found.items()}
        for at, version in self._read.items():
            if versions[at] != version:
                raise moved(at, version, found[at])
        self._read[address] = versions[address]
        record = found[address]
        return default if record is None else decode(record.data)

    def set(
        self, key: str, value: JsonValue, *, scope: Scope = Scope.USER, ttl: float | None = None
    ) -> None:
        """Write a value at the end of the block."""
        address = self._view.writable(scope, key)
        self._writes[address] = Write(
            address=address, kind="set", data=encode(value), ttl_s=check_ttl(ttl)
        )

    def delete(self, key: str, *, scope: Scope = Scope.USER) -> None:
        """Delete a key at the end of the block."""
        address = self._view.writable(scope, key)
        self._writes[address] = Write(address=address, kind="delete")

    def require(self, fence: Fence) -> None:
        """Commit only while `fence` is the newest of its name."""
        self._fence = fence

    async def _commit(self) -> None:
        checks = [
            Write(address=address, kind="check", expected_version=version)
            for address, version in self._read.items()
        ]
        self.changes = await self._view.commit([*checks, *self._writes.values()], self._fence)
