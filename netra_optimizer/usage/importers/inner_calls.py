"""Calls of other models that an answer reports inside its own, each billed at its model's price.

| who | where | beside or inside the answer's counts |
|---|---|---|
| Anthropic | `usage.iterations`: an advisor, a model that declined the question | beside |
| OpenAI | `tool_usage.image_gen`, `svg_usage`: what drew the pictures | beside |
| Groq | `usage_breakdown`: the models of a compound system | inside: they are the call |
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from netra_optimizer.usage.importers.answers import Answer, usage_of
from netra_optimizer.usage.importers.base import Parts
from netra_optimizer.usage.importers.conventions import anthropic_tokens, goes, own_goes
from netra_optimizer.usage.importers.tokens import NOTHING, Tokens
from netra_optimizer.usage.importers.usage_objects import has_tokens, tokens_of
from netra_optimizer.usage.importers.values import mapping, text
from netra_optimizer.usage.record import UsageRecord

IMAGE_TOOL: Final = "image_generation"
"""The model of pictures drawn by a tool that does not name one: it has no price until one is."""
_STANDARD: Final = "standard"
_BATCH: Final = "batch"
"""The only tier that a call hands down: speed and priority are asked of one model."""
_OF_THE_ANSWER: Final = {
    "latency_ms": None, "ttft_ms": None, "cost_recorded": None, "quality": None,
    "prompt_hash": "", "block_hashes": (), "block_tokens": 0, "params": "",
    "finish_reason": "", "tool_names": (),
}  # fmt: skip
"""What an answer says of its own call and of none inside it."""


class Inner(msgspec.Struct, frozen=True):
    """A call inside an answer: its kind, the model that was called, and its tokens."""

    kind: str
    model: str
    tokens: Tokens


def with_inner_calls(record: UsageRecord, answer: Answer) -> UsageRecord | Parts:
    """The answer's record, and one for each call inside it; together they are one row."""
    if members := _compound(answer):
        first, *others = members
        record = _with_tokens(record, first.model, first.tokens)
    elif not (others := [*anthropic_inner(usage_of(answer)), *_pictures(answer)]):
        return record
    return Parts([record, *beside(record, others)])


def anthropic_inner(usage: Mapping[str, Any]) -> list[Inner]:
    """Calls inside one of Anthropic's answers. Any: its own values."""
    return _other_goes(usage) if "iterations" in usage else []


def beside(record: UsageRecord, others: Sequence[Inner]) -> list[UsageRecord]:
    """Records of these calls, made for the same reason at the same time as the answer's."""
    return [
        msgspec.structs.replace(
            _with_tokens(record, inner.model, inner.tokens),
            id=f"{record.id}:{inner.kind}:{number}",
            service_tier=_BATCH if record.service_tier == _BATCH else _STANDARD,
            **_OF_THE_ANSWER,
        )
        for number, inner in enumerate(others)
    ]


def _with_tokens(record: UsageRecord, model: str, tokens: Tokens) -> UsageRecord:
    return msgspec.structs.replace(record, model=model, **msgspec.structs.asdict(tokens))


def _other_goes(usage: Mapping[str, Any]) -> list[Inner]:
    found = goes(usage)
    own = [id(go) for go in own_goes(usage)]
    return [
        Inner("advisor" if go.get("type") == "advisor_message" else "declined", model, tokens)
        for go in found
        if id(go) not in own and go.get("type") != "compaction"
        if (model := text(go.get("model"))) and (tokens := anthropic_tokens(go)) != NOTHING
    ]


def _pictures(answer: Answer) -> list[Inner]:
    if "tool_usage" not in answer and "svg_usage" not in answer:
        return []
    drawn = mapping(mapping(answer.get("tool_usage")).get("image_gen"))
    tools = answer.get("tools")
    named = (
        text(tool.get("model"))
        for tool in map(mapping, tools if isinstance(tools, list) else ())
        if tool.get("type") == IMAGE_TOOL
    )
    written = mapping(answer.get("svg_usage"))
    said = ((next(named, "") or IMAGE_TOOL, drawn), (text(written.get("model")), written))
    return [
        Inner("image", model, tokens)
        for model, usage in said
        if model and usage and has_tokens(usage) and (tokens := tokens_of(usage)) != NOTHING
    ]


def _compound(answer: Answer) -> list[Inner]:
    if "usage_breakdown" not in answer:
        return []
    members = mapping(answer["usage_breakdown"]).get("models")
    return [
        Inner("member", text(member.get("model")), tokens_of(usage))
        for member in map(mapping, members if isinstance(members, list) else ())
        if has_tokens(usage := mapping(member.get("usage"))) and member.get("model")
    ]
