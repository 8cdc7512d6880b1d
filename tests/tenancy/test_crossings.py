"""Ten organisations send the same bytes through everything at once, and nothing of one reaches another.

`TENANCY_CALLS=10000` for the whole proof; what a crossing would need shows in far fewer.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from gateway.core.apikey import Pepper
from gateway.core.ids import uuid7
from gateway.core.limits import Limits
from gateway.core.secret import Secret
from gateway.stores import organisations, postgres_place
from gateway.stores.organisations import NewKey
from gateway.stores.postgres import Postgres
from gateway.stores.vault import Vault, masters
from tests.conftest import StartGateway
from tests.fakes.gateway import Gateway
from tests.fakes.kept import Client
from tests.fakes.server import Reply, Request, Server

CALLS = int(os.environ.get("TENANCY_CALLS", "3000"))
ORGANISATIONS = 10
AT_ONCE = 40
FEW = 25  # requests a day that the last organisation may make
MESSAGES = [{"role": "user", "content": "What do you know about me?"}]
CHAT = json.dumps({"model": "openai/gpt-4o-mini", "messages": MESSAGES}).encode()
STREAM = json.dumps({"model": "openai/gpt-4o-mini", "messages": MESSAGES, "stream": True}).encode()
EMBED = json.dumps({"model": "openai/text-embedding-3-small", "input": "the same text"}).encode()


@dataclass
class Tenant:
    """One organisation, its key, its provider's key, and what came of its calls."""

    number: int
    id: str = ""
    key: str = ""
    decisions: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def provider_key(self) -> str:
        return f"sk-of-{self.number}-at-openai"

    @property
    def canary(self) -> str:
        return f"canary {self.number} of {self.provider_key[::-1]}"


async def provider(request: Request, reply: Reply) -> None:
    """Says what only the owner of the bearer should hear, and counts differently for each."""
    await asyncio.sleep(random.uniform(0, 0.01))
    bearer = request.headers["authorization"].removeprefix("Bearer ")
    number = int(bearer.split("-")[2])
    usage = {"prompt_tokens": 100 + number, "completion_tokens": 1 + number, "total_tokens": 101 + 2 * number}
    said = Tenant(number).canary
    base = {"id": f"c-{number}", "created": 1, "model": "gpt-4o-mini"}
    if request.path.endswith("/embeddings"):
        row = {"object": "embedding", "index": 0, "embedding": [float(number), 0.5]}
        body = {
            "object": "list",
            "data": [row],
            "model": "e",
            "usage": {"prompt_tokens": number, "total_tokens": number},
        }
        await reply.whole(200, json.dumps(body).encode(), ("content-type", "application/json"))
    elif request.json.get("stream"):
        await reply.head(200, [("content-type", "text/event-stream")])
        for delta, reason in (({"role": "assistant", "content": said}, None), ({}, "stop")):
            chunk = base | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
            await reply.chunk(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await reply.chunk(b"data: " + json.dumps(base | {"choices": [], "usage": usage}).encode() + b"\n\n")
        await reply.chunk(b"data: [DONE]\n\n")
        await reply.end()
    else:
        message = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        body = base | {"object": "chat.completion", "choices": [message], "usage": usage}
        await reply.whole(200, json.dumps(body).encode(), ("content-type", "application/json"))


@pytest.fixture(scope="module")
def openai() -> Iterator[Server]:
    with Server(provider) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway, openai: Server) -> Gateway:
    return start_gateway("", "--workers", "2", OPENAI_BASE_URL=f"{openai.origin}/v1")


@pytest.fixture(scope="module")
def tenants(gateway: Gateway) -> list[Tenant]:
    return asyncio.run(made(gateway))


@asynccontextmanager
async def database(gateway: Gateway) -> AsyncIterator[Postgres]:
    async with Postgres(postgres_place.place(gateway.stores["DATABASE_URL"])) as postgres:
        yield postgres


async def made(gateway: Gateway) -> list[Tenant]:
    """Ten organisations with a key and a provider key each; the last may not do much."""
    pepper = Pepper(secret(gateway.data / "secret"))
    vault = Vault(masters(secret(gateway.data / "encryption")))
    found = [Tenant(number) for number in range(ORGANISATIONS)]
    async with database(gateway) as postgres:
        for tenant in found:
            limits = Limits(requests_per_day=FEW) if tenant.number == ORGANISATIONS - 1 else Limits()
            made = await organisations.create_organisation(postgres, f"org{tenant.number}", "test", limits)
            assert made is not None
            tenant.id = made.id
            _, key = await organisations.create_key(postgres, pepper, made.id, NewKey("same name"), "test")
            tenant.key = key.reveal()
            credential = str(UUID(uuid7()))
            sealed, master = vault.seal(made.id, credential, "openai", Secret(tenant.provider_key))
            async with postgres.tenant(made.id) as cursor:
                await cursor.execute(
                    "insert into provider_key (org_id, id, provider, sealed, master, last4) values (%s,%s,%s,%s,%s,%s)",
                    (made.id, credential, "openai", sealed, master, tenant.provider_key[-4:]),
                )
    return found


def secret(path: Path) -> Secret:
    return Secret(path.read_text().strip())


async def one(client: Client, tenant: Tenant, tenants: list[Tenant]) -> None:
    """One call; whatever comes back must be the caller's own."""
    path, body = random.choice(
        [("/v1/chat/completions", CHAT), ("/v1/chat/completions", STREAM), ("/v1/embeddings", EMBED)]
    )
    status, headers, said = await client.post(path, tenant.key, body)
    tenant.statuses[status] += 1
    others = [other for other in tenants if other is not tenant]
    for other in others:
        assert other.canary not in said
        assert other.id not in said + str(headers)
        assert f"org{other.number}" not in said
        assert other.provider_key not in said
    if status != 200:
        assert (tenant.number, status) == (ORGANISATIONS - 1, 429), said
    elif body is EMBED:
        assert json.loads(said)["data"][0]["embedding"][0] == tenant.number
    else:
        assert tenant.canary in said
        tenant.decisions.append(headers["x-syntra-decision"])


async def everybody(gateway: Gateway, tenants: list[Tenant]) -> None:
    left = iter(range(CALLS))

    async def work() -> None:
        async with Client(gateway.port) as client:
            for _ in left:
                await one(client, random.choice(tenants), tenants)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


@pytest.fixture(scope="module")
def called(gateway: Gateway, tenants: list[Tenant]) -> list[Tenant]:
    """The ten, after ten thousand calls."""
    asyncio.run(everybody(gateway, tenants))
    return tenants


def test_no_answer_no_header_and_no_error_crosses(called: list[Tenant]) -> None:
    assert sum(sum(tenant.statuses.values()) for tenant in called) == CALLS
    for tenant in called[:-1]:
        assert set(tenant.statuses) == {200}


def test_a_decision_of_another_is_as_unknown_as_one_that_never_was(called: list[Tenant], gateway: Gateway) -> None:
    for mine, theirs in zip(called, called[1:] + called[:1], strict=True):
        headers = {"authorization": f"Bearer {mine.key}"}
        own = httpx.get(f"{gateway.origin}/api/decisions/{mine.decisions[-1]}", headers=headers)
        assert own.status_code == 200
        foreign, unknown = (
            httpx.get(f"{gateway.origin}/api/decisions/{name}", headers=headers)
            for name in (theirs.decisions[-1], uuid7())
        )
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.text.replace(theirs.decisions[-1], "") == unknown.text.replace(
            unknown.request.url.path.rpartition("/")[2], ""
        )
