"""From what a log calls a model to the model that has a price.

genai-prices is asked first with the name as it stands. Only when it knows nothing, the decorations
that gateways and clouds add are taken off: a provider before a slash, a fine-tune or deployment
prefix, an ARN. A provider that is known but does not list the model is never replaced by another
one: prices differ between them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

PROVIDER_ALIASES: Final = {
    "fireworks_ai": "fireworks",
    "azure_ai": "azure",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "az.ai.openai": "azure",
    **dict.fromkeys(
        ("azure_openai", "azure-openai", "azure openai", "azure-openai.chat", "azure.chat",
         "azure-openai.responses", "azure.responses", "microsoft foundry"), "azure"),
    **dict.fromkeys(
        ("google-vertex-anthropic", "anthropic-vertex", "anthropic_vertex", "vertex-anthropic"),
        "google"),
    **dict.fromkeys(("anthropic-bedrock", "anthropic_bedrock"), "aws"),
    "github_copilot": "github-copilot",
    "cohere_chat": "cohere",
    "text-completion-openai": "openai",
    "codestral": "mistral",
    "mistral_ai": "mistral",
    "togethercomputer": "together",
    "x_ai": "x-ai",
    "moonshot": "moonshotai",
    "z.ai": "zai",
    "dashscope": "",
    "litellm_proxy": "",
    "custom_openai": "",
}  # fmt: skip
"""Names of other tools for genai-prices' providers; empty: says nothing about the provider."""

SELF_HOSTED: Final = frozenset(
    {
        "ollama", "ollama_chat", "vllm", "hosted_vllm", "lm_studio", "lmstudio", "llamafile",
        "llama.cpp", "llamacpp", "xinference", "triton", "tgi", "sglang", "nvidia_nim", "petals",
        "oobabooga", "docker_model_runner", "sagemaker", "sagemaker_chat", "local", "self_hosted",
        "self-hosted",
    }
)  # fmt: skip
"""Who runs a model on machines of one's own: what its maker charges elsewhere is no price of it."""

UNLISTED: Final = frozenset(
    {
        "deepinfra", "sambanova", "nebius", "nscale", "hyperbolic", "lambda", "lambda_ai", "gmi",
        "gmi_cloud", "replicate", "anyscale", "friendliai", "friendli", "featherless_ai",
        "featherless", "crusoe", "scaleway", "parasail", "siliconflow", "inference_net", "kluster",
        "wandb", "watsonx", "oci", "snowflake", "octoai", "lepton", "chutes", "phala", "targon",
        "gradient_ai", "volcengine", "tencent",
    }
)  # fmt: skip
"""Who sells others' models at prices of their own that genai-prices does not list."""

MAKERS: Final = (
    "openai", "anthropic", "google", "mistral", "cohere", "deepseek", "x-ai", "perplexity",
    "moonshotai", "minimax", "zai", "meta", "voyageai", "arcee",
)  # fmt: skip
"""Providers of their own models: a name without a provider is theirs before it is a reseller's."""
_RESELLERS: Final = ("openrouter", "github-copilot", "azure", "openai-decisions", "cursor")
_ROUTED: Final = re.compile(r":(online|exacto)$")
"""What OpenRouter lets one add to a model's name without another price for its tokens."""

_BEDROCK: Final = re.compile(
    r"((us|eu|apac|global|jp|au|ca|us-gov)\.)?"
    r"(anthropic|amazon|meta|cohere|mistral|ai21|deepseek|qwen|openai)\.",
    re.IGNORECASE,
)
"""How Bedrock names models: a region for inference profiles, then the maker and a dot."""


@dataclass(frozen=True)
class ModelKey:
    """A priced model: the provider that bills it and genai-prices' id of the model."""

    provider: str
    model: str


def find_model(
    snapshot: "DataSnapshot", model: str, provider: str
) -> "tuple[Provider, ModelInfo] | None":
    """The first reading of the name that genai-prices knows, None when it knows none."""
    runner = provider.strip() or model.strip().partition("/")[0]
    if runner.lower() in SELF_HOSTED:
        return None
    if runner.lower().replace("-", "_") in UNLISTED and not _seller(snapshot, runner):
        return None
    for name, seller in _readings(snapshot, model.strip(), provider.strip()):
        try:
            return snapshot.find_provider_model(name, None, seller, None)
        except LookupError:
            if seller and (found := _by_id(snapshot, name, seller)):
                return found
    return None if _seller(snapshot, provider.strip()) else _only_seller(snapshot, model.strip())


def _by_id(snapshot: "DataSnapshot", name: str, seller: str) -> "tuple[Provider, ModelInfo] | None":
    """A provider's model by its very id, which not every list matches."""
    from genai_prices.data_snapshot import find_provider_by_id

    provider = find_provider_by_id(snapshot.providers, seller)
    models = provider.models if provider else ()
    found = next((model for model in models if model.id.lower() == name.lower()), None)
    return (provider, found) if provider and found else None


def _only_seller(snapshot: "DataSnapshot", model: str) -> "tuple[Provider, ModelInfo] | None":
    """Who sells a model by this very name: its maker, else the only provider that lists it."""
    found = [
        (provider, known)
        for provider in snapshot.providers
        if provider.id not in _RESELLERS and (known := provider.find_model(model.lower()))
    ]
    made = [pair for pair in found if pair[0].id in MAKERS]
    return next((pairs[0] for pairs in (made, found) if len(pairs) == 1), None)


def _readings(
    snapshot: "DataSnapshot", model: str, provider: str
) -> Iterator[tuple[str, str | None]]:
    if provider.lower() not in PROVIDER_ALIASES:
        yield model, provider or None
    seller = _seller(snapshot, provider)
    if seller != (provider or None):
        yield model, seller
    prefix, slash, rest = model.partition("/")
    named = PROVIDER_ALIASES.get(prefix.lower(), prefix)
    told = bool(slash and named) and not seller and _known(snapshot, named)
    if told:
        yield rest, named
        yield model, named
        yield rest.rpartition("/")[2], named
    if seller == "openrouter" and _ROUTED.search(model):
        yield _ROUTED.sub("", model), seller
    for name in _undecorated(model):
        yield name, seller
        if seller == "aws" or (seller and "bedrock" in seller.lower()):
            yield f"anthropic.{name}", seller
    if not seller and _BEDROCK.match(model):
        yield model, "aws"
    if slash and not seller and not named:
        yield rest, None


def _seller(snapshot: "DataSnapshot", provider: str) -> str | None:
    """The provider as genai-prices names it, None where it knows none."""
    named = PROVIDER_ALIASES.get(provider.lower(), provider)
    return named if named and _known(snapshot, named) else None


def _undecorated(model: str) -> Iterator[str]:
    name = model
    if name.startswith("arn:"):
        name = name.rpartition("/")[2]
        yield name
    while "/" in name:
        name = name.partition("/")[2]
        yield name
    if name == model:
        yield name


def _known(snapshot: "DataSnapshot", provider: str) -> bool:
    from genai_prices.data_snapshot import find_provider_by_id

    return find_provider_by_id(snapshot.providers, provider) is not None
