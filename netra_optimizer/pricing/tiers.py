"""Service tiers as genai-prices' request context."""

from collections.abc import Mapping
from typing import Final

TIER_CONTEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "standard": {},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
"""What a tier selects among a model's price variants. `fast` is OpenAI's service tier and
Anthropic's speed of that name."""


def context_of(tier: str) -> Mapping[str, str]:
    """The price context of a tier; a tier nobody sells prices as standard."""
    return TIER_CONTEXTS.get(tier, TIER_CONTEXTS["standard"])
