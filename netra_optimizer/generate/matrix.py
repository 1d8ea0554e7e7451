"""The matrix of workloads with a known answer: one planted waste, several that interact, none."""

from typing import Any, Final

from msgspec.structs import replace

from netra_optimizer.generate.spec import FeatureSpec, OutcomePlan, Planted, Scenario

SONNET: Final = "claude-sonnet-4-5"
HAIKU: Final = "claude-haiku-4-5"
GPT: Final = "gpt-4o"


def known_answer_scenarios() -> tuple[Scenario, ...]:
    """All of them; names are unique."""
    return (*_single(), *_tied(), *_interacting(), *_unnamed(), *_clean())


def assistant(name: str = "assistant") -> FeatureSpec:
    """Single questions, no waste: short prompts of their own, streamed, varied answers."""
    return FeatureSpec(
        name=name, model=SONNET, provider="anthropic", per_day=500.0, user_tokens=600
    )


def job(name: str = "job") -> FeatureSpec:
    """A nightly run that nobody waits for."""
    return FeatureSpec(
        name=name,
        model=GPT,
        provider="openai",
        kind="job",
        per_day=300.0,
        user_tokens=900,
        streamed=False,
        users=1,
    )


def _scenario(
    name: str,
    features: tuple[FeatureSpec, ...],
    planted: tuple[Planted, ...] = (),
    outcomes: tuple[OutcomePlan, ...] = (),
    days: float = 6.0,
    *,
    named: bool = True,
) -> Scenario:
    return Scenario(
        name=name,
        features=features,
        planted=planted,
        outcomes=outcomes,
        days=days,
        named=named,
    )


def _cache(feature: str = "assistant") -> Planted:
    return Planted(lever="prompt_cache", feature=feature, best=True)


def _repeats(feature: str = "assistant") -> Planted:
    return Planted(lever="response_cache", feature=feature)


def _batch(feature: str = "job") -> Planted:
    return Planted(lever="batch_tier", feature=feature)


def _switch(feature: str = "assistant") -> Planted:
    return Planted(lever="model_switch", feature=feature, model=HAIKU, provider="anthropic")


def _waste(feature: str = "assistant") -> Planted:
    return Planted(lever="retry_waste", feature=feature)


def _scores(difference: float = 0.0, items: int = 4000) -> tuple[OutcomePlan, ...]:
    return (OutcomePlan(baseline=SONNET, candidate=HAIKU, difference=difference, items=items),)


def _single() -> list[Scenario]:
    """One planted waste each, of several sizes."""
    found: list[Scenario] = []
    for tokens, per_day in ((2048, 900.0), (4096, 900.0), (8192, 500.0), (12_288, 250.0)):
        feature = replace(assistant(), system_tokens=tokens, per_day=per_day)
        found.append(_scenario(f"system_prompt_{tokens}", (feature,), (_cache(),)))
    for turns, per_day in ((4.0, 60.0), (8.0, 40.0), (12.0, 25.0)):
        chat = replace(
            assistant("chat"),
            kind="chat",
            turns=turns,
            per_day=per_day,
            system_tokens=1536,
            user_tokens=300,
        )
        found.append(_scenario(f"chat_{turns:g}_turns", (chat,), (_cache("chat"),)))
    rare = replace(assistant(), per_day=7.0, system_tokens=6144, cache_use="system")
    never = Planted(lever="prompt_cache", feature="assistant", tokens=0)
    found.append(_scenario("writes_never_read", (rare,), (never,), days=24.0))
    for share, popular in ((0.2, 30), (0.4, 60), (0.6, 100), (0.8, 20)):
        feature = replace(
            assistant(),
            model=GPT,
            provider="openai",
            temperature=0.0,
            repeat_share=share,
            popular=popular,
            user_tokens=300,
        )
        found.append(_scenario(f"repeats_{100 * share:.0f}", (feature,), (_repeats(),)))
    for hours, model, provider in (
        ((2.0,), GPT, "openai"),
        ((1.0, 13.0), SONNET, "anthropic"),
        ((23.5,), "gpt-4o-mini", "openai"),
    ):
        feature = replace(job(), job_hours=hours, model=model, provider=provider)
        found.append(_scenario(f"job_{model}", (feature,), (_batch(),)))
    for difference in (0.0, 0.01, 0.04):
        name = f"as_good_model_{1000 * difference:.0f}"
        found.append(_scenario(name, (assistant(),), (_switch(),), _scores(difference)))
    for share in (0.05, 0.15):
        feature = replace(assistant(), twin_share=share)
        found.append(_scenario(f"twins_{100 * share:.0f}", (feature,), (_waste(),)))
        feature = replace(assistant(), refused_share=share)
        found.append(_scenario(f"refused_{100 * share:.0f}", (feature,), (_waste(),)))
    return found


def _tied() -> list[Scenario]:
    """Calls that hang together: in bursts, by few prompts, in long conversations."""
    repeating = replace(
        assistant(), model=GPT, provider="openai", temperature=0.0, user_tokens=300, burst=5.0
    )
    long = replace(
        assistant("chat"),
        kind="chat",
        turns=20.0,
        per_day=25.0,
        system_tokens=1536,
        user_tokens=300,
    )
    return [
        _scenario(
            "bursts_cached",
            (replace(assistant(), burst=6.0, system_tokens=4096, per_day=600.0),),
            (_cache(),),
        ),
        _scenario(
            "bursts_repeats",
            (replace(repeating, repeat_share=0.4, popular=40),),
            (_repeats(),),
        ),
        _scenario("bursts_switch", (replace(assistant(), burst=6.0),), (_switch(),), _scores()),
        _scenario(
            "five_prompts",
            (replace(repeating, burst=1.0, repeat_share=0.6, popular=5),),
            (_repeats(),),
        ),
        _scenario("chat_20_turns", (long,), (_cache("chat"),)),
        _scenario("chat_two_weeks", (replace(long, turns=8.0),), (_cache("chat"),), days=14.0),
        _scenario("chat_two_days", (replace(long, turns=8.0),), (_cache("chat"),), days=1.9),
    ]


def _unnamed() -> list[Scenario]:
    """No feature is named: one part of the calls wastes, told by size or shape; or none does."""
    questions = replace(assistant("questions"), per_day=900.0, user_tokens=1400)
    reports = replace(assistant("reports"), per_day=500.0, system_tokens=16_384)
    chat = replace(assistant("chat"), kind="chat", turns=10.0, per_day=40.0, user_tokens=300)
    essays = replace(questions, name="essays", user_tokens=3000, per_day=1200.0)
    night = replace(job("night"), model=SONNET, provider="anthropic", user_tokens=9000)
    return [
        _scenario("unnamed_sizes", (questions, reports), (_cache("reports"),), named=False),
        _scenario("unnamed_shapes", (essays, chat), (_cache("chat"),), named=False),
        _scenario(
            "unnamed_job",
            (replace(questions, user_tokens=300, users=5), replace(night, users=5)),
            (_batch("night"),),
            named=False,
        ),
        _scenario(
            "unnamed_clean_sizes",
            (replace(questions, user_tokens=300), replace(essays, user_tokens=9000)),
            named=False,
        ),
        _scenario(
            "unnamed_clean_shapes",
            (essays, replace(chat, turns=1.5, user_tokens=80, output_tokens=60)),
            named=False,
        ),
    ]


def _interacting() -> list[Scenario]:
    """Several wastes on the same calls, and beside each other."""
    # Any: fields of a FeatureSpec, checked by msgspec when they are set.
    repeating: dict[str, Any] = {"temperature": 0.0, "repeat_share": 0.4, "popular": 40}
    long: dict[str, Any] = {"system_tokens": 8192, "per_day": 600.0}
    both = replace(assistant(), **repeating | long)
    chat = replace(assistant("chat"), kind="chat", turns=6.0, per_day=50.0, system_tokens=4096)
    cached_job = replace(job(), model=SONNET, provider="anthropic", system_tokens=2048)
    return [
        _scenario(
            "repeats_and_switch",
            (replace(assistant(), **repeating),),
            (_repeats(), _switch()),
            _scores(),
        ),
        _scenario("repeats_and_cache", (both,), (_repeats(), _cache())),
        _scenario(
            "switch_and_cache", (replace(assistant(), **long),), (_switch(), _cache()), _scores()
        ),
        _scenario("three_on_one", (both,), (_repeats(), _switch(), _cache()), _scores()),
        _scenario(
            "four_on_one",
            (replace(assistant(), **repeating | long, twin_share=0.1),),
            (_repeats(), _switch(), _cache(), _waste()),
            _scores(),
        ),
        _scenario("batch_or_cache", (cached_job,), (_batch(),)),
        _scenario("side_by_side", (replace(assistant(), **long), job()), (_cache(), _batch())),
        _scenario(
            "a_company",
            (chat, replace(assistant("search"), model=GPT, provider="openai", **repeating), job()),
            (_cache("chat"), _repeats("search"), _batch()),
        ),
        _scenario(
            "a_company_with_scores",
            (chat, replace(assistant(), **repeating), job()),
            (_cache("chat"), _switch("chat"), _repeats(), _switch(), _batch()),
            _scores(0.01),
        ),
        _scenario(
            "twins_in_chat",
            (replace(assistant("chat"), kind="chat", turns=5.0, per_day=60.0, twin_share=0.1),),
            (_waste("chat"), _cache("chat")),
        ),
    ]


def _clean() -> list[Scenario]:
    """Nothing to find."""
    return [
        _scenario("clean_assistant", (replace(assistant(), per_day=700.0),)),
        _scenario(
            "clean_short_prompts", (replace(assistant(), system_tokens=512, user_tokens=80),)
        ),
        _scenario(
            "clean_varied_repeats", (replace(assistant(), repeat_share=0.5, temperature=0.9),)
        ),
        _scenario(
            "clean_used_cache",
            (replace(assistant(), per_day=2500.0, system_tokens=4096, cache_use="system"),),
        ),
        _scenario(
            "clean_rare_long_prompts", (replace(assistant(), per_day=5.0, system_tokens=6144),)
        ),
        _scenario("clean_worse_model", (assistant(),), (), _scores(-0.06)),
        _scenario("clean_few_scores", (assistant(),), (), _scores(-0.03, items=60)),
        _scenario(
            "clean_interactive_day",
            (replace(assistant(), model=GPT, provider="openai", per_day=1200.0, streamed=False),),
        ),
        _scenario(
            "clean_errors",
            (replace(assistant(), error_share=0.05), replace(assistant("other"), model=HAIKU)),
        ),
        _scenario(
            "clean_short_chat",
            (
                replace(
                    assistant("chat"),
                    kind="chat",
                    turns=1.5,
                    per_day=250.0,
                    user_tokens=60,
                    output_tokens=90,
                ),
            ),
        ),
    ]
