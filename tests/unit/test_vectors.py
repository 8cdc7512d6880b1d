"""Vectors are found again by whoever they belong to, and by nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from gateway.core.ids import uuid7
from gateway.core.secret import Secret
from gateway.stores import vectors_talk as talk
from gateway.stores.vectors import Backend, Marks, Vectors, vector
from gateway.stores.vectors_link import Link
from gateway.stores.vectors_server import Server
from gateway.stores.vectors_talk import Hit, Point, Words
from tests.unit.vectors_rig import (  # the fixtures among them are used by being there
    FAR,
    NEAR,
    Careless,
    at_leisure,  # noqa: F401
    in_a_hurry,  # noqa: F401
    nobody_known,  # noqa: F401
    text,
)
from tests.unit.wire_rig import Run

BACKENDS = ("engine", "server")


def backend(kind: str, socket: str) -> Backend:
    """The embedded engine, or Qdrant's own client on its own small copy of a server."""
    return Link(socket) if kind == "engine" else Server("", Secret(""), AsyncQdrantClient(":memory:"))


def best(found: Marks) -> list[int]:
    """The marks, the best first."""
    return [mark for _, mark in sorted(zip(found.scores.tolist(), found.marks.tolist(), strict=True), reverse=True)]


@pytest.mark.parametrize("kind", BACKENDS)
def test_the_nearest_text_comes_first(run: Run[Any], vectors_socket: str, anybody: str, kind: str) -> None:
    async def scene() -> list[Hit]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert([Point("far", FAR, data={"said": "b"}), Point("near", NEAR, data={"said": "a"})])
            return await ann.search(text(1, 0.1, 0))

    found = run(scene())
    assert [(hit.id, hit.data["said"]) for hit in found] == [("near", "a"), ("far", "b")]
    assert found[0].score > 0.9 > found[1].score


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_rare_word_counts_more_than_a_common_one(run: Run[Any], vectors_socket: str, anybody: str, kind: str) -> None:
    async def scene() -> list[int]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            common = [Point(f"common{k}", NEAR, Words((1,), (1.0,)), mark=k) for k in range(9)]
            await ann.upsert([*common, Point("rare", FAR, Words((2,), (1.0,)), mark=9)])
            return best(await ann.marks(b"", Words((1, 2), (1.0, 1.0)), 2))

    assert run(scene())[0] == 9


@pytest.mark.parametrize("kind", BACKENDS)
def test_what_both_rankings_like_comes_first(run: Run[Any], vectors_socket: str, anybody: str, kind: str) -> None:
    async def scene() -> list[int]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert(
                [
                    Point("meaning", text(1, 0.2, 0), Words((7,), (1.0,)), mark=1),
                    Point("both", text(1, 0.3, 0), Words((2,), (1.0,)), mark=2),
                    Point("neither", FAR, Words((9,), (1.0,)), mark=3),
                ]
            )
            return best(await ann.marks(text(1, 0.2, 0), Words((2,), (1.0,)), 10))

    assert run(scene()) == [2, 1, 3]


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_search_may_be_narrowed_by_what_points_say(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    async def scene() -> list[Hit]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert([Point("a", NEAR, data={"kind": "note"}), Point("b", NEAR, data={"kind": "answer"})])
            return await ann.search(NEAR, where={"kind": "answer"})

    assert [hit.id for hit in run(scene())] == ["b"]


@pytest.mark.parametrize("kind", BACKENDS)
def test_nobody_finds_counts_overwrites_or_deletes_what_is_anothers(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    async def scene() -> None:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert([Point("same id", NEAR, Words((1,), (1.0,)), {"said": "ann's"})])
            for other in (vectors.of(anybody, "bob"), vectors.of(uuid7(), "ann"), vectors.of("ann", anybody)):
                assert await other.search(NEAR) == []
                assert best(await other.marks(NEAR, Words((1,), (1.0,)), 5)) == []
                assert await other.count() == 0
                await other.upsert([Point("same id", FAR, data={"said": "mine"})])
                await other.delete(["same id"])
                await other.upsert([Point("same id", FAR, data={"said": "mine"})])
                await other.forget_all()
                assert await other.count() == 0
            (found,) = await ann.search(NEAR)
            assert found.data == {"said": "ann's"}

    run(scene())


@pytest.mark.parametrize("kind", BACKENDS)
def test_the_rank_of_a_word_does_not_tell_what_others_have_written(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    if kind == "server":
        pytest.skip("Qdrant's local mode, which stands in for a server here, takes its statistics from all points")

    async def scene() -> tuple[list[float], list[float]]:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann, bob = vectors.of(anybody, "ann"), vectors.of(anybody, "bob")
            said = [Words((1,), (1.0,)), Words((2,), (1.0,)), Words((1,), (1.0,))]
            await ann.upsert([Point(f"{k}", NEAR, words, mark=k) for k, words in enumerate(said)])
            both = Words((1, 2), (1.0, 1.0))
            before = await ann.marks(b"", both, 5)
            await bob.upsert([Point(f"{k}", NEAR, Words((1,), (1.0,)), mark=k) for k in range(50)])
            after = await ann.marks(b"", both, 5)
            return before.scores.tolist(), after.scores.tolist()

    before, after = run(scene())
    assert before == after
    assert before[0] == before[2] < before[1] == 1.0


@pytest.mark.parametrize("kind", BACKENDS)
def test_points_are_replaced_deleted_and_forgotten(run: Run[Any], vectors_socket: str, anybody: str, kind: str) -> None:
    async def scene() -> None:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            await ann.upsert([Point(f"{k}", NEAR) for k in range(5)])
            await ann.upsert([Point("0", NEAR, data={"said": "anew"})])
            assert await ann.count() == 5
            await ann.delete(["1", "2", "no such id"])
            assert await ann.count() == 3
            await ann.forget_all()
            assert await ann.count() == 0

    run(scene())


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_mark_is_found_and_deleted_by_whoever_it_belongs_to(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    async def scene() -> None:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann, bob = vectors.of(anybody, "ann"), vectors.of(anybody, "bob")
            await ann.upsert([Point("a", NEAR, Words((1,), (1.0,)), mark=2**63 - 1), Point("b", FAR, mark=0)])
            await bob.upsert([Point("a", FAR, Words((1,), (1.0,)), mark=2**63 - 1)])
            found = await ann.marks(NEAR, Words((1,), (1.0,)), 5)
            assert best(found) == [2**63 - 1, 0]
            assert found.scores.tolist() == pytest.approx([0.0, 1.0])
            assert found.near[1] > 0.9 > found.near[0]
            await bob.delete(marks=[0, 2**63 - 1])
            assert await bob.count() == 0
            assert await ann.count() == 2
            await ann.delete(marks=[0])
            assert (await ann.marks(NEAR, Words((), ()), 5)).marks.tolist() == [2**63 - 1]

    run(scene())


@pytest.mark.parametrize("kind", BACKENDS)
def test_words_are_found_whichever_model_has_read_the_text(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    async def scene() -> None:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann, words = vectors.of(anybody, "ann"), Words((1,), (1.0,))
            await ann.upsert([Point("old", NEAR, words, mark=1), Point("both", NEAR, words, mark=2)])
            longer = vector([0.1] * 384)
            await ann.upsert([Point("both", longer, words, mark=2), Point("new", longer, words, mark=3)])
            assert sorted((await ann.marks(b"", words, 5, dimensions=0)).marks.tolist()) == [1, 2, 3]
            assert sorted((await ann.marks(b"", words, 5, dimensions=384)).marks.tolist()) == [2, 3]

    run(scene())


@pytest.mark.parametrize(
    ("by_text", "by_words", "marks", "scores", "near"),
    [
        # By rank, 2 and 3 would be alike; by score, 2 is far behind.
        ({1: 0.9, 2: 0.2, 3: 0.1}, {3: 9.0, 2: 1.0}, [1, 2, 3], [0.3, 0.0375 + 0.7 / 9, 0.7], [0.9, 0.2, 0.1]),
        ({}, {1: 2.0, 2: 1.0}, [1, 2], [1.0, 0.5], [0.0, 0.0]),
        ({}, {1: 0.0, 2: 0.0}, [1, 2], [1.0, 1.0], [0.0, 0.0]),
        ({1: 0.9}, {2: 0.0}, [1, 2], [0.3, 0.7], [0.9, 0.0]),
        ({5: 0.5}, {}, [5], [1.0], [0.5]),
        ({5: 0.5}, {4: 3.0}, [4, 5], [0.7, 0.3], [0.0, 0.5]),
        ({}, {}, [], [], []),
    ],
)
def test_scores_are_added_and_not_ranks(
    run: Run[Any],
    by_text: dict[int, float],
    by_words: dict[int, float],
    marks: list[int],
    scores: list[float],
    near: list[float],
) -> None:
    def scored(some: dict[int, float]) -> list[talk.Scored]:
        return [(talk.scope("acme", "ann") + mark.to_bytes(8), score) for mark, score in some.items()]

    class Knowing(Careless):
        async def ask(self, request: talk.Request) -> talk.Reply:
            return talk.found(scored(by_text), scored(by_words))

    found: Marks = run(Vectors(Knowing()).of("acme", "ann").marks(NEAR, Words((1,), (1.0,)), 5))
    assert found.marks.tolist() == marks
    assert found.scores.tolist() == pytest.approx(scores)
    assert found.near.tolist() == near


@pytest.mark.parametrize(("organisation", "user"), [("", "ann"), ("acme", ""), ("", "")])
def test_a_handle_names_an_organisation_and_a_user(organisation: str, user: str) -> None:
    with pytest.raises(ValueError, match="somebody's"):
        Vectors(Link("/nowhere")).of(organisation, user)


def test_an_id_leads_only_to_ones_own() -> None:
    whole = {talk.key(*names) for names in [("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("", "ab", "c")]}
    assert len(whole) == 4


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_vector_of_another_size_is_refused_and_the_rest_goes_on(
    run: Run[Any], vectors_socket: str, anybody: str, kind: str
) -> None:
    async def scene() -> None:
        async with Vectors(backend(kind, vectors_socket)) as vectors:
            ann = vectors.of(anybody, "ann")
            with pytest.raises(ValueError, match="1024"):
                await ann.upsert([Point("short", b"1234")])
            with pytest.raises(ValueError, match="1024"):
                await ann.search(b"1234")
            assert await ann.count() == 0

    run(scene())


def test_a_word_goes_by_another_number_with_every_user(run: Run[Any]) -> None:
    """Else a user's search would take longer the more others there are, and a word of theirs could be met."""
    heard: list[talk.Request] = []

    class Listening(Careless):
        async def ask(self, request: talk.Request) -> talk.Reply:
            heard.append(request)
            return talk.Done()

    async def scene() -> None:
        vectors, words = Vectors(Listening()), Words((1, 2, 2**32 - 1), (1.0, 2.0, 3.0))
        for whose in (("acme", "ann"), ("acme", "bob"), ("evil", "ann")):
            scoped = vectors.of(*whose)
            await scoped.upsert([Point("a", NEAR, words)])
            await scoped.marks(NEAR, words, 5)

    run(scene())
    told = [one.points[0].words if isinstance(one, talk.Upsert) else one.words for one in heard]  # type: ignore[union-attr]
    assert told[0::2] == told[1::2]
    assert len({index for words in told for index in words.indices}) == 9
    assert all(words.values == (1.0, 2.0, 3.0) and max(words.indices) < 2**32 for words in told)


def test_every_hit_is_looked_at_again(run: Run[Any], caplog: pytest.LogCaptureFixture) -> None:
    found = run(Vectors(Careless()).of("acme", "ann").search(NEAR))
    assert [hit.id for hit in found] == ["acme ann"]
    assert "3 points of others" in caplog.text
    marks = run(Vectors(Careless()).of("acme", "ann").marks(NEAR, Words((), ()), 5))
    assert [column.tolist() for column in marks] == [[0], [1.0], [1.0]]
