"""PostgreSQL away: responses are answered all the same, and say that they are not kept; what needs a kept one is a 503."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from gateway.core.ids import uuid7
from tests.conftest import StartGateway
from tests.fakes.events import respond
from tests.fakes.postgres import postgres
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for

MODEL = "openai/gpt-4o-mini"


@pytest.mark.parametrize("trouble", ["down", "slow"])
def test_an_answer_is_given_and_said_not_to_be_kept(
    trouble: str, start_gateway: StartGateway, providers: Mapping[str, Provider]
) -> None:
    with postgres() as engine:
        gateway = start_gateway("openai", DATABASE_URL=engine.database(f"d{uuid7()}"))
        wait_for(lambda: respond(gateway, MODEL).status == 200, 10)
        first = respond(gateway, MODEL).response
        assert first["store"] is True
        hurt, mend = (engine.kill, engine.start) if trouble == "down" else (engine.pause, engine.resume)
        hurt()
        try:
            for _ in range(8):  # the first ones find out
                for stream in (False, True):
                    heard = respond(gateway, MODEL, stream=stream)
                    assert heard.output_text == "Hello from the fake."
                    assert heard.response["store"] is False
                    if not stream:
                        assert "store" in heard.headers["x-syntra-degraded"]
            assert "store" in heard.headers["x-syntra-degraded"]  # by now it is known when a stream begins
            told = respond(gateway, MODEL, previous_response_id=first["id"])
            assert (told.status, told.json["error"]["code"]) == (503, "store_unavailable")
            assert told.headers["retry-after"]
            looked = httpx.get(f"{gateway.base_url}/responses/{first['id']}", headers=gateway.headers)
            assert looked.status_code == 503
        finally:
            mend()
        wait_for(lambda: respond(gateway, MODEL).response["store"], 15)
        assert respond(gateway, MODEL, previous_response_id=first["id"]).status == 200
