"""BurstGPT's published trace: Timestamp, Model, Request tokens, Response tokens, Log Type.

Times are seconds from the trace's beginning. Request tokens count the whole prompt; all of it is
taken as uncached. A response of no tokens is a failed request. `--model` says what to price the
calls as; without it the trace's own two models are taken as what they were.
"""

from collections.abc import Mapping
from typing import Any, Final

from netra_optimizer.usage.batch import EPOCH, MICROSECOND
from netra_optimizer.usage.importers.base import NO_TOKENS, Options, Outcome, RowImporter
from netra_optimizer.usage.importers.relative import RelativeClock
from netra_optimizer.usage.importers.values import (
    content_id,
    count,
    first,
    has_count,
    number,
    positive,
    text,
)
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

_MODELS: Final[Mapping[str, str]] = {"chatgpt": "gpt-3.5-turbo", "gpt-4": "gpt-4"}
_CLOCK: Final = RelativeClock(relative=True, us_per_unit=1e6)


class BurstGPTImporter(RowImporter):
    """Lengths and models of a campus service."""

    name = "burstgpt"
    title = "BurstGPT trace"
    convention = "Request tokens count the whole prompt; all of it is taken as uncached"

    def score(self, rows: Rows) -> float:
        """Sure by its columns."""
        names = {name.lower() for name in rows.header}
        return 0.99 if names >= {"timestamp", "request tokens", "response tokens"} else 0.0

    def latest_relative_us(self, rows: Rows) -> int | None:
        """The largest time stamp."""
        found = [
            value
            for row in rows.dicts()
            if isinstance(row, dict) and (value := positive(_lowered(row).get("timestamp")))
        ]
        return max(_CLOCK.us(found), default=0)

    def read(self, row: Row, options: Options) -> Outcome:
        """One request."""
        seen = _lowered(row)
        inputs, outputs = seen.get("request tokens"), seen.get("response tokens")
        if not (has_count(inputs) and has_count(outputs)):
            return NO_TOKENS
        stamp = seen.get("timestamp")
        us = _CLOCK.absolute_us(stamp, options)
        named = text(seen.get("model")).strip()
        said, failed = count(outputs), not count(outputs)
        session = text(first(seen, ("session id",)))
        elapsed = number(first(seen, ("elapsed time",)))
        return UsageRecord(
            id=content_id("burstgpt", text(stamp), named, text(inputs), text(outputs), session),
            start=EPOCH + us * MICROSECOND,
            model=options.model or _MODELS.get(named.lower(), named),
            provider=options.provider,
            latency_ms=None if elapsed is None or elapsed < 0 else elapsed * 1000,
            input_uncached=count(inputs),
            output_text=said,
            feature=text(seen.get("log type")),
            conversation=session,
            status="error" if failed else "ok",
            error_kind="no_response" if failed else "",
        )


def _lowered(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name.strip().lower(): value for name, value in row.items()}
