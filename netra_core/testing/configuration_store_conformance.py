"""What every store of configuration revisions must do; one passes by overriding one fixture.

class TestMyStore(ConfigurationStoreConformance):
    @pytest.fixture
    def open_one(self): ...  # gives a function that opens the same store again
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from netra_core.configuration.errors import RevisionConflictError
from netra_core.configuration.layers import Source
from netra_core.configuration.revisions import (
    GENESIS_HASH,
    Action,
    Change,
    Revision,
    Stored,
    find_tampering,
    head_of,
)
from netra_core.configuration.schema import Scope
from netra_core.configuration.store import RevisionStore

OpenStore = Callable[[], RevisionStore]


def revision(number: int, previous_hash: str, *, actor: str = "a") -> Revision:
    """A revision that continues the chain, with values of every kind."""
    values = (None, True, 1.5, "ünï 'quoted' \\ text", ["a", "b"])
    return Revision(
        number=number,
        at=datetime(2026, 1, 1, 12, 0, 0, number, tzinfo=UTC),
        actor=actor,
        reason="because",
        service="backend",
        action=Action.SET,
        changes=tuple(
            Change(
                key=f"key.{place}",
                scope=Scope.USER,
                owner="u",
                source=Source.DATABASE,
                previous=None,
                current=Stored(value, encrypted=isinstance(value, str)),
            )
            for place, value in enumerate(values)
        ),
        previous_hash=previous_hash,
    ).closed(None)


def write(store: RevisionStore, count: int) -> list[Revision]:
    """Appends revisions 1 to `count`."""
    written: list[Revision] = []
    for number in range(1, count + 1):
        made = revision(number, written[-1].hash if written else GENESIS_HASH)
        store.append(made, head_of(made, None))
        written.append(made)
    return written


class ConfigurationStoreConformance:
    """Append-only, in order, one winner; what was acknowledged is there for the next to open it."""

    @pytest.fixture
    def open_one(self) -> OpenStore:
        """A function that opens the same, at first empty, store again."""
        raise NotImplementedError

    def test_an_empty_store_has_no_head_and_no_revisions(self, open_one: OpenStore) -> None:
        """Nothing was written yet."""
        store = open_one()
        assert (store.head(), list(store.read())) == (None, [])

    def test_revisions_come_back_whole_and_in_order(self, open_one: OpenStore) -> None:
        """Another that opens the store reads what was acknowledged, equal in every field."""
        written = write(open_one(), 5)
        store = open_one()
        assert list(store.read()) == written
        assert list(store.read(after=3)) == written[3:]
        assert list(store.read(after=5)) == []
        head = store.head()
        assert head is not None and (head.number, head.hash) == (5, written[-1].hash)
        assert find_tampering(store.read(), head, None) == ()

    def test_what_does_not_continue_the_chain_is_refused(self, open_one: OpenStore) -> None:
        """A number taken, a number left out, a hash that is not the last one's."""
        store = open_one()
        written = write(store, 2)
        for wrong in (
            revision(2, written[0].hash, actor="b"),
            revision(4, written[1].hash),
            revision(3, written[0].hash),
        ):
            with pytest.raises(RevisionConflictError):
                store.append(wrong, head_of(wrong, None))
        assert list(store.read()) == written

    def test_of_writers_at_once_one_wins_each_number(self, open_one: OpenStore) -> None:
        """Four writers leave one chain without gaps."""
        open_one()
        gate = threading.Barrier(4)
        won: list[int] = []

        def work(name: str) -> None:
            store = open_one()
            gate.wait()
            while True:
                head = store.head()
                number, previous = (head.number, head.hash) if head else (0, GENESIS_HASH)
                if number >= 20:
                    return
                made = revision(number + 1, previous, actor=name)
                try:
                    store.append(made, head_of(made, None))
                except RevisionConflictError:
                    continue
                won.append(number + 1)

        threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == list(range(1, len(won) + 1)) and len(won) >= 20
        store = open_one()
        assert find_tampering(store.read(), store.head(), None) == ()
