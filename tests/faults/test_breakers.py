"""A provider that fails is left alone and probed, and a key of ours that is refused is everybody's news but the client's.

Rows U8, U10, U19, U24, U25 and T3 of the fault table, on a gateway as it is started.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.conftest import StartGateway
from tests.fakes.caller import Told, ask, stream
from tests.fakes.gateway import OPENAI, Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, Usage
from tests.fakes.server import wait_for

Fakes = Mapping[str, Provider]
DEBUG = {"x-syntra-debug": "1"}


def cooling(gateway: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{gateway.origin}/health").json()["cooling"]
    return found


def samples(gateway: Gateway) -> dict[str, float]:
    lines = httpx.get(f"{gateway.origin}/metrics", headers=gateway.headers).text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


number = itertools.count()


def hello(gateway: Gateway, **headers: str) -> Told:
    """A conversation of its own: one that goes on would stay with whoever answered it."""
    content = f"Say hello to number {next(number)}."
    return ask(gateway, "syntra", headers=headers, messages=[{"role": "user", "content": content}])


def first_choice(gateway: Gateway) -> tuple[str, str]:
    """Who is asked first for `syntra`: provider and model."""
    name = hello(gateway, **DEBUG).headers["x-syntra-model"]
    provider, _, _ = name.partition("/")
    return provider, name


# Our own key is refused.


@pytest.mark.parametrize(
    ("fault", "told_alone"),
    [
        (Fault.UNAUTHORIZED, (502, "upstream_credential")),
        (Fault.FORBIDDEN, (502, "upstream_credential")),
        (Fault.SPENT, (402, "insufficient_quota")),
    ],
    ids=["unauthorized", "forbidden", "spent"],
)
def test_a_key_that_is_refused_is_announced_everywhere_and_the_client_is_served(
    fault: Fault, told_alone: tuple[int, str], start_gateway: StartGateway, providers: Fakes
) -> None:
    gateway = start_gateway("openai kimi")
    provider, pinned = first_choice(gateway)
    fake = providers[provider]
    fake.script(fault=fault)
    fake.requests.clear()
    for _ in range(4):
        told = hello(gateway)
        assert told.status == 200
        assert fake.key not in told.body.decode() + str(dict(told.headers))
    assert len(fake.requests) == 1  # and with no other model of that provider either
    (rest,) = cooling(gateway)
    assert (rest["model"], rest["reason"]) == (f"{provider}/*", "credential refused")
    name = f'syntra_cooldowns_total{{provider="{provider}",reason="credential refused"}}'
    wait_for(lambda: samples(gateway).get(name) == 1)
    said = gateway.log.read_text()
    assert said.count(f"{provider} refuses our key") == 1
    assert fake.key not in said
    refused = ask(gateway, pinned)
    assert (refused.status, refused.json["error"]["code"]) == told_alone
    assert (refused.headers["x-should-retry"], refused.headers.get("retry-after")) == ("false", None)


def test_a_model_that_is_not_for_our_key_takes_no_other_along(start_gateway: StartGateway, providers: Fakes) -> None:
    """Anybody may pin any model: a 403 for one must not close a provider for everybody."""
    gateway = start_gateway("openai")
    fake = providers["openai"]
    fake.by_model["gpt-4o-mini"] = Script(fault=Fault.NO_SUCH_MODEL)
    assert ask(gateway, "openai/gpt-4o-mini").status == 404
    assert ask(gateway, "openai/gpt-4o").status == 200
    assert [one["model"] for one in cooling(gateway)] in ([], ["openai/gpt-4o-mini"])


def test_a_key_that_is_changed_is_the_next_requests_and_what_runs_finishes(
    start_gateway: StartGateway, providers: Fakes
) -> None:
    gateway, fake = start_gateway("openai"), providers["openai"]
    old, new = fake.key, f"{fake.key}-after"
    origin, headers = f"{gateway.origin}/api/orgs/local/provider-keys", gateway.headers
    made = httpx.post(origin, headers=headers, json={"provider": "openai", "api_key": old}).json()
    wait_for(lambda: ask(gateway, OPENAI.model).status == 200)
    fake.script(pieces=tuple(f"piece{k} " for k in range(20)), delay=0.1)
    told: list[Told] = []
    running = threading.Thread(target=lambda: told.append(stream(gateway, OPENAI.model)))
    before = fake.accepted
    running.start()
    wait_for(lambda: fake.accepted > before)
    try:
        fake.key = new  # the provider takes the new one alone from now on
        httpx.put(f"{origin}/{made['id']}", headers=headers, json={"api_key": new}).raise_for_status()
        fake.script()
        wait_for(lambda: ask(gateway, OPENAI.model).status == 200, 3)
        running.join(10)
    finally:
        fake.key = old
    assert told[0].done
    assert told[0].said().endswith("piece19 ")


# A model fails.


def test_one_request_probes_and_all_are_back(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai kimi")
    provider, name = first_choice(gateway)
    fake, model = providers[provider], name.partition("/")[2]

    def calls() -> int:
        return sum(fake.model_of(request) == model for request in fake.requests)

    fake.by_model[model] = Script(fault=Fault.SERVER_ERROR)
    fake.requests.clear()
    assert {hello(gateway).status for _ in range(6)} == {200}
    assert calls() == 3  # three in a row, then it is left alone
    assert cooling(gateway)[0]["state"] == "cooling"
    wait_for(lambda: cooling(gateway)[0]["state"] == "waiting", 8)
    fake.by_model[model] = Script(delay=0.3)
    with ThreadPoolExecutor(8) as pool:
        assert {told.status for told in pool.map(lambda _: hello(gateway), range(8))} == {200}
    assert calls() == 4  # one of eight has probed
    assert cooling(gateway) == []
    fake.by_model.clear()
    assert hello(gateway).status == 200
    assert calls() == 5


def test_when_everything_fails_calls_stay_within_a_fifth_more_than_requests(
    start_gateway: StartGateway, providers: Fakes
) -> None:
    gateway = start_gateway("openai kimi")
    for fake in providers.values():
        fake.script(fault=Fault.SERVER_ERROR)
        fake.requests.clear()
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(told.status for told in pool.map(lambda _: hello(gateway), range(200)))
    calls = sum(len(fake.requests) for fake in providers.values())
    assert set(statuses) == {502}
    assert calls <= 1.2 * 200 + 10, calls


# What is forgiven.


def test_what_is_forgiven_is_counted(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway, fake = start_gateway("openai"), providers["openai"]
    fake.script(fault=Fault.NO_DONE)
    assert stream(gateway, OPENAI.model).done
    fake.script(usage=Usage(prompt=-1, completion=-1))
    assert stream(gateway, OPENAI.model).done
    fake.script()
    real = fake.frames
    try:
        fake.frames = lambda script, body: real(script, {**body, "model": "another-model"})  # type: ignore[method-assign]
        assert stream(gateway, OPENAI.model).done
    finally:
        fake.frames = real  # type: ignore[method-assign]

    def count(what: str) -> float:
        return samples(gateway).get(f'syntra_provider_protocol_total{{provider="openai",what="{what}"}}', 0)

    wait_for(lambda: (count("no end"), count("no usage"), count("other model")) == (1, 1, 1))
