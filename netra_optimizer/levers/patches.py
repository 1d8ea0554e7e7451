"""Patches in the shapes of other tools, which those tools accept as they are.

`litellm` holds arguments of LiteLLM's Router; `openai` and `anthropic` hold what to add to a
request of their clients; `batch` describes the input file of a batch.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

Json = dict[str, Any]  # Any: a JSON object of another tool
_PREFIXES: Final = {
    "aws": "bedrock",
    "google": "gemini",
    "google-vertex": "vertex_ai",
    "x-ai": "xai",
    "fireworks": "fireworks_ai",
    "together": "together_ai",
    "moonshotai": "moonshot",
}
"""LiteLLM's names of providers where they are not ours."""


def litellm_model(model: str, provider: str) -> str:
    """A model as LiteLLM names it: `provider/model`."""
    prefix = _PREFIXES.get(provider, provider)
    return model if not prefix or model.startswith(f"{prefix}/") else f"{prefix}/{model}"


def route(name: str, model: str, provider: str, **parameters: object) -> Json:
    """Router arguments which send the route `name` to a model, with more parameters for it."""
    entry = {
        "model_name": name,
        "litellm_params": {"model": litellm_model(model, provider), **parameters},
    }
    return {"model_list": [entry]}


def cache_marks(model: str, provider: str, *, ttl: str | None) -> Json:
    """Marks for the prompt cache on the system prompt and on the last message."""
    mark: Json = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    points = [
        {"location": "message", "role": "system", "control": mark},
        {"location": "message", "index": -1, "control": mark},
    ]
    return {
        "anthropic": {
            "system": [{"type": "text", "text": "<system prompt>", "cache_control": mark}]
        },
        "litellm": route(model, model, provider, cache_control_injection_points=points),
    }


def response_cache(model: str, provider: str, *, ttl_s: float) -> Json:
    """A cache of whole answers in LiteLLM."""
    return {
        "litellm": route(model, model, provider)
        | {"cache_responses": True, "cache_kwargs": {"ttl": int(ttl_s)}}
    }


def question_cache(*, ttl_s: float, model: str = "", likeness: float | None = None) -> Json:
    """A cache by the question, before the model is asked: no gateway compares wordings yet.

    The key is the request without its question, and the question normalized, or its wording where
    likeness decides.
    """
    key = "wording" if likeness is not None else "normalized"
    cache: Json = {"key": f"netra_optimizer.{key}(question)", "ttl_s": int(ttl_s)}
    if likeness is not None:
        cache |= {"embedding_model": model, "hit_from_likeness": likeness}
    return {"question_cache": cache}


def no_hopeless_retries(model: str, provider: str) -> Json:
    """No second attempt after an error that comes again."""
    never = {"BadRequestErrorRetries": 0, "ContentPolicyViolationErrorRetries": 0}
    return {"litellm": route(model, model, provider) | {"retry_policy": never}}


def batch_plan(provider: str, model: str) -> Json:
    """How to send the calls as a batch; `example` is a line of its input file."""
    example = {"model": model, "max_tokens": 1024, "messages": [{"role": "user", "content": "…"}]}
    if provider == "anthropic":
        body = next(anthropic_batches([("call-1", example)]))
        return {"batch": {"endpoint": "/v1/messages/batches", "example": body}}
    line = next(openai_batch_lines([("call-1", example)]))
    return {
        "batch": {
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "example": msgspec.json.decode(line, type=Json),
        }
    }


def openai_batch_lines(
    requests: Iterable[tuple[str, Mapping[str, object]]],
) -> Iterator[bytes]:
    """Lines of a batch input file from (id, chat completion request), ids unique in a file."""
    for name, body in requests:
        plain = {key: value for key, value in body.items() if key != "stream"}
        yield msgspec.json.encode(
            {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": plain}
        )


def anthropic_batches(
    requests: Iterable[tuple[str, Mapping[str, object]]], *, size: int = 10_000
) -> Iterator[Json]:
    """Arguments of `messages.batches.create` from (id, message request), `size` calls each."""
    waiting: list[Json] = []
    for name, body in requests:
        plain = {key: value for key, value in body.items() if key != "stream"}
        waiting.append({"custom_id": name, "params": plain})
        if len(waiting) == size:
            yield {"requests": waiting}
            waiting = []
    if waiting:
        yield {"requests": waiting}
