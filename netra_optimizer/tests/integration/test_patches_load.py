"""Patches are accepted by the tools they are for: LiteLLM, OpenAI's and Anthropic's clients."""

import json
import subprocess
import sys
from typing import Any

import pytest

from netra_optimizer import AnalysisOptions, FeatureRule, analyze, generate_workload
from netra_optimizer.generate.matrix import known_answer_scenarios
from netra_optimizer.levers import patches
from netra_optimizer.pricing import PriceTable
from netra_optimizer.results import Opportunity

pytestmark = pytest.mark.integration
SCENARIOS = ("a_company_with_scores", "refused_15", "writes_never_read", "job_gpt-4o")
ASK: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
ROUTERS = """
import json, sys
import litellm
for given in json.load(sys.stdin):
    for entry in given["model_list"]:
        entry["litellm_params"]["api_key"] = "none"
    router = litellm.Router(**given)
    assert [e["model_name"] for e in router.model_list] == [
        e["model_name"] for e in given["model_list"]
    ]
    for entry in given["model_list"]:
        litellm.get_llm_provider(entry["litellm_params"]["model"])
    print("accepted")
"""


@pytest.fixture(scope="module")
def opportunities() -> list[Opportunity]:
    prices = PriceTable.load()
    options = AnalysisOptions(features={"job": FeatureRule(may_wait=True)})
    found: list[Opportunity] = []
    for scenario in known_answer_scenarios():
        if scenario.name in SCENARIOS:
            workload = generate_workload(0, scenario=scenario)
            analysis = analyze(
                workload.frame(prices),
                prices=prices,
                options=options,
                outcomes=workload.outcomes(),
            )
            found += analysis.opportunities
    return found


def parts(opportunities: list[Opportunity], tool: str) -> list[dict[str, Any]]:
    return [o.patch[tool] for o in opportunities if tool in o.patch]


def test_litellm_s_router_takes_every_routing_patch(opportunities: list[Opportunity]) -> None:
    pytest.importorskip("litellm", exc_type=ImportError)
    given = parts(opportunities, "litellm")
    levers = {o.lever for o in opportunities if "litellm" in o.patch}
    assert levers >= {"prompt_cache", "response_cache", "model_switch", "retry_waste"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ROUTERS],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=100,
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": ""},
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["accepted"] * len(given)), done.stderr


def accepted(kind: Any, value: dict[str, Any]) -> dict[str, Any]:
    """The value as the type reads it, lazily read parts included, nothing ignored."""
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(kind)
    return json.loads(adapter.dump_json(adapter.validate_python(value), warnings=False))


def test_anthropic_s_types_take_the_marks(opportunities: list[Opportunity]) -> None:
    types = pytest.importorskip("anthropic.types.message_create_params")
    changes = parts(opportunities, "anthropic")
    assert changes
    for change in changes:
        request = ASK | change
        assert accepted(types.MessageCreateParamsNonStreaming, request) == request


def test_openai_s_types_take_the_changes() -> None:
    types = pytest.importorskip("openai.types.chat.completion_create_params")
    request = ASK | {"prompt_cache_key": "chat", "reasoning_effort": "low", "verbosity": "low"}
    assert accepted(types.CompletionCreateParamsNonStreaming, request) == request


def test_a_batch_plan_s_example_is_a_line_of_a_batch_file(
    opportunities: list[Opportunity],
) -> None:
    types = pytest.importorskip("openai.types.chat.completion_create_params")
    plans = parts(opportunities, "batch")
    assert plans
    for plan in plans:
        example = plan["example"]
        assert set(example) == {"custom_id", "method", "url", "body"}
        assert (example["method"], example["url"]) == ("POST", plan["endpoint"])
        body = example["body"]
        assert accepted(types.CompletionCreateParamsNonStreaming, body) == body


def test_anthropic_s_types_take_a_batch() -> None:
    types = pytest.importorskip("anthropic.types.messages.batch_create_params")
    calls = [(f"call-{at}", ASK | {"stream": True}) for at in range(5)]
    batches = list(patches.anthropic_batches(calls, size=3))
    assert [len(batch["requests"]) for batch in batches] == [3, 2]
    for batch in batches:
        assert accepted(types.BatchCreateParams, batch) == batch


def test_batch_lines_carry_the_request_and_no_stream() -> None:
    lines = list(patches.openai_batch_lines([("a", ASK | {"stream": True}), ("b", ASK)]))
    assert [json.loads(line)["custom_id"] for line in lines] == ["a", "b"]
    assert all(json.loads(line)["body"] == ASK for line in lines)
