"""Answers are kept for as long as the documents say, and while Valkey is there; without it nobody waits, and it is said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from gateway.stores.answers import Answers
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.conftest import StartGateway
from tests.fakes.caller import Told, ask
from tests.fakes.gateway import PLAIN
from tests.fakes.provider import Provider
from tests.fakes.script import Script
from tests.fakes.server import wait_for
from tests.fakes.valkey import Engine, Wire
from tests.faults.answers_rig import MINI, cached, certain, shared_by

Fakes = Mapping[str, Provider]


def test_the_documents_say_how_long_and_how_much_is_kept(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = shared_by(start_gateway("openai"), "kept_s = 1\nmost_kept = 3000")
    providers["openai"].script(pieces=("x" * 4000,))
    certain(gateway)
    providers["openai"].script()
    assert cached(certain(gateway)) == "miss"
    wait_for(lambda: cached(certain(gateway)) == "hit")
    time.sleep(1.1)
    assert cached(certain(gateway)) == "miss"


def test_without_valkey_nothing_is_kept_and_it_is_said_and_counted(
    start_gateway: StartGateway, providers: Fakes, tmp_path: Path
) -> None:
    with Engine(tmp_path) as engine:
        gateway = start_gateway("openai", VALKEY_URL=engine.url)
        certain(gateway)
        wait_for(lambda: cached(certain(gateway)) == "hit")
        engine.kill()
        told = wait_for(lambda: _degraded(certain(gateway)))
        assert (told.status, cached(told), told.text) == (200, "miss", Script().text)
        assert "cache" not in ask(gateway, MINI).headers.get("x-syntra-degraded", "")

    def counted() -> bool:
        page = httpx.get(f"{gateway.origin}/metrics", headers=gateway.headers, verify=PLAIN).text
        return 'syntra_degraded_total{what="cache"}' in page and 'syntra_cache_total{outcome="hit"}' in page

    assert wait_for(counted)


def _degraded(told: Told) -> Told | None:
    return told if "cache" in told.headers.get("x-syntra-degraded", "") else None


def test_nobody_waits_for_a_slow_valkey_longer_than_its_time(tmp_path: Path) -> None:
    async def story() -> list[tuple[bool, float]]:
        found = []
        async with Wire(port) as wire, Valkey(place(f"redis://127.0.0.1:{wire.port}/0")) as client:
            answers = Answers(client, b"x" * 32)
            wire.delay = 0.5
            for _ in range(8):
                began = time.monotonic()
                asked = (await answers.find("org", b"1")).asked
                found.append((asked, time.monotonic() - began))
        return found

    with Engine(tmp_path) as engine:
        port = engine.port
        found = asyncio.run(story())
    assert not any(asked for asked, _ in found)
    assert all(took < 0.2 for _, took in found)
    assert min(took for _, took in found[-3:]) < 0.02  # after five of those nobody waits at all
