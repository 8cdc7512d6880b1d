"""What changes while it runs: documents, health, restarts, several workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import valkey

from policies.library import HERE
from tests.conformance.test_routing import DEBUG, TOOL, asked, decided, decision, get, user
from tests.conftest import StartGateway
from tests.fakes.caller import HELLO, ask, stream
from tests.fakes.gateway import Gateway, provider_env, serving
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, ToolCall
from tests.fakes.valkey import Engine

Fakes = Mapping[str, Provider]


@pytest.fixture(scope="module")
def two(start_gateway: StartGateway) -> Gateway:
    """A gateway of two providers that need no translation, so it starts at once."""
    return start_gateway("openai kimi")


@pytest.fixture
def policies(two: Gateway) -> Path:
    """Its own documents; what a test leaves there is taken away, and that is waited for."""
    folder = two.data / "policies"
    folder.mkdir(exist_ok=True)
    return folder


def wait_for(check: Callable[[], bool], seconds: float = 8.0) -> bool:
    until = time.monotonic() + seconds
    while not check():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def version(gateway: Gateway) -> str:
    return str(get(gateway, "/health").json()["policies"]["version"])


def samples(gateway: Gateway) -> dict[str, float]:
    lines = get(gateway, "/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def listening(gateway: Gateway) -> set[bytes]:
    """The workers of all gateways that hear the others."""
    with valkey.Valkey.from_url(gateway.stores["VALKEY_URL"]) as client:
        return set(client.pubsub_channels("syntra:worker:*"))


# Documents.


def test_an_edit_takes_effect_a_bad_one_does_not_and_a_stream_goes_on(
    two: Gateway, policies: Path, providers: Fakes
) -> None:
    providers["kimi"].script(pieces=tuple(f"{n} " for n in range(60)), delay=0.1)
    told: list[Any] = []
    talk = threading.Thread(target=lambda: told.append(stream(two, "kimi/kimi-k2.5")))
    talk.start()
    shipped = (HERE / "balanced.toml").read_text()
    first = version(two)
    path = policies / "mine.toml"
    path.write_text(shipped.replace('kind = "routing"', 'kind = "routing"\nmodels = ["kimi/*"]'))
    assert wait_for(lambda: version(two) != first)
    assert decided(two, ask(two, "syntra-mine", headers=DEBUG))["plan"][0]["model"].startswith("kimi/")
    assert "syntra-mine" in [one["id"] for one in get(two, "/v1/models").json()["data"]]
    good = version(two)
    path.write_text(shipped.replace("ttft = ", "tfft = "))
    assert wait_for(lambda: "error" in get(two, "/health").json()["policies"])
    health = get(two, "/health").json()["policies"]
    assert health["version"] == good
    assert "mine.toml:" in health["error"]
    assert "did you mean 'ttft'?" in health["error"]
    assert "an edit was not taken" in two.log.read_text()
    assert samples(two)["syntra_policy_stale"] == 1
    assert ask(two, "syntra-mine").status == 200
    path.unlink()
    assert wait_for(lambda: version(two) == first)
    assert "error" not in get(two, "/health").json()["policies"]
    assert samples(two)["syntra_policy_stale"] == 0
    talk.join()
    assert (told[0].done, told[0].finishes()) == (True, ["stop"])


def test_an_intent_is_added_by_giving_examples(two: Gateway, policies: Path) -> None:
    text = (HERE / "intents.toml").read_text()
    dishes = [
        "a lentil soup",
        "a chocolate cake",
        "roast potatoes",
        "a risotto",
        "pancakes",
        "a beef stew",
        "an omelette",
    ]
    examples = ", ".join(f'"Give me a recipe for {dish} with the oven temperature and cooking time"' for dish in dishes)
    before = version(two)
    (policies / "intents.toml").write_text(
        f'{text}\n[intent.cooking]\nabout = "Recipes."\noutput_tokens = [200, 600]\nexamples = [{examples}]\n'
    )
    assert wait_for(lambda: version(two) != before)
    told = ask(two, "syntra", messages=user("Give me a recipe for apple pie with the oven temperature"), headers=DEBUG)
    assert told.headers["x-syntra-intent"] == "cooking"
    (policies / "intents.toml").unlink()
    assert wait_for(lambda: version(two) == before)


def test_an_organisation_may_only_what_its_document_says(two: Gateway, policies: Path, providers: Fakes) -> None:
    before = version(two)
    (policies / "organisations.toml").write_text(
        'kind = "organisations"\nversion = 1\n[organisation.local]\nmodels = ["kimi/*"]\npolicy = "cheap"\n'
        'aliases = { house = "kimi/kimi-k2.6" }\n'
    )
    assert wait_for(lambda: version(two) != before)
    refused = ask(two, "openai/gpt-4o-mini")
    assert (refused.status, refused.json["error"]["code"]) == (403, "model_not_allowed")
    assert decided(two, ask(two, "syntra"))["policy"] == "cheap"
    assert ask(two, "house", headers=DEBUG).headers["x-syntra-model"] == "kimi/kimi-k2.6"
    assert {name.partition("/")[0] for name in asked(providers)} == {"kimi"}
    (policies / "organisations.toml").unlink()
    assert wait_for(lambda: version(two) == before)
    assert ask(two, "openai/gpt-4o-mini").status == 200


# Health.


def test_a_rate_limit_moves_on_and_is_heeded_by_the_next_request(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai kimi")
    first = decided(gateway, ask(gateway, "syntra"))["plan"][0]["model"]
    provider = first.partition("/")[0]
    for fake in providers.values():
        fake.requests.clear()
    with providers[provider].saying(Script(fault=Fault.RATE_LIMITED, retry_after="30")):
        told = ask(gateway, "syntra", headers=DEBUG)
        assert told.status == 200
        assert told.headers["x-syntra-model"] != first
        attempts = decided(gateway, told)["attempts"]
        assert (attempts[0]["model"], attempts[0]["outcome"]) == (first, "rate_limit_exceeded")
        cooling = get(gateway, "/health").json()["cooling"]
        assert (cooling[0]["model"], cooling[0]["reason"]) == (first, "rate limited")
        assert 25 < cooling[0]["seconds"] <= 30
        calls = asked(providers).count(first)
        assert ask(gateway, "syntra").status == 200
        assert asked(providers).count(first) == calls
        assert ask(gateway, first).status == 429  # a pin is asked whatever is thought of it
    assert any(name.startswith("syntra_cooldowns_total") and value == 1 for name, value in samples(gateway).items())


def test_a_model_that_the_key_does_not_have_is_stepped_around(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai")
    first, second = (one["model"] for one in decided(gateway, ask(gateway, "syntra"))["plan"][:2])
    providers["openai"].by_model[first.partition("/")[2]] = Script(fault=Fault.NO_SUCH_MODEL)
    told = ask(gateway, "syntra", headers=DEBUG)
    assert (told.status, told.headers["x-syntra-model"]) == (200, second)
    assert ask(gateway, first).status == 404


def test_when_all_are_limited_the_client_is_told_the_smallest_wait(
    start_gateway: StartGateway, providers: Fakes
) -> None:
    gateway = start_gateway("perplexity")
    providers["perplexity"].script(fault=Fault.RATE_LIMITED, retry_after="20")
    assert ask(gateway, "syntra").status == 429
    again = ask(gateway, "syntra")
    assert (again.status, again.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(again.headers["retry-after"]) <= 20


# Restarts and workers.


def test_a_decision_outlives_the_gateway_that_made_it(
    fakes: Fakes, new_stores: Callable[[], dict[str, str]], tmp_path: Path, providers: Fakes
) -> None:
    env = {**provider_env({"kimi": fakes["kimi"]}), **new_stores()}
    with serving(tmp_path, env) as gateway:
        name = ask(gateway, "syntra").headers["x-syntra-decision"]
    with serving(tmp_path, env) as gateway:
        assert decision(gateway, name)["outcome"]["ended"] == "answered"
        assert httpx.get(f"{gateway.origin}/api/decisions/{name}").status_code == 401


def test_two_workers_tell_of_each_others_decisions_and_counts(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("kimi", "--workers", "2")
    names = [ask(gateway, "syntra").headers["x-syntra-decision"] for _ in range(12)]
    for name in names:
        assert decision(gateway, name)["outcome"]["ended"] == "answered"
    assert wait_for(lambda: samples(gateway).get('syntra_requests_total{status="200",surface="chat"}') == 12)


def test_many_streams_go_on_while_documents_change(two: Gateway, policies: Path, providers: Fakes) -> None:
    providers["kimi"].script(pieces=tuple("abcdefghij"), delay=0.15)
    told: list[Any] = []
    talks = [threading.Thread(target=lambda: told.append(stream(two, "kimi/kimi-k2.5"))) for _ in range(30)]
    for talk in talks:
        talk.start()
    text = (HERE / "cheap.toml").read_text()
    before = version(two)
    (policies / "cheap.toml").write_text(text.replace("version = 1", "version = 2"))
    assert wait_for(lambda: version(two) != before)
    (policies / "cheap.toml").unlink()
    assert wait_for(lambda: version(two) == before)
    for talk in talks:
        talk.join()
    assert [one.text for one in told] == ["abcdefghij"] * 30
    assert all(one.done for one in told)


def test_a_request_with_tools_is_counted_by_where_it_went(two: Gateway, providers: Fakes) -> None:
    assert ask(two, "syntra", messages=HELLO, tools=[TOOL]).status == 200
    assert wait_for(lambda: any(name.startswith('syntra_routed_total{intent="') for name in samples(two)))


def test_a_tool_loop_stays_with_its_model_whichever_worker_a_step_comes_to(
    start_gateway: StartGateway, two: Gateway, providers: Fakes
) -> None:
    others = listening(two)
    gateway = start_gateway("openai kimi", "--workers", "2")
    assert wait_for(lambda: len(listening(gateway) - others) == 2)  # it serves when one of them has come up
    for fake in providers.values():
        fake.script(tool_calls=(ToolCall("call_1", "look_up", "{}"),))
    turn = user("Look up which port the service listens on, and why it does not start; tool loop two.")
    best = decided(gateway, ask(gateway, "syntra", messages=turn, tools=[TOOL]))["plan"][0]["model"]
    turn = user("Look up which port the service listens on, and why it does not start; tool loop three.")
    with providers[best.partition("/")[0]].saying(Script(fault=Fault.SERVER_ERROR)):
        first = ask(gateway, "syntra", messages=turn, tools=[TOOL], headers=DEBUG)
    model = first.headers["x-syntra-model"]
    assert model != best
    said = first.json["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "8080"}
    time.sleep(1)  # what the tool takes: meanwhile the other worker hears of it
    steps = [ask(gateway, "syntra", messages=[*turn, said, result], tools=[TOOL], headers=DEBUG) for _ in range(40)]
    assert {step.headers["x-syntra-model"] for step in steps} == {model}


def test_gateways_over_one_valkey_know_of_each_others_rests(
    start_gateway: StartGateway, providers: Fakes, tmp_path: Path
) -> None:
    with Engine(tmp_path) as engine:
        one = start_gateway("kimi openai", VALKEY_URL=engine.url)
        other = start_gateway("kimi openai", VALKEY_URL="", REDIS_URL=engine.url)
        first = decided(one, ask(one, "syntra"))["plan"][0]["model"]
        with providers[first.partition("/")[0]].saying(Script(fault=Fault.RATE_LIMITED, retry_after="40")):
            assert ask(one, "syntra").status == 200
            assert wait_for(lambda: get(other, "/health").json()["cooling"] != [], 2)
            assert get(other, "/health").json()["cooling"][0]["model"] == first
            calls = asked(providers).count(first)
            assert ask(other, "syntra").status == 200
            assert asked(providers).count(first) == calls
    assert ask(one, "syntra").status == 200  # Valkey is gone; nobody waits for it
    assert ask(other, "syntra").status == 200
