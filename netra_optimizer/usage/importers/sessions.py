"""Agents' sessions in full text: `{"timestamp", "input", "output", "session_id"}`, a call a line.

No token is counted in them: lengths are estimated at four bytes of UTF-8 a token, and the record's
source (`sessions`) says so. The text names the prefix blocks exactly.
"""

from typing import Final

from netra_optimizer.usage.importers.base import NO_TOKENS, Options, Outcome, RowImporter
from netra_optimizer.usage.importers.prompts import BLOCK_BYTES, block_names
from netra_optimizer.usage.importers.values import content_id, digest, first, moment, positive, text
from netra_optimizer.usage.record import UsageRecord
from netra_optimizer.usage.sources.rows import Row, Rows

BYTES_A_TOKEN: Final = 4


class SessionsImporter(RowImporter):
    """Text in, text out, and the session they belong to."""

    name = "sessions"
    title = "agent sessions in full text (tokens estimated)"
    convention = "no counts: one token for four bytes of text, all input uncached"
    names_model = False

    def score(self, rows: Rows) -> float:
        """Sure when the input and output are text beside a session."""
        names = {name for row in rows.sample for name in row}
        spoken = any(isinstance(row.get("input"), str) for row in rows.sample)
        counted = any("token" in name.lower() or name == "usage" for name in names)
        expected = names >= {"timestamp", "input", "output", "session_id"}
        return 0.9 if expected and spoken and not counted else 0.0

    def read(self, row: Row, options: Options) -> Outcome:
        """One call."""
        asked, answered = row.get("input"), row.get("output")
        if not isinstance(asked, str) or not isinstance(answered, str | None):
            return NO_TOKENS
        start = moment(row.get("timestamp"), options.timezone)
        session = text(first(row, ("session_id",)))
        size = _bytes(asked)
        return UsageRecord(
            id=content_id("session", session, row.get("timestamp"), asked, answered),
            start=start,
            model=text(row.get("model")),
            conversation=session,
            latency_ms=positive(row.get("latency_ms")),
            input_uncached=_tokens(size),
            output_text=_tokens(_bytes(answered or "")),
            prompt_hash=digest("prompt", asked),
            block_hashes=block_names(asked),
            block_tokens=BLOCK_BYTES // BYTES_A_TOKEN,
        )


def _bytes(value: str) -> int:
    return len(value.encode("utf-8", "surrogatepass"))


def _tokens(size: int) -> int:
    return -(-size // BYTES_A_TOKEN)
