"""Random operations give the same answers on every back end as on a plain model of the rules."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from netra_core import UserExecutionContext
from netra_core.database import DatabaseOptions, DatabaseSessionManager, GroupCommit
from netra_core.state import (
    COUNTER,
    Fence,
    MemoryStateStore,
    Scope,
    StaleFenceError,
    StateConflictError,
    StateNotFoundError,
    StateQuery,
    StateStore,
    StateView,
    UnifiedStateManager,
)
from netra_core.state.sql import SqlStateStore

KEYS = st.sampled_from(["a", "b", "B", "n1"])
PLAIN = st.sampled_from(["a", "b", "B"])  # without a counter among them
VALUES = st.one_of(st.integers(-5, 5), st.text(max_size=3), st.lists(st.integers(), max_size=2))
OWNERS = st.sampled_from(["ann", "bob"])
SCOPES = st.sampled_from([Scope.USER, Scope.WORKSPACE, Scope.THREAD])


@dataclass
class Cell:
    """What the model knows of one key: its versions, and when the newest ends."""

    versions: list[Any] = field(default_factory=list)  # None stands for deleted
    ends: float | None = None

    def value(self, now: float) -> Any:
        ended = self.ends is not None and self.ends <= now
        return None if ended or not self.versions else self.versions[-1]

    def version(self, now: float) -> int:
        return 0 if self.value(now) is None else len(self.versions)

    def put(self, value: Any, ends: float | None = None) -> None:
        self.versions.append(value)
        self.ends = ends


class StateModel(RuleBasedStateMachine):
    """Two people, three scopes, four keys; each rule does the same to store and model."""

    loop: asyncio.AbstractEventLoop
    store: StateStore
    clock: list[float]

    def __init__(self) -> None:
        super().__init__()
        self.manager = UnifiedStateManager(self.store)
        self.manager.declare_policy("n*", COUNTER)
        self.workspace = uuid4().hex
        self.cells: dict[tuple[Scope, str, str], Cell] = {}
        self.fences: dict[str, int] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def view(self, owner: str) -> StateView:
        ctx = UserExecutionContext(
            user_id=owner, workspace_id=self.workspace, request_id="r", thread_id="t"
        )
        return self.manager.for_context(ctx)

    def cell(self, owner: str, scope: Scope, key: str) -> Cell:
        owned_by = "" if scope is Scope.WORKSPACE else owner
        return self.cells.setdefault((scope, owned_by, key), Cell())

    @property
    def now(self) -> float:
        return self.clock[0]

    @rule(owner=OWNERS, scope=SCOPES, key=KEYS, value=VALUES, ttl=st.sampled_from([None, 2, 5]))
    def write(self, owner: str, scope: Scope, key: str, value: Any, ttl: float | None) -> None:
        cell = self.cell(owner, scope, key)
        ends = None if ttl is None else self.now + ttl
        if key.startswith("n"):
            value = value if isinstance(value, int) else 1
            ends = ends if ttl is not None or cell.value(self.now) is None else cell.ends
            cell.put(value + (cell.value(self.now) or 0), ends)
        else:
            cell.put(value, ends)
        entry = self.run(self.view(owner).set(key, value, scope=scope, ttl=ttl))
        assert (entry.value, entry.version) == (cell.versions[-1], len(cell.versions))

    @rule(owner=OWNERS, scope=SCOPES, key=PLAIN, value=VALUES, expected=st.integers(0, 6))
    def compare_and_set(
        self, owner: str, scope: Scope, key: str, value: Any, expected: int
    ) -> None:
        cell, view = self.cell(owner, scope, key), self.view(owner)
        work = view.compare_and_set(key, value, expected_version=expected, scope=scope)
        if cell.version(self.now) == expected:
            cell.put(value)
            assert self.run(work).version == len(cell.versions)
            return
        with pytest.raises(StateConflictError) as caught:
            self.run(work)
        conflict = caught.value
        assert (conflict.actual, conflict.actual_value) == (
            cell.version(self.now),
            cell.value(self.now),
        )
        known = 0 < expected <= len(cell.versions)
        assert conflict.base == (cell.versions[expected - 1] if known else None)

    @rule(owner=OWNERS, scope=SCOPES, key=KEYS)
    def delete(self, owner: str, scope: Scope, key: str) -> None:
        cell = self.cell(owner, scope, key)
        there = cell.value(self.now) is not None
        assert self.run(self.view(owner).delete(key, scope=scope)) is there
        if there:
            cell.put(None)

    @rule(owner=OWNERS, scope=SCOPES, key=PLAIN)
    def update(self, owner: str, scope: Scope, key: str) -> None:
        cell = self.cell(owner, scope, key)
        ends = cell.ends if cell.value(self.now) is not None else None
        cell.put([cell.value(self.now)], ends)
        entry = self.run(self.view(owner).update(key, lambda value: [value], scope=scope))
        assert entry.value == cell.versions[-1]

    @rule(owner=OWNERS, scope=SCOPES, key=KEYS, version=st.integers(1, 6))
    def restore(self, owner: str, scope: Scope, key: str, version: int) -> None:
        cell, view = self.cell(owner, scope, key), self.view(owner)
        if version > len(cell.versions):
            with pytest.raises(StateNotFoundError):
                self.run(view.restore(key, version, scope=scope))
            return
        old, there = cell.versions[version - 1], cell.value(self.now) is not None
        if old is not None or there:
            cell.put(old)
        self.run(view.restore(key, version, scope=scope))

    @rule(owner=OWNERS, keys=st.permutations(["a", "b"]), value=VALUES, fails=st.booleans())
    def transaction(self, owner: str, keys: list[str], value: Any, fails: bool) -> None:
        view = self.view(owner)

        async def both() -> None:
            async with view.transaction() as tx:
                seen = await tx.get(keys[0])
                tx.set(keys[0], [seen])
                tx.set(keys[1], value)
                if fails:
                    raise ZeroDivisionError

        if fails:
            with pytest.raises(ZeroDivisionError):
                self.run(both())
            return
        self.run(both())
        first, second = (self.cell(owner, Scope.USER, key) for key in keys)
        first.put([first.value(self.now)])
        second.put(value)

    @rule(owner=OWNERS, scope=st.sampled_from([Scope.USER, Scope.THREAD]))
    def clear(self, owner: str, scope: Scope) -> None:
        live = [
            cell
            for (where, who, _), cell in self.cells.items()
            if (where, who) == (scope, owner) and cell.value(self.now) is not None
        ]
        assert self.run(self.view(owner).clear_scope(scope)) == len(live)
        for cell in live:
            cell.put(None)

    @rule(owner=OWNERS, old=st.booleans())
    def fenced(self, owner: str, old: bool) -> None:
        view = self.view(owner)
        fence: Fence = self.run(view.take_fence("lease"))
        self.fences[owner] = self.fences.get(owner, 0) + 1
        assert fence.token == self.fences[owner]
        if old:
            stale = Fence(fence.owner, fence.name, fence.token - 1)
            with pytest.raises(StaleFenceError):
                self.run(view.set("a", "stale", fence=stale))
        else:
            self.cell(owner, Scope.USER, "a").put("fenced")
            self.run(view.set("a", "fenced", fence=fence))

    @rule(seconds=st.sampled_from([1, 3]))
    def wait(self, seconds: int) -> None:
        self.clock[0] += seconds

    @rule()
    def expire(self) -> None:
        self.run(self.manager.expire())
        for cell in self.cells.values():
            if cell.versions and cell.versions[-1] is not None and cell.value(self.now) is None:
                cell.put(None)

    @invariant()
    def every_owner_reads_what_the_model_says(self) -> None:
        for owner in ("ann", "bob"):
            view = self.view(owner)
            wanted = sorted(
                (scope.value, key, cell.value(self.now), len(cell.versions))
                for (scope, who, key), cell in self.cells.items()
                if who in ("", owner) and cell.value(self.now) is not None
            )
            found = self.run(view.query(StateQuery()))
            shown = [(e.owner.scope.value, e.key, e.value, e.version) for e in found]
            assert sorted(shown, key=lambda line: line[:2]) == wanted

    @rule(owner=OWNERS, scope=SCOPES, key=KEYS)
    def read_history(self, owner: str, scope: Scope, key: str) -> None:
        lines = self.run(self.view(owner).history(key, scope=scope))
        cell = self.cell(owner, scope, key)
        assert [line.value for line in lines] == cell.versions
        assert [line.version for line in lines] == list(range(1, len(cell.versions) + 1))

    @rule(owner=OWNERS, key=KEYS)
    def read_nearest(self, owner: str, key: str) -> None:
        found = self.run(self.view(owner).nearest(key))
        order = [Scope.THREAD, Scope.USER, Scope.WORKSPACE]
        values = [(s, self.cell(owner, s, key).value(self.now)) for s in order]
        wanted = next((pair for pair in values if pair[1] is not None), None)
        assert (None if found is None else (found.scope, found.value)) == wanted


@contextmanager
def database(url: str) -> Generator[tuple[asyncio.AbstractEventLoop, StateStore, list[float]]]:
    loop, clock = asyncio.new_event_loop(), [1_800_000_000.0]
    if url == "memory":
        yield loop, MemoryStateStore(now=lambda: clock[0]), clock
        loop.close()
        return
    options = DatabaseOptions(durability="process_crash")
    sessions = DatabaseSessionManager(url, options=options)
    commits = GroupCommit(sessions)
    yield loop, SqlStateStore(sessions, commits, now=lambda: clock[0]), clock
    loop.run_until_complete(commits.close())
    loop.run_until_complete(sessions.dispose())
    loop.close()


@pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql"])
def test_every_back_end_answers_as_the_model_does(
    engine: str, request: pytest.FixtureRequest, full_counts: bool
) -> None:
    url = "memory"
    if engine == "sqlite":
        url = request.getfixturevalue("platform_sqlite")
    if engine == "postgresql":
        url = request.getfixturevalue("platform_postgres").app_url
    counts = {"memory": 60, "sqlite": 15, "postgresql": 6}
    with database(url) as (loop, store, clock):
        machine = type("Machine", (StateModel,), {"loop": loop, "store": store, "clock": clock})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=counts[engine] * (10 if full_counts else 1),
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
