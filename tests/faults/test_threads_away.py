"""PostgreSQL away: nothing can be asked in a thread, and an answer that is being written waits to be kept."""

from __future__ import annotations

import time
from collections.abc import Mapping

from gateway.core.ids import uuid7
from tests.conftest import StartGateway
from tests.fakes.postgres import postgres
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for
from tests.fakes.threads import FrontEnd

MODEL = "openai/gpt-4o-mini"
SAY = {"content": "Count.", "model": MODEL}


def test_a_thread_without_its_database_is_a_503_and_never_a_404(
    start_gateway: StartGateway, providers: Mapping[str, Provider]
) -> None:
    with postgres() as engine:
        gateway = start_gateway("openai", DATABASE_URL=engine.database(f"d{uuid7()}"))
        ada = FrontEnd(gateway, user="ada")
        thread = ada.thread()
        ada.say(thread, "Hello.")
        engine.kill()
        try:
            for method, path, body in (
                ("GET", f"/{thread}", None),
                ("POST", "", {}),
                ("POST", f"/{thread}/messages", SAY),
                ("POST", f"/{thread}/messages/stream", SAY),
            ):
                began = time.monotonic()
                error = ada.refused(503, method, path, body)
                assert error["code"] == "store_unavailable"
                assert time.monotonic() - began < 2
        finally:
            engine.start()
        wait_for(lambda: ada.ask("GET", f"/{thread}").status_code == 200, 15)
        assert len(ada.listed(thread)) == 2


def test_an_answer_whose_database_is_away_for_a_moment_is_kept_when_it_is_back(
    start_gateway: StartGateway, providers: Mapping[str, Provider]
) -> None:
    with postgres() as engine:
        gateway = start_gateway("openai", DATABASE_URL=engine.database(f"d{uuid7()}"))
        ada = FrontEnd(gateway, user="ada")
        thread = ada.thread()
        providers["openai"].script(pieces=("One, ", "two."), delay=0.3)
        with ada.hearing(f"/{thread}/messages/stream", SAY) as (stream, events):
            next(event for event in events if event.kind == "delta")
            engine.kill()
            engine.start()
            list(events)
        assert stream.text == "One, two."
        assert stream.of("done")[0]["stored"] is True
        wait_for(lambda: ada.ask("GET", f"/{thread}").status_code == 200, 15)
        assert ada.listed(thread)[1] == ("assistant", "One, two.")
