"""A provider's key is replaced: what was held against the old one is not held against the new. Row T3 of the fault table."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx

from tests.conftest import StartGateway
from tests.fakes.caller import ask
from tests.fakes.gateway import OPENAI, PLAIN, Gateway
from tests.fakes.provider import Provider


def put(gateway: Gateway, path: str, method: str, api_key: str) -> str:
    url = f"{gateway.origin}/api/orgs/local/provider-keys{path}"
    told = httpx.request(
        method, url, json={"provider": "openai", "api_key": api_key}, headers=gateway.headers, verify=PLAIN
    )
    assert told.status_code in (200, 201), told.text
    return str(told.json()["id"])


def test_a_bad_key_is_left_alone_and_one_in_its_place_serves_within_two_seconds(
    start_gateway: StartGateway, providers: Mapping[str, Provider]
) -> None:
    gateway = start_gateway("openai", "--workers", "2")
    made = put(gateway, "", "POST", "sk-a-bad-key")
    end = time.monotonic() + 10
    while ask(gateway, OPENAI.model).status == 200:
        assert time.monotonic() < end
    for _ in range(8):
        assert ask(gateway, OPENAI.model).status in (502, 503)
    put(gateway, f"/{made}", "PUT", providers["openai"].key)
    time.sleep(2)
    assert {ask(gateway, OPENAI.model).status for _ in range(12)} == {200}
