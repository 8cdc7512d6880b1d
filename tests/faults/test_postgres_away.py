"""PostgreSQL down, slow, late: who is known goes on, who is not is told so honestly, and all heals by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest

from gateway.core.ids import uuid7
from tests.conftest import StartGateway
from tests.fakes.caller import ask
from tests.fakes.gateway import Gateway
from tests.fakes.postgres import Postgres, postgres
from tests.fakes.provider import Provider

OTHER = {"authorization": "Bearer sk-syn-000000000000-" + "0" * 48}


@pytest.fixture(scope="module")
def engine() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def gateway(engine: Postgres, start_gateway: StartGateway, providers: Mapping[str, Provider]) -> Gateway:
    return start_gateway("openai", DATABASE_URL=engine.database(f"d{uuid7()}"))


def ready(gateway: Gateway) -> bool:
    return httpx.get(f"{gateway.origin}/health/ready").status_code == 200


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def hello(gateway: Gateway, **headers: str) -> tuple[int, float]:
    began = time.monotonic()
    status = ask(gateway, "openai/gpt-4o-mini", headers=headers).status
    return status, time.monotonic() - began


@pytest.mark.parametrize("trouble", ["down", "slow"])
def test_a_known_key_is_served_and_an_unknown_one_is_told_503_and_never_401(
    trouble: str, engine: Postgres, gateway: Gateway
) -> None:
    until(lambda: ready(gateway))
    assert hello(gateway)[0] == 200
    hurt, mend = (engine.kill, engine.start) if trouble == "down" else (engine.pause, engine.resume)
    hurt()
    try:
        end = time.monotonic() + 4
        took = []
        while time.monotonic() < end:
            status, seconds = hello(gateway)
            assert status == 200
            took.append(seconds)
            told = httpx.get(f"{gateway.base_url}/models", headers=OTHER)
            assert (told.status_code, told.json()["error"]["code"]) == (503, "store_unavailable")
            assert told.headers["retry-after"]
        assert sorted(took)[len(took) // 2] < 0.1
        assert ready(gateway)  # it serves: to be taken out of the balancer would make it worse
        assert httpx.get(f"{gateway.origin}/health").json()["stores"]["postgres"] in ("away", "slow")
        assert "keys" in ask(gateway, "openai/gpt-4o-mini").headers.get("x-syntra-degraded", "")
    finally:
        mend()
    until(lambda: httpx.get(f"{gateway.base_url}/models", headers=OTHER).status_code == 401)
    assert "x-syntra-degraded" not in ask(gateway, "openai/gpt-4o-mini").headers


def test_a_gateway_that_starts_first_is_not_ready_and_heals_by_itself(
    engine: Postgres, start_gateway: StartGateway
) -> None:
    url = engine.database(f"d{uuid7()}")
    engine.kill()
    try:
        gateway = start_gateway("openai", DATABASE_URL=url)
        assert not ready(gateway)
        assert hello(gateway)[0] == 503
    finally:
        engine.start()
    until(lambda: ready(gateway))
    until(lambda: hello(gateway)[0] == 200)
