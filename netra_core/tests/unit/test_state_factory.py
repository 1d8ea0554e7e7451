"""Managers of one process, and the small parts they stand on."""

import asyncio

import pytest

from netra_core import UserExecutionContext
from netra_core.database import SystemContext
from netra_core.state import (
    COUNTER,
    ChangesLost,
    MemoryStateStore,
    Scope,
    StateChange,
    StateClosedError,
    StateManagerFactory,
    StateScopeError,
    UnifiedStateManager,
)
from netra_core.state.key_locks import KeyLocks
from netra_core.state.listeners import Listeners


def person(user: str = "ann") -> UserExecutionContext:
    return UserExecutionContext(user_id=user, workspace_id="acme", request_id="r")


async def test_a_users_manager_serves_that_user_alone() -> None:
    factory = StateManagerFactory(MemoryStateStore())
    manager = factory.get_user_manager(person("ann"))
    assert factory.get_user_manager(person("ann")) is manager
    await manager.for_context(person("ann")).set("k", 1)
    with pytest.raises(StateScopeError):
        manager.for_context(person("bob"))
    with pytest.raises(StateScopeError):
        manager.for_context(SystemContext(actor="test"))
    everyone = factory.get_global_manager()
    assert await everyone.for_context(person("ann")).get("k") == 1
    assert await everyone.for_context(person("bob")).get("k") is None


async def test_after_the_factorys_shutdown_its_managers_refuse() -> None:
    factory = StateManagerFactory(MemoryStateStore())
    view = factory.get_user_manager(person("ann")).for_context(person("ann"))
    everyone = factory.get_global_manager()
    await factory.shutdown()
    with pytest.raises(StateClosedError):
        await view.set("k", 1)
    with pytest.raises(StateClosedError):
        everyone.for_context(person("ann"))


async def test_a_listener_that_never_ends_does_not_hold_up_the_end() -> None:
    listeners = Listeners(patience_s=0.01)
    manager = UnifiedStateManager(MemoryStateStore(), listeners=listeners)
    begun = asyncio.Event()

    async def forever(_change: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    manager.add_listener(forever)
    await manager.for_context(person()).set("k", 1)
    await begun.wait()
    await manager.shutdown()
    assert manager.listener_count == 0


async def test_policies_of_one_user_are_not_anothers() -> None:
    factory = StateManagerFactory(MemoryStateStore())
    factory.get_user_manager(person("ann")).declare_policy("n", COUNTER)
    for user in ("ann", "bob"):
        view = factory.get_user_manager(person(user)).for_context(person(user))
        for _ in range(2):
            await view.set("n", 5)
    values = [
        await factory.get_user_manager(person(user)).for_context(person(user)).get("n")
        for user in ("ann", "bob")
    ]
    assert values == [10, 5]


async def test_managers_are_counted_bounded_and_forgotten() -> None:
    factory = StateManagerFactory(MemoryStateStore(), max_users=3)
    factory.get_global_manager()
    for number in range(3):
        factory.get_user_manager(person(f"u{number}"))
    kept = factory.get_user_manager(person("u0"))
    factory.get_user_manager(person("u3"))
    assert factory.get_manager_count() == {"global": 1, "user": 3, "total": 4}
    assert factory.get_user_manager(person("u0")) is kept
    await factory.shutdown()
    assert factory.get_manager_count() == {"global": 0, "user": 0, "total": 0}


async def test_an_evicted_user_loses_no_state() -> None:
    factory = StateManagerFactory(MemoryStateStore(), max_users=1)
    await factory.get_user_manager(person("ann")).for_context(person("ann")).set("k", 1)
    factory.get_user_manager(person("bob"))
    assert await factory.get_user_manager(person("ann")).for_context(person("ann")).get("k") == 1


def test_listeners_made_outside_a_running_loop_are_heard_inside_one() -> None:
    manager = UnifiedStateManager(MemoryStateStore())
    heard: list[object] = []
    manager.for_context(person()).listen(heard.append)

    async def change() -> None:
        await manager.for_context(person()).set("k", 1)
        await manager.shutdown()

    asyncio.run(change())
    assert [change.value for change in heard if isinstance(change, StateChange)] == [1]


async def test_a_slow_listener_is_told_what_it_missed_and_holds_nobody_up() -> None:
    manager = UnifiedStateManager(MemoryStateStore(), listeners=Listeners(max_waiting=2))
    view = manager.for_context(person())
    go, heard = asyncio.Event(), []

    async def slow(change: object) -> None:
        await go.wait()
        heard.append(change)

    view.listen(slow)
    for value in range(10):
        await view.set("k", value)
    assert await view.get("k") == 9
    go.set()
    await manager.shutdown()
    *told, last = heard
    assert isinstance(last, ChangesLost)
    assert last.revision == told[-1].revision
    assert [change.value for change in told] == list(range(len(told)))
    assert last.revision < 10


async def test_a_manager_that_was_shut_down_says_so() -> None:
    manager = UnifiedStateManager(MemoryStateStore())
    await manager.shutdown()
    with pytest.raises(StateClosedError):
        manager.for_context(person())


async def test_a_listener_may_end_itself() -> None:
    manager = UnifiedStateManager(MemoryStateStore())
    view, heard = manager.for_context(person()), []

    def once(change: object) -> None:
        heard.append(change)
        end()

    end = view.listen(once)
    for value in range(3):
        await view.set("k", value)
    await manager.shutdown()
    assert len(heard) == 1
    assert manager.listener_count == 0


async def test_locks_by_key_are_fair_and_leave_nothing() -> None:
    locks, order = KeyLocks(), []
    first_in = asyncio.Event()

    async def hold(number: int) -> None:
        async with locks.held("k"):
            order.append(number)
            if number == 0:
                first_in.set()
                await asyncio.Event().wait()

    tasks = [asyncio.create_task(hold(number)) for number in range(4)]
    await first_in.wait()
    tasks[2].cancel()
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 1, 3]
    assert len(locks) == 0


async def test_only_the_platform_writes_global_state() -> None:
    manager = UnifiedStateManager(MemoryStateStore())
    await manager.for_context(SystemContext(actor="test")).set("k", 1, scope=Scope.GLOBAL)
    with pytest.raises(StateScopeError):
        await manager.for_context(person()).delete("k", scope=Scope.GLOBAL)
