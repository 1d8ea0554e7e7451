"""OpenAI's organization usage (completions, embeddings, moderations): results in buckets of time.

input_tokens includes input_cached_tokens. Where a result tells text, audio and image apart it
includes all of them; an older one counts audio beside the text. How many requests a result sums is
stated (num_model_requests). Results that count no tokens (images, characters, seconds, searches)
are left out, by name.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from netra_optimizer.usage.importers.answers import tier_of
from netra_optimizer.usage.importers.base import NO_MODEL, NO_TOKENS, Options, RowRefused
from netra_optimizer.usage.importers.buckets import spread
from netra_optimizer.usage.importers.conventions import cache_writes
from netra_optimizer.usage.importers.reports import ReportImporter, Result, row_name
from netra_optimizer.usage.importers.tokens import Dividing, Tokens
from netra_optimizer.usage.importers.values import count, has_count, text
from netra_optimizer.usage.record import UsageRecord

_KIND: Final = "organization.usage."
_OPERATIONS: Final = {"embeddings": "embeddings", "moderations": "moderation"}
_OLDER: Final = {
    "n_context_tokens_total": "input_tokens",
    "n_generated_tokens_total": "output_tokens",
    "n_cached_context_tokens_total": "input_cached_tokens",
    "n_requests": "num_model_requests",
    "snapshot_id": "model",
}
"""What the older usage API and the exports of its page call the fields."""
_TOLD_APART: Final = ("input_uncached_tokens", "input_text_tokens", "output_text_tokens")


class OpenAIUsageImporter(ReportImporter):
    """Tokens by model, project, user, key and batch."""

    name = "openai_usage"
    title = "OpenAI organization usage"
    convention = "input_tokens includes input_cached_tokens"

    def owns(self, result: Result) -> bool:
        """By its kind, or by counts of requests."""
        return (
            text(result.get("object")).startswith(_KIND)
            or "num_model_requests" in result
            or "n_context_tokens_total" in result
        )

    def records(
        self, result: Result, start: datetime, end: datetime, options: Options
    ) -> Iterator[UsageRecord]:
        """As many records as there were requests."""
        if "n_context_tokens_total" in result:
            result = {_OLDER.get(name, name): value for name, value in result.items()}
        if not any(has_count(result.get(name)) for name in ("input_tokens", "output_tokens")):
            raise RowRefused(NO_TOKENS)
        model = text(result.get("model")) or options.model
        if not model:
            raise RowRefused(NO_MODEL)
        tokens, requests = _tokens(result), count(result.get("num_model_requests"), 1)
        if requests == 0 and tokens == Tokens():
            raise RowRefused(NO_TOKENS)
        kind = text(result.get("object")).removeprefix(_KIND).partition(".")[0]
        operation = _OPERATIONS.get(kind, "chat")
        batch = text(result.get("batch")).lower() == "true"
        return spread(
            tokens,
            requests,
            start,
            end,
            row_name(result, start, end, self.name, operation),
            model=model,
            provider="openai",
            operation=operation,
            service_tier="batch" if batch else tier_of(result.get("service_tier")),
            user=text(result.get("user_id")),
            team=text(result.get("project_id")),
            feature=text(result.get("api_key_id")),
        )


def _tokens(result: Result) -> Tokens:
    def said(name: str) -> int:
        return count(result.get(name))

    inputs, outputs = said("input_tokens"), said("output_tokens")
    audio_in, audio_out = said("input_audio_tokens"), said("output_audio_tokens")
    if not any(has_count(result.get(name)) for name in _TOLD_APART):
        inputs, outputs = inputs + audio_in, outputs + audio_out
    short, long = cache_writes(result, {})
    left, right = Dividing(inputs), Dividing(outputs)
    return Tokens(
        cache_read=left.take(said("input_cached_tokens")),
        cache_write_5m=left.take(short),
        cache_write_1h=left.take(long),
        audio_in=left.take(audio_in),
        image_in=left.take(said("input_image_tokens")),
        input_uncached=left.rest,
        audio_out=right.take(audio_out),
        image_out=right.take(said("output_image_tokens")),
        output_text=right.rest,
    )
