"""Texts while agents write them: passed on at once, never logged."""

from netra_core.context import UserExecutionContext
from netra_core.events.fanout import FanOut, TextDelta


class Writing:
    """Passes on what was added to a text since the last time, to every node's tabs of the user."""

    def __init__(self, fan_out: FanOut, ctx: UserExecutionContext) -> None:
        self._fan_out = fan_out
        self._ctx = ctx
        self._text = ""
        self._after: tuple[str, int] | None = None

    async def show(self, text: str, *, agent: str, after_seq: int) -> None:
        """Show `text`, all of it so far; one that does not continue what was shown begins anew."""
        text = text.encode(errors="replace").decode()  # a model may answer half a surrogate
        after = (agent, after_seq)
        continues = after == self._after and text.startswith(self._text)
        offset = len(self._text) if continues else 0
        self._text, self._after = text, after
        if len(text) > offset:
            await self._fan_out.publish(
                [
                    TextDelta(
                        workspace_id=self._ctx.workspace_id,
                        user_id=self._ctx.user_id,
                        thread_id=self._ctx.thread_id or "",
                        run_id=self._ctx.run_id or "",
                        agent_name=agent,
                        after_seq=after_seq,
                        offset=offset,
                        text=text[offset:],
                    )
                ]
            )
