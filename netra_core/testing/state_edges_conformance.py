"""Edges of shared state that every back end shares; part of StateConformance."""

import asyncio

import pytest

from netra_core.context import UserExecutionContext
from netra_core.database.scope import SystemContext
from netra_core.state import (
    Fence,
    InvalidStateKeyError,
    Scope,
    StateChange,
    StateClosedError,
    StateQuery,
    StateScopeError,
    StateView,
    UnifiedStateManager,
)


def _ctx(
    user: str = "ann",
    workspace: str = "acme",
    *,
    session_id: str | None = None,
    thread_id: str | None = None,
) -> UserExecutionContext:
    return UserExecutionContext(
        user_id=user,
        workspace_id=workspace,
        request_id="r-1",
        session_id=session_id,
        thread_id=thread_id,
    )


class StateEdges:
    """Ids, limits, fences of others, callers that leave, ends."""

    @pytest.mark.parametrize(
        ("user", "workspace", "session"),
        [
            ("u" * 65, "acme", "s"),
            ("ann", "w" * 65, "s"),
            ("ann", "acme", "s" * 401),
            ("a\x00b", "acme", "s"),
            ("ann", "a\ud800b", "s"),
            ("ann", "acme", "\ud800"),
        ],
    )
    async def test_ids_that_cannot_own_state_are_refused(
        self, manager: UnifiedStateManager, user: str, workspace: str, session: str
    ) -> None:
        """At once and by name, also where the database would take them."""
        with pytest.raises(StateScopeError, match="cannot own state"):
            manager.for_context(_ctx(user, workspace, session_id=session))

    @pytest.mark.parametrize(
        "user", ["a/b", "a:b", "a'b", "a%b", "a_b", "ä", "東京", " a ", "../a"]
    )
    async def test_owners_with_odd_characters_stay_apart(
        self, manager: UnifiedStateManager, user: str
    ) -> None:
        """Ids are text: nothing in them is a separator, a wildcard or a path."""
        twins = [user, user.replace("a", "b", 1) if "a" in user else user + "x", f"{user} "]
        for number, name in enumerate(twins):
            ctx = _ctx(name, thread_id=f"1:{name}/", session_id=name)
            view = manager.for_context(ctx, agent=f"x/{name}", connection_id=name)
            for scope in (Scope.USER, Scope.SESSION, Scope.THREAD, Scope.AGENT, Scope.WEBSOCKET):
                await view.set("k", number, scope=scope)
        for number, name in enumerate(twins):
            ctx = _ctx(name, thread_id=f"1:{name}/", session_id=name)
            view = manager.for_context(ctx, agent=f"x/{name}", connection_id=name)
            found = [entry.value for entry in await view.query(StateQuery())]
            assert found == [number] * 5

    async def test_agents_of_threads_whose_names_run_together_stay_apart(
        self, manager: UnifiedStateManager
    ) -> None:
        """Thread `t` with agent `u/a` is not thread `t/u` with agent `a`."""
        one = manager.for_context(_ctx(thread_id="t"), agent="u/a")
        two = manager.for_context(_ctx(thread_id="t/u"), agent="a")
        await one.set("k", 1, scope=Scope.AGENT)
        assert await two.get("k", scope=Scope.AGENT) is None

    async def test_erasing_a_thread_takes_its_agents_along_and_no_other_thread(
        self, manager: UnifiedStateManager
    ) -> None:
        """What agents noted in a thread is the thread's."""
        views = [
            manager.for_context(_ctx(thread_id=thread), agent="data") for thread in ("t", "t2", "1")
        ]
        for view in views:
            await view.set("k", "secret", scope=Scope.AGENT)
            await view.set("k", "secret", scope=Scope.THREAD)
        system = SystemContext(actor="test")
        assert await manager.erase(system, workspace_id="acme", user_id="ann", subject="t") == 2
        left = [
            await view.get("k", scope=scope)
            for view in views
            for scope in (Scope.AGENT, Scope.THREAD)
        ]
        assert left == [None, None, *["secret"] * 4]
        lines = await views[0].history("k", scope=Scope.AGENT)
        assert [line.value for line in lines] == [None]

    async def test_limits_below_one_and_pages_of_every_scope_are_refused(
        self, ann: StateView
    ) -> None:
        """They would mean something else on each back end."""
        await ann.set("k", 1)
        for limit in (0, -1):
            with pytest.raises(InvalidStateKeyError):
                await ann.query(StateQuery(limit=limit))
            with pytest.raises(InvalidStateKeyError):
                await ann.history("k", limit=limit)
            with pytest.raises(InvalidStateKeyError):
                await ann.changes_since(0, limit=limit)
        with pytest.raises(InvalidStateKeyError):
            await ann.query(StateQuery(after_key="a"))

    async def test_a_fence_of_somebody_else_tells_nothing_of_it(
        self, manager: UnifiedStateManager, ann: StateView
    ) -> None:
        """Neither that it exists nor where it stands."""
        bob = manager.for_context(_ctx("bob"))
        fence = await bob.take_fence("lease")
        refusals: set[str] = set()
        for token in (fence.token, fence.token + 1, 99):
            for name in ("lease", "no-such"):
                with pytest.raises(StateScopeError) as caught:
                    await ann.set("k", 1, fence=Fence(fence.owner, name, token))
                refusals.add(str(caught.value))
        assert len(refusals) == 1
        assert await ann.get("k") is None

    async def test_a_change_whose_writer_left_is_committed_and_told(
        self, manager: UnifiedStateManager, ann: StateView
    ) -> None:
        """Cancelled while it waits, a writer's change counts, and listeners hear of it."""
        heard: asyncio.Queue[object] = asyncio.Queue()
        manager.add_listener(heard.put_nowait)
        write = asyncio.create_task(ann.set("k", "left"))
        await asyncio.sleep(0)  # it has put its write in
        write.cancel()
        await asyncio.gather(write, return_exceptions=True)
        told = await heard.get()
        assert isinstance(told, StateChange)
        assert (told.key, told.value, await ann.get("k")) == ("k", "left", "left")
        assert heard.empty()

    async def test_after_the_shutdown_views_are_refused_too(
        self, manager: UnifiedStateManager, ann: StateView
    ) -> None:
        """Not only new ones."""
        await ann.set("k", 1)
        await manager.shutdown()
        with pytest.raises(StateClosedError):
            await ann.get("k")
        with pytest.raises(StateClosedError):
            await ann.set("k", 2)
        with pytest.raises(StateClosedError):
            async with ann.transaction() as tx:
                tx.set("k", 3)
