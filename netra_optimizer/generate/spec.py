"""What a generated workload is made of: features, their use, and the waste planted in them."""

from typing import Literal

import msgspec

Kind = Literal["chat", "single", "job"]
CacheUse = Literal["none", "system"]


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a feature's model in the middle of the period, and of its quality."""

    model: str
    day: float
    """Days after the workload's start."""
    quality: float
    """Mean score afterwards."""
    output_factor: float = 1.0


class FeatureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One feature: who calls, how often, how large, and what is wrong with it.

    `kind`: chat (conversations of several turns), single (one question, one answer) or job (runs
    by the clock). Token counts are medians with a log-normal spread `sigma`.
    """

    name: str
    model: str
    provider: str
    kind: Kind = "single"
    team: str = "core"
    per_day: float = 100.0
    """Conversations a day of a chat; calls a day of the others."""
    burst: float = 1.0
    """Mean number of calls or conversations that begin together, within a few minutes."""
    turns: float = 4.0
    think_s: float = 40.0
    system_tokens: int = 0
    """The start of the prompt that all calls share; a multiple of the block size."""
    user_tokens: int = 200
    output_tokens: int = 250
    sigma: float = 0.5
    temperature: float | None = 0.7
    streamed: bool = True
    repeat_share: float = 0.0
    """Share of calls that ask one of `popular` prompts again."""
    popular: int = 40
    ttft_ms: float = 450.0
    tokens_per_s: float = 70.0
    job_hours: tuple[float, ...] = (2.0,)
    """Times of day at which a job runs."""
    job_spacing_s: float = 1.0
    cache_use: CacheUse = "none"
    """system: the shared start is marked for the 5-minute cache already."""
    error_share: float = 0.0
    quality: float | None = None
    quality_share: float = 0.25
    """Share of calls whose answer was scored (score 0 or 1 with mean `quality`)."""
    upgrade: Upgrade | None = None
    users: int = 50
    twin_share: float = 0.0
    """Share of calls that a client fires twice within a second."""
    refused_share: float = 0.0
    """Share of calls refused as invalid, and asked twice more in vain; the prompt is billed."""
    reasoning_tokens: int = 0


class OutcomePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Paired scores of two models: the first's mean, the true difference, the disagreement."""

    baseline: str
    candidate: str
    items: int = 3000
    mean: float = 0.8
    difference: float = 0.0
    disagree: float = 0.12


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """A change that is known to save (or to lose) money on a feature.

    `lever` prompt_cache: `write` and `tokens` (None: the whole prompt; 0: no cache), or the best of
    all of these with `best`; response_cache: `ttl_s`; model_switch: `model`; batch_tier and
    retry_waste need no more.
    """

    lever: str
    feature: str
    best: bool = False
    write: Literal["5m", "1h"] = "5m"
    tokens: int | None = None
    ttl_s: float = 86_400.0
    model: str = ""
    provider: str = ""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Features over a number of days, and what is planted in them."""

    name: str
    features: tuple[FeatureSpec, ...]
    planted: tuple[Planted, ...] = ()
    outcomes: tuple[OutcomePlan, ...] = ()
    days: float = 7.0
    named: bool = True
    """False: the records do not say which feature a call is of."""
    block_tokens: int = 256
