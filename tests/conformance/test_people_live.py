"""A person signs in at a real gateway with two workers and works with the session, until they are removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import StartGateway
from tests.fakes.caller import ask
from tests.fakes.gateway import Gateway
from tests.fakes.issuer import AUDIENCE, FakeIssuer
from tests.fakes.provider import Provider

PROMPT = "Zq7vKx9pWm3TgJ5y is what I secretly think."
ADA = "ada@example.com"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeIssuer]:
    with FakeIssuer() as fake:
        yield fake
        assert fake.server.failures == []


@pytest.fixture(scope="module")
def gateway(fake: FakeIssuer, start_gateway: StartGateway) -> Gateway:
    issuer = {"OIDC_ISSUER": fake.url, "OIDC_AUDIENCE": AUDIENCE}
    return start_gateway("openai", "--workers", "2", SYNTRA_LOG="json", SYNTRA_LOG_LEVEL="debug", **issuer)


@pytest.fixture(autouse=True)
def _answering(providers: Mapping[str, Provider]) -> None:
    """The provider speaks."""


def api(gateway: Gateway, method: str, path: str, body: Any = None, bearer: str = "") -> httpx.Response:
    headers = {"authorization": f"Bearer {bearer}"} if bearer else gateway.headers
    return httpx.request(method, f"{gateway.origin}{path}", headers=headers, json=body)


def member(gateway: Gateway, email: str, role: str = "member") -> str:
    made = api(gateway, "POST", "/api/orgs/local/members", {"email": email, "role": role})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def sign_in(gateway: Gateway, token: str) -> httpx.Response:
    return httpx.post(f"{gateway.origin}/api/sessions", json={"token": token})


def until(holds: Callable[[], bool], seconds: float = 2.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def lines(gateway: Gateway) -> list[dict[str, Any]]:
    """What was logged; the banner is no part of it."""
    return [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]


def test_a_session_is_as_good_as_a_key_until_its_owner_is_removed(gateway: Gateway, fake: FakeIssuer) -> None:
    assert sign_in(gateway, fake.token(email=ADA)).status_code == 403
    ada = member(gateway, ADA)
    told = sign_in(gateway, fake.token(email=ADA)).json()
    assert (told["object"], told["organisation"], told["role"]) == ("session", "local", "member")
    session = {"authorization": f"Bearer {told['token']}"}
    for _ in range(8):  # both workers
        assert ask(gateway, "openai/gpt-4o-mini", headers=session).status == 200
        assert api(gateway, "GET", "/api/orgs/local/audit", bearer=told["token"]).status_code == 403
    assert api(gateway, "DELETE", f"/api/orgs/local/members/{ada}").status_code == 200

    def out() -> bool:
        return {ask(gateway, "openai/gpt-4o-mini", headers=session).status for _ in range(8)} == {401}

    until(out)


def test_an_identity_token_is_no_key_and_a_key_is_no_identity_token(gateway: Gateway, fake: FakeIssuer) -> None:
    refused = ask(gateway, "openai/gpt-4o-mini", headers={"authorization": f"Bearer {fake.token()}"})
    assert refused.status == 401
    assert refused.error is not None
    assert "POST /api/sessions" in refused.error["message"]
    assert sign_in(gateway, gateway.key).status_code == 401


def test_the_log_has_a_line_for_each_request_and_nothing_that_was_said(gateway: Gateway, fake: FakeIssuer) -> None:
    member(gateway, "log@example.com")
    token = fake.token(email="log@example.com")
    session = sign_in(gateway, token).json()["token"]
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": PROMPT}]}
    for number, bearer in enumerate((session, gateway.key, f"sk-{PROMPT[:16]}", token, "")):
        headers = {"authorization": f"Bearer {bearer}" if bearer else "Basic x", "x-request-id": f"log-{number}"}
        httpx.post(f"{gateway.base_url}/chat/completions", headers=headers, json=body)

    def told() -> dict[str, dict[str, Any]]:
        return {line["request_id"]: line for line in lines(gateway) if line["logger"] == "syntra.requests"}

    until(lambda: {f"log-{number}" for number in range(5)} <= set(told()), 5.0)
    assert [told()[f"log-{number}"]["status"] for number in range(5)] == [200, 200, 401, 401, 401]
    served = told()["log-0"]
    assert (served["surface"], served["provider"], served["model"]) == ("chat", "openai", "gpt-4o-mini")
    assert served["organisation"]
    assert served["duration_ms"] > 0
    whole = json.dumps(lines(gateway))
    for secret in (PROMPT, PROMPT[:16], session, token, gateway.key, fake.token().rpartition(".")[0][:40]):
        assert secret not in whole


def test_what_happened_is_counted(gateway: Gateway) -> None:
    assert ask(gateway, "openai/gpt-4o-mini").status == 200

    def counted() -> dict[str, float]:
        page = httpx.get(f"{gateway.origin}/metrics", headers=gateway.headers).text
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found

    wanted = ("syntra_tokens_total", "syntra_cost_usd_total", "syntra_overhead_seconds_count", "syntra_errors_total")
    until(lambda: all(counted().get(name, 0) > 0 for name in wanted), 5.0)
    samples = counted()
    assert samples["syntra_loop_lag_seconds_count"] > 20
    assert samples["syntra_store_health"] >= 1
    assert samples["syntra_cache_total"] >= 1
    assert samples["syntra_in_flight_requests"] >= 1  # this one
