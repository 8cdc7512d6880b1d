"""Who asks the same again, byte for byte, is answered from what is kept without being read anew; never with another's words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import psycopg
import pytest
import valkey
from psycopg.rows import dict_row

from tests.conftest import StartGateway
from tests.fakes.caller import HELLO, Told, ask
from tests.fakes.gateway import ANTHROPIC, OPENAI, PLAIN, Gateway
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for
from tests.faults import answers_rig
from tests.faults.answers_rig import cached

Fakes = Mapping[str, Provider]
MODELS = {"pinned": OPENAI.model, "translated": ANTHROPIC.model, "chosen": "syntra"}
OF_ONE_REPLY = {"date", "x-request-id", "x-syntra-decision"}


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway, database: str) -> Gateway:
    return start_gateway("openai anthropic", DATABASE_URL=database)


@pytest.fixture
def store(gateway: Gateway) -> Iterator[valkey.Valkey]:
    with valkey.Valkey.from_url(gateway.stores["VALKEY_URL"]) as client:
        client.flushdb()
        yield client


def certain(gateway: Gateway, model: str = OPENAI.model, **body: Any) -> Told:
    told = answers_rig.certain(gateway, model, **body)
    assert told.status == 200
    return told


def known(gateway: Gateway, model: str = OPENAI.model, **body: Any) -> Told:
    """Ask until the answer is kept and was given once: from now on the request is known."""
    assert cached(certain(gateway, model, **body)) == "miss"
    return wait_for(lambda: told if cached(told := certain(gateway, model, **body)) == "hit" else None)


def calls(providers: Fakes) -> int:
    return sum(len(fake.requests) for fake in providers.values())


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("usage", [True, False], ids=["with usage", "without"])
def test_a_known_request_gets_what_it_got_before_and_a_decision_of_its_own(
    gateway: Gateway, providers: Fakes, store: valkey.Valkey, model: str, stream: bool, usage: bool
) -> None:
    body: dict[str, Any] = {"stream": stream} | ({"stream_options": {"include_usage": usage}} if stream else {})
    before = known(gateway, model, **body)
    asked = calls(providers)
    again = certain(gateway, model, **body)
    assert calls(providers) == asked
    assert again.body == before.body
    assert again.done == stream
    assert again.headers.keys() == before.headers.keys()
    assert {name: again.headers[name] for name in again.headers if name not in OF_ONE_REPLY} == {
        name: before.headers[name] for name in before.headers if name not in OF_ONE_REPLY
    }
    ids = {told.headers["x-syntra-decision"] for told in (before, again)}
    assert len(ids) == 2
    kept, told = (wait_for(lambda: decision(gateway, one)) for one in sorted(ids))  # noqa: B023
    assert told["outcome"]["cache"] == "hit"
    for of_the_moment in ("overhead_ms", "ttft_ms", "duration_ms"):
        for part in (kept["outcome"], told["outcome"], *kept["attempts"], *told["attempts"]):
            part.pop(of_the_moment, None)
    assert {**kept, "id": ""} == {**told, "id": ""}


def decision(gateway: Gateway, name: str) -> Any:
    reply = httpx.get(f"{gateway.origin}/api/decisions/{name}", headers=gateway.headers, verify=PLAIN)
    return reply.json() if reply.status_code == 200 else None


def test_it_is_in_the_ledger_as_any_hit(
    gateway: Gateway, providers: Fakes, store: valkey.Valkey, database: str
) -> None:
    names = [told.headers["x-syntra-decision"] for told in (known(gateway), certain(gateway))]
    query = "select * from syntra.ledger where request_id = %s order by attempt"
    own = ("request_id", "started_at", "at", "ttft_ms", "duration_ms", "sole_ms")
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as owner:
        first, again = (wait_for(lambda: owner.execute(query, (name,)).fetchall()) for name in names)  # noqa: B023
    assert [{key: row[key] for key in row if key not in own} for row in first] == [
        {key: row[key] for key in row if key not in own} for row in again
    ]
    assert {row["cache"] for row in again} == {"hit"}


def test_what_is_kept_no_more_is_asked_for(gateway: Gateway, providers: Fakes, store: valkey.Valkey) -> None:
    known(gateway)
    store.flushdb()
    providers["openai"].script(pieces=("Something", " new."))
    told = certain(gateway)
    assert (cached(told), told.text) == ("miss", "Something new.")
    assert wait_for(lambda: cached(certain(gateway)) == "hit")  # kept a moment later, and not in the next test


def test_a_newer_answer_takes_the_place_of_the_older(gateway: Gateway, providers: Fakes, store: valkey.Valkey) -> None:
    known(gateway)
    providers["openai"].script(pieces=("Newer.",))
    renewed = ask(gateway, OPENAI.model, headers={"x-syntra-cache-control": "no-cache"}, temperature=0)
    assert (cached(renewed), renewed.text) == ("miss", "Newer.")
    wait_for(lambda: certain(gateway).text == "Newer.")
    assert certain(gateway).text == "Newer."


def test_an_answer_is_not_told_to_who_wants_a_newer_one(
    gateway: Gateway, providers: Fakes, store: valkey.Valkey
) -> None:
    young = {"x-syntra-cache-control": "max-age=1"}
    for _ in range(2):
        ask(gateway, OPENAI.model, headers=young)
    time.sleep(2.1)
    assert cached(ask(gateway, OPENAI.model, headers=young)) == "miss"


def test_what_moves_on_anything_else_is_never_known(gateway: Gateway, providers: Fakes, store: valkey.Valkey) -> None:
    """Each of these is another request, though its answer is the same; asked alike, it is answered alike."""
    known(gateway)
    spaced = json.dumps({"model": OPENAI.model, "messages": HELLO, "temperature": 0}, separators=(",", ":")) + " "
    headers = {**gateway.headers, "content-type": "application/json"}
    reply = httpx.post(f"{gateway.base_url}/chat/completions", content=spaced, headers=headers, verify=PLAIN)
    assert reply.headers["x-syntra-cache"] == "hit"  # by what goes out
    debug = ask(gateway, OPENAI.model, headers={"x-syntra-debug": "on"}, temperature=0)
    assert debug.headers["x-syntra-model"] == OPENAI.model
    for _ in range(3):
        bare = ask(gateway, OPENAI.model, headers={"x-syntra-persona": "off"}, temperature=0)
        assert bare.status == 200
    assert b"Syntra" not in providers["openai"].last.body


def test_an_edit_of_the_documents_is_felt_at_once(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai")
    known(gateway)
    policies = gateway.data / "policies"
    policies.mkdir(exist_ok=True)
    (policies / "persona.toml").write_text(
        'kind = "persona"\nversion = 1\nname = "Iris"\ntext = "You are Iris, and brief."\n'
    )
    wait_for(lambda: "is in force" in gateway.log.read_text())
    assert cached(certain(gateway)) == "miss"
    assert b"You are Iris" in providers["openai"].last.body


def test_limits_count_a_known_request_too(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai", DEFAULT_REQUESTS_PER_DAY="40")
    known(gateway)
    said = [ask(gateway, OPENAI.model, temperature=0) for _ in range(41)]
    well = [told for told in said if told.status == 200]
    assert {cached(told) for told in well} == {"hit"}
    left = [int(told.headers["x-ratelimit-remaining-requests"]) for told in well]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert said[-1].status == 429
