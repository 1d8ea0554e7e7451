"""Names of span attributes, by what they say, in every convention that is spoken."""

from collections.abc import Mapping
from typing import Any, Final

from netra_optimizer.usage.importers.values import text

CALLS: Final = {
    "chat": "chat", "text_completion": "completion", "completion": "completion",
    "generate_content": "chat", "embeddings": "embeddings", "embedding": "embeddings",
    "rerank": "rerank", "llm": "chat", "chat_model": "chat", "generation": "chat",
    "decision": "chat",
}  # fmt: skip
"""Our operation for what a span says it is."""
NO_CALLS: Final = frozenset(
    {
        "invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "retrieval", "agent",
        "chain", "tool", "workflow", "task", "retriever", "reranker", "guardrail", "evaluator",
        "prompt", "span", "event", "handoff", "unknown",
    }
)  # fmt: skip
"""Operations that repeat the tokens of the calls below them, or have none."""
_MODEL: Final = (
    "gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "embedding.model_name",
    "llm.response.model", "llm.request.model", "ai.response.model", "ai.model.id",
    "langfuse.observation.model.name", "decision.model_name", "mlflow.llm.model",
)  # fmt: skip
_PROVIDER: Final = (
    "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "llm.vendor",
    "ai.model.provider", "decision.provider",
)  # fmt: skip
_INPUT: Final = (
    "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt",
    "llm.usage.prompt_tokens", "ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens",
    "decision.token_count.input",
)  # fmt: skip
_OUTPUT: Final = (
    "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion",
    "llm.usage.completion_tokens", "ai.usage.outputTokens", "ai.usage.completionTokens",
    "decision.token_count.output",
)  # fmt: skip
_TOTAL: Final = (
    "gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total",
    "ai.usage.totalTokens",
)  # fmt: skip
_READ: Final = (
    "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.input_tokens.cached", "gen_ai.usage.cached_tokens",
    "gen_ai.usage.cache_read_tokens", "gen_ai.usage.cached_input_tokens",
    "gen_ai.usage.input_cached_tokens", "llm.token_count.prompt_details.cache_read",
    "llm.token_count.prompt_details.cache_input", "gen_ai.usage.details.cached_tokens",
    "gen_ai.usage.details.cache_read_tokens", "gen_ai.usage.details.cache_read_input_tokens",
    "ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens",
)  # fmt: skip
_WRITE: Final = (
    "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_write_tokens",
    "gen_ai.usage.cache_write_input_tokens", "gen_ai.usage.input_tokens.cache_write",
    "llm.token_count.prompt_details.cache_write",
    "gen_ai.usage.details.cache_write_tokens", "gen_ai.usage.details.cache_creation_input_tokens",
    "ai.usage.inputTokenDetails.cacheWriteTokens",
)  # fmt: skip
_REASONING: Final = (
    "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning", "gen_ai.usage.reasoning_output_tokens",
    "llm.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning", "gen_ai.usage.details.reasoning_tokens",
    "ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens",
)  # fmt: skip
_TTFT_S: Final = (
    "gen_ai.server.time_to_first_token", "gen_ai.response.time_to_first_chunk",
    "gen_ai.response.time_to_first_token",
)  # fmt: skip
_TIER: Final = (
    "openai.response.service_tier", "gen_ai.openai.response.service_tier",
    "gen_ai.response.service_tier", "openai.request.service_tier", "gen_ai.request.service_tier",
    "gen_ai.openai.request.service_tier",
)  # fmt: skip
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "model": _MODEL,
    "provider": _PROVIDER,
    "input": _INPUT,
    "output": _OUTPUT,
    "total": _TOTAL,
    "read": _READ,
    "write": _WRITE,
    "reasoning": _REASONING,
    "audio_in": (
        "llm.token_count.prompt_details.audio", "gen_ai.usage.details.input_audio_tokens",
    ),
    "audio_out": (
        "llm.token_count.completion_details.audio", "gen_ai.usage.details.output_audio_tokens",
    ),
    "inside": ("gen_ai.usage.input_token_details",),
    "outside": ("gen_ai.usage.output_token_details",),
    "usage": ("langfuse.observation.usage_details", "mlflow.chat.tokenUsage"),
    "fresh": ("ai.usage.inputTokenDetails.noCacheTokens",),
    "raw": ("ai.response.providerMetadata",),
    "ttft": _TTFT_S,
    "ttft_ms": ("ai.response.msToFirstChunk",),
    "tier": _TIER,
    "observation": ("langfuse.observation.type",),
    "vercel": ("ai.operationId",),
    "operation": ("gen_ai.operation.name",),
    "kind": ("openinference.span.kind", "langsmith.span.kind", "mlflow.spanType"),
    "type": ("llm.request.type",),
    "workflow": ("traceloop.span.kind",),
    "agent": ("agent_name",),
    "error": ("error.type",),
    "id": ("gen_ai.response.id", "llm.response.id", "ai.response.id"),
    "cost": (
        "gen_ai.usage.cost", "llm.cost.total", "operation.cost", "gen_ai.cost.total_cost",
    ),
    "costs": ("langfuse.observation.cost_details",),
    "tags": ("tag.tags", "tags", "langfuse.trace.tags"),
    "metadata": ("metadata",),
    "user": ("user.id", "enduser.id", "gen_ai.user.id", "langfuse.user.id"),
    "conversation": (
        "gen_ai.conversation.id", "session.id", "conversation.id", "langfuse.session.id",
    ),
    "feature": (
        "feature", "gen_ai.agent.name", "traceloop.workflow.name", "ai.telemetry.functionId",
        "langfuse.trace.name", "code.function.name",
    ),
    "team": ("team", "team.id"),
    "finish": (
        "gen_ai.response.finish_reasons",
        "gen_ai.completion.0.finish_reason",
        "llm.response.finish_reason",
        "ai.response.finishReason",
    ),
    "tools": ("gen_ai.tool.definitions",),
    "system": ("gen_ai.system_instructions",),
    "messages": ("gen_ai.input.messages", "ai.prompt.messages", "langfuse.observation.input"),
    "shown": ("input.value",),
    "stated": ("llm.invocation_parameters",),
}  # fmt: skip
SLOTS: Final = {
    name: (slot, rank) for slot, names in _NAMES.items() for rank, name in enumerate(names)
}
"""Attribute → what it says, and its rank among those that say it: the first name wins."""
PARAMS: Final = "gen_ai.request."
ASSOCIATED: Final = (
    "traceloop.association.properties.", "ai.telemetry.metadata.", "langsmith.metadata.",
)  # fmt: skip
"""Before names that callers chose themselves."""
PREFIXES: Final = (
    *ASSOCIATED, PARAMS, "gen_ai.prompt.", "llm.input_messages.", "gen_ai.completion.",
    "llm.output_messages.",
)  # fmt: skip
_PROVIDERS: Final = {
    "az.ai.openai": "azure", "azure.ai.openai": "azure", "az.ai.inference": "azure",
    "azure.ai.inference": "azure", "azure-openai": "azure", "aws.bedrock": "aws",
    "aws_bedrock": "aws", "amazon-bedrock": "aws", "bedrock": "aws",
    "gcp.gemini": "google", "gcp.vertex_ai": "google", "gcp.gen_ai": "google",
    "vertex_ai": "google", "vertexai": "google", "google_genai": "google",
    "google.generative-ai": "google", "google.vertex": "google",
    "mistral_ai": "mistral", "mistralai": "mistral", "x_ai": "x-ai", "xai": "x-ai",
    "together_ai": "together", "togetherai": "together", "fireworks_ai": "fireworks",
    "strands-agents": "", "_other": "",
}  # fmt: skip
_KINDS: Final = (
    ".chat", ".responses", ".completion", ".embedding", ".messages", ".image", ".transcription",
)  # fmt: skip
"""What Vercel's SDK adds to a provider's name."""


def provider_named(said: str) -> str:
    """The provider a span names, as prices know it; unknown ones in lower case."""
    named = said.lower()
    if named.endswith(_KINDS) and named not in _PROVIDERS:
        named = named.rpartition(".")[0]
    return _PROVIDERS.get(named, named)


def operation_of(seen: Mapping[str, Any], *, counted: bool) -> str:
    """What kind of call the slots speak of, empty for a span that is none.

    Conventions that know every kind of span are asked before those whose operations are open: there
    an unknown operation with tokens is a call.
    """
    if "vercel" in seen:
        step = text(seen["vercel"]).rpartition(".do")[2]
        return {"Generate": "chat", "Stream": "chat", "Embed": "embeddings"}.get(step, "")
    for slot in ("observation", "kind"):
        if slot in seen:
            return CALLS.get(text(seen[slot]).strip('"').lower(), "")
    for slot in ("operation", "type"):
        if slot in seen:
            named = text(seen[slot]).lower()
            other = "chat" if counted and named not in NO_CALLS else ""
            return CALLS.get(named, other)
    return "chat" if counted and not seen.keys() & {"workflow", "agent"} else ""
