"""Writes a run's events, each under its key, so that a re-executed run writes nothing twice."""

from netra_backend.errors import ReplayMismatchError
from netra_core.context import UserExecutionContext
from netra_core.events.order import Ending, RunOrder
from netra_core.events.port import EventLog, NewEvent
from netra_core.events.types import Event, Payload


class RunRecorder:
    """The pen of one run.

    `record` returns what the log holds under the key: on a re-execution that is the event of the
    first attempt, and one of another type means that the run does not repeat itself.
    """

    def __init__(self, log: EventLog, ctx: UserExecutionContext) -> None:
        if ctx.run_id is None or ctx.thread_id is None:
            raise ValueError("a recorder needs a context with a run and a thread")
        self._log = log
        self._ctx = ctx
        self._run_id = ctx.run_id
        self._thread_id = ctx.thread_id
        self._last_seq = 0

    @property
    def last_seq(self) -> int:
        """The stream's number of the event written, or found, last; 0 before the first."""
        return self._last_seq

    async def record(self, payload: Payload, *, agent: str, step: str, ordinal: int) -> Event:
        """Write one event, or find the one that was written."""
        new = self._event(payload, agent=agent, step=step, ordinal=ordinal)
        stored = await self._log.append(self._ctx, new)
        self._last_seq = max(self._last_seq, stored.seq)
        if stored.type != new.type or stored.agent_name != agent:
            raise ReplayMismatchError(
                f"The log has {stored.type} of {stored.agent_name!r} where this execution "
                f"writes {new.type} of {agent!r}."
            )
        return stored

    async def close(self, status: Ending, reason: str, *, code: str = "RUN-000") -> None:
        """End the run: close what the log says is open, innermost first, then the terminal event.

        Does nothing for a run that has ended. Keys name what is closed, so that two closers write
        each event once.
        """
        order = RunOrder.replay(await self._log.read_run(self._ctx, self._run_id))
        events = [
            self._event(payload, agent=agent, step=_closing_step(agent, payload), ordinal=0)
            for agent, payload in order.closing(status, reason, code=code)
        ]
        if events:
            await self._log.append_many(self._ctx, events)

    async def events(self) -> list[Event]:
        """All events of the run so far."""
        return await self._log.read_run(self._ctx, self._run_id)

    def _event(self, payload: Payload, *, agent: str, step: str, ordinal: int) -> NewEvent:
        return NewEvent.of(
            payload,
            run_id=self._run_id,
            thread_id=self._thread_id,
            step=step,
            ordinal=ordinal,
            agent_name=agent,
        )


def _closing_step(agent: str, payload: Payload) -> str:
    call_id = getattr(payload, "call_id", None)
    return f"close/tool/{call_id}" if call_id else f"close/{agent}"
