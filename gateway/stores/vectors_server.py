"""Vectors on a Qdrant server: the same questions, through Qdrant's own client. Loaded only where QDRANT_URL is set."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final
from uuid import UUID

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from gateway.core.secret import Secret
from gateway.stores import vectors_talk as talk
from gateway.stores.breaker import Unavailable

log = logging.getLogger("syntra")

COLLECTION: Final = "syntra"

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
        self._is_indexed = False  # what an earlier Syntra has made is indexed once more; what is there stays
        self._told = False
        self._first: asyncio.Task[talk.Reply] | None = None

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
                await self._see_to_collection()
                return talk.Done()
            case talk.Count(organisation, user):
                return talk.Done((await self._client.count(COLLECTION, _of(organisation, user), exact=True)).count)
            case talk.Search():
                return await self._search(request)
            case talk.Upsert(organisation, user, points):
                await self._client.upsert(COLLECTION, [_stored(organisation, user, point) for point in points])
            case talk.Delete(organisation, user, ids, marks):
                keys: list[Any] = [talk.key(organisation, user, name) for name in ids]
                keys += [talk.marked(organisation, user, mark) for mark in marks]
                await self._client.delete(COLLECTION, models.PointIdsList(points=keys))
            case talk.Forget(organisation, user):
                await self._client.delete(COLLECTION, models.FilterSelector(filter=_of(organisation, user)))
        return talk.Done()

    async def _search(self, asked: talk.Search) -> talk.Reply:
        mine = _of(asked.organisation, asked.user, asked.where)
        # How rare a word is must not depend on what others have written: it would tell of it.
        corpus = models.IdfCorpusParams(corpus=_of(asked.organisation, asked.user))
        ways = []
        if asked.text:
            query: Any = talk.floats(asked.text)
            ways.append(models.QueryRequest(query=query, using=talk.TEXT))
        if asked.words.indices:
            params = models.SearchParams(idf=corpus)
            ways.append(models.QueryRequest(query=_sparse(asked.words), using=talk.WORDS, params=params))
        if not ways:
            return talk.Bare([]) if asked.bare else talk.Hits([])
        for way in ways:
            way.filter, way.limit, way.with_payload = mine, asked.limit, not asked.bare
        answers = [answer.points for answer in await self._client.query_batch_points(COLLECTION, ways)]
        said = {point.id: point.payload for points in answers for point in points}
        scored = [[(point.id, point.score) for point in points] for points in answers]
        if len(scored) == 2:
            found = talk.fused(*scored)
        else:
            found = [(key, score, score if asked.text else 0.0) for key, score in scored[0]]
        if asked.bare:
            return talk.Bare([(UUID(str(key)).bytes, score, near) for key, score, near in found])
        return talk.Hits([talk.hit(score, said[key], near) for key, score, near in found])

    async def _see_to_collection(self) -> None:
        if not await self._client.collection_exists(COLLECTION):
            await self._make()
        elif self._is_indexed:
            return
        tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        for name in (talk.ORGANISATION, talk.OWNER):
            await self._client.create_payload_index(COLLECTION, name, tenant)
        self._is_indexed = True

    async def _make(self) -> None:
        try:
            await self._client.create_collection(
                COLLECTION,
                vectors_config={talk.TEXT: models.VectorParams(size=talk.DIMENSIONS, distance=models.Distance.COSINE)},
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
