"""Usage objects as providers send them, each into disjoint buckets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra_optimizer.usage.importers.base import RowRefused
from netra_optimizer.usage.importers.tokens import Tokens
from netra_optimizer.usage.importers.usage_objects import tokens_of

OPENAI = {
    "prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0,
                                  "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
}  # fmt: skip

CASES = {
    "openai chat": (
        OPENAI, Tokens(input_uncached=86, cache_read=1920, output_text=172, reasoning=128),
    ),
    "openai chat, details null": (
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": None,
         "completion_tokens_details": None},
        Tokens(input_uncached=10, output_text=5),
    ),
    "openai, writes by lifetime": (
        {"input_tokens": 5000, "output_tokens": 50, "total_tokens": 5050,
         "input_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 3000,
                                  "cache_write_tokens_details": {"ttl_12h_tokens": 1000,
                                                                 "ttl_30m_tokens": 2000}}},
        Tokens(input_uncached=1000, cache_read=1000, cache_write_5m=2000, cache_write_1h=1000,
               output_text=50),
    ),
    "mistral, with what connectors fetched": (
        {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 330,
         "connector_tokens": 300, "connectors": {"web_search": 1}},
        Tokens(input_uncached=310, output_text=20),
    ),
    ".net": (
        {"InputTokenCount": 100, "OutputTokenCount": 20, "TotalTokenCount": 120,
         "InputTokenDetails": {"CachedTokenCount": 40, "AudioTokenCount": 0},
         "OutputTokenDetails": {"ReasoningTokenCount": 5, "AudioTokenCount": 0}},
        Tokens(input_uncached=60, cache_read=40, output_text=15, reasoning=5),
    ),
    ".net, all in one": (
        {"inputTokenCount": 100, "outputTokenCount": 20, "totalTokenCount": 120,
         "cachedInputTokenCount": 40, "reasoningTokenCount": 5},
        Tokens(input_uncached=60, cache_read=40, output_text=15, reasoning=5),
    ),
    "crewai": (
        {"total_tokens": 120, "prompt_tokens": 100, "cached_prompt_tokens": 40,
         "completion_tokens": 20, "successful_requests": 1},
        Tokens(input_uncached=60, cache_read=40, output_text=20),
    ),
    "langchain, details of a tier": (
        {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
         "input_token_details": {"flex_cache_read": 40, "flex": 60},
         "output_token_details": {"flex_reasoning": 5, "flex": 15}},
        Tokens(input_uncached=60, cache_read=40, output_text=15, reasoning=5),
    ),
    "langsmith, gemini's long prompt": (
        {"input_tokens": 500_000, "output_tokens": 20, "total_tokens": 500_025,
         "input_token_details": {"cache_read": 200_000, "cache_read_over_200k": 50_000,
                                 "over_200k": 50_000},
         "output_token_details": {"reasoning": 5, "over_200k": 0}},
        Tokens(input_uncached=250_000, cache_read=250_000, output_text=20, reasoning=5),
    ),
    "pi and openclaw": (
        {"input": 60, "output": 20, "cacheRead": 40, "cacheWrite": 7, "totalTokens": 127,
         "cost": {"total": 0.1}},
        Tokens(input_uncached=60, cache_read=40, cache_write_5m=7, output_text=20),
    ),
    "short names, cached inside the total": (
        {"input": 100, "output": 20, "cached": 40, "total": 120},
        Tokens(input_uncached=60, cache_read=40, output_text=20),
    ),
    "prompt and completion alone": (
        {"prompt": 100, "completion": 20, "total": 120},
        Tokens(input_uncached=100, output_text=20),
    ),
    "kimi's agent": (
        {"input_other": 60, "output": 20, "input_cache_read": 40, "input_cache_creation": 7},
        Tokens(input_uncached=60, cache_read=40, cache_write_5m=7, output_text=20),
    ),
    "openai responses": (
        {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 64}, "output_tokens": 50,
         "output_tokens_details": {"reasoning_tokens": 40}, "total_tokens": 150},
        Tokens(input_uncached=36, cache_read=64, output_text=10, reasoning=40),
    ),
    "openai audio": (
        {"prompt_tokens": 50, "completion_tokens": 80,
         "prompt_tokens_details": {"audio_tokens": 30, "cached_tokens": 0},
         "completion_tokens_details": {"audio_tokens": 60}},
        Tokens(input_uncached=20, audio_in=30, output_text=20, audio_out=60),
    ),
    "openai images": (
        {"input_tokens": 50, "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
         "output_tokens": 200, "output_tokens_details": {"image_tokens": 200, "text_tokens": 0}},
        Tokens(input_uncached=10, image_in=40, image_out=200),
    ),
    "openai embeddings": ({"prompt_tokens": 8, "total_tokens": 8}, Tokens(input_uncached=8)),
    "anthropic": (
        {"input_tokens": 11, "cache_creation_input_tokens": 2051, "cache_read_input_tokens": 1800,
         "cache_creation": {"ephemeral_5m_input_tokens": 2000, "ephemeral_1h_input_tokens": 51},
         "output_tokens": 503, "service_tier": "standard"},
        Tokens(input_uncached=11, cache_read=1800, cache_write_5m=2000, cache_write_1h=51,
               output_text=503),
    ),
    "anthropic, writes not split": (
        {"input_tokens": 11, "cache_creation_input_tokens": 51, "cache_read_input_tokens": 0,
         "output_tokens": 3},
        Tokens(input_uncached=11, cache_write_5m=51, output_text=3),
    ),
    "anthropic, split alone": (
        {"input_tokens": 1, "output_tokens": 3, "cache_read_input_tokens": None,
         "cache_creation": {"ephemeral_1h_input_tokens": 7}},
        Tokens(input_uncached=1, cache_write_1h=7, output_text=3),
    ),
    "anthropic, nulls": (
        {"input_tokens": 4, "cache_creation_input_tokens": None, "cache_read_input_tokens": None,
         "output_tokens": 2, "server_tool_use": None},
        Tokens(input_uncached=4, output_text=2),
    ),
    "gemini": (
        {"promptTokenCount": 1000, "cachedContentTokenCount": 700, "candidatesTokenCount": 40,
         "thoughtsTokenCount": 60, "totalTokenCount": 1100,
         "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 900},
                                 {"modality": "IMAGE", "tokenCount": 100}]},
        Tokens(input_uncached=200, cache_read=700, image_in=100, output_text=40, reasoning=60),
    ),
    "gemini python sdk": (
        {"prompt_token_count": 9, "candidates_token_count": None, "total_token_count": 9},
        Tokens(input_uncached=9),
    ),
    "groq": (
        {"queue_time": 0.03, "prompt_tokens": 70, "prompt_time": 0.002, "completion_tokens": 9,
         "completion_time": 0.01, "total_tokens": 79, "total_time": 0.012},
        Tokens(input_uncached=70, output_text=9),
    ),
    "deepseek": (
        {"prompt_tokens": 100, "completion_tokens": 60, "total_tokens": 160,
         "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36,
         "completion_tokens_details": {"reasoning_tokens": 50}},
        Tokens(input_uncached=36, cache_read=64, output_text=10, reasoning=50),
    ),
    "xai, reasoning beside the completion": (
        {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
         "completion_tokens_details": {"reasoning_tokens": 94}},
        Tokens(input_uncached=32, output_text=9, reasoning=94),
    ),
    "bedrock converse": (
        {"inputTokens": 12, "outputTokens": 8, "totalTokens": 120, "cacheReadInputTokens": 60,
         "cacheWriteInputTokens": 40},
        Tokens(input_uncached=12, cache_read=60, cache_write_5m=40, output_text=8),
    ),
    "openai shape, cached beside the prompt by the total": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115,
         "cache_read_input_tokens": 80, "cache_creation_input_tokens": 20},
        Tokens(input_uncached=10, cache_read=80, cache_write_5m=20, output_text=5),
    ),
    "ollama": ({"prompt_eval_count": 26, "eval_count": 259},
               Tokens(input_uncached=26, output_text=259)),
    "cohere": ({"billed_units": {"input_tokens": 7, "output_tokens": 3},
                "tokens": {"input_tokens": 200, "output_tokens": 3}},
               Tokens(input_uncached=7, output_text=3)),
    "counts as text": ({"prompt_tokens": "1,200", "completion_tokens": "30.0"},
                       Tokens(input_uncached=1200, output_text=30)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_provider_s_usage_object_is_read_by_its_own_convention(name: str) -> None:
    usage, expected = CASES[name]
    assert tokens_of(usage) == expected


@pytest.mark.parametrize(
    ("usage", "reason"),
    [
        ({}, "no_token_counts"),
        ({"queue_time": 1.0}, "no_token_counts"),
        ({"prompt_tokens": -1, "completion_tokens": 2}, "negative_token_counts"),
        ({"prompt_tokens": 1.5, "completion_tokens": 2}, "bad_token_counts"),
        ({"prompt_tokens": "many", "completion_tokens": 2}, "bad_token_counts"),
        ({"prompt_tokens": 10**18, "completion_tokens": 2}, "bad_token_counts"),
        ({"prompt_tokens": True, "completion_tokens": 2}, "bad_token_counts"),
    ],
)
def test_counts_that_are_none_are_refused_by_name(usage: dict, reason: str) -> None:
    with pytest.raises(RowRefused) as refused:
        tokens_of(usage)
    assert refused.value.reason == reason


counts = st.integers(0, 10**6)


@given(counts, counts, counts, counts, counts, counts, st.booleans())
def test_buckets_sum_to_the_totals_of_an_openai_usage(
    prompt: int, completion: int, cached: int, audio: int, reasoning: int, spoken: int, told: bool
) -> None:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": min(cached, prompt), "audio_tokens": audio},
        "completion_tokens_details": {
            "reasoning_tokens": min(reasoning, completion), "audio_tokens": spoken,
        },
    }  # fmt: skip
    if told:
        usage["total_tokens"] = prompt + completion
    found = tokens_of(usage)
    assert found.input_tokens == prompt
    assert found.output_tokens == completion


@given(counts, counts, counts, counts, counts)
def test_buckets_sum_to_the_parts_of_an_anthropic_usage(
    fresh: int, read: int, five: int, hour: int, output: int
) -> None:
    both = {
        "input_tokens": fresh, "cache_read_input_tokens": read, "output_tokens": output,
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
    }  # fmt: skip
    split = {key: value for key, value in both.items() if key != "cache_creation_input_tokens"}
    found = tokens_of(both)
    assert found == tokens_of(split)
    assert found.input_tokens == fresh + read + five + hour
    assert (found.cache_write_1h, found.output_tokens) == (hour, output)
