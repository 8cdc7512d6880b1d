"""What is kept of one user is told to that user alone, whatever is asked, and whatever the vectors say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
import uvloop

from gateway.core import ids
from gateway.core.memories import New
from gateway.remembering import Remembering
from gateway.stages.memory.shelf import Shelf
from gateway.stages.memory.worth import statements
from gateway.stores.memories import Memories
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace
from gateway.stores.vectors import Vectors
from gateway.stores.vectors_link import Link
from tests.fakes.tenants import set_up

WORDS = "tea cello Lisbon garden budget plan dog sister birthday allergy car exam password doctor salary".split()
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def uuid7() -> str:
    """An organisation's id as PostgreSQL writes it."""
    return str(UUID(ids.uuid7()))


@pytest.fixture(scope="module")
def place(database: str) -> PostgresPlace:
    return set_up(database)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """A loop in which stores have all the time that a busy machine may take."""
    for store in ("vectors", "postgres"):
        monkeypatch.setattr(f"gateway.stores.{store}.DEADLINE", 20.0)

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)

    return run


@asynccontextmanager
async def shelf(place: PostgresPlace, socket: str) -> AsyncIterator[Shelf]:
    async with Postgres(place) as postgres, Vectors(Link(socket)) as vectors:
        yield Remembering(postgres, vectors).shelf


def test_nobody_is_told_what_is_anothers(place: PostgresPlace, vectors_socket: str, run: Any) -> None:
    """Users of the same name in other organisations, names that contain each other, and the very words of others."""
    random.seed(7)
    organisations = [uuid7() for _ in range(3)]
    persons = ["ann", "ann ", "Ann", "ann\0bob".replace("\0", ":"), "bob", "%", "ann' or '1'='1"]
    everybody = [(organisation, person) for organisation in organisations for person in persons]

    async def scene() -> int:
        told = 0
        async with shelf(place, vectors_socket) as kept_here:
            for number, (organisation, person) in enumerate(everybody):
                said = [New(f"The {word} secret of mine is number{number}.", NOW) for word in WORDS]
                await kept_here.add(kept_here.of(organisation, person), said)
            for _ in range(600):
                number = random.randrange(len(everybody))
                other = random.randrange(len(everybody))
                kept = kept_here.of(*everybody[number])
                asked = f"the {random.choice(WORDS)} secret number{other}"
                for one in await kept_here.search(kept, asked, 50):
                    told += 1
                    assert one.memory.text.endswith(f"is number{number}.")
        return told

    assert run(scene()) > 5000


def test_an_id_of_another_opens_nothing(place: PostgresPlace, vectors_socket: str, run: Any) -> None:
    organisation, stranger = uuid7(), uuid7()

    async def scene() -> None:
        async with shelf(place, vectors_socket) as kept_here:
            ann = kept_here.of(organisation, "ann")
            (mine,), _ = await kept_here.add(ann, [New("My favourite tea is Darjeeling.", NOW)])
            for other in (kept_here.of(organisation, "bob"), kept_here.of(stranger, "ann")):
                assert await other.find([mine.id]) == {}
                assert await kept_here.correct(other, mine, "x") is None
                assert await kept_here.forget(other, mine.id, cascade=True) == []
                assert await other.page(mine.id, 10) == []
                assert await kept_here.forget_all(other) == 0
            assert list(await ann.find([mine.id])) == [mine.id]

    run(scene())


def test_what_the_vectors_have_too_much_is_not_told(place: PostgresPlace, vectors_socket: str, run: Any) -> None:
    """A memory that was forgotten while the vectors were away is forgotten all the same."""
    organisation = uuid7()

    async def scene() -> None:
        async with Postgres(place) as postgres, Vectors(Link(vectors_socket)) as vectors:
            remembering = Remembering(postgres, vectors)
            ann = remembering.shelf.of(organisation, "ann")
            (tea,), _ = await remembering.shelf.add(ann, [New("My favourite tea is Darjeeling.", NOW)])
            assert await ann.delete([tea.id]) == [(tea.id, tea.mark)]
            assert await vectors.of(organisation, "ann").count() == 1
            assert await remembering.shelf.search(ann, "favourite tea", 10) == []
            await remembering._index._catch_up()
            assert await vectors.of(organisation, "ann").count() == 0
            assert await ann.gone(10) == []

    run(scene())


def test_vectors_that_are_lost_or_of_another_model_are_made_anew(
    place: PostgresPlace, vectors_socket: str, run: Any
) -> None:
    organisation = uuid7()

    async def scene() -> None:
        async with Postgres(place) as postgres, Vectors(Link(vectors_socket)) as vectors:
            shelf = Remembering(postgres, vectors).shelf
            ann = shelf.of(organisation, "ann")
            await shelf.add(ann, [New(f"My note about {word} is this.", NOW) for word in WORDS])
            await vectors.of("syntra", "index").forget_all()
            await vectors.of(organisation, "ann").forget_all()
            assert await shelf.search(ann, "note about the cello", 10) == []
            later = Remembering(postgres, vectors)
            await later._index._catch_up()
            found = await later.shelf.search(ann, "note about the cello", 10)
            assert found[0].memory.text == "My note about cello is this."
            other = Remembering(postgres, vectors)
            other._index._model = "another model"
            filling = await other._index._filling()
            assert filling != later._index._generation
            await other._index._catch_up()
            assert await ann.behind(filling, 10) == []

    run(scene())


# What is said first, and then; and what of the first is known after it.
TURNS = (
    ("My name is Ann and I am allergic to peanuts.", "Call me when the report is done.", "all"),
    ("My name is Ann and I am allergic to peanuts.", "Call me Annie.", "the statement"),
    ("I live in Berlin and have a cat called Tom.", "I moved to Hamburg in March.", "the statement"),
    ("I live in Berlin with my wife, who is a nurse.", "I moved to Hamburg in March.", "the statement"),
    ("I work for a company that sells my paintings.", "I work as a nurse.", "the statement"),
    ("My favourite tea is Assam.", "My favourite tea is not to be had today.", "all"),
    ("I live in Berlin.", "I moved the meeting to Tuesday.", "all"),
    ("My dog is called Rex.", "My dog is sick today.", "all"),
    ("My wife is called Ann.", "My wife is a doctor.", "all"),
    ("I live in Berlin now.", "I moved to Hamburg in March.", "nothing"),
    ("Hi, my name is Ann.", "Call me Annie.", "nothing"),
    ("So now my favourite tea is Assam!", "My favourite tea is Darjeeling.", "nothing"),
    ("Ich wohne in Köln.", "Vivo en Sevilla.", "nothing"),
    ("我住在上海。", "我现在住在北京。", "nothing"),
    ("我住在上海，对花生过敏。", "我现在住在北京。", "the statement"),
)


@pytest.mark.parametrize(("first", "then", "left"), TURNS)
def test_a_statement_goes_with_its_facts_only_where_it_says_nothing_else(
    place: PostgresPlace, vectors_socket: str, run: Any, first: str, then: str, left: str
) -> None:
    async def scene() -> list[tuple[str, str]]:
        async with shelf(place, vectors_socket) as kept_here:
            ann = kept_here.of(uuid7(), "ann")
            for turn in (first, then):
                await kept_here.add(ann, statements(turn, NOW, "t", uuid7()))
            return [(one.kind, one.text) for one in await ann.page(None, 10)]

    known = run(scene())
    assert ("statement", then) in known
    facts_of_it = {("fact", one.text) for one in statements(first, NOW, "t", "d") if one.kind == "fact"}
    assert facts_of_it
    assert (("statement", first) in known) == (left != "nothing")
    assert (facts_of_it <= set(known)) == (left == "all")


def test_a_fact_that_is_said_again_is_of_the_statement_that_is_kept(
    place: PostgresPlace, vectors_socket: str, run: Any
) -> None:
    """It was of none, so it outlived what it was read in."""

    async def scene() -> None:
        async with shelf(place, vectors_socket) as kept_here:
            ann = kept_here.of(uuid7(), "ann")
            both = "I live in Berlin and have a cat called Tom."
            for turn in (both, "I moved to Hamburg in March.", both):
                (said, fact), _ = await kept_here.add(ann, statements(turn, NOW, "t", uuid7()))
                assert fact.source == said.id
            assert await kept_here.forget(ann, said.id, cascade=True)
            assert not any("Berlin" in one.text for one in await ann.page(None, 10))

    run(scene())


def test_a_name_does_not_end_where_the_database_would_end_it(
    place: PostgresPlace, vectors_socket: str, run: Any
) -> None:
    async def scene() -> None:
        async with shelf(place, vectors_socket) as here:
            acme = uuid7()
            (kept,), _ = await here.add(here.of(acme, "ann"), [New("I live in Porto.", NOW)])
            assert set(await here.of(acme, "ann").told([kept.mark])) == {kept.mark}
            with pytest.raises(psycopg.DataError):
                await here.of(acme, "ann\0").told([kept.mark])

    run(scene())


def test_a_handle_names_an_organisation_and_a_person(place: PostgresPlace) -> None:
    for whose in (("", "ann"), (uuid7(), "")):
        with pytest.raises(ValueError, match="somebody's"):
            Memories(Postgres(place)).of(*whose)


def test_the_door_tells_whose_memories_are_behind_and_no_word_of_them(
    place: PostgresPlace, vectors_socket: str, run: Any
) -> None:
    organisation = uuid7()

    async def scene() -> None:
        async with shelf(place, vectors_socket) as kept_here:
            await kept_here.of(organisation, "ann").add([New("My favourite tea is Darjeeling.", NOW)])

    run(scene())
    with psycopg.connect(place.serving.reveal(), autocommit=True) as connection:
        rows = connection.execute("select * from syntra.memory_behind('none')").fetchall()
        assert (organisation, "ann") in [(str(row[0]), row[1]) for row in rows]
        assert all(len(row) == 2 for row in rows)
        with pytest.raises(psycopg.Error):
            connection.execute("select text from syntra.memory")
