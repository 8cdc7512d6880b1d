"""An organisation is administered over the wire of a gateway as it is started, and its keys are used at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.conftest import StartGateway
from tests.fakes.gateway import OPENAI, PLAIN, Gateway
from tests.fakes.provider import Provider

SAY = [{"role": "user", "content": "Hello"}]


def ask(gateway: Gateway, method: str, path: str, key: str, **options: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.request(method, f"{gateway.origin}/api/orgs{path}", headers=headers, verify=PLAIN, **options)


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway) -> Gateway:
    return start_gateway("openai")


def test_from_the_first_key_to_an_organisation_that_answers_and_ends(
    gateway: Gateway, providers: Mapping[str, Provider]
) -> None:
    made = ask(gateway, "POST", "", gateway.key, json={"name": "acme"})
    assert made.status_code == 201, made.text
    owner = made.json()["key"]
    key = ask(gateway, "POST", "/acme/keys", owner, json={"name": "laptop"}).json()
    client = gateway.client().with_options(api_key=key["key"])
    assert client.chat.completions.create(model=OPENAI.model, messages=SAY).choices[0].message.content
    ask(gateway, "DELETE", f"/acme/keys/{key['id']}", owner)
    began = time.monotonic()
    while ask(gateway, "GET", "/acme/limits", key["key"]).status_code != 401:
        assert time.monotonic() - began < 2
        time.sleep(0.01)
    assert ask(gateway, "GET", "/acme", gateway.key).json()["name"] == "acme"
    assert ask(gateway, "GET", "/acme/keys", gateway.key).status_code == 404
    assert ask(gateway, "DELETE", "/acme", owner).status_code == 200
    assert ask(gateway, "GET", "/acme", gateway.key).status_code == 404


def test_a_provider_key_is_tried_and_then_used(gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    owner = ask(gateway, "POST", "", gateway.key, json={"name": "own-key"}).json()["key"]
    path = "/own-key/provider-keys?verify=true"
    refused = ask(gateway, "POST", path, owner, json={"provider": "openai", "api_key": "sk-nobody-knows-this"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "provider_key_refused")
    kept = ask(gateway, "POST", path, owner, json={"provider": "openai", "api_key": providers["openai"].key})
    assert kept.status_code == 201, kept.text
    assert kept.json()["verified_at"]
    assert providers["openai"].key not in kept.text


def test_the_reply_is_like_every_other(gateway: Gateway) -> None:
    for path, status in (
        ("", 200),
        ("/", 200),
        ("/local", 200),
        ("/local/", 200),
        ("/local/nothing", 404),
        ("/%00", 404),
    ):
        reply = ask(gateway, "GET", path, gateway.key)
        assert reply.status_code == status, path
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["x-request-id"]


def test_the_docs_show_it(gateway: Gateway) -> None:
    document = httpx.get(f"{gateway.origin}/docs/openapi.json", verify=PLAIN).json()
    assert "/api/orgs/{org_id}/provider-keys/{key_id}" in document["paths"]
    assert document["paths"]["/api/orgs"]["post"]["security"] == [{"key": []}]
    assert "ProviderKey" in document["components"]["schemas"]
    assert "/api/orgs/{org_id}/audit" in httpx.get(f"{gateway.origin}/docs", verify=PLAIN).text
