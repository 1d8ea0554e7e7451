"""What every back end of shared state must do; a back end passes by overriding one fixture.

class TestMyStore(StateConformance):
    @pytest.fixture
    async def make_store(self): ...  # yields a function that opens a store with a clock
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import reduce
from itertools import pairwise
from time import perf_counter
from typing import TypeAlias

import pytest

from netra_core.context import UserExecutionContext
from netra_core.database.scope import SystemContext
from netra_core.state import (
    APPEND,
    COUNTER,
    LAST_WRITER,
    MAX,
    ChangesCompactedError,
    InvalidStateKeyError,
    Owner,
    Scope,
    StaleFenceError,
    StateConflictError,
    StateNotFoundError,
    StatePolicyError,
    StateQuery,
    StateScopeError,
    StateStore,
    StateValueError,
    StateView,
    UnifiedStateManager,
    merge,
)
from netra_core.testing.linearizability import Observed, violations
from netra_core.testing.state_edges_conformance import StateEdges

MakeStore: TypeAlias = Callable[[Callable[[], float]], Awaitable[StateStore]]
_SYSTEM = SystemContext(actor="conformance")


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


def person(
    user: str = "ann", workspace: str = "acme", *, session: str = "s-1", thread: str = "t-1"
) -> UserExecutionContext:
    """A context with every scope but agent and connection."""
    return UserExecutionContext(
        user_id=user,
        workspace_id=workspace,
        request_id="r-1",
        session_id=session,
        thread_id=thread,
    )


class StateConformance(StateEdges):
    """The suite. Back ends override `make_store`; each test gets a store with nothing in it."""

    writers = 8
    writes_each = 12

    @pytest.fixture
    async def make_store(self) -> MakeStore:
        """Open an empty store with the clock given."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Clock:
        """The store's clock."""
        return Clock()

    @pytest.fixture
    async def manager(
        self, make_store: MakeStore, clock: Clock
    ) -> AsyncGenerator[UnifiedStateManager]:
        """A manager over an empty store."""
        manager = UnifiedStateManager(await make_store(clock))
        yield manager
        await manager.shutdown()

    @pytest.fixture
    def ann(self, manager: UnifiedStateManager) -> StateView:
        """Ann's view, with an agent and a connection."""
        return manager.for_context(person(), agent="data", connection_id="c-1")

    async def test_a_version_rises_by_one_and_goes_on_after_delete_and_expiry(
        self, ann: StateView, clock: Clock, manager: UnifiedStateManager
    ) -> None:
        """Set, set, delete, set, expire, set: 1, 2, (3), 4, (5), 6."""
        assert (await ann.set("k", 1)).version == 1
        assert (await ann.set("k", 2)).version == 2
        assert await ann.delete("k") is True
        assert (await ann.set("k", 3, ttl=5)).version == 4
        clock.now += 6
        assert await manager.expire() == 1
        assert (await ann.set("k", 4)).version == 6

    async def test_an_expired_key_keeps_its_version_also_before_it_is_swept(
        self, ann: StateView, clock: Clock
    ) -> None:
        """Absent for compare-and-set, and still never the same version twice."""
        await ann.set("k", 1, ttl=5)
        clock.now += 5
        entry = await ann.compare_and_set("k", 2, expected_version=0)
        assert (entry.version, entry.expires_at) == (2, None)

    async def test_expired_is_absent_everywhere(self, ann: StateView, clock: Clock) -> None:
        """Get, entry, nearest, query, transaction and delete agree."""
        await ann.set("k", 1, ttl=5)
        assert await ann.get("k") == 1
        clock.now += 5
        assert await ann.get("k", default="gone") == "gone"
        assert await ann.entry("k") is None
        assert await ann.nearest("k") is None
        assert await ann.query() == []
        assert await ann.delete("k") is False
        async with ann.transaction() as tx:
            assert await tx.get("k") is None

    async def test_a_conflict_says_both_versions_both_values_and_their_base(
        self, ann: StateView
    ) -> None:
        """And writes nothing."""
        await ann.set("k", {"a": 1})
        await ann.set("k", {"a": 2})
        with pytest.raises(StateConflictError) as caught:
            await ann.set("k", {"a": 3}, expected_version=1)
        conflict = caught.value
        assert (conflict.expected, conflict.actual) == (1, 2)
        assert (conflict.base, conflict.actual_value, conflict.wanted_value) == (
            {"a": 1},
            {"a": 2},
            {"a": 3},
        )
        assert await ann.get("k") == {"a": 2}

    async def test_absent_can_be_expected(self, ann: StateView) -> None:
        """Version 0 creates once."""
        assert (await ann.compare_and_set("k", 1, expected_version=0)).version == 1
        with pytest.raises(StateConflictError):
            await ann.compare_and_set("k", 2, expected_version=0)

    async def test_values_are_copied_in_and_out(self, ann: StateView) -> None:
        """Neither the writer's object nor a reader's is the store's."""
        given = {"list": [1]}
        await ann.set("k", given)
        given["list"].append(2)
        first = await ann.get("k")
        first["list"].append(3)
        assert await ann.get("k") == {"list": [1]}

    async def test_any_json_value_and_any_text_survives(self, ann: StateView) -> None:
        """Also NUL inside values, astral text, None, deep nests, keys with wildcards and colons."""
        deep = reduce(lambda inner, _: [inner], range(600), None)
        values = [None, True, 0, -1.5, "", "a\x00b", "😀", [], {}, {"k": [1, {"x": None}]}, 2**53]
        values.append(deep)
        for number, value in enumerate(values):
            key = f"{number}:%_../😀'\"\\"
            await ann.set(key, value)
            entry = await ann.entry(key)
            assert entry is not None
            assert entry.value == value

    async def test_what_is_no_json_is_refused(self, ann: StateView) -> None:
        """By name of its type, and nothing is written."""
        for value in (object(), "\ud800", float("nan"), {"a": [None, float("inf")]}):
            with pytest.raises(StateValueError):
                await ann.set("k", value)
        assert await ann.entry("k") is None

    @pytest.mark.parametrize("key", ["", "   ", "a\x00b", "a\ud800", "x" * 513])
    async def test_keys_that_no_entry_can_have_are_refused(self, ann: StateView, key: str) -> None:
        """Empty, blank, with NUL, too long."""
        with pytest.raises(InvalidStateKeyError):
            await ann.set(key, 1)

    @pytest.mark.parametrize("ttl", [0, -1, float("nan")])
    async def test_a_time_to_live_of_zero_is_refused(self, ann: StateView, ttl: float) -> None:
        """Zero is not 'no end'."""
        with pytest.raises(InvalidStateKeyError):
            await ann.set("k", 1, ttl=ttl)

    async def test_an_update_keeps_the_end_of_a_key(self, ann: StateView, clock: Clock) -> None:
        """Updating does not make it live longer."""
        await ann.set("k", 1, ttl=10)
        clock.now += 6
        await ann.update("k", lambda value: value + 1)
        assert await ann.get("k") == 2
        clock.now += 5
        assert await ann.get("k") is None

    async def test_a_nearest_read_names_the_scope_that_answered(
        self, ann: StateView, manager: UnifiedStateManager
    ) -> None:
        """Narrower scopes win, wider ones answer in their absence."""
        await manager.for_context(_SYSTEM).set("k", "all", scope=Scope.GLOBAL)
        order = [Scope.WORKSPACE, Scope.USER, Scope.SESSION, Scope.THREAD, Scope.AGENT]
        for scope in [*order, Scope.WEBSOCKET]:
            await ann.set("k", scope.value, scope=scope)
            found = await ann.nearest("k")
            assert found is not None
            assert (found.scope, found.value) == (scope, scope.value)
        assert await ann.clear_scope(Scope.WEBSOCKET) == 1
        found = await ann.nearest("k")
        assert found is not None
        assert found.scope is Scope.AGENT

    async def test_no_context_reaches_another_owner(
        self, ann: StateView, manager: UnifiedStateManager
    ) -> None:
        """The same key of another user, workspace, session or thread is another entry."""
        scopes = [Scope.USER, Scope.SESSION, Scope.THREAD]
        for scope in scopes:
            await ann.set("k", "ann", scope=scope)
        others = [person("bob"), person(workspace="other"), person("cleo", session="s-2")]
        for other in others:
            view = manager.for_context(other)
            for scope in scopes:
                assert await view.get("k", scope=scope) is None
                assert await view.history("k", scope=scope) == []
                await view.set("k", "other", scope=scope)
                await view.clear_scope(scope)
        assert [await ann.get("k", scope=scope) for scope in scopes] == ["ann"] * 3

    async def test_global_state_is_read_by_all_and_written_by_the_platform(
        self, ann: StateView, manager: UnifiedStateManager
    ) -> None:
        """A user's write is refused."""
        await manager.for_context(_SYSTEM).set("k", 1, scope=Scope.GLOBAL)
        assert await ann.get("k", scope=Scope.GLOBAL) == 1
        with pytest.raises(StateScopeError):
            await ann.set("k", 2, scope=Scope.GLOBAL)
        with pytest.raises(StateScopeError):
            await manager.changes_since(person(), 0)

    async def test_a_scope_the_context_lacks_is_refused(self, manager: UnifiedStateManager) -> None:
        """No thread, no thread state."""
        bare = UserExecutionContext(user_id="u", workspace_id="w", request_id="r")
        for scope in (Scope.SESSION, Scope.THREAD, Scope.AGENT, Scope.WEBSOCKET):
            with pytest.raises(StateScopeError):
                await manager.for_context(bare).get("k", scope=scope)

    async def test_clearing_one_connection_leaves_the_others(
        self, manager: UnifiedStateManager
    ) -> None:
        """A socket's state dies with it alone."""
        tabs = [manager.for_context(person(), connection_id=f"c-{n}") for n in range(3)]
        for tab in tabs:
            await tab.set("k", 1, scope=Scope.WEBSOCKET)
        assert await manager.connection_closed(person(), "c-1") == 1
        assert await manager.connection_closed(person("bob"), "c-2") == 0
        assert [await tab.get("k", scope=Scope.WEBSOCKET) for tab in tabs] == [1, None, 1]

    async def test_policies_decide_what_a_conflict_becomes(
        self, ann: StateView, manager: UnifiedStateManager
    ) -> None:
        """Last writer, merge with base, append, max, counter."""
        manager.declare_policy("last*", LAST_WRITER)
        manager.declare_policy("merge", merge(lambda base, theirs, mine: [base, theirs, mine]))
        manager.declare_policy("list", APPEND)
        manager.declare_policy("max", MAX)
        manager.declare_policy("count", COUNTER)
        for value in (1, 2):
            await ann.set("last-1", value)
            await ann.set("merge", value)
        assert (await ann.set("last-1", 3, expected_version=1)).value == 3
        assert (await ann.set("merge", 3, expected_version=1)).value == [1, 2, 3]
        for value in (5, 3, 7):
            await ann.set("list", value)
            await ann.set("max", value)
            await ann.set("count", value)
        assert [await ann.get(key) for key in ("list", "max", "count")] == [[5, 3, 7], 7, 15]
        with pytest.raises(StatePolicyError):
            await ann.set("count", "many")

    async def test_an_accumulating_key_keeps_its_end(
        self, ann: StateView, manager: UnifiedStateManager, clock: Clock
    ) -> None:
        """Adding to a counter does not make it immortal."""
        manager.declare_policy("count", COUNTER)
        await ann.set("count", 1, ttl=10)
        await ann.set("count", 1)
        clock.now += 10
        assert await ann.get("count") is None

    async def test_a_transaction_happens_whole_or_not_at_all(self, ann: StateView) -> None:
        """A change of what it read, or an exception in it, writes nothing."""
        await ann.set("a", 1)
        async with ann.transaction() as tx:
            tx.set("b", await tx.get("a") + 1)
            tx.delete("a")
            assert await tx.get("b") == 2
        assert [await ann.get("a"), await ann.get("b")] == [None, 2]
        with pytest.raises(StateConflictError):
            async with ann.transaction() as tx:
                tx.set("c", await tx.get("b"))
                await ann.set("b", 9)
        with pytest.raises(ZeroDivisionError):
            async with ann.transaction() as tx:
                tx.set("c", 1)
                raise ZeroDivisionError
        assert await ann.get("c") is None

    async def test_concurrent_transfers_keep_the_sum(self, ann: StateView) -> None:
        """Transactions over two keys never see or leave half a transfer."""
        await ann.set("a", 100)
        await ann.set("b", 100)

        async def transfer(amount: int) -> int:
            while True:
                try:
                    async with ann.transaction() as tx:
                        a, b = await tx.get("a"), await tx.get("b")
                        assert a + b == 200
                        tx.set("a", a - amount)
                        tx.set("b", b + amount)
                    return amount
                except StateConflictError:
                    continue

        moved = await asyncio.gather(*(transfer(n) for n in range(1, 6)))
        assert (await ann.get("a"), await ann.get("b")) == (100 - sum(moved), 100 + sum(moved))

    async def test_no_concurrent_increment_is_lost(
        self, ann: StateView, manager: UnifiedStateManager
    ) -> None:
        """By update, by counter, and by compare-and-set in a loop."""
        manager.declare_policy("count", COUNTER)

        async def write() -> None:
            for _ in range(self.writes_each):
                await ann.update("update", lambda value: value + 1, default=0)
                await ann.set("count", 1)
                while True:
                    entry = await ann.entry("cas")
                    value, version = (entry.value, entry.version) if entry else (0, 0)
                    try:
                        await ann.compare_and_set("cas", value + 1, expected_version=version)
                        break
                    except StateConflictError:
                        continue

        await asyncio.gather(*(write() for _ in range(self.writers)))
        total = self.writers * self.writes_each
        for key in ("update", "count", "cas"):
            entry = await ann.entry(key)
            assert entry is not None
            assert (key, entry.value, entry.version) == (key, total, total)

    async def test_each_key_is_linearizable_under_concurrent_writers(self, ann: StateView) -> None:
        """The recorded history of every client fits one sequential register."""
        history: list[Observed] = []

        async def client(number: int) -> None:
            seen, chance = 0, random.Random(number)
            for step in range(self.writes_each):
                value, started = f"{number}-{step}", perf_counter()
                if chance.random() < 0.4:
                    entry = await ann.entry("k")
                    seen, shown = (entry.version, entry.value) if entry else (0, None)
                    self._observe(history, started, "read", seen, shown)
                    continue
                try:
                    entry = await ann.compare_and_set("k", value, expected_version=seen)
                    seen = entry.version
                    self._observe(history, started, "write", seen, value)
                except StateConflictError as conflict:
                    seen = conflict.actual
                    self._observe(history, started, "read", seen, conflict.actual_value)

        await asyncio.gather(*(client(number) for number in range(self.writers)))
        assert any(operation.kind == "write" for operation in history)
        assert self._interleaved(history)
        assert violations(history) == []

    async def test_history_tells_what_a_key_was_and_restores_it(self, ann: StateView) -> None:
        """Restoring writes a new version; a deleted version restores to deleted."""
        await ann.set("k", "one")
        await ann.delete("k")
        await ann.set("k", "three")
        lines = await ann.history("k")
        assert [(line.version, line.operation, line.value) for line in lines] == [
            (1, "set", "one"),
            (2, "delete", None),
            (3, "set", "three"),
        ]
        restored = await ann.restore("k", 1)
        assert restored is not None
        assert (restored.value, restored.version) == ("one", 4)
        assert await ann.restore("k", 2) is None
        assert await ann.get("k") is None
        with pytest.raises(StateNotFoundError):
            await ann.restore("k", 99)
        assert [line.version for line in await ann.history("k", limit=2)] == [4, 5]

    async def test_the_change_feed_is_complete_ordered_and_private(
        self, ann: StateView, manager: UnifiedStateManager
    ) -> None:
        """Revisions rise; a view sees its own changes; pages join without gap or repeat."""
        start = await ann.revision()
        bob = manager.for_context(person("bob"))
        for number in range(5):
            await ann.set("a", number)
            await bob.set("b", number)
        mine = await ann.changes_since(start)
        assert [(change.key, change.value) for change in mine] == [("a", n) for n in range(5)]
        everything = await manager.changes_since(_SYSTEM, start)
        assert len(everything) == 10
        revisions = [change.revision for change in everything]
        assert revisions == sorted(set(revisions))
        first = await ann.changes_since(start, limit=2)
        rest = await ann.changes_since(first[-1].revision)
        assert first + rest == mine

    async def test_compaction_keeps_the_newest_and_says_what_is_gone(
        self, ann: StateView, manager: UnifiedStateManager
    ) -> None:
        """A follower that is too far behind is told, never given a gap."""
        start = await ann.revision()
        for number in range(6):
            await ann.set("k", number)
        middle = (await ann.changes_since(start))[3].revision
        assert await manager.compact(keep_versions=2) == 4
        assert [line.value for line in await ann.history("k")] == [4, 5]
        with pytest.raises(ChangesCompactedError):
            await ann.changes_since(start)
        assert [change.value for change in await ann.changes_since(middle)] == [4, 5]
        assert (await ann.set("k", 6)).version == 7
        await ann.set("other", 1)
        assert await manager.compact(keep_versions=2) == 1
        assert await manager.compact(keep_versions=2) == 0
        assert [line.value for line in await ann.history("k")] == [5, 6]
        assert await manager.compact(keep_versions=1) == 1

    async def test_a_writer_with_an_old_fence_is_refused(self, ann: StateView) -> None:
        """In single writes and in transactions; the newest fence goes on."""
        old = await ann.take_fence("run-1")
        await ann.set("k", 1, fence=old)
        new = await ann.take_fence("run-1")
        assert new.token == old.token + 1
        with pytest.raises(StaleFenceError):
            await ann.set("k", 2, fence=old)
        with pytest.raises(StaleFenceError):
            async with ann.transaction() as tx:
                tx.require(old)
                tx.set("k", 3)
        await ann.set("k", 4, fence=new)
        other = await ann.take_fence("run-2")
        assert other.token == 1
        assert await ann.get("k") == 4

    async def test_owners_of_a_scope_are_those_with_something_left_in_it(
        self, manager: UnifiedStateManager, clock: Clock
    ) -> None:
        """Neither deleted nor expired, of whatever user."""
        for name, socket in (("ann", "s2"), ("bob", "s1"), ("ann", "s1"), ("ann", "s3")):
            view = manager.for_context(person(name), connection_id=socket)
            await view.set("k", 1, scope=Scope.WEBSOCKET, ttl=5 if socket == "s3" else None)
        await manager.connection_closed(person("ann"), "s1")
        clock.now += 6
        assert await manager.store.owners(_SYSTEM, Scope.WEBSOCKET) == [
            Owner(Scope.WEBSOCKET, "acme", "ann", "s2"),
            Owner(Scope.WEBSOCKET, "acme", "bob", "s1"),
        ]

    async def test_what_is_written_for_connections_carries_the_fence_of_their_process(
        self, manager: UnifiedStateManager
    ) -> None:
        """Once another took it nothing more is written for a connection; all else goes on."""
        view = manager.for_context(person("ann"), connection_id="s1")
        mine = await manager.store.take_fence(_SYSTEM, Owner(Scope.GLOBAL), "sockets/a")
        manager.guard_connections(mine)
        await view.set("k", 1, scope=Scope.WEBSOCKET)
        assert await manager.store.holds(_SYSTEM, mine)
        await manager.store.take_fence(_SYSTEM, Owner(Scope.GLOBAL), "sockets/a")
        assert not await manager.store.holds(_SYSTEM, mine)
        with pytest.raises(StaleFenceError):
            await view.set("k", 2, scope=Scope.WEBSOCKET)
        with pytest.raises(StaleFenceError):
            async with view.transaction() as tx:
                tx.set("k", 3, scope=Scope.WEBSOCKET)
        await view.set("k", 4)
        assert await view.get("k", scope=Scope.WEBSOCKET) == 1

    async def test_queries_filter_page_and_sort(self, ann: StateView, clock: Clock) -> None:
        """By prefix (wildcards are text, case counts), version, time; ordered by code point."""
        for key in ("b%1", "B%2", "b%2", "bx", "ä", "a"):
            await ann.set(key, key)
        clock.now += 10
        await ann.set("b%1", "again")

        async def keys(query: StateQuery) -> list[str]:
            return [entry.key for entry in await ann.query(query)]

        assert await keys(StateQuery(prefix="b%")) == ["b%1", "b%2"]
        assert await keys(StateQuery()) == sorted(["b%1", "B%2", "b%2", "bx", "ä", "a"])
        assert await keys(StateQuery(min_version=2)) == ["b%1"]
        assert await keys(StateQuery(updated_after=clock.now - 1)) == ["b%1"]
        page = await keys(StateQuery(scope=Scope.USER, limit=2))
        rest = await keys(StateQuery(scope=Scope.USER, after_key=page[-1]))
        assert page + rest == await keys(StateQuery(scope=Scope.USER))
        await ann.set("a", 1, scope=Scope.THREAD)
        assert await keys(StateQuery(scope=Scope.THREAD)) == ["a"]

    async def test_a_session_moves_whole(self, manager: UnifiedStateManager, clock: Clock) -> None:
        """Values and ends go along; nothing stays behind."""
        old = manager.for_context(person(session="old"))
        await old.set("a", 1, scope=Scope.SESSION)
        await old.set("b", 2, scope=Scope.SESSION, ttl=10)
        assert await old.move_session("new") == 2
        new = manager.for_context(person(session="new"))
        assert await old.query(StateQuery(scope=Scope.SESSION)) == []
        found = await new.query(StateQuery(scope=Scope.SESSION))
        assert [(entry.key, entry.value) for entry in found] == [("a", 1), ("b", 2)]
        clock.now += 10
        assert await new.get("b", scope=Scope.SESSION) is None

    async def test_erasing_a_person_leaves_no_value_and_every_version(
        self, ann: StateView, manager: UnifiedStateManager
    ) -> None:
        """Entries and history lose their values; others lose nothing."""
        bob = manager.for_context(person("bob"))
        await ann.set("k", "secret")
        await bob.set("k", "kept")
        erased = await manager.erase(_SYSTEM, workspace_id="acme", user_id="ann")
        assert erased == 1
        assert await ann.get("k") is None
        assert {line.value for line in await ann.history("k")} == {None}
        assert await bob.get("k") == "kept"
        assert (await ann.set("k", "new")).version == 2

    async def test_listeners_hear_committed_changes_of_their_own_scope_in_order(
        self, manager: UnifiedStateManager
    ) -> None:
        """Once each, none of another user, none after their end; a broken one harms nobody."""
        ann, bob = manager.for_context(person()), manager.for_context(person("bob"))
        heard: list[object] = []
        done = asyncio.Event()

        def listen(change: object) -> None:
            heard.append(getattr(change, "value", None))
            if len(heard) == 3:
                done.set()

        def broken(_change: object) -> None:
            raise RuntimeError("a listener's own fault")

        ann.listen(broken)
        end = ann.listen(listen, prefix="k")
        for value in (1, 2, 3):
            await ann.set("k", value)
            await ann.set("other", value)
            await bob.set("k", -value)
        await done.wait()
        end()
        await ann.set("k", 4)
        assert heard == [1, 2, 3]

    @staticmethod
    def _observe(
        history: list[Observed], started: float, kind: str, version: int, value: object
    ) -> None:
        history.append(
            Observed(
                started=started,
                ended=perf_counter(),
                kind="write" if kind == "write" else "read",
                version=version,
                value=value,
            )
        )

    @staticmethod
    def _interleaved(history: list[Observed]) -> bool:
        """True when some operation began while another was under way."""
        ordered = sorted(history, key=lambda operation: operation.started)
        return any(later.started < earlier.ended for earlier, later in pairwise(ordered))
