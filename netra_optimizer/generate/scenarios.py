"""Scenarios: the demonstration's, and building blocks of workloads with a known answer."""

from msgspec import structs

from netra_optimizer.generate.matrix import HAIKU, SONNET, known_answer_scenarios
from netra_optimizer.generate.spec import FeatureSpec, Planted, Scenario, Upgrade


def demo_scenario() -> Scenario:
    """A company of a few teams: about 20,000 calls in 14 days, with waste to be found.

    A support chat whose long system prompt is never cached, a search box that asks the same things
    again, a nightly job at full price, two features upgraded yesterday (one of them in vain), a
    code review that caches well and an assistant whose cache writes are never read.
    """
    planted = (
        Planted(lever="prompt_cache", feature="support_chat"),
        Planted(lever="response_cache", feature="product_search"),
        Planted(lever="batch_tier", feature="nightly_tagging"),
        Planted(lever="prompt_cache", feature="sales_brief", tokens=0),
    )
    return Scenario(name="demo", features=_demo_features(), planted=planted, days=14.0)


def _demo_features() -> tuple[FeatureSpec, ...]:
    upgraded = (
        _upgraded("faq_answers", per_day=420, before=0.86, after=0.862),
        _upgraded("contract_review", per_day=45, before=0.66, after=0.88, user_tokens=6000),
    )
    return (*_uncached_features(), *upgraded, *_caching_features())


def _uncached_features() -> tuple[FeatureSpec, ...]:
    return (
        FeatureSpec(
            name="support_chat",
            model=SONNET,
            provider="anthropic",
            kind="chat",
            team="support",
            per_day=130,
            turns=4.0,
            system_tokens=4096,
            user_tokens=120,
            output_tokens=220,
            users=900,
            error_share=0.01,
        ),
        FeatureSpec(
            name="product_search",
            model="gpt-4o",
            provider="openai",
            team="shop",
            per_day=420,
            system_tokens=512,
            user_tokens=60,
            output_tokens=120,
            temperature=0.0,
            repeat_share=0.45,
            popular=120,
            ttft_ms=120,
            tokens_per_s=160,
            users=2500,
        ),
        FeatureSpec(
            name="nightly_tagging",
            model="gpt-4o",
            provider="openai",
            kind="job",
            team="data",
            per_day=220,
            system_tokens=512,
            user_tokens=1400,
            output_tokens=90,
            temperature=0.2,
            streamed=False,
            job_hours=(2.5,),
            users=1,
        ),
    )


def _caching_features() -> tuple[FeatureSpec, ...]:
    return (
        FeatureSpec(
            name="code_review",
            model=SONNET,
            provider="anthropic",
            team="engineering",
            per_day=190,
            system_tokens=6144,
            user_tokens=1800,
            output_tokens=500,
            cache_use="system",
            streamed=False,
            users=40,
        ),
        FeatureSpec(
            name="sales_brief",
            model=SONNET,
            provider="anthropic",
            team="sales",
            per_day=24,
            system_tokens=8192,
            user_tokens=700,
            output_tokens=600,
            cache_use="system",
            users=12,
        ),
    )


def _upgraded(
    name: str, *, per_day: float, before: float, after: float, user_tokens: int = 500
) -> FeatureSpec:
    upgrade = Upgrade(model=SONNET, day=12.6, quality=after, output_factor=1.15)
    return FeatureSpec(
        name=name,
        model=HAIKU,
        provider="anthropic",
        team="support" if name.startswith("faq") else "legal",
        per_day=per_day,
        system_tokens=512,
        user_tokens=user_tokens,
        output_tokens=320,
        quality=before,
        quality_share=0.9,
        upgrade=upgrade,
        users=300,
    )


def scenarios() -> dict[str, Scenario]:
    """All named scenarios: the demonstration's, one for each planted waste, and clean ones."""
    return {scenario.name: scenario for scenario in (demo_scenario(), *known_answer_scenarios())}


def scaled(scenario: Scenario, *, scale: float = 1.0, days: float | None = None) -> Scenario:
    """The scenario with so many times its traffic, over another number of days."""
    length = scenario.days if days is None else days
    features: list[FeatureSpec] = []
    for spec in scenario.features:
        upgrade = spec.upgrade
        if upgrade is not None:
            upgrade = structs.replace(upgrade, day=upgrade.day * length / scenario.days)
        features.append(structs.replace(spec, per_day=spec.per_day * scale, upgrade=upgrade))
    return structs.replace(scenario, features=tuple(features), days=length)
