"""Durable execution: named work that outlives its process, on DBOS.

A unit of work is (kind, id). Its body may run several times; what it does inside `step` runs
until it has finished once, and its recorded outcome is used from then on.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from dbos import DBOS, DBOSConfig, SetWorkflowID, StepInfo
from sqlalchemy import make_url

from netra_backend.errors import NotReadyError
from netra_backend.runs.serializer import StepSerializer

RUN_FORMAT: Final = 1
"""Number of the order of steps that this program executes. DBOS keeps it as application version:
a run begun in another format is never picked up, and is failed visibly instead."""

Work: TypeAlias = Callable[[str], Awaitable[None]]

KEEP_STEPS: Final = timedelta(days=1)
"""How long a run that has ended can be resumed from its steps; later it begins anew."""

_WORKFLOW = "apex.work"
_LISTENER_WAKES_S = 0.1
"""DBOS polls for messages that we do not use; a stop waits for its thread to wake up."""
_FORGET_AT_ONCE = 500
_HURRIED_POLL_S = 0.05
_IDLE_POLL_S = 1.0
_HURRY_FOR_S = 5.0


class DurableEngine:
    """Starts, recovers and records work. One a process: DBOS is a singleton.

    `node_id` names who executes; a node that restarts under its own id gets its interrupted work
    back at once. Work is started directly, never through a polled queue.
    """

    def __init__(self, *, url: str, node_id: str) -> None:
        self._url = url
        self._node_id = node_id
        self._kinds: dict[str, Work] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._workflow: Callable[..., Any] | None = None
        self._slow_down: asyncio.TimerHandle | None = None

    @property
    def node_id(self) -> str:
        """Who executes here."""
        return self._node_id

    @property
    def running(self) -> Sequence[str]:
        """Ids of the work that executes in this process now."""
        return tuple(self._tasks)

    def register(self, kind: str, work: Work) -> None:
        """Say what a kind does; before `start`."""
        self._kinds[kind] = work

    def use_name(self, node_id: str) -> None:
        """Execute under another name; before `start`."""
        self._node_id = node_id

    async def start(self) -> None:
        """Open the database, and pick up the work that this node left behind.

        Blocks the loop for the time of the migrations: DBOS takes the loop it is launched in.
        """
        await asyncio.to_thread(_prepare_sqlite, self._url)
        DBOS(
            config=DBOSConfig(
                name="apex",
                system_database_url=self._url,
                application_version=str(RUN_FORMAT),
                executor_id=self._node_id,
                serializer=StepSerializer(),
                log_level="CRITICAL",
                enable_otlp=False,
                run_migrations=True,
                use_listen_notify=False,
                notification_listener_polling_interval_sec=_LISTENER_WAKES_S,
            )
        )

        async def work(kind: str) -> None:
            # A function of its own: DBOS leaves marks on what it registers.
            work_id = DBOS.workflow_id
            assert work_id is not None
            await self._run(kind, work_id)

        self._workflow = DBOS.workflow(name=_WORKFLOW)(work)
        self.hurry()
        DBOS.launch()

    async def stop(self) -> None:
        """Interrupt what runs, leave it to be picked up again, and close the database."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        if self._slow_down is not None:
            self._slow_down.cancel()
        if self._workflow is not None:
            self._workflow = None
            await asyncio.get_running_loop().run_in_executor(_Once(), _destroy)
            # DBOS made its own pool this loop's default and has shut it down.
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())

    async def submit(self, kind: str, work_id: str) -> None:
        """Start work; returns once its start is recorded. An id that was started stays as it is."""
        if self._workflow is None:
            raise NotReadyError("Runs cannot be started now.", hint="Try again in a moment.")
        with SetWorkflowID(work_id):
            await DBOS.start_workflow_async(self._workflow, kind)

    async def submit_again(self, kind: str, work_id: str, *, steps_from: str) -> None:
        """Start work that reuses the finished steps of other work, up to its first failed one."""
        steps = await DBOS.list_workflow_steps_async(steps_from)
        failed = [step["function_id"] for step in steps if _failed(step)]
        finished = [step["function_id"] for step in steps]
        first = min(failed, default=max(finished, default=0) + 1)
        if not finished or first <= min(finished):
            await self.submit(kind, work_id)
            return
        self.hurry()
        with SetWorkflowID(work_id):
            await DBOS.fork_workflow_async(steps_from, first, application_version=str(RUN_FORMAT))

    async def step(self, name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        """Run `fn` until it has finished once; its JSON outcome is recorded and stands.

        Only inside work. What `fn` raises is recorded too and comes back as StepFailedError when
        the work is executed again. A cancellation of the task is not recorded.
        """

        async def body() -> Any:
            return {"value": await fn()}

        outcome: dict[str, Any] = await DBOS.run_step_async({"name": name}, body)
        return outcome["value"]

    async def status(self, work_id: str) -> str | None:
        """What the durable record says of the work, None where there is no record."""
        found = await DBOS.get_workflow_status_async(work_id)
        return None if found is None else str(found.status)

    async def take_over(self, node_ids: Sequence[str]) -> None:
        """Have the work of dead nodes executed by those that live, one of them each."""
        if node_ids:
            self.hurry()
            # Public counterpart: none. It only moves rows of these executors back to the queue.
            recover = DBOS._recover_pending_workflows  # pyright: ignore[reportPrivateUsage]
            await asyncio.to_thread(recover, list(node_ids))

    async def forget(self, *, after: timedelta = KEEP_STEPS) -> None:
        """Drop the recorded steps of work that ended long ago; what it made stays in its tables."""
        before = (datetime.now(UTC) - after).isoformat()
        ended = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            end_time=before,
            limit=_FORGET_AT_ONCE,
            load_input=False,
            load_output=False,
        )
        if ended:
            await DBOS.delete_workflows_async([work.workflow_id for work in ended])

    async def erase(self, work_ids: Sequence[str]) -> None:
        """Drop the recorded steps of this work; ids of which there is no record do no harm."""
        for start in range(0, len(work_ids), _FORGET_AT_ONCE):
            await DBOS.delete_workflows_async(list(work_ids[start : start + _FORGET_AT_ONCE]))

    def interrupt(self, work_id: str) -> None:
        """Stop executing here what another execution has taken over."""
        if (task := self._tasks.get(work_id)) is not None:
            task.cancel()

    def hurry(self) -> None:
        """Look for recovered work every 50 ms for a while; once a second after that."""
        queue = _internal_queue()
        queue._polling_interval_sec = _HURRIED_POLL_S

        def slow_down() -> None:
            queue._polling_interval_sec = _IDLE_POLL_S

        if self._slow_down is not None:
            self._slow_down.cancel()
        self._slow_down = asyncio.get_running_loop().call_later(_HURRY_FOR_S, slow_down)

    async def _run(self, kind: str, work_id: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[work_id] = task
        try:
            await self._kinds[kind](work_id)
        finally:
            del self._tasks[work_id]


def _failed(step: StepInfo) -> bool:
    """True for a step that raised, or whose recorded outcome says that its tool failed."""
    output: Any = step["output"]
    value = output.get("value") if isinstance(output, dict) else None
    return step["error"] is not None or (isinstance(value, dict) and value.get("ok") is False)


class _Once(ThreadPoolExecutor):
    """A pool for the one call that ends the pool the loop uses."""

    def __init__(self) -> None:
        super().__init__(max_workers=1, thread_name_prefix="dbos-destroy")


def _destroy() -> None:
    DBOS.destroy(destroy_registry=True)


def _internal_queue() -> Any:
    # DBOS polls the queue that recovery goes through once a second and offers no setting for it.
    from dbos._dbos import _get_or_create_dbos_registry  # pyright: ignore[reportPrivateUsage]

    return _get_or_create_dbos_registry().get_internal_queue()


def _prepare_sqlite(url: str) -> None:
    """WAL before DBOS opens the file: it keeps the mode it finds, and readers block otherwise."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        connection = sqlite3.connect(parsed.database)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
