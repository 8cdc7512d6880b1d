"""A conversation that is too long is made to fit, says so, and stays what it was as far as it fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from policies.library import HERE
from tests.conformance.test_routing import decided, get
from tests.conformance.test_routing_live import wait_for
from tests.conftest import StartGateway
from tests.fakes.caller import ask, stream
from tests.fakes.gateway import Gateway
from tests.fakes.provider import Provider
from tests.fakes.threads import FrontEnd

Fakes = Mapping[str, Provider]
MINI = "openai/gpt-4o-mini"  # a window of 128,000 tokens
LONG = "The ship leaves the harbour at dawn. " * 2700  # some 25,000 tokens


@pytest.fixture(scope="module")
def one(start_gateway: StartGateway) -> Gateway:
    """A gateway whose policy `small` has one model, and whose `brief` summarises early."""
    gateway = start_gateway("openai")
    folder = gateway.data / "policies"
    folder.mkdir(exist_ok=True)
    own = (HERE / "cheap.toml").read_text("utf-8")
    body = own[own.index("[weights]") :]
    head = 'kind = "routing"\nversion = 1\nabout = "Of a test."\n'
    before = get(gateway, "/health").json()["policies"]["version"]
    (folder / "small.toml").write_text(f'{head}models = ["{MINI}"]\n{body}')
    (folder / "brief.toml").write_text(f"{head}summarise_from = 2000\n{body}")
    assert wait_for(lambda: get(gateway, "/health").json()["policies"]["version"] != before)
    assert "error" not in get(gateway, "/health").json()["policies"]
    return gateway


def talk(turns: int, words: str, last: str = "And now?") -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"role": "system", "content": "Be kind."}]
    for number in range(turns):
        said += [
            {"role": "user", "content": f"My number is {number}. {words}"},
            {"role": "assistant", "content": "Yes."},
        ]
    return [*said, {"role": "user", "content": last}]


def sent(providers: Fakes) -> list[dict[str, Any]]:
    return list(providers["openai"].last.json["messages"])


@pytest.mark.parametrize("told", [ask, stream])
def test_what_no_window_holds_is_summarised_and_says_so(told: Any, one: Gateway, providers: Fakes) -> None:
    messages = talk(6, LONG)
    reply = told(one, "syntra-small", messages=messages, headers={"x-syntra-debug": "1"})
    assert (reply.status, reply.text) == (200, "Hello from the fake.")
    assert reply.headers["x-syntra-context"] == "8 of 14 messages summarised"
    context = decided(one, reply)["context"]
    assert (context["summarised"], context["messages"]) == (8, 14)
    assert context["left"] < 128_000 < context["tokens"]
    given = sent(providers)
    assert "Be kind." in given[0]["content"]
    assert given[1]["content"].startswith("(Summary of the earlier part")
    assert "User: My number is 0." in given[1]["content"]
    assert given[2:] == messages[-5:]


def test_a_client_of_responses_that_leaves_it_to_us_is_made_to_fit_where_its_provider_cannot_do_it(
    start_gateway: StartGateway, providers: Fakes
) -> None:
    gateway = start_gateway("kimi")
    item = {"role": "user", "content": f"My number is 1. {LONG}"}
    said = [{"role": "user", "content": f"My number is 0. {LONG}"}, {"role": "assistant", "content": "Yes."}]
    body = {"model": "kimi/moonshot-v1-32k", "input": [*said, item], "max_output_tokens": 100}
    url, headers = f"{gateway.base_url}/responses", gateway.headers
    told = httpx.post(url, headers=headers, json={**body, "truncation": "auto"}, timeout=30)
    assert told.status_code == 200, told.text
    assert told.headers["x-syntra-context"] == "2 of 3 messages summarised"
    assert "truncation" not in told.headers.get("x-syntra-warning", "")
    given = providers["kimi"].last.json["messages"]
    assert given[-1]["content"] == item["content"]
    assert "(Summary of the earlier part" in given[-2]["content"]
    whole = httpx.post(url, headers=headers, json=body, timeout=30)
    assert "x-syntra-context" not in whole.headers  # whoever does not ask for it hears of it from the provider


def test_what_fits_is_not_touched(one: Gateway, providers: Fakes) -> None:
    messages = talk(4, LONG)
    reply = ask(one, "syntra-small", messages=messages, headers={"x-syntra-persona": "off"})
    assert "x-syntra-context" not in reply.headers
    assert "context" not in decided(one, reply)
    assert sent(providers) == messages


def test_one_turn_that_no_window_holds_is_refused_as_before(one: Gateway, providers: Fakes) -> None:
    reply = ask(one, "syntra-small", messages=talk(2, "x", last=LONG * 6))
    assert (reply.status, reply.json["error"]["code"]) == (400, "context_length_exceeded")
    assert providers["openai"].requests == []


def test_who_shortens_a_conversation_themselves_hears_that_it_is_too_long(one: Gateway, providers: Fakes) -> None:
    body = {"model": "syntra-small", "messages": talk(6, LONG)[1:], "max_tokens": 100}
    reply = httpx.post(f"{one.base_url}/messages", json=body, headers=one.headers, timeout=30)
    assert reply.status_code == 400
    said = [{"role": message["role"], "content": message["content"]} for message in body["messages"]]  # type: ignore[index, attr-defined]
    reply = httpx.post(
        f"{one.base_url}/responses", json={"model": "syntra-small", "input": said}, headers=one.headers, timeout=30
    )
    assert reply.json()["error"]["code"] == "context_length_exceeded"
    assert providers["openai"].requests == []


def test_a_policy_summarises_early_and_the_prompt_only_grows_at_its_end(one: Gateway, providers: Fakes) -> None:
    before: list[dict[str, Any]] = []
    same = 0
    for turns in range(4, 30):
        reply = ask(one, "syntra-brief", messages=talk(turns, "The ship leaves at dawn. " * 12))
        assert reply.status == 200
        given = sent(providers)[:-1]
        same += bool(before) and given[: len(before)] == before
        before = given
    assert "x-syntra-context" in reply.headers
    assert same >= 21  # of 25


def test_no_result_of_a_tool_is_without_its_call(one: Gateway, providers: Fakes) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    step = [
        {"role": "user", "content": "Look. " * 300},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "seen " * 300},
        {"role": "assistant", "content": "Seen."},
    ]
    reply = ask(one, "syntra-brief", messages=[*step * 6, *step[:3]], tools=[tool])
    assert reply.headers["x-syntra-context"]  # and the fake is as strict as OpenAI about calls and results
    assert sent(providers)[-3:] == step[:3]


@pytest.mark.parametrize("model", ["syntra-small", MINI])
def test_a_long_thread_is_kept_inside_every_window(model: str, one: Gateway, providers: Fakes) -> None:
    ada = FrontEnd(one, user="ada")
    thread = ada.thread()
    for number in range(6):
        told = ada.stream(thread, f"My number is {number}. {LONG}", model)
        assert told.kinds[-1] == "done"
    assert told.of("route")[0]["context"] in ("8 of 11 messages summarised", "10 of 11 messages summarised")
    assert len(str(sent(providers))) < 128_000 * 4
    assert len(ada.listed(thread)) == 12  # what is kept is whole


def test_the_cheapest_model_summarises_a_thread_after_the_answer_and_for_the_next_ones(
    one: Gateway, providers: Fakes
) -> None:
    ada = FrontEnd(one, user="grace")
    thread = ada.thread()
    openai = providers["openai"]

    def quoted() -> list[str]:
        told = [request.json["messages"][-1]["content"] for request in tuple(openai.requests)]
        return [str(content) for content in told if str(content).startswith("<quoted>")]

    for number in range(6):
        ada.stream(thread, f"My number is {number}. {LONG}", MINI)
    assert wait_for(lambda: bool(quoted()), 20)
    assert "User: My number is 0." in quoted()[0]

    def summarised() -> bool:
        ada.stream(thread, "And now?", MINI)
        talks = [[str(one["content"]) for one in request.json["messages"]] for request in tuple(openai.requests)]
        told = [talk for talk in talks if talk[-1].endswith("And now?")][-1]
        head = next(content for content in told if content.startswith("(Summary of the earlier part"))
        return head.endswith("\nHello from the fake.")

    assert wait_for(summarised, 20)
    times = len(quoted())
    for _ in range(3):
        assert summarised()
    assert len(quoted()) == times  # once for a cut, not for each answer
    question = ada.ok("GET", f"/{thread}/messages?limit=1")["data"][0]["id"]
    ada.ok("PATCH", f"/{thread}/messages/{question}", {"content": "My number is 7."})
    ada.stream(thread, "And now?", MINI)
    assert "Summary of" not in str(sent(providers))  # of words that were taken back nothing is left


def test_the_client_of_a_pinned_model_hears_what_that_says(one: Gateway, providers: Fakes) -> None:
    messages = talk(6, LONG)
    reply = ask(one, MINI, messages=messages, headers={"x-syntra-persona": "off"})
    assert "x-syntra-context" not in reply.headers
    # The summary of another test's thread may be asked for meanwhile.
    assert messages in [request.json["messages"] for request in providers["openai"].requests]
