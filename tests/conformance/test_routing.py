"""Where `syntra` sends things, over real sockets, and what can be asked about it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.conftest import StartGateway
from tests.fakes.caller import HELLO, Told, ask, stream
from tests.fakes.gateway import PINS, PLAIN, Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, ToolCall

Fakes = Mapping[str, Provider]
DEBUG = {"x-syntra-debug": "1"}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
HARD = (
    "Implement a bounded lock-free queue in C++20 for my repository. Requirements: no allocation, must support "
    "move-only types, must not suffer from ABA, must include unit tests and CI. Then refactor this class to use "
    "it, migrate the callers, and analyze the concurrency:\n\nclass Pool {\n  std::mutex m;\n  void run();\n};"
)
SEEN = "A prompt's own word: zugzwang-marker-4711"


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway) -> Gateway:
    """One of our own: what other tests do to the shared one's providers would be felt in its choices."""
    return start_gateway(" ".join(pin.provider for pin in PINS))


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def get(gateway: Gateway, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{gateway.origin}{path}", headers={**gateway.headers, **headers}, verify=PLAIN, timeout=10)


def decided(gateway: Gateway, told: Told) -> Any:
    """The decision of a reply, as soon as it can be read."""
    return decision(gateway, told.headers["x-syntra-decision"])


def decision(gateway: Gateway, name: str) -> Any:
    until = time.monotonic() + 3
    while (found := get(gateway, f"/api/decisions/{name}")).status_code == 404 and time.monotonic() < until:
        time.sleep(0.05)
    assert found.status_code == 200, found.text
    return found.json()


def asked(fakes: Fakes) -> list[str]:
    """Every model that a provider was asked for."""
    return [
        f"{name}/{fake.model_of(request)}" for name, fake in fakes.items() for request in fake.requests if request.body
    ]


# Choosing.


@pytest.mark.parametrize(
    ("text", "intent", "model"),
    [
        ("hi there, how are you?", "social_chat", r"google/gemini-2.5-flash-lite"),
        ("What is the capital of Australia?", "qa_retrieval", r"(anthropic/claude-haiku|openai/gpt-.*luna)"),
        ("What were the results of yesterday's football matches?", "qa_retrieval", r"perplexity/"),
        (
            HARD,
            "coding_help",
            r"(anthropic/claude-(opus|sonnet)|openai/gpt-6.1-sol|google/gemini-4)",
        ),
    ],
)
def test_each_call_goes_where_its_intent_says(
    text: str, intent: str, model: str, gateway: Gateway, providers: Fakes
) -> None:
    told = ask(gateway, "syntra", messages=user(text), headers=DEBUG)
    assert told.status == 200
    assert told.headers["x-syntra-intent"] == intent
    assert re.match(model, told.headers["x-syntra-model"])
    assert told.json["model"] == "syntra"
    assert len(asked(providers)) == 1


@pytest.mark.parametrize("policy", ["cheap", "fast", "best"])
def test_a_policy_is_named_by_the_model_or_by_a_header(policy: str, gateway: Gateway, providers: Fakes) -> None:
    by_name = decided(gateway, ask(gateway, f"syntra-{policy}"))
    by_header = decided(gateway, ask(gateway, "syntra", headers={"x-syntra-policy": policy}))
    assert by_name["policy"] == by_header["policy"] == policy
    assert [one["model"] for one in by_name["plan"]] == [one["model"] for one in by_header["plan"]]


@pytest.mark.parametrize(("model", "header"), [("syntra-thrifty", None), ("syntra", "thrifty"), ("syntra", "")])
def test_a_policy_that_does_not_exist_is_a_400(
    model: str, header: str | None, gateway: Gateway, providers: Fakes
) -> None:
    told = ask(gateway, model, headers={} if header is None else {"x-syntra-policy": header})
    assert (told.status, told.json["error"]["code"]) == (400, "unknown_policy")
    assert "balanced, best, cheap, fast" in told.json["error"]["message"]
    assert told.json["error"]["param"] == ("model" if header is None else "x-syntra-policy")
    assert asked(providers) == []


def test_what_is_needed_is_heeded(gateway: Gateway, providers: Fakes) -> None:
    news = user("What were the results of yesterday's football matches?")
    with_tools = ask(gateway, "syntra", messages=news, tools=[TOOL], headers=DEBUG)
    assert not with_tools.headers["x-syntra-model"].startswith("perplexity/")
    searching = ask(gateway, "syntra", web_search_options={}, headers=DEBUG)
    assert searching.headers["x-syntra-model"].startswith("perplexity/")


def test_what_nobody_can_serve_is_a_400_with_each_models_reason(gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, "syntra", web_search_options={}, tools=[TOOL], headers=DEBUG)
    assert (told.status, told.json["error"]["code"]) == (400, "no_candidate")
    for said in ("perplexity/sonar: cannot do: tools", "google/gemini-2.5-flash-lite: cannot do: search"):
        assert said in told.json["error"]["message"]
    assert told.headers["x-syntra-intent"]
    kept = decided(gateway, told)
    assert kept["outcome"]["ended"] == "no_candidate"
    assert kept["document"]
    assert all(one["reasons"] for one in kept["candidates"])
    assert kept["candidates"]
    assert asked(providers) == []


def test_a_prompt_that_fits_no_window_is_refused_without_a_call(gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, "syntra", messages=user("seven harbour masters " * 340_000))
    assert (told.status, told.json["error"]["code"]) == (400, "context_length_exceeded")
    assert "longer than any model's window of 1048576 tokens" in told.json["error"]["message"]
    assert asked(providers) == []


@pytest.mark.parametrize("model", ["syntra", "openai/gpt-4.1"])
def test_a_requests_own_limits_are_hard(model: str, gateway: Gateway, providers: Fakes) -> None:
    for header, value, said in (
        ("x-syntra-max-cost-usd", "0.000000001", "the limit is $0.000000"),
        ("x-syntra-max-ttft-ms", "1", "the limit is 1 ms"),
    ):
        told = ask(gateway, model, headers={header: value})
        assert (told.status, told.json["error"]["code"]) == (400, "no_candidate")
        assert said in told.json["error"]["message"]
    assert asked(providers) == []
    assert ask(gateway, model, headers={"x-syntra-max-cost-usd": "1", "x-syntra-max-ttft-ms": "60000"}).status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("embeddings", {"model": "openai/text-embedding-3-small", "input": "seven harbour masters"}),
        ("audio/speech", {"model": "openai/tts-1", "voice": "alloy", "input": "seven harbour masters"}),
        ("chat/completions", {"model": "openai/gpt-4o", "n": 8, "max_tokens": 900, "messages": HELLO}),
    ],
)
def test_what_a_request_may_cost_is_kept_to_wherever_it_comes_in(
    path: str, body: dict[str, Any], gateway: Gateway, providers: Fakes
) -> None:
    def post(most: str) -> httpx.Response:
        headers = {**gateway.headers, "x-syntra-max-cost-usd": most}
        return httpx.post(f"{gateway.base_url}/{path}", json=body, headers=headers, verify=PLAIN, timeout=10)

    little = "0.01" if path.startswith("chat") else "0.00000001"
    told = post(little)
    assert (told.status_code, told.json()["error"]["code"]) == (400, "no_candidate")
    assert f"{body['model']}: may cost $" in told.json()["error"]["message"]
    assert asked(providers) == []
    assert post("1").status_code == 200


@pytest.mark.parametrize("value", ["", "0", "-1", "nan", "1e9", "cheap", "1,5", "9" * 40])
@pytest.mark.parametrize("header", ["x-syntra-max-cost-usd", "x-syntra-max-ttft-ms"])
def test_a_limit_that_is_no_number_is_a_400(header: str, value: str, gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, "syntra", headers={header: value})
    assert (told.status, told.json["error"]["code"]) == (400, "invalid_header")
    assert header in told.json["error"]["message"]


def test_a_temperature_is_left_out_where_the_chosen_model_refuses_it(gateway: Gateway, providers: Fakes) -> None:
    told = ask(gateway, "syntra", messages=user("What is the capital of Peru?"), temperature=0.2, headers=DEBUG)
    assert told.status == 200
    provider, _, _ = told.headers["x-syntra-model"].partition("/")
    assert "temperature" not in providers[provider].last.json
    assert "dropped fields: temperature" in told.headers["x-syntra-warning"]


# Tool loops.


def test_a_tool_loop_stays_with_its_model_when_a_better_one_appears(gateway: Gateway, providers: Fakes) -> None:
    call = ToolCall("call_1", "look_up", "{}")
    for fake in providers.values():
        fake.script(tool_calls=(call,))
    turn = user("Look up which port the service listens on, and why it does not start; tool loop one.")
    first = ask(gateway, "syntra-best", messages=turn, tools=[TOOL], headers=DEBUG)
    model = first.headers["x-syntra-model"]
    for fake in providers.values():
        fake.script()
    message = first.json["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "8080"}
    said = {"role": "assistant", "content": None, "tool_calls": message["tool_calls"]}
    step = ask(gateway, "syntra-cheap", messages=[*turn, said, result], tools=[TOOL], headers=DEBUG)
    assert step.headers["x-syntra-model"] == model
    told = decided(gateway, step)
    assert told["turn"] == "tool"
    assert told["plan"][0]["reasons"][0] == "stays in its tool loop"
    fresh = ask(gateway, "syntra-cheap", messages=[*turn, said, result, *user("hi")], tools=[TOOL], headers=DEBUG)
    assert fresh.headers["x-syntra-model"] != model


# Decisions.


def test_a_decision_tells_what_was_asked_who_was_thought_of_and_how_it_ended(
    gateway: Gateway, providers: Fakes
) -> None:
    told = stream(gateway, "syntra", stream_options={"include_usage": True})
    found = decided(gateway, told)
    assert (found["id"], found["model"], found["pinned"]) == (told.headers["x-syntra-decision"], "syntra", False)
    assert found["intent"]
    assert {"model", "score", "cost_usd", "ttft_ms", "reasons", "taken", "quality"} <= set(found["candidates"][0])
    assert len(found["candidates"]) > 20
    assert len(found["document"]) == len(found["prices"]) == 12
    assert found["attempts"][-1]["model"] == found["plan"][0]["model"] == found["outcome"]["model"]
    assert found["outcome"]["ended"] == "answered"
    assert found["outcome"]["usage"]["completion_tokens"] == 9
    assert float(found["outcome"]["cost_usd"]) > 0


@pytest.mark.parametrize(
    ("fault", "ended"), [(Fault.EOF_MID, "cut"), (Fault.BAD_REQUEST, "upstream_rejected"), (None, "answered")]
)
def test_every_end_is_kept(fault: Fault | None, ended: str, gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(fault=fault)
    told = stream(gateway, "openai/gpt-4o-mini")
    found = decided(gateway, told)
    assert (found["pinned"], found["outcome"]["ended"]) == (True, ended)


def test_a_client_that_left_is_kept_as_such(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(delay=0.2)
    body = {"model": "openai/gpt-4o-mini", "messages": HELLO, "stream": True}
    url = f"{gateway.base_url}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=gateway.headers, verify=PLAIN) as reply:
        name = reply.headers["x-syntra-decision"]
        next(reply.iter_raw())
    assert decision(gateway, name)["outcome"]["ended"] == "left"


@pytest.mark.parametrize("name", ["", "x", "0" * 32, "01a2081191c0793a846456dc7de4e85c", "é" * 3])
def test_an_unknown_decision_is_a_404(name: str, gateway: Gateway) -> None:
    found = get(gateway, f"/api/decisions/{name}")
    assert found.status_code == 404
    assert found.json()["error"]["code"] == "decision_not_found"


def test_what_is_kept_has_no_word_of_prompt_or_answer(gateway: Gateway, providers: Fakes) -> None:
    for fake in providers.values():
        fake.script(pieces=("An answer's own word: ", "xylograph-marker-4712"))
    told = ask(gateway, "syntra", messages=user(SEEN))
    assert "xylograph-marker-4712" in told.text
    decided(gateway, told)
    kept = b"".join(path.read_bytes() for path in gateway.data.rglob("*") if path.is_file())
    assert b"marker-471" not in kept
    assert "marker-471" not in gateway.log.read_text()


# Explaining without calling.


def explain(gateway: Gateway, **body: Any) -> httpx.Response:
    body = {"model": "syntra", "messages": HELLO, **body}
    return httpx.post(f"{gateway.origin}/api/route", json=body, headers=gateway.headers, verify=PLAIN, timeout=10)


def test_a_route_is_explained_without_calling_anyone(gateway: Gateway, providers: Fakes) -> None:
    told = explain(gateway, tools=[TOOL]).json()
    assert told["needs"] == ["tools"]
    assert {"intent", "confidence", "complexity", "fresh", "tokens", "policy", "document", "plan"} <= set(told)
    assert all(one["reasons"] for one in told["candidates"])
    assert told["assumed_keys"] is False
    assert told == explain(gateway, tools=[TOOL]).json()
    assert asked(providers) == []


def test_a_bad_request_is_not_explained(gateway: Gateway) -> None:
    assert explain(gateway, messages=[]).status_code == 400
    assert explain(gateway, model="syntra-thrifty").json()["error"]["code"] == "unknown_policy"
    assert explain(gateway, web_search_options={}, tools=[TOOL]).json()["error"]["code"] == "no_candidate"


# Names.


def test_a_well_known_name_without_a_key_is_answered_by_the_nearest_and_said_so(
    start_gateway: StartGateway, providers: Fakes
) -> None:
    gateway = start_gateway("kimi openrouter")
    told = ask(gateway, "gpt-4.1-mini")
    assert told.status == 200
    assert told.headers["x-syntra-warning"] == (
        "no key for openai/gpt-4.1-mini, answered by openrouter/openai/gpt-4.1-mini"
    )
    assert told.json["model"] == "gpt-4.1-mini"
    assert ask(gateway, "claude-haiku-4-5").status == 200
    assert ask(gateway, "gpt-of-tomorrow").status == 404
    assert [one["id"] for one in get(gateway, "/v1/models").json()["data"]][:5] == [
        "syntra",
        "syntra-balanced",
        "syntra-best",
        "syntra-cheap",
        "syntra-fast",
    ]


def test_without_any_key_routes_are_explained_as_if_all_had_one(start_gateway: StartGateway) -> None:
    gateway = start_gateway("")
    told = explain(gateway).json()
    assert told["assumed_keys"] is True
    assert len({one["model"].partition("/")[0] for one in told["candidates"]}) == 6
    answered = ask(gateway, "gpt-4o", headers=DEBUG)
    assert answered.headers["x-syntra-simulated"] == "true"


def test_prompts_are_not_read_where_that_is_switched_off(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai", INTELLIGENT_ROUTING_ENABLED="off")
    told = ask(gateway, "syntra", headers=DEBUG)
    assert (told.status, told.headers["x-syntra-intent"]) == (200, "unread")
