"""Browsers of the front end may call; those of other sites may not."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from tests.conftest import StartGateway
from tests.fakes.gateway import OPENAI, Gateway
from tests.fakes.provider import Provider

FRONT_END = "https://app.example"


@pytest.fixture(scope="module")
def browsed(start_gateway: StartGateway) -> Gateway:
    return start_gateway("openai", FRONTEND_URL=f"{FRONT_END}, https://other.example")


def ask(gateway: Gateway, origin: str, *, stream: bool) -> httpx.Response:
    body = {"model": OPENAI.model, "stream": stream, "messages": [{"role": "user", "content": "Hello."}]}
    headers = {**gateway.headers, "origin": origin}
    return httpx.post(f"{gateway.base_url}/chat/completions", headers=headers, json=body)


@pytest.mark.parametrize("stream", [False, True])
def test_the_front_end_may_call_and_read_our_headers(
    stream: bool, browsed: Gateway, providers: Mapping[str, Provider]
) -> None:
    reply = ask(browsed, FRONT_END, stream=stream)
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == FRONT_END
    assert "x-request-id" in reply.headers["access-control-expose-headers"].lower()


def test_an_error_can_be_read_by_the_front_end_too(browsed: Gateway) -> None:
    reply = httpx.post(f"{browsed.base_url}/chat/completions", headers={"origin": FRONT_END}, json={})
    assert reply.status_code == 401
    assert reply.headers["access-control-allow-origin"] == FRONT_END


def test_the_front_ends_question_is_answered(browsed: Gateway) -> None:
    headers = {
        "origin": FRONT_END,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type",
    }
    reply = httpx.options(f"{browsed.base_url}/chat/completions", headers=headers)
    assert reply.status_code in (200, 204)
    assert reply.headers["access-control-allow-origin"] == FRONT_END
    assert "authorization" in reply.headers["access-control-allow-headers"].lower()


def test_another_site_gets_no_leave(browsed: Gateway, providers: Mapping[str, Provider]) -> None:
    assert "access-control-allow-origin" not in ask(browsed, "https://evil.example", stream=False).headers
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    reply = httpx.options(f"{browsed.base_url}/chat/completions", headers=headers)
    assert "access-control-allow-origin" not in reply.headers


def test_without_a_front_end_no_site_has_leave(gateway: Gateway) -> None:
    assert (
        "access-control-allow-origin"
        not in httpx.get(f"{gateway.origin}/health", headers={"origin": FRONT_END}).headers
    )
