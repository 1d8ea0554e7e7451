"""Every format Apex reads, one file each."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from netra_optimizer.usage.errors import BadOption
from netra_optimizer.usage.importers.agents import AgentSessionsImporter
from netra_optimizer.usage.importers.anthropic_usage import AnthropicUsageImporter
from netra_optimizer.usage.importers.azure import AzureImporter
from netra_optimizer.usage.importers.base import Chunk, Importer, Options, RowImporter, RowRefused
from netra_optimizer.usage.importers.burstgpt import BurstGPTImporter
from netra_optimizer.usage.importers.claude_code import ClaudeCodeImporter
from netra_optimizer.usage.importers.codex import CodexImporter
from netra_optimizer.usage.importers.generic import GenericImporter
from netra_optimizer.usage.importers.helicone import HeliconeImporter
from netra_optimizer.usage.importers.langfuse import LangfuseImporter
from netra_optimizer.usage.importers.langsmith import LangSmithImporter
from netra_optimizer.usage.importers.litellm import LiteLLMImporter
from netra_optimizer.usage.importers.mooncake import MooncakeImporter
from netra_optimizer.usage.importers.openai_usage import OpenAIUsageImporter
from netra_optimizer.usage.importers.otlp import (
    OtlpImporter,
    Spans,
    Traces,
    decode_traces,
    unpacked,
)
from netra_optimizer.usage.importers.otlp_logs import OtlpLogsImporter
from netra_optimizer.usage.importers.product_events import PostHogImporter
from netra_optimizer.usage.importers.requests import RequestsImporter
from netra_optimizer.usage.importers.sessions import SessionsImporter
from netra_optimizer.usage.importers.span_rows import SpanRowsImporter
from netra_optimizer.usage.importers.tool_spans import ToolSpansImporter
from netra_optimizer.usage.sources import Rows, Source, later_rows, nested_rows, open_rows

__all__ = [
    "IMPORTERS",
    "Chunk",
    "Importer",
    "Options",
    "RowImporter",
    "RowRefused",
    "Spans",
    "Traces",
    "decode_traces",
    "detect",
    "importer_named",
    "recognize",
    "unpacked",
]

IMPORTERS: Final[Sequence[Importer]] = (
    MooncakeImporter(),
    AzureImporter(),
    BurstGPTImporter(),
    LiteLLMImporter(),
    LangfuseImporter(),
    HeliconeImporter(),
    OpenAIUsageImporter(),
    AnthropicUsageImporter(),
    ClaudeCodeImporter(),
    CodexImporter(),
    AgentSessionsImporter(),
    OtlpImporter(),
    OtlpLogsImporter(),
    SpanRowsImporter(),
    LangSmithImporter(),
    PostHogImporter(),
    ToolSpansImporter(),
    RequestsImporter(),
    SessionsImporter(),
    GenericImporter(),
)


def importer_named(name: str) -> Importer:
    """The importer of a format. Raises BadOption."""
    for importer in IMPORTERS:
        if importer.name == name.lower():
            return importer
    known = ", ".join(importer.name for importer in IMPORTERS)
    raise BadOption(f"There is no format {name!r}.", hint=f"Formats: {known}.")


def recognize(source: Source, importer: Importer | None = None) -> tuple[Importer | None, Rows]:
    """The importer of a file (the one that is given, else the surest) and the file's rows.

    Where the first rows are nobody's, JSON documents are looked into and logs further on. Raises
    InputError when the file holds no rows of any shape.
    """
    rows = open_rows(source)
    for found in chain([rows], nested_rows(source), later_rows(rows)):
        owner = importer or detect(found)
        if owner is not None and owner.score(found) > 0:
            return owner, found
    return importer, rows


def detect(rows: Rows) -> Importer | None:
    """The importer that is surest of the file, None when none recognizes it."""
    best = max(IMPORTERS, key=lambda importer: importer.score(rows))
    return best if best.score(rows) > 0 else None
