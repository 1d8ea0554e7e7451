"""Patches in the shapes of other tools, which those tools accept as they are.

`litellm` holds arguments of LiteLLM's Router; `openai` and `anthropic` hold what to add to a
request of their clients; `batch` describes the input file of a batch. `missing` says what only you
can add: texts, keys and names that the records do not hold.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from netra_optimizer.errors import AnalysisError

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
OPENAI_LINES: Final = 50_000
OPENAI_BYTES: Final = 200_000_000
ANTHROPIC_REQUESTS: Final = 100_000
ANTHROPIC_BYTES: Final = 256_000_000
"""Limits of a batch, as the providers' documentation of batches states them."""
_ANTHROPIC_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def litellm_model(model: str, provider: str) -> str:
    """A model as LiteLLM names it: `provider/model`."""
    prefix = _PREFIXES.get(provider, provider)
    return model if not prefix or model.startswith(f"{prefix}/") else f"{prefix}/{model}"


def routed(name: str, model: str, provider: str) -> Json:
    """A patch that sends the route `name` to a model, and what it lacks."""
    return {"litellm": route(name, model, provider), "missing": _missing(provider)}


def two_routes(strong: str, provider: str, weak: str, weak_provider: str) -> Json:
    """Both models by their names; which call goes where is for a router of yours to say."""
    entries = [
        *route(strong, strong, provider)["model_list"],
        *route(weak, weak, weak_provider)["model_list"],
    ]
    missing = ["a router that tells easy calls from hard ones", *_missing(provider)]
    return {"litellm": {"model_list": entries}, "missing": missing}


def _missing(provider: str) -> list[str]:
    known = [] if provider else ["the provider, which the records do not name"]
    return [*known, "your own name of the route, where it is not the model's", "the provider's key"]


def route(name: str, model: str, provider: str, **parameters: object) -> Json:
    """Router arguments which send the route `name` to a model, with more parameters for it."""
    entry = {
        "model_name": name,
        "litellm_params": {"model": litellm_model(model, provider), **parameters},
    }
    return {"model_list": [entry]}


def cache_marks(model: str, provider: str, *, ttl: str | None, whole: bool = True) -> Json:
    """Marks for the prompt cache on the system prompt, and on the last message for the whole."""
    mark: Json = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    points: list[Json] = [{"location": "message", "role": "system", "control": mark}]
    if whole:
        points.append({"location": "message", "index": -1, "control": mark})
    return {
        "anthropic": {
            "system": [{"type": "text", "text": "<system prompt>", "cache_control": mark}]
        },
        "litellm": route(model, model, provider, cache_control_injection_points=points),
        "missing": ["the text of your system prompt", *_missing(provider)],
    }


def no_cache_marks() -> Json:
    """The system prompt without a mark."""
    return {
        "anthropic": {"system": [{"type": "text", "text": "<system prompt>"}]},
        "missing": ["the text of your system prompt"],
    }


def response_cache(model: str, provider: str, *, ttl_s: float) -> Json:
    """A cache of whole answers in LiteLLM."""
    return {
        "litellm": route(model, model, provider)
        | {"cache_responses": True, "cache_kwargs": {"ttl": int(ttl_s)}},
        "missing": _missing(provider),
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
    return {
        "litellm": route(model, model, provider) | {"retry_policy": never},
        "missing": _missing(provider),
    }


def stable_prefix(provider: str, name: str) -> Json:
    """For providers that cache by themselves: what a request can do to meet its cache."""
    if provider in ("openai", "azure", ""):
        return {"openai": {"prompt_cache_key": name[:64]}}
    return {"client": {"keep_prompt_start_unchanged": True}}


def less_reasoning(provider: str) -> Json:
    """One step less of effort, as the provider's client takes it."""
    if provider == "anthropic":
        return {"anthropic": {"output_config": {"effort": "medium"}}}
    return {"openai": {"reasoning_effort": "low"}}


def batch_plan(provider: str, model: str) -> Json:
    """How to send the calls as a batch; `example` is a line of its input file."""
    asked: Json = {"model": model, "messages": [{"role": "user", "content": "…"}]}
    missing = ["the requests themselves: openai_batch_files or anthropic_batches write them"]
    if provider == "anthropic":
        body = next(anthropic_batches([("call-1", asked | {"max_tokens": 1024})]))
        plan: Json = {"endpoint": "/v1/messages/batches", "example": body}
        return {"batch": plan, "missing": missing}
    lines = next(openai_batch_files([("call-1", asked | {"max_completion_tokens": 1024})]))
    return {
        "batch": {
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "example": msgspec.json.decode(lines[0], type=Json),
        },
        "missing": missing,
    }


Requests = Iterable[tuple[str, Mapping[str, object]]]
"""(id, request) of each call; ids are unique."""


def openai_batch_files(requests: Requests) -> Iterator[list[bytes]]:
    """Lines of batch input files, a file each time: one model, at most 50,000 lines and 200 MB.

    Raises AnalysisError for an id that comes twice and for a request larger than a file.
    """
    seen: set[str] = set()
    waiting: dict[object, list[bytes]] = {}
    sizes: dict[object, int] = {}
    for name, body in requests:
        _unique(name, seen)
        line = msgspec.json.encode(
            {
                "custom_id": name,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": _at_once(body),
            }
        )
        model = body.get("model")
        size = len(line) + 1
        if size > OPENAI_BYTES:
            raise AnalysisError(f"The request {name!r} is larger than a batch file may be.")
        lines = waiting.setdefault(model, [])
        if len(lines) == OPENAI_LINES or sizes.get(model, 0) + size > OPENAI_BYTES:
            yield lines
            waiting[model], sizes[model] = [], 0
        waiting[model].append(line)
        sizes[model] = sizes.get(model, 0) + size
    yield from (lines for lines in waiting.values() if lines)


def anthropic_batches(requests: Requests) -> Iterator[Json]:
    """Arguments of `messages.batches.create`: at most 100,000 requests and 256 MB each.

    Raises AnalysisError for an id that comes twice, or that Anthropic refuses (letters, digits, _
    and -, 64 at most), and for a request larger than a batch.
    """
    seen: set[str] = set()
    waiting: list[Json] = []
    size = 0
    for name, body in requests:
        _unique(name, seen)
        if not _ANTHROPIC_ID.fullmatch(name):
            raise AnalysisError(
                f"Anthropic takes no batch id like {name!r}.",
                hint="Use letters, digits, _ and -, 64 at most.",
            )
        entry: Json = {"custom_id": name, "params": _at_once(body)}
        bytes_of_it = len(msgspec.json.encode(entry)) + 1
        if bytes_of_it > ANTHROPIC_BYTES:
            raise AnalysisError(f"The request {name!r} is larger than a batch may be.")
        if len(waiting) == ANTHROPIC_REQUESTS or size + bytes_of_it > ANTHROPIC_BYTES:
            yield {"requests": waiting}
            waiting, size = [], 0
        waiting.append(entry)
        size += bytes_of_it
    if waiting:
        yield {"requests": waiting}


def _unique(name: str, seen: set[str]) -> None:
    if name in seen:
        raise AnalysisError(f"The batch id {name!r} comes twice.", hint="Give each call its own.")
    seen.add(name)


def _at_once(body: Mapping[str, object]) -> Json:
    """The request without streaming, which no batch has."""
    return {key: value for key, value in body.items() if key not in ("stream", "stream_options")}
