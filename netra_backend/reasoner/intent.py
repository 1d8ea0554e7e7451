"""What a question asks for."""

from enum import StrEnum
from typing import Final

import msgspec

MOST: Final = 20
"""So many features, models, bounds and limits of one question are taken, the first ones: more is a
list that was pasted, and each costs work over the whole question."""


class Topic(StrEnum):
    """The kinds of questions that the agents answer in a way of their own."""

    SAVINGS = "savings"
    SPEED = "speed"
    CACHE_AUDIT = "cache_audit"
    CHANGE_REVIEW = "change_review"
    FORECAST = "forecast"
    MODEL_FIT = "model_fit"
    USAGE = "usage"
    CHARGEBACK = "chargeback"
    ERRORS = "errors"
    BUDGET = "budget"
    COMPLIANCE = "compliance"


class LatencyWish(msgspec.Struct, frozen=True, kw_only=True):
    """A bound on latency in milliseconds, for one feature or (feature None) everywhere."""

    feature: str | None
    max_ms: float
    text: str


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider allows a minute, for one model or (model None) for each."""

    model: str | None = None
    requests: float | None = None
    tokens: float | None = None


class Goals(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change, as fractions and factors: cost_change -0.2 is 20 % cheaper.

    `cost_cap`: no more money than now. `budget_usd` is a month's. `keep_quality`: answers must
    stay as good.
    """

    cost_change: float | None = None
    cost_cap: bool = False
    speed_factor: float | None = None
    traffic_change: float | None = None
    budget_usd: float | None = None
    keep_quality: bool = False


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of a language model in order to understand. Tokens, milliseconds, USD.

    `input_tokens` includes `cache_read_tokens`; `started` is RFC 3339 UTC; `status` ok or error.
    """

    provider: str
    model: str
    started: str
    latency_ms: float
    requests: int
    input_tokens: int
    cache_read_tokens: int
    output_tokens: int
    cost_usd: float
    status: str


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A question, understood.

    `features` and `models` are names as the question spells them; whether they exist is for the
    data to say. `away_from`: the models named are to be replaced. `change_at` is when a reviewed
    change happened (RFC 3339 UTC), None when unsaid. `call` is the model's part in understanding
    it, `note` what kept a model that should have been asked from it.
    """

    topic: Topic
    question: str
    features: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    latency: tuple[LatencyWish, ...] = ()
    goals: Goals = Goals()
    change_at: str | None = None
    limits: tuple[RateLimit, ...] = ()
    away_from: bool = False
    call: ModelCall | None = None
    note: str = ""

    def read_by(self, call: ModelCall) -> "Intent":
        """The same, as a model understood it."""
        return msgspec.structs.replace(self, call=call)

    def noted(self, note: str) -> "Intent":
        """The same, with a word on how it was understood."""
        return msgspec.structs.replace(self, note=note)
