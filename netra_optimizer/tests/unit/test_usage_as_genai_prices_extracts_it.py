"""Usage objects against genai-prices' own reading of them: every provider, every kind of API."""

import random
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from netra_optimizer.usage.importers.answers import answer_of, usage_of
from netra_optimizer.usage.importers.usage_objects import tokens_of

EXTRACTORS = [
    (provider, extractor)
    for provider in get_snapshot().providers
    for extractor in provider.extractors or ()
    if any(mapping.dest == "input_tokens" for mapping in extractor.mappings)
]


def steps(path: object) -> tuple[Any, ...]:
    return (path,) if isinstance(path, str) else tuple(path)


def put(body: dict, path: tuple[Any, ...], value: int) -> None:
    """Set the leaf, making objects and lists of named parts on the way."""
    at: Any = body
    for place, step in enumerate(path):
        if not isinstance(step, str):
            part = next((p for p in at if p[step.field] == step.match.equals), None)
            if part is None:
                part = {step.field: step.match.equals}
                at.append(part)
            at = part
        elif place == len(path) - 1:
            at[step] = value
        else:
            at = at.setdefault(step, {} if isinstance(path[place + 1], str) else [])


def leaf(rng: random.Random, targets: set[str], writes: tuple[int, int]) -> int:
    """A count that fits: totals far above their parts, parts of parts far below."""
    five, hour = writes
    if targets in ({"input_tokens"}, {"output_tokens"}):
        return rng.randrange(100_000, 200_000)
    if "cache_write_5m_tokens" in targets:
        return five
    if "cache_write_1h_tokens" in targets:
        return hour
    if "cache_write_tokens" in targets:
        return five + hour
    if any(name.startswith("cache_") and name != "cache_read_tokens" for name in targets):
        return rng.randrange(100)
    return rng.randrange(3000, 9000)


def answer(rng: random.Random, extractor: Any) -> tuple[dict, dict]:
    """An answer as the extractor expects one, and its usage object."""
    body: dict = {}
    targets: dict[str, tuple[tuple[Any, ...], set[str]]] = {}
    for mapping in extractor.mappings:
        path = steps(mapping.path)
        targets.setdefault(repr(path), (path, set()))[1].add(mapping.dest)
    writes = rng.randrange(500), rng.randrange(500)
    usage = body
    for step in steps(extractor.root):
        usage = usage.setdefault(step, {})
    for path, names in targets.values():
        put(usage, path, leaf(rng, names, writes))
    put(body, steps(extractor.model_path), "m")  # type: ignore[arg-type]
    return body, usage


@pytest.mark.parametrize(("provider", "extractor"), EXTRACTORS, ids=lambda value: getattr(
    value, "id", None) or getattr(value, "api_flavor", None))  # fmt: skip
def test_buckets_are_what_genai_prices_extracts(
    provider: Any, extractor: Any, full_counts: bool
) -> None:
    rng = random.Random(f"{provider.id} {extractor.api_flavor}")
    for _ in range(200 if full_counts else 3):
        body, usage = answer(rng, extractor)
        _, said = provider.extract_usage(body, api_flavor=extractor.api_flavor)
        count = said.reported_value
        if provider.id == "x-ai":  # its totals tell that reasoning lies beside, as they always do
            usage["total_tokens"] = count("input_tokens") + count("output_tokens")
        found = tokens_of(usage_of(answer_of(body)))
        citations = count("output_citation_tokens")  # priced as input, and so counted there
        assert found.input_tokens == count("input_tokens") + citations
        assert found.output_tokens == count("output_tokens") - citations
        assert {
            "cache_read_tokens": found.cache_read,
            "cache_write_tokens": found.cache_write_5m + found.cache_write_1h,
            "cache_write_1h_tokens": found.cache_write_1h,
            "output_reasoning_tokens": found.reasoning,
            "input_audio_tokens": found.audio_in + count("cache_audio_read_tokens"),
            "output_audio_tokens": found.audio_out,
            "input_image_tokens": found.image_in + count("cache_image_read_tokens"),
            "output_image_tokens": found.image_out,
        } == {
            name: count(name)
            for name in (
                "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
                "output_reasoning_tokens", "input_audio_tokens", "output_audio_tokens",
                "input_image_tokens", "output_image_tokens",
            )
        }  # fmt: skip
    assert len(EXTRACTORS) > 80
