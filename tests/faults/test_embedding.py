"""Memories by a provider's vectors: a change of the model makes them anew, and a provider that is away costs little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from gateway import embedding, hired
from gateway.core import ids
from gateway.core.memories import New
from gateway.embedding import EmbeddingError
from gateway.outside import Outside
from gateway.remembering import Remembering
from gateway.settings import read
from gateway.stores.breaker import Unavailable
from gateway.stores.dense import PAIRS, Ruler, Static
from gateway.stores.embedding import Encoder
from gateway.stores.postgres import Postgres
from gateway.stores.vectors import Vectors
from gateway.stores.vectors_link import Link
from tests.conftest import StartGateway
from tests.fakes.embeddings import Embeddings
from tests.fakes.provider import Provider
from tests.fakes.tenants import set_up
from tests.fakes.users import OPENAI, User, wait_for

NOW = datetime.now(UTC)
SAID = ["I see a physician on Mondays.", "My bicycle is green.", "We bought a piano for the hall."]


def uuid7() -> str:
    """An organisation's id as PostgreSQL writes it."""
    return str(UUID(ids.uuid7()))


@pytest.fixture
def near() -> Iterator[Embeddings]:
    with Embeddings() as fake:
        yield fake


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything has all the time that a busy machine may take."""
    for name in ("stores.vectors.DEADLINE", "stores.postgres.DEADLINE", "hired.SECONDS"):
        monkeypatch.setattr(f"gateway.{name}", 20.0)


def environ(fake: Embeddings) -> dict[str, str]:
    """What names this provider."""
    return {
        "SYNTRA_PROVIDERS": f"near={fake.origin}/v1",
        "SYNTRA_EMBEDDING": "near/words",
        "SYNTRA_ALLOW_PRIVATE_UPSTREAMS": "1",
    }


@asynccontextmanager
async def remembering(database: str, socket: str, fake: Embeddings | None = None) -> AsyncIterator[Remembering]:
    """Memory with its own static model, or with this provider's."""
    async with Postgres(set_up(database)) as postgres, Vectors(Link(socket)) as vectors:
        if fake is None:
            yield Remembering(postgres, vectors)
            return
        chosen = read(environ(fake))
        outside = Outside(chosen, environ(fake))
        made = partial(hired.chosen, chosen.embedding, Path("/nowhere"))
        yield Remembering(
            postgres, vectors, lambda encoder: made(encoder, embedder=outside.embedder, prices=outside.prices)
        )
        outside.close()
        await asyncio.sleep(0.05)  # its sockets close in the loop


@pytest.mark.usefixtures("patient")
def test_another_model_makes_all_vectors_anew_in_the_background_and_back(
    database: str, vectors_socket: str, near: Embeddings
) -> None:
    organisation = uuid7()

    async def found(memory: Remembering, text: str) -> list[str]:
        ann = memory.shelf.of(organisation, "ann")
        return [one.memory.text for one in await memory.shelf.search(ann, text, 10)]

    async def scene() -> None:
        async with remembering(database, vectors_socket) as static:
            await static.shelf.add(static.shelf.of(organisation, "ann"), [New(text, NOW) for text in SAID])
            assert SAID[0] in await found(static, "physician")
            assert near.texts == []
        async with remembering(database, vectors_socket, near) as theirs:
            late = 0.0

            async def pulse() -> None:
                nonlocal late
                while True:
                    due = time.monotonic() + 0.01
                    await asyncio.sleep(0.01)
                    late = max(late, time.monotonic() - due)

            watching = asyncio.create_task(pulse())
            await theirs._index._catch_up()
            watching.cancel()
            assert set(SAID) <= set(near.texts)
            assert late < 0.5, "others got the loop meanwhile"
            assert (await found(theirs, "doctor"))[0] == SAID[0]
            gone = theirs.shelf.of(organisation, "ann")
            (wrong,) = [one for one in await gone.page(None, 10) if one.text == SAID[1]]
            await theirs.shelf.forget(gone, wrong.id, cascade=True)
            assert SAID[1] not in await found(theirs, "bicycle")
        async with remembering(database, vectors_socket) as again:
            ann = again.shelf.of(organisation, "ann")
            assert len(await ann.behind("another filling", 10)) == 2
            await again._index._catch_up()
            assert (await found(again, "a piano for the hall"))[0] == SAID[2]
            assert SAID[1] not in await found(again, "bicycle")

    asyncio.run(scene())


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("how", ["refuses", "other length", "nonsense"])
def test_what_is_remembered_while_the_provider_fails_is_found_when_it_answers(
    database: str, vectors_socket: str, near: Embeddings, how: str
) -> None:
    organisation = uuid7()

    async def scene() -> None:
        async with remembering(database, vectors_socket, near) as memory:
            await memory.dense.ready()
            if how == "refuses":
                near.status = 503
            near.dimensions = {"refuses": 384, "other length": 8, "nonsense": 0}[how]
            ann = memory.shelf.of(organisation, "ann")
            added, findable = await memory.shelf.add(ann, [New(SAID[0], NOW)])
            assert len(added) == 1
            assert not findable
            near.status, near.dimensions = 200, 384
            await memory._index._catch_up()
            found = await memory.shelf.search(ann, "doctor on mondays", 5)
            assert [one.memory.text for one in found] == [SAID[0]]

    asyncio.run(scene())


def test_a_provider_that_is_late_leaves_words_to_search_by_and_is_soon_not_waited_for(
    database: str, vectors_socket: str, near: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    organisation = uuid7()
    for store in ("vectors", "postgres"):
        monkeypatch.setattr(f"gateway.stores.{store}.DEADLINE", 20.0)

    async def scene() -> None:
        async with remembering(database, vectors_socket, near) as memory:
            wait = time.monotonic() + 20
            while time.monotonic() < wait:
                try:
                    await memory.dense.ready()
                except Unavailable:
                    continue
                break
            ann = memory.shelf.of(organisation, "ann")
            await memory.shelf.add(ann, [New(text, NOW) for text in SAID])
            near.seconds = 5.0
            lacking: list[None] = []
            asked = len(near.requests)
            for _ in range(8):
                found = await memory.shelf.search(ann, "physician on Mondays", 5, lambda: lacking.append(None))
                assert found[0].memory.text == SAID[0]
                assert found[0].matters
            assert len(lacking) == 8
            assert len(near.requests) - asked <= 5, "after five it is left alone"

    asyncio.run(scene())


@pytest.mark.usefixtures("patient")
def test_after_a_restart_a_provider_that_hangs_leaves_words_to_search_by_and_is_soon_not_waited_for(
    database: str, vectors_socket: str, near: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    organisation = uuid7()

    async def scene() -> None:
        async with remembering(database, vectors_socket, near) as memory:
            await memory.dense.ready()
            await memory.shelf.add(memory.shelf.of(organisation, "ann"), [New(text, NOW) for text in SAID])
        near.seconds = 30.0
        monkeypatch.setattr(hired, "SECONDS", 0.4)
        async with remembering(database, vectors_socket, near) as again:
            ann = again.shelf.of(organisation, "ann")
            lacking: list[None] = []
            for _ in range(7):
                began = time.monotonic()
                found = await again.shelf.search(ann, "physician on Mondays", 5, lambda: lacking.append(None))
                took = time.monotonic() - began
                assert found[0].memory.text == SAID[0]
            assert len(lacking) == 7
            assert took < hired.SECONDS, "after five it is left alone"

    asyncio.run(scene())


def test_a_gateway_remembers_by_a_providers_vectors_and_bills_them(
    start_gateway: StartGateway, near: Embeddings, providers: dict[str, Provider]
) -> None:
    gateway = start_gateway("openai", **environ(near))
    ann = User(gateway)
    wait_for(lambda: "x-syntra-degraded" not in ann.memories(method="POST", json={"text": SAID[0]}).headers, list)
    assert ann.chat("Which doctor is it?", model=OPENAI).status_code == 200
    assert SAID[0] in near.texts

    def billed() -> list[Any]:
        with psycopg.connect(gateway.stores["DATABASE_URL"]) as connection:
            asked = "select model, status, input_tokens > 0 from syntra.ledger where surface = 'memory' and attempt = 0"
            return connection.execute(asked).fetchall()

    wait_for(lambda: ("near/words", "answered", True) in billed(), billed)


def test_a_ruler_puts_every_model_on_one_measure() -> None:
    static = Static(Encoder.load()).ruler()
    other = Ruler(apart=0.6, together=0.9)
    assert other.on(static, 0.6) == pytest.approx(static.apart)
    assert other.on(static, 0.9) == pytest.approx(static.together)
    assert static.on(static, 0.4) == pytest.approx(0.4)
    alike = [Encoder.load().encode("the same")] * len(PAIRS)
    with pytest.raises(ValueError, match="no nearer"):
        Ruler.of(alike, alike)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nonsense", "write static, minilm, or"),
        ("openai/text-embedding-3-small", "set OPENAI_API_KEY"),
        ("my-server/model", "set MY_SERVER_API_KEY"),
    ],
)
def test_a_model_that_is_not_to_be_had_is_refused_at_the_start(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(EmbeddingError, match=says):
        embedding.check(name, tmp_path, ["kimi"])


def test_a_model_without_its_file_says_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.embedding._PACKAGE", "no_such_package")
    with pytest.raises(EmbeddingError, match=r"make minilm.*models/minilm\.onnx.*Nothing is downloaded"):
        embedding.check("minilm", tmp_path, [])


def test_a_model_whose_file_was_changed_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "changed_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "model.onnx").write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("gateway.embedding._PACKAGE", "changed_weights")
    with pytest.raises(EmbeddingError, match="not the file that it was"):
        embedding.check("minilm", tmp_path, [])


@pytest.mark.usefixtures("patient")
def test_minilm_finds_by_meaning_what_shares_no_word(
    database: str, vectors_socket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        embedding.check("minilm", Path("/nowhere"), [])
    except EmbeddingError as error:
        pytest.skip(str(error))
    monkeypatch.setattr("gateway.stores.minilm._SECONDS", 20.0)
    organisation = uuid7()

    async def scene() -> None:
        made = partial(hired.chosen, "minilm", Path("/nowhere"))
        async with Postgres(set_up(database)) as postgres, Vectors(Link(vectors_socket)) as vectors:
            memory = Remembering(postgres, vectors, lambda encoder: made(encoder, embedder=None, prices=None))
            assert await memory.dense.ready() == 384
            ann = memory.shelf.of(organisation, "ann")
            await memory.shelf.add(ann, [New(text, NOW) for text in SAID])
            (first, *_) = await memory.shelf.search(ann, "Which doctor's appointments do I have?", 5)
            assert first.memory.text == SAID[0]

    asyncio.run(scene())
