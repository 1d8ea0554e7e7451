"""Patches are accepted by the tools they are for: LiteLLM, OpenAI's and Anthropic's clients."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from netra_optimizer import (
    AnalysisOptions,
    FeatureRule,
    analyze,
    apply_to_request,
    apply_to_router,
    generate_workload,
)
from netra_optimizer.errors import AnalysisError
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
import sys, yaml
import litellm
for given in yaml.safe_load(sys.stdin):
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
    yaml = pytest.importorskip("yaml")
    given = parts(opportunities, "litellm")
    levers = {o.lever for o in opportunities if "litellm" in o.patch}
    assert levers >= {"prompt_cache", "response_cache", "model_switch", "retry_waste"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ROUTERS],
        input=yaml.safe_dump(given),
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


def test_less_reasoning_is_asked_for_as_each_client_takes_it() -> None:
    anthropic = pytest.importorskip("anthropic.types.message_create_params")
    openai = pytest.importorskip("openai.types.chat.completion_create_params")
    request = ASK | patches.less_reasoning("anthropic")["anthropic"]
    assert accepted(anthropic.MessageCreateParamsNonStreaming, request) == request
    request = ASK | patches.less_reasoning("openai")["openai"]
    assert accepted(openai.CompletionCreateParamsNonStreaming, request) == request


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
    batches = list(patches.anthropic_batches(calls))
    assert [len(batch["requests"]) for batch in batches] == [5]
    for batch in batches:
        assert accepted(types.BatchCreateParams, batch) == batch


def test_batch_files_hold_one_model_and_stay_within_the_limits() -> None:
    count = patches.OPENAI_LINES + 3
    calls = [(f"c{at}", ASK | {"stream": True}) for at in range(count)]
    calls.insert(7, ("other", ASK | {"model": "gpt-4o-mini"}))
    large = "x" * (patches.OPENAI_BYTES // 2)
    files = list(patches.openai_batch_files(calls))
    assert sorted(len(lines) for lines in files) == [1, 3, patches.OPENAI_LINES]
    ids: set[str] = set()
    for lines in files:
        entries = [json.loads(line) for line in lines]
        assert len({entry["body"]["model"] for entry in entries}) == 1
        assert all("stream" not in entry["body"] for entry in entries)
        ids |= {entry["custom_id"] for entry in entries}
    assert len(ids) == len(calls)
    big = [(f"b{at}", ASK | {"user": large}) for at in range(3)]
    sizes = [sum(map(len, lines)) for lines in patches.openai_batch_files(big)]
    assert len(sizes) == 3
    assert max(sizes) <= patches.OPENAI_BYTES


def test_an_id_that_comes_twice_or_that_nobody_takes_is_refused() -> None:
    with pytest.raises(AnalysisError, match="comes twice"):
        list(patches.openai_batch_files([("a", ASK), ("a", ASK)]))
    with pytest.raises(AnalysisError, match="takes no batch id"):
        list(patches.anthropic_batches([("a b", ASK)]))


def test_what_a_patch_lacks_is_said(opportunities: list[Opportunity]) -> None:
    for found in opportunities:
        if {"litellm", "batch"} & found.patch.keys() or "<system prompt>" in str(found.patch):
            assert found.patch["missing"]
    marks = patches.cache_marks("claude-sonnet-4-5", "", ttl=None)
    assert any("provider" in said for said in marks["missing"])
    assert any("system prompt" in said for said in marks["missing"])


CONFIG: dict[str, Any] = {
    "model_list": [
        {
            "model_name": "chat",
            "litellm_params": {"model": "openai/gpt-4o", "api_key": "k", "rpm": 5},
        },
        {"model_name": "other", "litellm_params": {"model": "openai/gpt-4o-mini"}},
    ],
    "num_retries": 2,
}
REQUEST: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 9,
    "system": "You answer in one sentence.",
    "messages": [{"role": "user", "content": "hi"}],
}


def test_a_patch_taken_back_leaves_the_first_state(opportunities: list[Opportunity]) -> None:
    was, asked = json.dumps(CONFIG), json.dumps(REQUEST)
    for found in opportunities:
        routed = apply_to_router(CONFIG, found.patch)
        assert json.dumps(routed.undo()) == was == json.dumps(CONFIG)
        for client in ("openai", "anthropic"):
            changed = apply_to_request(REQUEST, found.patch, client)
            assert json.dumps(changed.undo()) == asked == json.dumps(REQUEST)


def test_a_patch_leaves_other_routes_and_words_alone() -> None:
    patch = patches.routed("chat", "gpt-4o-mini", "openai")
    entry, other = apply_to_router(CONFIG, patch).state["model_list"]
    assert entry["litellm_params"] == {"model": "openai/gpt-4o-mini", "api_key": "k", "rpm": 5}
    assert other == CONFIG["model_list"][1]
    marked = apply_to_request(
        REQUEST, patches.cache_marks("claude-sonnet-4-5", "anthropic", ttl="1h"), "anthropic"
    )
    mark = {"type": "ephemeral", "ttl": "1h"}
    text = {"type": "text", "text": "You answer in one sentence."}
    assert marked.state["system"] == [text | {"cache_control": mark}]
    plain = apply_to_request(marked.state, patches.no_cache_marks(), "anthropic")
    assert plain.state["system"] == [text]


class Listener:
    """Stands for a provider on loopback and keeps what it is sent."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.bodies: list[dict[str, Any]] = []
        bodies, written = self.bodies, json.dumps(answer).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                bodies.append(json.loads(self.rfile.read(size)))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


ANTHROPIC_ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 2},
}
OPENAI_ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}
THROUGH_ROUTER = """
import json, sys
import litellm
given = json.load(sys.stdin)
for config in given["configs"]:
    answer = litellm.Router(**config).completion(**given["request"])
    print(answer.choices[0].message.content)
"""


@pytest.fixture
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    started = Listener(request.param)
    yield started
    started.close()


def ask_through_router(configs: list[dict[str, Any]], request: dict[str, Any]) -> None:
    pytest.importorskip("litellm", exc_type=ImportError)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THROUGH_ROUTER],
        input=json.dumps({"configs": configs, "request": request}),
        capture_output=True,
        text=True,
        timeout=100,
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": "", "NO_PROXY": "127.0.0.1"},
        check=False,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["Hello."] * len(configs)), done.stderr


@pytest.mark.parametrize("listener", [ANTHROPIC_ANSWER], indirect=True)
def test_litellm_s_router_sends_the_marks_that_the_patch_asks_for(listener: Listener) -> None:
    there = {"model": "anthropic/claude-sonnet-4-5", "api_key": "k", "api_base": listener.url}
    config = {"model_list": [{"model_name": "claude-sonnet-4-5", "litellm_params": there}]}
    patch = patches.cache_marks("claude-sonnet-4-5", "anthropic", ttl="1h")
    said = [
        {"role": "system", "content": "You answer in one sentence."},
        {"role": "user", "content": "hi"},
    ]
    request = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": said}
    applied = apply_to_router(config, patch)
    ask_through_router([applied.state, applied.undo()], request)
    marked, plain = listener.bodies
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert marked["system"][-1]["cache_control"] == mark
    assert marked["messages"][-1]["content"][-1]["cache_control"] == mark
    assert "cache_control" not in json.dumps(plain)


@pytest.mark.parametrize("listener", [OPENAI_ANSWER], indirect=True)
def test_litellm_s_router_sends_calls_to_the_model_of_the_patch(listener: Listener) -> None:
    there = {"model": "openai/gpt-4o", "api_key": "k", "api_base": listener.url}
    config = {"model_list": [{"model_name": "gpt-4o", "litellm_params": there}]}
    applied = apply_to_router(config, patches.routed("gpt-4o", "gpt-4o-mini", "openai"))
    ask_through_router([applied.state, applied.undo()], ASK)
    assert [body["model"] for body in listener.bodies] == ["gpt-4o-mini", "gpt-4o"]


@pytest.mark.filterwarnings("ignore:The model .* is deprecated")
@pytest.mark.parametrize("listener", [ANTHROPIC_ANSWER], indirect=True)
def test_anthropic_s_client_sends_the_marked_request_as_it_is(listener: Listener) -> None:
    anthropic = pytest.importorskip("anthropic")
    patch = patches.cache_marks("claude-sonnet-4-5", "anthropic", ttl="1h")
    changed = apply_to_request(REQUEST, patch, "anthropic").state
    with anthropic.Anthropic(api_key="k", base_url=listener.url, max_retries=0) as client:
        client.messages.create(**changed)
    assert listener.bodies == [changed]


@pytest.mark.parametrize("listener", [OPENAI_ANSWER], indirect=True)
def test_openai_s_client_sends_the_changed_request_as_it_is(listener: Listener) -> None:
    openai = pytest.importorskip("openai")
    changed = apply_to_request(ASK, patches.stable_prefix("openai", "chat"), "openai").state
    changed |= patches.less_reasoning("openai")["openai"]
    with openai.OpenAI(api_key="k", base_url=listener.url, max_retries=0) as client:
        client.chat.completions.create(**changed)
    assert listener.bodies == [changed]
