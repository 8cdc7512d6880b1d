"""Vectors on a Qdrant server: the same questions, through Qdrant's own client. Loaded only where QDRANT_URL is set."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from gateway.core.secret import Secret
from gateway.stores import vectors_talk as talk
from gateway.stores.breaker import Unavailable

log = logging.getLogger("syntra")

COLLECTION: Final = "syntra"  # of vectors of 256 numbers; other lengths have one each
_COLLECTION: Final = re.compile(rf"{COLLECTION}(?:-\d+)?")

_FIRST_SECONDS: Final = 0.25  # what a start waits for the first answer
_SECONDS: Final = 5
_REFUSALS: Final = frozenset({400, 413, 422})  # of what was asked; others tell of the server, or of our key


class Server:
    """A Qdrant server; it is asked for a sign of life every second by whoever uses it."""

    def __init__(self, url: str, api_key: Secret, client: AsyncQdrantClient | None = None) -> None:
        # Its own check of versions would be a blocking request.
        self._client = client or AsyncQdrantClient(
            url=url, api_key=api_key.reveal() or None, timeout=_SECONDS, check_compatibility=False
        )
        self._is_linked = False
        self._indexed: set[int] = set()  # what an earlier Syntra has made is indexed once more; what is there stays
        self._told = False
        self._first: asyncio.Task[talk.Reply] | None = None
        self._lengths = {talk.DIMENSIONS}  # of the vectors whose collections are ours to see to

    @property
    def is_linked(self) -> bool:
        """Whether it answered when it was asked last."""
        return self._is_linked

    async def start(self) -> None:
        """Look for it in the background, for a quarter of a second in front of everybody."""
        self._first = asyncio.create_task(self.ask(talk.Ping()), name="vectors")
        await asyncio.wait([self._first], timeout=_FIRST_SECONDS)

    async def close(self) -> None:
        """Disconnect."""
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)
        await self._client.close()

    async def ask(self, request: talk.Request) -> talk.Reply:
        """The answer; raises Unavailable."""
        try:
            reply = await self._answer(request)
        except UnexpectedResponse as error:
            if (
                error.status_code is not None
                and 400 <= error.status_code < 500
                and error.status_code not in (401, 403, 404, 429)
            ):
                return talk.Refused(f"status {error.status_code}")
            self._trouble(f"status {error.status_code}")
            raise Unavailable("the store of vectors does not serve us") from None
        except (ApiException, OSError) as error:
            self._trouble(type(error).__name__)
            raise Unavailable("the store of vectors is away") from None
        except ValueError as error:
            return talk.Refused(str(error))
        if self._told:
            log.info("the store of vectors answers again")
        self._is_linked, self._told = True, False
        return reply

    async def _answer(self, request: talk.Request) -> talk.Reply:
        match request:
            case talk.Ping():
                for length in list(self._lengths):
                    await self._see_to_collection(length)
            case talk.Count(organisation, user):
                mine = _of(organisation, user)
                counts = [await self._client.count(name, mine, exact=True) for name in await self._ours()]
                return talk.Done(sum(one.count for one in counts))
            case talk.Search():
                return talk.Hits(await self._search(request))
            case talk.Nearest():
                return await self._nearest(request)
            case talk.Upsert(organisation, user, points):
                await self._upsert(organisation, user, points)
            case talk.Delete(organisation, user, ids, marks):
                keys: list[Any] = [talk.key(organisation, user, name) for name in ids]
                keys += [talk.marked(organisation, user, mark) for mark in marks]
                await self._delete(models.PointIdsList(points=keys))
            case talk.Forget(organisation, user):
                await self._delete(models.FilterSelector(filter=_of(organisation, user)))
        return talk.Done()

    async def _upsert(self, organisation: str, user: str, points: Sequence[talk.Point]) -> None:
        for length in {talk.length(point.text) for point in points}:
            if length not in self._lengths:
                await self._see_to_collection(length)
                self._lengths.add(length)
            kept = [_stored(organisation, user, one) for one in points if talk.length(one.text) == length]
            await self._client.upsert(_collection(length), kept)

    async def _delete(self, chosen: models.PointIdsList | models.FilterSelector) -> None:
        """From all of our collections: what is forgotten is forgotten by an earlier model's too."""
        for name in await self._ours():
            await self._client.delete(name, chosen)

    async def _ours(self) -> list[str]:
        found = [one.name for one in (await self._client.get_collections()).collections]
        return [name for name in found if _COLLECTION.fullmatch(name)]

    async def _search(self, asked: talk.Search) -> list[talk.Hit]:
        names = await self._among(talk.length(asked.text))
        if not names:
            return []
        way = _by_text(asked.text)
        way.filter, way.limit, way.with_payload = _of(asked.organisation, asked.user, asked.where), asked.limit, True
        (answer,) = await self._client.query_batch_points(names[0], [way])
        return [talk.hit(point.score, point.payload) for point in answer.points]

    async def _nearest(self, asked: talk.Nearest) -> talk.Found:
        by: dict[str | None, list[talk.Scored]] = {talk.TEXT: [], talk.WORDS: []}
        names, ways = await self._among(talk.among(asked)), _ways(asked)
        for name in names if ways else ():
            answers = await self._client.query_batch_points(name, ways)
            for way, answer in zip(ways, answers, strict=True):
                by[way.using] += [(UUID(str(point.id)).bytes, point.score) for point in answer.points]
        return talk.found(by[talk.TEXT], talk.joined(by[talk.WORDS]))

    async def _among(self, length: int) -> list[str]:
        """The collections of vectors of this length, where there is one; 0 is any."""
        if not length:
            return await self._ours()
        name = _collection(length)
        if length not in self._lengths and not await self._client.collection_exists(name):
            return []
        self._lengths.add(length)
        return [name]

    async def _see_to_collection(self, length: int) -> None:
        name = _collection(length)
        if not await self._client.collection_exists(name):
            await self._make(name, length)
        elif length in self._indexed:
            return
        tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        for whose in (talk.ORGANISATION, talk.OWNER):
            await self._client.create_payload_index(name, whose, tenant)
        self._indexed.add(length)

    async def _make(self, name: str, length: int) -> None:
        try:
            await self._client.create_collection(
                name,
                vectors_config={talk.TEXT: models.VectorParams(size=length, distance=models.Distance.COSINE)},
                sparse_vectors_config={talk.WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                # A graph per organisation and per user instead of one over all, as Qdrant advises for many tenants.
                hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
            )
        except UnexpectedResponse as error:
            if error.status_code != 409:  # another worker was faster
                raise

    def _trouble(self, words: str) -> None:
        if not self._told:
            log.warning("the store of vectors: %s; going on without it until it answers", words)
        self._is_linked, self._told = False, True


def _collection(length: int) -> str:
    """The collection of vectors of this length."""
    return COLLECTION if length == talk.DIMENSIONS else f"{COLLECTION}-{length}"


def _ways(asked: talk.Nearest) -> list[models.QueryRequest]:
    """The searches that a question is made of: by text, by words."""
    mine = _of(asked.organisation, asked.user)
    ways = [_by_text(asked.text)] if asked.text else []
    if asked.words.indices:
        # How rare a word is must not depend on what others have written: it would tell of it.
        params = models.SearchParams(idf=models.IdfCorpusParams(corpus=mine))
        ways.append(models.QueryRequest(query=_sparse(asked.words), using=talk.WORDS, params=params))
    for way in ways:
        way.filter, way.limit, way.with_payload = mine, asked.limit, False
    return ways


def _by_text(text: bytes) -> models.QueryRequest:
    query: Any = talk.floats(text)
    return models.QueryRequest(query=query, using=talk.TEXT)


def _of(organisation: str, user: str, where: dict[str, str] | None = None) -> models.Filter:
    wanted = talk.wanted(organisation, user, where)
    return models.Filter(
        must=[models.FieldCondition(key=name, match=models.MatchValue(value=wanted[name])) for name in wanted]
    )


def _stored(organisation: str, user: str, point: talk.Point) -> models.PointStruct:
    vectors: dict[str, Any] = {talk.TEXT: talk.floats(point.text)}
    if point.words.indices:
        vectors[talk.WORDS] = _sparse(point.words)
    payload = talk.payload(organisation, user, point)
    return models.PointStruct(id=talk.stored_by(organisation, user, point), vector=vectors, payload=payload)


def _sparse(words: talk.Words) -> models.SparseVector:
    return models.SparseVector(indices=list(words.indices), values=list(words.values))
