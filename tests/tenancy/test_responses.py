"""What is kept of an organisation's responses is nobody else's, and goes after 30 days."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

import httpx
import psycopg
import pytest
from msgspec import Raw

from gateway.stores.postgres import Postgres
from gateway.stores.responses import Kept, Responses
from tests.conftest import StartGateway
from tests.fakes.engines import PostgresEngine
from tests.fakes.gateway import ROOT, Gateway
from tests.fakes.provider import Provider
from tests.fakes.tenants import set_up, tenants

Fakes = Mapping[str, Provider]
MODEL = "openai/gpt-4o-mini"


@pytest.fixture(scope="module")
def shared(postgres_engine: PostgresEngine) -> Iterator[str]:
    with postgres_engine.database() as url:
        yield url


@pytest.fixture(scope="module")
def home(shared: str, start_gateway: StartGateway) -> Gateway:
    return start_gateway("openai anthropic", DATABASE_URL=shared)


@pytest.fixture(scope="module")
def strangers(shared: str, home: Gateway) -> dict[str, str]:
    """The headers of another organisation's key."""
    command = [sys.executable, "-m", "gateway", "key", "create", "--org", "globex", "--name", "laptop"]
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": shared, "SYNTRA_DATA_DIR": str(home.data)}
    made = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return {"authorization": f"Bearer {made.stdout.strip()}"}


def create(gateway: Gateway, headers: Mapping[str, str], **body: object) -> httpx.Response:
    url = f"{gateway.base_url}/responses"
    return httpx.post(url, json={"model": MODEL, "input": "Say hello.", **body}, headers=headers)


def test_anothers_response_is_as_unknown_as_none_at_all(
    home: Gateway, strangers: dict[str, str], providers: Fakes
) -> None:
    mine = create(home, home.headers).json()
    item = mine["output"][0]["id"]
    for wanted in (mine["id"], "resp_0199f0c1b2a47d3e8f60718293a4b5c6"):
        url = f"{home.base_url}/responses/{wanted}"
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
            told = httpx.request(method, url + path, headers=strangers)
            assert (told.status_code, told.json()["error"]["code"]) == (404, "not_found"), path
            assert told.json()["error"]["message"] == f"Response with id '{wanted}' not found."
        told = create(home, strangers, previous_response_id=wanted)
        assert (told.status_code, told.json()["error"]["param"]) == (404, "previous_response_id")
    told = create(home, strangers, input=[{"type": "item_reference", "id": item}])
    assert (told.status_code, told.json()["error"]["param"]) == (404, "input[0].id")
    assert httpx.get(f"{home.base_url}/responses/{mine['id']}", headers=home.headers).status_code == 200


def test_thoughts_that_were_sealed_for_one_do_not_open_for_another_and_cannot_be_forged(
    home: Gateway, strangers: dict[str, str], providers: Fakes
) -> None:
    providers["anthropic"].script(reasoning=("Let me see.",))
    body = {"model": "anthropic/claude-sonnet-4-5", "include": ["reasoning.encrypted_content"], "store": False}
    thought, message = create(home, home.headers, **body).json()["output"]
    assert thought["encrypted_content"]
    talk = [{"role": "user", "content": "Think."}, thought, message, {"role": "user", "content": "And?"}]
    create(home, home.headers, **{**body, "input": talk})
    assert "Let me see." in providers["anthropic"].last.body.decode()
    forged = thought | {"encrypted_content": thought["encrypted_content"][:-9] + "AAAAAAAA="}
    for headers, one in ((strangers, thought), (home.headers, forged)):
        told = create(home, headers, **{**body, "input": [talk[0], one, *talk[2:]]})
        assert told.status_code == 200
        assert "Let me see." not in providers["anthropic"].last.body.decode()


def kept(name: str, previous: str | None = None) -> Kept:
    item = Raw(b'{"id":"msg_%b","type":"message"}' % name.encode())
    return Kept(name, previous, [item], [item], b'{"id":"x"}')


def test_a_conversation_is_told_from_its_beginning_and_swept_after_thirty_days(database: str) -> None:
    place = set_up(database)

    async def run() -> None:
        async with tenants(place) as worker:
            acme, globex = [await worker.organisation(name) for name in ("acme", "globex")]
            responses = Responses(worker.postgres)
            for name, previous in (("a", None), ("b", "a"), ("c", "b")):
                await responses.save(acme.id, kept(name, previous))
            await responses.save(globex.id, kept("a"))
            await responses.save(acme.id, kept("a"))  # a second time changes nothing
            before = await responses.before(acme.id, "c")
            assert before is not None
            assert [bytes(item)[11:12] for item in before] == [b"a", b"a", b"b", b"b", b"c", b"c"]
            assert await responses.before(globex.id, "c") is None
            assert list(await responses.items(acme.id, ["msg_b", "msg_none"])) == ["msg_b"]
            assert await responses.items(globex.id, ["msg_b"]) == {}
            with psycopg.connect(database, autocommit=True) as owner:
                owner.execute("update syntra.response set at = at - interval '31 days' where id = 'a'")
            assert await responses.find(acme.id, "a") is None  # already, though nobody has swept yet
            assert (await worker.postgres.call("select sweep()"))[0]["sweep"] == 2
            assert await responses.before(acme.id, "c") is None  # its beginning is gone
            assert [bytes(item)[11:12] for item in await responses.left(acme.id, "c")] == [b"b", b"b", b"c", b"c"]
            assert await responses.left(globex.id, "c") == []
            assert await responses.items(acme.id, ["msg_a"]) == {}
            assert not await responses.delete(globex.id, "c")
            assert await responses.delete(acme.id, "c")

    asyncio.run(run())


def test_nobody_sees_a_response_without_an_organisation(database: str) -> None:
    place = set_up(database)

    async def run() -> None:
        async with Postgres(place) as postgres:
            with pytest.raises(psycopg.Error):
                await postgres.call("select * from response")

    asyncio.run(run())
