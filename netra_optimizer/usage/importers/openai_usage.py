"""OpenAI's organization usage (completions, embeddings): results in buckets of time.

input_tokens includes input_cached_tokens; audio is counted apart, beside the text. How many
requests a result sums is stated (num_model_requests).
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from netra_optimizer.usage.importers.answers import tier_of
from netra_optimizer.usage.importers.base import NO_MODEL, Options, RowRefused
from netra_optimizer.usage.importers.buckets import spread
from netra_optimizer.usage.importers.reports import ReportImporter, Result
from netra_optimizer.usage.importers.tokens import Dividing, Tokens
from netra_optimizer.usage.importers.values import canonical, count, text
from netra_optimizer.usage.record import UsageRecord

_KINDS: Final = ("organization.usage.completions.result", "organization.usage.embeddings.result")


class OpenAIUsageImporter(ReportImporter):
    """Tokens by model, project, user, key and batch."""

    name = "openai_usage"
    title = "OpenAI organization usage"
    convention = "input_tokens includes input_cached_tokens"

    def owns(self, result: Result) -> bool:
        """By its kind, or by counts of requests."""
        return result.get("object") in _KINDS or "num_model_requests" in result

    def records(
        self, result: Result, start: datetime, end: datetime, options: Options
    ) -> Iterator[UsageRecord]:
        """As many records as there were requests."""
        model = text(result.get("model")) or options.model
        if not model:
            raise RowRefused(NO_MODEL)
        left = Dividing(count(result.get("input_tokens")))
        tokens = Tokens(
            cache_read=left.take(count(result.get("input_cached_tokens"))),
            input_uncached=left.rest,
            output_text=count(result.get("output_tokens")),
            audio_in=count(result.get("input_audio_tokens")),
            audio_out=count(result.get("output_audio_tokens")),
        )
        batch = result.get("batch") is True
        return spread(
            tokens,
            count(result.get("num_model_requests"), 1),
            start,
            end,
            canonical(["openai_usage", start.isoformat(), end.isoformat(), dict(result)]),
            model=model,
            provider="openai",
            operation="embeddings" if "embedding" in text(result.get("object")) else "chat",
            service_tier="batch" if batch else tier_of(result.get("service_tier")),
            user=text(result.get("user_id")),
            team=text(result.get("project_id")),
            feature=text(result.get("api_key_id")),
        )
