"""How providers cache prompts: from what length, in what steps, for how long, and who pays a write.

Sources: the providers' own documentation of prompt caching, as known on the date below. What a
token then costs is never said here: prices are the price table's.
"""

from dataclasses import dataclass
from typing import Final, Literal

AS_OF: Final = "2026-11-01"

Write = Literal["5m", "1h", "none"]


@dataclass(frozen=True)
class CachingRule:
    """`minimum` tokens before anything is cached; lengths are cut to multiples of `step`.

    `explicit`: the request marks what to cache and pays a write; else the provider caches by
    itself. `lifetimes_s`: seconds an entry lives after its last use, by kind of write.
    """

    minimum: int
    step: int
    explicit: bool
    lifetimes_s: dict[Write, float]


_ANTHROPIC_LIVES: Final[dict[Write, float]] = {"5m": 300.0, "1h": 3600.0}
_CLAUDE_4096: Final = ("opus-4-5", "opus-4-6", "opus-4-7", "haiku-4-5", "opus-4.5", "haiku-4.5")
_CLAUDE_2048: Final = ("sonnet-4-6", "sonnet-4.6", "haiku-3", "3-haiku", "3-5-haiku", "3.5-haiku")
_MAKERS: Final = (
    ("gpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("gemini", "google"),
    ("deepseek", "deepseek"),
    ("grok", "x-ai"),
)


def _claude(model: str) -> CachingRule:
    minimum = 1024
    if any(name in model for name in _CLAUDE_4096):
        minimum = 4096
    elif any(name in model for name in _CLAUDE_2048):
        minimum = 2048
    return CachingRule(minimum, 1, True, _ANTHROPIC_LIVES)


def _maker(name: str) -> str:
    """Who makes a model that is named without its provider."""
    bare = name.rsplit("/", 1)[-1]
    return next((maker for start, maker in _MAKERS if bare.startswith(start)), "")


def caching_rule(provider: str, model: str) -> CachingRule | None:
    """The rule of a model at a provider; None where prompts are not cached as far as is known."""
    name = model.lower()
    if "claude" in name:
        return _claude(name)
    match provider.lower() or _maker(name):
        case "anthropic":
            return _claude(name)
        case "openai" | "azure":
            return CachingRule(1024, 128, False, {"none": 300.0})
        case "google" | "google-vertex":
            minimum = 4096 if "pro" in name else 1024
            return CachingRule(minimum, 1, False, {"none": 300.0})
        case "deepseek":
            return CachingRule(64, 64, False, {"none": 3600.0})
        case "x-ai" | "groq" | "fireworks" | "moonshotai":
            return CachingRule(1024, 128, False, {"none": 300.0})
        case _:
            return None
