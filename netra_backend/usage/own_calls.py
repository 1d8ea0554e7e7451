"""The platform's own calls to language models, as usage of the workspace they were made for."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from netra_backend.reasoner.intent import ModelCall
from netra_core.context import UserExecutionContext

if TYPE_CHECKING:
    from netra_optimizer.usage.record import UsageRecord

FEATURE: Final = "netra-apex"


def usage_of(user: UserExecutionContext, call: ModelCall) -> "UsageRecord":
    """One record; its id follows from the run, so that it is counted once."""
    from netra_optimizer.usage.record import UsageRecord

    return UsageRecord(
        id=f"apex:{user.run_id}:{call.started}",
        start=datetime.fromisoformat(call.started),
        model=call.model,
        provider=call.provider,
        latency_ms=call.latency_ms,
        input_uncached=call.input_tokens - call.cache_read_tokens,
        cache_read=call.cache_read_tokens,
        output_text=call.output_tokens,
        user=user.user_id,
        feature=FEATURE,
        conversation=user.thread_id or "",
        status=call.status,
        source=FEATURE,
    )
