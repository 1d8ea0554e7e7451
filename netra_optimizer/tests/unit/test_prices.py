"""The price table against genai-prices itself, call by call."""

import random
from datetime import UTC, date, datetime, timedelta
from functools import cache

import genai_prices
import numpy as np
import pytest
from genai_prices.data_snapshot import get_snapshot

from netra_optimizer import Calls, CustomPrice, PriceTable
from netra_optimizer.pricing import BUCKET_UNITS, TIER_CONTEXTS, BadPrice, context_of, usage_of
from netra_optimizer.usage.columns import Text
from netra_optimizer.usage.record import TOKEN_BUCKETS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def table() -> PriceTable:
    return PriceTable.load()


def calls_of(rows: list[dict]) -> Calls:
    return Calls(
        provider=Text.of([row.get("provider", "") for row in rows]),
        model=Text.of([row["model"] for row in rows]),
        tier=Text.of([row.get("tier", "standard") for row in rows]),
        start_us=np.array([(row["start"] - EPOCH) // timedelta(microseconds=1) for row in rows]),
        **{b: np.array([row.get(b, 0) for row in rows], np.int64) for b in TOKEN_BUCKETS},
    )


def genai_cost(row: dict) -> float:
    calculated = genai_prices.calc_price(
        genai_prices.Usage(**usage_of(row)),
        row["model"],
        provider_id=row.get("provider"),
        genai_request_timestamp=row["start"],
        price_context=dict(context_of(row.get("tier", "standard"))),
    )
    return float(calculated.total_price)


def random_row(rng: random.Random, provider: str, model: str) -> dict:
    sizes = (0, rng.randrange(1000), rng.randrange(300_000))
    return {
        "provider": provider,
        "model": model,
        "tier": rng.choice(list(TIER_CONTEXTS)),
        "start": datetime(2022, 1, 1, tzinfo=UTC)
        + timedelta(microseconds=rng.randrange(6 * 365 * 86_400_000_000)),
        **{bucket: rng.choice(sizes) for bucket in TOKEN_BUCKETS},
    }


@cache
def known_models() -> list[tuple[str, str]]:
    """Every (provider, id) that genai-prices finds again by that very name."""
    found = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            try:
                get_snapshot().find_provider_model(model.id, None, provider.id, None)
            except LookupError:
                continue
            found.append((provider.id, model.id))
    return found


def assert_agrees(rows: list[dict]) -> None:
    costs = table().cost(calls_of(rows))
    for row, cost in zip(rows, costs.tolist(), strict=True):
        expected = genai_cost(row)
        if np.isnan(cost):
            assert expected == 0, row  # genai-prices has no price by the token either
        else:
            assert cost == pytest.approx(expected, abs=1e-9), row


def test_random_usages_cost_what_genai_prices_says(full_counts: bool) -> None:
    rng = random.Random(7)
    models = known_models()
    count = 50_000 if full_counts else 1_000
    assert_agrees([random_row(rng, *rng.choice(models)) for _ in range(count)])


def test_every_known_model_costs_what_genai_prices_says() -> None:
    rng = random.Random(8)
    assert_agrees([random_row(rng, *model) for model in known_models()])


def test_a_tier_begins_above_its_threshold_not_at_it() -> None:
    day = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [
        {"provider": "google", "model": "gemini-2.5-pro", "start": day, "input_uncached": size}
        for size in (199_999, 200_000, 200_001)
    ]
    costs = table().cost(calls_of(rows))
    assert costs.tolist() == pytest.approx([genai_cost(row) for row in rows], abs=1e-12)
    assert costs[2] > 1.9 * costs[1]


def test_the_price_of_a_call_is_the_price_of_its_hour() -> None:
    day = datetime(2026, 1, 5, tzinfo=UTC)
    edges = [timedelta(minutes=30), timedelta(hours=16, minutes=30)]
    moments = [day + edge + timedelta(microseconds=by) for edge in edges for by in (-1, 0)]
    rows = [
        {"provider": "deepseek", "model": "deepseek-chat", "start": at, "input_uncached": 10**6}
        for at in moments
    ]
    costs = table().cost(calls_of(rows))
    assert costs.tolist() == pytest.approx([genai_cost(row) for row in rows], abs=1e-12)
    assert len(set(costs.tolist())) == 2


def test_as_of_prices_history_at_another_day() -> None:
    row = {
        "provider": "openai", "model": "o3", "input_uncached": 10**6,
        "start": datetime(2025, 5, 1, tzinfo=UTC),
    }  # fmt: skip
    then = table().cost(calls_of([row]))[0]
    now = table().on(date(2026, 1, 1)).cost(calls_of([row]))[0]
    assert (then, now) == pytest.approx((10.0, 2.0))
    assert now == pytest.approx(genai_cost({**row, "start": datetime(2026, 1, 1, tzinfo=UTC)}))


def test_a_model_nobody_knows_has_no_price_rather_than_a_price_of_zero() -> None:
    row = {"model": "acme-llm-9", "start": datetime(2026, 1, 1, tzinfo=UTC), "input_uncached": 5}
    assert np.isnan(table().cost(calls_of([row]))[0])
    assert table().resolve("acme-llm-9") is None
    assert not table().is_priced("acme-llm-9")


def test_every_key_of_usage_costs_what_genai_prices_says() -> None:
    from genai_prices.units import _get_registry

    rng = random.Random(12)
    units = _get_registry().units
    start = datetime(2024, 1, 1, tzinfo=UTC)
    used: set[str] = set()
    for provider, model in known_models():
        tier = rng.choice(list(TIER_CONTEXTS))
        at = start + timedelta(microseconds=rng.randrange(3 * 365 * 86_400_000_000))
        key = rng.choice([name for name in units if name != "requests"])
        usage = {key: rng.randrange(1, 400_000)}
        for ancestor in _get_registry().ancestor_usage_keys(key):
            usage[ancestor] = usage[key] + 5 * (9 - len(units[ancestor].dimensions))
        try:
            expected = genai_prices.calc_price(
                genai_prices.Usage(**usage), model, provider_id=provider,
                genai_request_timestamp=at, price_context=dict(context_of(tier)),
            )  # fmt: skip
        except ValueError:
            continue  # genai-prices asks for more than this usage says
        cost = table().cost_of_usage(
            model, provider, tier=tier,
            start_us=np.array([(at - EPOCH) // timedelta(microseconds=1)]),
            usage={name: np.array([count]) for name, count in usage.items()},
        )  # fmt: skip
        assert cost[0] == pytest.approx(float(expected.total_price), abs=1e-9), (model, usage)
        used |= usage.keys()
    assert len(used) > 30


def whole_usage(rng: random.Random) -> dict[str, int]:
    """Counts of some kinds of use that overlap nowhere, and of all kinds that hold them."""
    from genai_prices.units import _get_registry

    registry = _get_registry()
    kinds = rng.sample([key for key in registry.units if key != "requests"], rng.randrange(1, 9))
    usage: dict[str, int] = {}
    for key in kinds:
        count = rng.choice([rng.randrange(1, 500), rng.randrange(1, 300_000)])
        for holder in {key, *registry.ancestor_usage_keys(key)} - {"requests"}:
            usage[holder] = usage.get(holder, 0) + count
    return usage


def test_usages_of_many_kinds_at_once_cost_what_genai_prices_says(full_counts: bool) -> None:
    rng = random.Random(14)
    models = known_models()
    chosen = models * 10 if full_counts else rng.sample(models, 500)
    compared = 0
    for provider, model in chosen:
        usage, tier = whole_usage(rng), rng.choice(list(TIER_CONTEXTS))
        at = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=rng.randrange(6 * 365 * 86_400_000_000)
        )
        try:
            expected = genai_prices.calc_price(
                genai_prices.Usage(**usage), model, provider_id=provider,
                genai_request_timestamp=at, price_context=dict(context_of(tier)),
            )  # fmt: skip
        except ValueError:
            continue  # genai-prices asks for more than this usage says
        cost = table().cost_of_usage(
            model, provider, tier=tier,
            start_us=np.array([(at - EPOCH) // timedelta(microseconds=1)]),
            usage={key: np.array([count]) for key, count in usage.items()},
        )  # fmt: skip
        assert cost[0] == pytest.approx(float(expected.total_price), abs=1e-9), (model, usage)
        compared += 1
    assert compared > 0.98 * len(chosen)


def test_rates_times_tokens_are_the_cost() -> None:
    rng = random.Random(9)
    rows = [random_row(rng, *rng.choice(known_models())) for _ in range(300)]
    calls = calls_of(rows)
    rates = table().rates(calls)
    total = rates.request + sum(getattr(rates, b) * getattr(calls, b) for b in TOKEN_BUCKETS)
    np.testing.assert_allclose(total, table().cost(calls), atol=1e-12, equal_nan=True)


def test_a_call_asked_of_another_model_is_priced_as_that_models() -> None:
    start = datetime(2026, 11, 5, tzinfo=UTC)
    row = {"model": "gpt-4o", "provider": "openai", "start": start, "input_uncached": 10**5}
    calls = calls_of([row])
    switched = calls.with_model("claude-sonnet-4-5", "anthropic").with_tier("batch")
    assert table().cost(calls)[0] == pytest.approx(0.25)
    assert table().cost(switched)[0] == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("model", "provider", "sold"),
    [
        ("gpt-4o", "openai", True),
        ("claude-sonnet-4-5", "anthropic", True),
        ("gpt-4o", "azure", False),  # priced by OpenAI's list, whose batch price is not Azure's
        ("acme-llm-9", "", False),
    ],
)
def test_a_tier_without_a_price_of_its_own_is_told(model: str, provider: str, sold: bool) -> None:
    assert table().has_tier(model, provider, "batch") is sold


@pytest.mark.parametrize(
    ("recorded", "provider", "key"),
    [
        ("openai/gpt-4o", "openai", ("openai", "gpt-4o")),
        ("azure/gpt-4o", "azure", ("azure", "gpt-4o")),
        ("gemini/gemini-2.5-pro", "gemini", ("google", "gemini-2.5-pro")),
        (
            "openrouter/anthropic/claude-3.5-sonnet",
            "openrouter",
            ("openrouter", "anthropic/claude-3.5-sonnet"),
        ),
        ("gpt-5", "litellm_proxy", ("openai", "gpt-5")),
        ("openai/gpt-4o:online", "openrouter", ("openrouter", "openai/gpt-4o")),
        ("gpt-4o", "azure.ai.openai", ("azure", "gpt-4o")),
        ("gpt-35-turbo", "azure", ("azure", "gpt-3.5-turbo")),
        ("gpt-4o", "azure_openai", ("azure", "gpt-4o")),
        ("gpt-4o", "Azure OpenAI", ("azure", "gpt-4o")),
        ("claude-sonnet-4-5@20250929", "google-vertex-anthropic", ("google", "claude-sonnet-4-5")),
        ("azure/gpt-4o", "", ("azure", "gpt-4o")),
        ("azure/eu/gpt-4o", "", ("azure", "gpt-4o")),
        ("vertex_ai/claude-sonnet-4-5@20250929", "", ("google", "claude-sonnet-4-5")),
        ("openrouter/anthropic/claude-3.5-sonnet", "",
         ("openrouter", "anthropic/claude-3.5-sonnet")),
        ("eu/gpt-4o-2024-08-06", "azure", ("azure", "gpt-4o")),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", "openai", ("openai", "ft:gpt-4o-mini")),
        ("claude-sonnet-4-5@20250929", "vertex_ai", ("google", "claude-sonnet-4-5")),
        ("publishers/google/models/gemini-2.5-pro", "vertex_ai", ("google", "gemini-2.5-pro")),
        ("models/gemini-2.5-flash", "", ("google", "gemini-2.5-flash")),
        ("text-embedding-3-small", "", ("openai", "text-embedding-3-small")),
        ("sonar-pro", "", ("perplexity", "sonar-pro")),
        ("llama-3.3-70b-versatile", "", ("groq", "llama-3.3-70b-versatile")),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock",
         ("aws", "global.anthropic.claude-sonnet-4-5-20250929-v1:0")),
        ("claude-sonnet-4-5-20250929", "", ("anthropic", "claude-sonnet-4-5")),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "bedrock",
            ("aws", "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
        (
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "",
            ("aws", "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ),
    ],
)  # fmt: skip
def test_names_of_gateways_and_clouds_are_understood(
    recorded: str, provider: str, key: tuple[str, str]
) -> None:
    found = table().resolve(recorded, provider)
    assert found is not None
    assert (found.provider, found.model) == key


def test_every_model_is_found_by_the_id_it_is_listed_under() -> None:
    listed = [(p.id, m.id) for p in get_snapshot().providers for m in p.models]
    found = [table().resolve(model, provider) for provider, model in listed]
    assert [key for key, known in zip(listed, found, strict=True) if known is None] == []
    assert len(listed) > 2000


def test_a_model_given_away_costs_nothing_and_one_without_a_price_has_no_cost() -> None:
    day = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [
        {"provider": provider, "model": model, "start": day, "input_uncached": 10**6}
        for provider, model in (
            ("openrouter", "deepseek/deepseek-r1:free"),
            ("google", "gemma-4-31b-it"),
            ("openai", "tts-1"),
            ("cerebras", "qwen-3-coder-480b"),
        )
    ]
    *free, by_the_letter, gone = table().cost(calls_of(rows)).tolist()
    assert free == [0, 0]
    assert "gemma-4-31b-it" not in table().models("google")  # no seller to save money with
    assert np.isnan(by_the_letter)
    assert np.isnan(gone)


def test_a_provider_that_does_not_list_the_model_is_not_replaced_by_another() -> None:
    assert table().resolve("claude-sonnet-4-5", "groq") is None


@pytest.mark.parametrize("provider", ["ollama", "hosted_vllm", "sagemaker", "LM_Studio"])
def test_a_model_on_machines_of_one_s_own_has_no_price_of_its_maker(provider: str) -> None:
    assert table().resolve("deepseek-r1:8b", provider) is None
    assert table().resolve(f"{provider}/mistral-large", "") is None
    assert not table().is_priced("mistral-large", provider)
    own = PriceTable.load(custom=[CustomPrice(model="mistral-large", provider=provider, input=0.1)])
    assert own.is_priced("mistral-large", provider)


@pytest.mark.parametrize(
    ("model", "provider"),
    [("deepseek-ai/DeepSeek-R1", "deepinfra"), ("sambanova/DeepSeek-R1", ""),
     ("claude-sonnet-4-5", "Lambda-AI")],
)  # fmt: skip
def test_a_host_with_unlisted_prices_of_its_own_does_not_sell_at_the_maker_s(
    model: str, provider: str
) -> None:
    assert table().resolve(model, provider) is None
    own = PriceTable.load(custom=[CustomPrice(model=model, provider=provider, input=0.1)])
    assert own.is_priced(model, provider)


@pytest.mark.parametrize("name", ["my-deployment", "prod-chat", "gpt", "llama3.2:3b", "x", ""])
def test_a_name_that_says_nothing_is_nobody_s_model(name: str) -> None:
    assert table().resolve(name, "") is None


def test_an_alias_prices_a_deployment_as_the_model_behind_it() -> None:
    prices = PriceTable.load(aliases={"prod-chat": "azure/gpt-4o", "internal": "gpt-4o-mini"})
    start = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [
        {"model": "prod-chat", "provider": "azure", "start": start, "input_uncached": 10**6},
        {"model": "internal", "provider": "gateway", "start": start, "input_uncached": 10**6},
    ]
    assert prices.cost(calls_of(rows)).tolist() == pytest.approx([2.5, 0.15])


def test_a_custom_price_serves_a_model_nobody_lists_from_its_day_on() -> None:
    prices = PriceTable.load(
        custom=[
            CustomPrice(model="acme-llm-9", input=1.0, output=4.0, start=date(2026, 1, 1)),
            CustomPrice(model="acme-llm-9", input=0.5, output=2.0, start=date(2026, 3, 1)),
        ]
    )
    days = [datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 3, 1, tzinfo=UTC)]  # fmt: skip
    rows = [{"model": "acme-llm-9", "start": day, "input_uncached": 10**6, "cache_read": 10**6,
             "output_text": 10**6} for day in days]  # fmt: skip
    costs = prices.cost(calls_of(rows))
    assert np.isnan(costs[0])
    assert costs[1:].tolist() == pytest.approx([6.0, 3.0])


def test_a_negotiated_discount_comes_off_every_listed_rate() -> None:
    discounted = PriceTable.load(
        custom=[
            CustomPrice(model="*", provider="anthropic", discount=0.2),
            CustomPrice(model="claude-sonnet-4-5", provider="anthropic", discount=0.5),
        ]
    )
    start = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [
        {"model": model, "start": start, "input_uncached": 1000, "cache_read": 5000,
         "cache_write_1h": 70, "reasoning": 30, "output_text": 100, "provider": provider}
        for model, provider in (
            ("claude-sonnet-4-5", "anthropic"),
            ("claude-3-haiku", "anthropic"),
            ("gpt-4o", "openai"),
        )
    ]  # fmt: skip
    listed = table().cost(calls_of(rows))
    assert (discounted.cost(calls_of(rows)) / listed).tolist() == pytest.approx([0.5, 0.8, 1.0])


@pytest.mark.parametrize("entry", [{"input": -1.0}, {"discount": 1.0}, {}, {"input": float("nan")}])
def test_an_impossible_custom_price_is_refused(entry: dict) -> None:
    with pytest.raises(BadPrice, match="m-1"):
        CustomPrice(model="m-1", **entry)


def test_every_bucket_is_billed_by_exactly_one_unit() -> None:
    assert set(BUCKET_UNITS) == set(TOKEN_BUCKETS)
    only = {bucket: 10**i for i, bucket in enumerate(TOKEN_BUCKETS)}
    usage = usage_of(only)
    assert usage["input_tokens"] + usage["output_tokens"] == sum(only.values())


def test_a_price_of_ones_own_without_input_leaves_an_unlisted_model_unpriced() -> None:
    prices = PriceTable.load(custom=[CustomPrice(model="our-own-7b", output=10.0)])
    assert not prices.is_priced("our-own-7b")
    both = PriceTable.load(custom=[CustomPrice(model="our-own-7b", input=1.0, output=10.0)])
    assert both.is_priced("our-own-7b")
    listed = PriceTable.load(custom=[CustomPrice(model="gpt-4o", output=10.0)])
    assert listed.is_priced("gpt-4o", "openai")
