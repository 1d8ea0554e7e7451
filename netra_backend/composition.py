"""The backend's parts, wired; started and stopped as one."""

import asyncio
from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Final

import structlog

from netra_backend.agents.actions import ActionsAgent
from netra_backend.agents.context import AgentContext, RunScope
from netra_backend.agents.data import DataAgent
from netra_backend.agents.findings import Question
from netra_backend.agents.optimization import OptimizationAgent
from netra_backend.agents.registry import AgentRegistry
from netra_backend.agents.reporting import ReportingAgent
from netra_backend.agents.supervisor import SupervisorAgent
from netra_backend.agents.triage import TriageAgent
from netra_backend.analyses import AnalysisStore
from netra_backend.chat.service import ChatService
from netra_backend.chat.store import ChatStore
from netra_backend.dependencies import BackendDependencies, BackendOptions
from netra_backend.erasure import Erasure
from netra_backend.errors import NodeNameTakenError
from netra_backend.identity import (
    Keys,
    KeySet,
    RevocationFeed,
    Revocations,
    SharedSecret,
    TokenVerifier,
)
from netra_backend.identity.revocations import Change
from netra_backend.jobs.imports import ImportService
from netra_backend.jobs.removal_store import RemovalStore
from netra_backend.jobs.removals import RemovalService
from netra_backend.jobs.spool import Spool
from netra_backend.jobs.store import ImportStore
from netra_backend.reasoner import ModelCall, Reasoners
from netra_backend.runs.approvals import Approvals
from netra_backend.runs.durable import DurableEngine
from netra_backend.runs.node_id import NodeIdentity
from netra_backend.runs.nodes import NodeWatch
from netra_backend.runs.pauses import PauseStore
from netra_backend.runs.records import RunRecord
from netra_backend.runs.service import KIND, ROOT_AGENT, RunService, every
from netra_backend.runs.store import RunStore
from netra_backend.usage.ingest import Ingest
from netra_backend.usage.own_calls import usage_of
from netra_backend.usage.service import UsageService
from netra_core.configuration import ConfigurationManagerFactory, UnifiedConfigurationManager
from netra_core.context import UserExecutionContext
from netra_core.websocket import CloseCode, LiveState, SocketState, UnifiedWebSocketManager

WATCH_EVERY_S: Final = 0.25
DISPATCH_EVERY_S: Final = 2.0
RECONCILE_EVERY_S: Final = 15.0
FORGET_EVERY_S: Final = 3600.0
ERASE_EVERY_S: Final = 1.0
SWEEP_EVERY_S: Final = 3600.0
MAINTAIN_EVERY_S: Final = 30.0
FOLLOW_EVERY_S: Final = 0.25
"""A change of state reaches tabs of other nodes within this time."""

_log = structlog.get_logger(__name__)


class Platform:
    """Everything behind the edge. `start` leaves it ready; `stop` leaves runs to be resumed."""

    def __init__(self, deps: BackendDependencies) -> None:
        options = deps.options
        self.deps = deps
        self.options = options
        self._configurations = (
            None if deps.configuration is None else ConfigurationManagerFactory(deps.configuration)
        )
        self.revocations = Revocations()
        self.verifier = TokenVerifier(
            keys=_keys(deps),
            revocations=self.revocations,
            rules=options.token,
            client=deps.auth_client,
            credential=options.service_credential,
            now=lambda: deps.clock().timestamp(),
        )
        self.feed = RevocationFeed(
            deps.auth_client,
            self.revocations,
            credential=options.service_credential,
            on_change=self._revoked,
        )
        incarnation = deps.ids()
        self.socket_state = None if deps.state is None else SocketState(deps.state, incarnation)
        self.sockets = UnifiedWebSocketManager(
            event_log=deps.events,
            fan_out=deps.fan_out,
            limits=options.sockets,
            thread_owner=self._thread_owner,
            new_id=deps.ids if self.socket_state is None else self.socket_state.new_connection_id,
        )
        self._identity: NodeIdentity | None = None
        self.engine = DurableEngine(url=options.dbos_url, node_id=self._node_id())
        self.spool = Spool(options.uploads, self.engine.node_id)
        self.chat_store = ChatStore(deps.sessions, deps.clock, deps.ids)
        self.run_store = RunStore(deps.sessions, deps.clock)
        self.analyses = AnalysisStore(deps.sessions, deps.clock)
        self.import_store = ImportStore(deps.sessions, deps.clock, deps.ids)
        self.usage = UsageService(deps.open_usage, kept=deps.usage_kept)
        self.approvals = Approvals(deps.sessions, deps.clock)
        self.ingest = Ingest(self.usage)
        self.reasoners = Reasoners(deps.reasoner, self.configuration_of, self._reasoned)
        self.agents = self._agents()
        self.runs = RunService(
            engine=self.engine,
            store=self.run_store,
            chat=self.chat_store,
            sessions=deps.sessions,
            log=deps.events,
            limits=options.limits,
            answer=self._answer,
            approvals=self.approvals,
            clock=deps.clock,
            state=deps.state,
            fan_out=deps.fan_out,
            uses=self._uses,
        )
        self.chat = ChatService(chat=self.chat_store, runs=self.runs, store=self.run_store)
        self.imports = ImportService(engine=self.engine, store=self.import_store, usage=self.usage)
        self.removal_store = RemovalStore(deps.sessions, deps.clock)
        self.removals = self._removals()
        self.erasure = Erasure(
            sessions=deps.sessions,
            log=deps.events,
            chat=self.chat_store,
            runs=self.runs,
            engine=self.engine,
            usage=self.usage,
            state=deps.state,
            configuration=deps.configuration,
            forget_cached=self.sockets.feeds.forget_recent,
            now=lambda: deps.clock().timestamp(),
        )
        self.pauses = PauseStore(deps.sessions, deps.clock)
        self.nodes = self._node_watch(incarnation)
        self.live_state = None if deps.state is None else LiveState(deps.state, self.sockets)
        self._tasks: list[asyncio.Task[None]] = []
        self.ready = False

    def use(self, options: BackendOptions) -> None:
        """Put limits and origins of these options into force; the rest counts from a start on."""
        self.options = options
        self.sockets.use_limits(options.sockets)
        self.runs.use_limits(options.limits)

    def configuration_of(
        self, ctx: UserExecutionContext | None
    ) -> UnifiedConfigurationManager | None:
        """The configuration as it is for this user in this workspace, or for the installation."""
        if self._configurations is None or ctx is None:
            return self.deps.configuration
        return self._configurations.get_user_manager(ctx.user_id, ctx.workspace_id)

    def max_upload_bytes(self, ctx: UserExecutionContext) -> int:
        """The largest file that this user may upload, in bytes."""
        manager = self.configuration_of(ctx)
        if manager is None:
            return self.options.max_upload_bytes
        return manager.get_int("usage.max_upload_bytes")

    def keep_days(self, workspace_id: str) -> int | None:
        """How long calls of this workspace are kept; None for ever."""
        if self._configurations is None:
            return self.options.keep_days
        manager = self._configurations.get_workspace_manager(workspace_id)
        return manager.settings.usage.keep_days

    def _usage_limited(self) -> bool:
        """Whether any workspace's calls are kept for a time only."""
        if (manager := self.deps.configuration) is None:
            return self.options.keep_days is not None
        of_workspaces = manager.core.snapshot.overlays.values()
        return manager.settings.usage.keep_days is not None or any(
            "usage.keep_days" in overlay.entries for overlay in of_workspaces
        )

    async def start(self) -> None:
        """Follow revocations, recover runs, open the sockets' door."""
        options = self.deps.options
        await asyncio.to_thread(options.uploads.mkdir, parents=True, exist_ok=True, mode=0o700)
        await self.deps.fan_out.start()
        if self.socket_state is not None:
            await self.socket_state.begin()
            if options.clustered:
                await self._have_a_name_alone()
                await self.nodes.begin()
            else:
                await self.socket_state.sweep_all_but(())
        await self.sockets.start()
        if self.live_state is not None:
            self.live_state.start()
        self._own(self.feed.follow(), "revocation-feed")
        # What was interrupted goes on at once, and not only after analytics have been loaded.
        interrupted = await self.run_store.open_of(self.engine.node_id)
        warming = asyncio.create_task(self.usage.warm()) if interrupted else None
        await self.engine.start()
        await self._take_up_what_ended_processes_left()
        await self.runs.reconcile()
        await self.imports.reconcile()
        await self.removals.reconcile()
        if warming is not None:
            await warming
        self._own(every(DISPATCH_EVERY_S, self.runs.dispatch, "dispatch"), "dispatch")
        self._own(every(RECONCILE_EVERY_S, self.runs.reconcile, "reconcile"), "reconcile")
        self._own(every(FORGET_EVERY_S, self.engine.forget, "forget"), "forget")
        self._own(every(SWEEP_EVERY_S, self.removals.sweep, "retention"), "retention")
        leaks = every(MAINTAIN_EVERY_S, self.deps.sessions.close_leaks, "leaks")
        self._own(leaks, "leaks")
        self._own(every(ERASE_EVERY_S, self.erasure.work, "erasure"), "erasure")
        if (state := self.deps.state) is not None:
            self._own(every(MAINTAIN_EVERY_S, state.tidy, "state"), "state")
        if options.clustered:
            if state is not None:
                self._own(every(FOLLOW_EVERY_S, state.catch_up, "live-state"), "live-state")
            self._own(every(WATCH_EVERY_S, self.runs.watch, "watch"), "watch")
            self._own(self.nodes.watch(), "nodes")
        self.ready = True

    async def stop(self) -> None:
        """Close sockets, interrupt runs where they are, close what was opened."""
        was_ready, self.ready = self.ready, False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.sockets.shutdown()
        if self.live_state is not None:
            self.live_state.stop()
        await self.engine.stop()
        await self.runs.settle()
        if was_ready and self.deps.options.clustered:
            await self.nodes.leave()
        await self.ingest.close()
        await self.agents.close()
        await self.usage.close()
        if self._identity is not None:
            self._identity.release()

    def held_by(self, ctx: UserExecutionContext) -> frozenset[tuple[str, str]]:
        """Scopes and keys of the pauses that would keep a run of this user from beginning."""
        always = {("user", ctx.user_id), ("agent", KIND)}
        return self._uses(ctx.workspace_id, ctx.user_id) | always

    def _uses(self, workspace_id: str, user_id: str) -> frozenset[tuple[str, str]]:
        """What a run of this user works with: a pause of one of these keeps it from beginning."""
        user = UserExecutionContext(
            user_id=user_id, workspace_id=workspace_id, request_id="dispatch"
        )
        return frozenset(
            {("agent", name) for name in self.agents.list_keys()}
            | {("model", model) for model in self.reasoners.models_of(user)}
        )

    def _node_id(self) -> str:
        options = self.deps.options
        if options.node_id is not None:
            return options.node_id
        self._identity = NodeIdentity(options.uploads.parent / "nodes")
        return self._identity.name

    async def _have_a_name_alone(self) -> None:
        """Take another name where a living node has this one: its work is not ours to recover."""
        if not await self.nodes.name_is_taken():
            return
        if self._identity is None:
            raise NodeNameTakenError(
                f"Another node that is alive has the name {self.engine.node_id!r}.",
                hint="Give each node a name of its own.",
            )
        taken, name = self.engine.node_id, self._identity.rename()
        _log.warning("node_renamed", taken=taken, name=name)
        self.engine.use_name(name)
        self.spool = Spool(self.options.uploads, name)

    async def _take_up_what_ended_processes_left(self) -> None:
        """Their files, and on an embedded database, where nobody watches, their work."""
        with nullcontext([]) if self._identity is None else self._identity.abandoned() as ended:
            if ended and not self.deps.options.clustered:
                await self.run_store.adopt(ended, self.engine.node_id)
                await self.import_store.adopt(ended, self.engine.node_id)
                await self.removal_store.adopt(ended, self.engine.node_id)
                await self.engine.take_over(ended)
            kept = await self.import_store.open_paths()
            await asyncio.to_thread(self.spool.sweep, ended, kept)

    def _own(self, work: Coroutine[None, None, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=f"apex-{name}"))

    def _removals(self) -> RemovalService:
        return RemovalService(
            engine=self.engine,
            store=self.removal_store,
            usage=self.usage,
            clock=self.deps.clock,
            ids=self.deps.ids,
            keep_days=self.keep_days,
            limited=self._usage_limited,
        )

    def _node_watch(self, incarnation: str) -> NodeWatch:
        return NodeWatch(
            sessions=self.deps.sessions,
            engine=self.engine,
            left=(
                self.run_store.open_on_other_nodes,
                self.import_store.open_on_other_nodes,
                self.removal_store.open_on_other_nodes,
            ),
            stranded=self.import_store.stranded,
            give_up=self.imports.give_up,
            clock=self.deps.clock,
            incarnation=incarnation,
            sockets=self.socket_state,
            on_lost=self._found_dead,
        )

    def _agents(self) -> AgentRegistry:
        registry = AgentRegistry()
        registry.register_factory("supervisor", SupervisorAgent)
        registry.register_factory("triage", lambda _: TriageAgent(self.reasoners.of))
        registry.register_factory("data", lambda _: DataAgent(self.usage))
        registry.register_factory("optimization", lambda _: OptimizationAgent(self.usage))
        registry.register_factory("actions", lambda _: ActionsAgent())
        registry.register_factory("reporting", lambda _: ReportingAgent(self.analyses))
        return registry

    async def _answer(self, scope: RunScope, run: RunRecord) -> None:
        session = self.agents.session(scope.user)
        supervisor = await session.create(ROOT_AGENT)
        manager = self.configuration_of(scope.user)
        limit_s = None if manager is None else manager.get_float("runs.timeout_s")
        try:
            root = AgentContext.root(scope, ROOT_AGENT, limit_s=limit_s)
            await supervisor.execute(root, Question(run.question))
        finally:
            await session.release(supervisor)
            self.agents.release_idle(scope.user)

    async def _reasoned(self, user: UserExecutionContext, call: ModelCall) -> None:
        """Put what a model was asked into the workspace's own usage; the run goes on without."""
        try:
            await self.ingest.add(user, [usage_of(user, call)])
        except Exception:
            _log.exception("reasoner_usage_not_stored", run_id=user.run_id)

    async def _revoked(self, change: Change) -> None:
        match change.kind:
            case "session_revoked":
                await self.sockets.close_where(session_id=change.session_id)
            case "user_disabled":
                await self.sockets.close_where(user_id=change.user_id)
            case "person_erased":
                self.erasure.ask(("person", change.user_id), at=change.at)
            case "workspace_erased":
                self.erasure.ask(("workspace", change.workspace_id or ""), at=change.at)
            case "membership_changed":
                await self.sockets.close_where(
                    user_id=change.user_id, workspace_id=change.workspace_id
                )

    async def _found_dead(self) -> None:
        """Others held this node for dead and deleted what its sockets kept: these start over."""
        if self.socket_state is not None:
            await self.socket_state.begin()
        self.sockets.close_all(CloseCode.RESTART, "The node was cut off. Reconnect and resume.")

    async def _thread_owner(self, thread_id: str) -> tuple[str, str] | None:
        return await self.chat_store.owner(thread_id)


def _keys(deps: BackendDependencies) -> Keys:
    rules = deps.options.token
    if rules.algorithm == "HS256":
        return SharedSecret(rules.secret or "")
    return KeySet(deps.auth_client)
