"""A message becomes a run, once."""

from netra_backend.chat.records import Accepted, WhileBusy
from netra_backend.chat.store import ChatStore
from netra_backend.errors import InvalidRequestError, ThreadBusyError
from netra_backend.runs.service import RunService
from netra_backend.runs.store import RunStore
from netra_core.context import UserExecutionContext

MAX_CONTENT_CHARS = 32_000


class ChatService:
    """Accepts messages over every edge alike."""

    def __init__(self, *, chat: ChatStore, runs: RunService, store: RunStore) -> None:
        self._chat = chat
        self._runs = runs
        self._store = store

    async def send(
        self,
        ctx: UserExecutionContext,
        *,
        content: str,
        client_message_id: str,
        thread_id: str | None,
        while_busy: WhileBusy = WhileBusy.ENQUEUE,
    ) -> Accepted:
        """Store the message, and begin its run as soon as it is its turn.

        The same `client_message_id` gives the first answer again. While a run works in the thread
        the message waits behind it (`enqueue`), is refused (`reject`, ThreadBusyError) or has the
        run cancelled first (`interrupt`). Raises NotFoundError, RunLimitError.
        """
        if not content.strip():
            raise InvalidRequestError("The message is empty.")
        if len(content) > MAX_CONTENT_CHARS:
            raise InvalidRequestError(f"A message has at most {MAX_CONTENT_CHARS} characters.")
        if thread_id is not None and while_busy is not WhileBusy.ENQUEUE:
            before = await self._chat.accepted_before(ctx, client_message_id)
            if before is not None:
                return before
            await self._make_way(ctx, thread_id, while_busy)
        accepted = await self._chat.accept(
            ctx,
            content=content,
            client_message_id=client_message_id,
            thread_id=thread_id,
            waiting_limit=self._runs.waiting_per_user,
        )
        if not accepted.duplicate:
            await self._runs.dispatch()
        return accepted

    async def _make_way(
        self, ctx: UserExecutionContext, thread_id: str, while_busy: WhileBusy
    ) -> None:
        working = await self._store.open_in_thread(ctx, thread_id)
        if working and while_busy is WhileBusy.REJECT:
            raise ThreadBusyError(
                "A run works in this thread.", hint="Wait until it has ended, or cancel it."
            )
        for run_id in working:
            await self._runs.cancel(ctx, run_id, reason="interrupted by a new message")
