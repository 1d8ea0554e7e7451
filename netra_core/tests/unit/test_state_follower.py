"""Changes of two processes on one store reach the listeners of one: each once."""

import asyncio
from collections.abc import Callable

from netra_core import UserExecutionContext
from netra_core.state import (
    ChangesLost,
    MemoryStateStore,
    Scope,
    StateChange,
    StateManagerFactory,
    UnifiedStateManager,
)
from netra_core.state.listeners import Listeners
from netra_core.state.store import Batch, Change

ANN = UserExecutionContext(user_id="ann", workspace_id="acme", request_id="r")


class SharedStore(MemoryStateStore):
    """As a database of two processes: a commit can be read before its writer goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.hold_writers = False
        self.between: Callable[[], None] = lambda: None
        self._held: list[Callable[[], None]] = []

    async def apply(self, ctx, batch: Batch) -> list[Change]:
        changes: list[Change] = []
        await super().apply(ctx, Batch(batch.writes, batch.by, batch.fences, changes.extend))
        if self.hold_writers:
            self._held.append(lambda: batch.committed(changes))
        else:
            batch.committed(changes)
        return changes

    def go_on(self) -> None:
        for committed in self._held:
            committed()

    async def changes(self, ctx, owners, *, after: int, limit: int) -> list[Change]:
        found = await super().changes(ctx, owners, after=after, limit=limit)
        await asyncio.sleep(0)
        return found

    async def revision(self) -> int:
        found = await super().revision()
        between, self.between = self.between, lambda: None
        between()
        await asyncio.sleep(0)
        return found


def heard_by(state: UnifiedStateManager) -> list[StateChange]:
    heard: list[StateChange] = []
    state.add_listener(lambda change: heard.append(change))
    return heard


async def test_an_own_change_that_the_feed_shows_before_its_writer_goes_on_is_told_once() -> None:
    store = SharedStore()
    here, there = UnifiedStateManager(store), UnifiedStateManager(store)
    heard = heard_by(here)
    await here.catch_up()
    store.hold_writers = True
    await here.for_context(ANN).set("mine", 1)
    await there.for_context(ANN).set("theirs", 2)
    await here.catch_up()
    store.go_on()
    await here.catch_up()
    await here.shutdown()
    assert [change.key for change in heard] == ["mine", "theirs"]


async def test_an_own_change_made_while_following_begins_is_told_once() -> None:
    store = SharedStore()
    here = UnifiedStateManager(store)
    heard = heard_by(here)
    writes: list[asyncio.Task[object]] = []
    store.between = lambda: writes.append(
        asyncio.ensure_future(here.for_context(ANN).set("mine", 1))
    )
    await here.catch_up()
    await asyncio.gather(*writes)
    await here.catch_up()
    await here.shutdown()
    assert [(change.key, change.version) for change in heard] == [("mine", 1)]


async def test_an_own_change_from_before_following_began_is_told_by_its_writer() -> None:
    store = SharedStore()
    here = UnifiedStateManager(store)
    heard = heard_by(here)
    store.hold_writers = True
    await here.for_context(ANN).set("mine", 1)
    await here.catch_up()
    store.go_on()
    await here.catch_up()
    await here.shutdown()
    assert [change.key for change in heard] == ["mine"]


async def test_two_that_catch_up_at_once_tell_a_change_once() -> None:
    store = SharedStore()
    here, there = UnifiedStateManager(store), UnifiedStateManager(store)
    heard = heard_by(here)
    await here.catch_up()
    await there.for_context(ANN).set("theirs", 1)
    assert sorted(await asyncio.gather(here.catch_up(), here.catch_up())) == [0, 1]
    await here.shutdown()
    assert [change.key for change in heard] == ["theirs"]


async def test_a_change_through_a_users_manager_is_told_once_to_a_process_that_follows() -> None:
    factory = StateManagerFactory(SharedStore())
    everyone = factory.get_global_manager()
    heard = heard_by(everyone)
    await everyone.catch_up()
    await factory.get_user_manager(ANN).for_context(ANN).set("mine", 1)
    await everyone.catch_up()
    await factory.shutdown()
    assert [change.key for change in heard] == ["mine"]


async def test_what_a_full_listener_misses_begins_at_the_lowest_revision() -> None:
    """Changes of other processes come after later ones of our own: none of both may be skipped."""
    store = SharedStore()
    here = UnifiedStateManager(store, listeners=Listeners(max_waiting=1))
    there = UnifiedStateManager(store)
    heard: list[object] = []
    read_on = asyncio.Event()

    async def slow(change: object) -> None:
        await read_on.wait()
        heard.append(change)

    here.add_listener(slow)
    await here.catch_up()
    await there.for_context(ANN).set("theirs", 0)
    async with here.for_context(ANN).transaction() as many:
        for number in range(2):
            many.set(f"mine.{number}", number, scope=Scope.USER)
    await here.catch_up()
    read_on.set()
    await here.shutdown()
    assert heard[-1] == ChangesLost(0)
