"""What a language model is asked to make of a question, and the intent that follows."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json

from netra_backend.reasoner.intent import Goals, Intent, LatencyWish, RateLimit, Topic

INSTRUCTIONS: Final = """\
You read one question that somebody asks a platform which analyses records of LLM calls. You do not
answer it. Say what it asks for, in the given form, and nothing that it does not say.

Topics: savings (cheaper, or anything else); speed; cache_audit (how prompt or KV caching is used);
change_review (was an upgrade, release or switch worth it); forecast (growth, rate limits,
capacity); model_fit (would another model do); usage (how much was used or spent, and on what);
chargeback (cost by team or customer); errors (failures, retries, time-outs); budget (stay under an
amount); compliance (HIPAA, GDPR, personal data).

Names of features and models are copied letter by letter. Percentages and factors are as the
question means them: "20 % cheaper" is a cost change of -20, "twice as fast" a speed factor of 2.
"""


class Bound(BaseModel):
    """A bound on latency."""

    feature: str | None = Field(description="The feature it is for; null when it is for all.")
    max_ms: Annotated[float, Field(gt=0, le=3_600_000)]
    words: str = Field(max_length=200, description="The words that say so.")


class Allowed(BaseModel):
    """What a provider allows a minute."""

    model: str | None = Field(description="The model it is for; null when it is for all.")
    requests_a_minute: Annotated[float, Field(gt=0, le=1e9)] | None = None
    tokens_a_minute: Annotated[float, Field(gt=0, le=1e12)] | None = None


class Reading(BaseModel):
    """A question, read."""

    topic: Topic
    features: list[str] = Field(default=[], max_length=20)
    models: list[str] = Field(default=[], max_length=20)
    replace_named_models: bool = Field(
        default=False, description="The models named are to be replaced."
    )
    latency_bounds: list[Bound] = Field(default=[], max_length=20)
    cost_change_percent: Annotated[float, Field(ge=-100, le=1000)] | None = None
    no_extra_cost: bool = False
    speed_factor: Annotated[float, Field(gt=0, le=1000)] | None = None
    traffic_change_percent: Annotated[float, Field(ge=-100, le=100_000)] | None = None
    monthly_budget_usd: Annotated[float, Field(ge=0)] | None = None
    keep_quality: bool = False
    limits: list[Allowed] = Field(default=[], max_length=20)
    changed_on: date | None = Field(
        default=None, description="The day of the change under review, when the question tells."
    )


_TOLD_IN_ORDER: Final = ("topic", "features", "models", "latency_bounds")
"""The fields that say in words how a question was understood."""


def reading_so_far(form: str) -> Reading | None:
    """What the beginning of a filled-in form says for certain; None while that is nothing.

    Fields are taken in their order up to the first that is missing or still open, of which whole
    entries are taken: what is said in the end begins with it.
    """
    try:
        begun = from_json(form, allow_partial=True)
    except ValueError:
        return None
    if not isinstance(begun, dict) or not begun:
        return None
    still_open = list(begun)[-1]
    said: dict[str, Any] = {}
    for name in _TOLD_IN_ORDER:
        if name in begun:
            said[name] = begun[name]
        if name not in begun or name == still_open:
            break
    try:
        return Reading.model_validate(said)
    except ValidationError:
        pass
    if isinstance(unfinished := said.get(still_open), list):
        said[still_open] = unfinished[:-1]
    else:
        said.pop(still_open, None)
    try:
        return Reading.model_validate(said)
    except ValidationError:
        return None


def intent_of(reading: Reading, question: str) -> Intent:
    """The intent; names that do not stand in the question are left out."""
    said = question.lower()
    features = tuple(dict.fromkeys(f for f in reading.features if f and f.lower() in said))
    return Intent(
        topic=reading.topic,
        question=question,
        features=features,
        models=tuple(dict.fromkeys(m.lower() for m in reading.models if m and m.lower() in said)),
        latency=tuple(
            LatencyWish(
                feature=bound.feature if bound.feature in features else None,
                max_ms=bound.max_ms,
                text=bound.words,
            )
            for bound in reading.latency_bounds
            if bound.feature is None or bound.feature in features
        ),
        goals=Goals(
            cost_change=_share(reading.cost_change_percent),
            cost_cap=reading.no_extra_cost,
            speed_factor=reading.speed_factor,
            traffic_change=_share(reading.traffic_change_percent)
            if reading.traffic_change_percent != -100  # no traffic has no cost to speak of
            else None,
            budget_usd=reading.monthly_budget_usd,
            keep_quality=reading.keep_quality,
        ),
        change_at=None
        if reading.changed_on is None
        else datetime.combine(reading.changed_on, datetime.min.time(), UTC).isoformat(),
        limits=tuple(
            RateLimit(
                model=limit.model,
                requests=limit.requests_a_minute,
                tokens=limit.tokens_a_minute,
            )
            for limit in reading.limits
            if limit.model is None or limit.model.lower() in said
        ),
        away_from=reading.replace_named_models,
    )


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
