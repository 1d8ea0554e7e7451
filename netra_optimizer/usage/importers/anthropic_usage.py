"""Anthropic's usage report for messages: results in buckets of time, or the console's table.

uncached_input_tokens excludes cache tokens; cache writes come in either spelling of their split.
How many requests a result sums is not stated: it is divided so that each part lies in the band of
context sizes the result names (0-200k where it names none), which decides the price.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from netra_optimizer.usage.importers.answers import tier_of
from netra_optimizer.usage.importers.base import NO_MODEL, Options, RowRefused
from netra_optimizer.usage.importers.buckets import spread
from netra_optimizer.usage.importers.conventions import anthropic_tokens
from netra_optimizer.usage.importers.reports import ReportImporter, Result, row_name
from netra_optimizer.usage.importers.values import text
from netra_optimizer.usage.record import UsageRecord

_SHORT: Final = 100_000
_LONG: Final = 500_000
"""Input tokens of a part: well inside the band below, and the one above 200,000."""
_UNCACHED: Final = "usage_input_tokens_no_cache"
_CONSOLE: Final = {
    _UNCACHED: "uncached_input_tokens",
    "usage_input_tokens_cache_read": "cache_read_input_tokens",
    "usage_input_tokens_cache_write": "cache_creation_input_tokens",
    "usage_input_tokens_cache_write_5m": "cache_creation_5m_input_tokens",
    "usage_input_tokens_cache_write_1h": "cache_creation_1h_input_tokens",
    "usage_output_tokens": "output_tokens",
    "model_version": "model",
    "usage_type": "service_tier",
    "workspace": "workspace_id",
    "api_key": "api_key_id",
}
"""What the console's table calls the report's fields."""


class AnthropicUsageImporter(ReportImporter):
    """Tokens by model, workspace, key, tier and context window."""

    name = "anthropic_usage"
    title = "Anthropic usage report"
    convention = "uncached_input_tokens excludes cache reads and writes"

    def owns(self, result: Result) -> bool:
        """By its name for uncached input."""
        return "uncached_input_tokens" in result or _UNCACHED in result

    def records(
        self, result: Result, start: datetime, end: datetime, options: Options
    ) -> Iterator[UsageRecord]:
        """Parts of one band of context sizes."""
        if _UNCACHED in result:
            result = {_CONSOLE.get(name, name): value for name, value in result.items()}
        model = text(result.get("model")) or options.model
        if not model:
            raise RowRefused(NO_MODEL)
        tokens = anthropic_tokens(result)
        window = text(result.get("context_window"))
        wide = window.startswith(("200k", ">"))
        parts = tokens.input_tokens // _LONG if wide else -(-tokens.input_tokens // _SHORT)
        return spread(
            tokens,
            parts,
            start,
            end,
            row_name(result, start, end, self.name),
            model=model,
            provider="anthropic",
            service_tier="fast"
            if result.get("speed") == "fast"
            else tier_of(result.get("service_tier")),
            team=text(result.get("workspace_id")),
            feature=text(result.get("api_key_id")),
        )
