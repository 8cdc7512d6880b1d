"""The process that holds the vectors: `python -m gateway.stores.vectors_engine <folder> <socket>`.

Qdrant Edge blocks whoever calls it and opens its folder for one process alone. So it has this one, and all workers ask
it over a socket. It ends in order, on SIGTERM, and when the pipe that it was started with ends: its keeper has died.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import qdrant_edge as qdrant
import uvloop

from gateway.stores import vectors_talk as talk

_SHARD: Final = "shard-8x"  # and how many numbers; another layout has another name
_NAME: Final = re.compile(rf"{_SHARD}(\d+)")
_FLUSH_SECONDS: Final = 5.0  # a killed process loses nothing, the log has it; a power cut loses these at most


class Shards:
    """The vectors in their folders: one for each length that a model's vectors have had."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._shards: dict[int, qdrant.EdgeShard] = {}
        for folder in home.glob("shard*"):
            if (found := _NAME.fullmatch(folder.name)) is not None:
                self._open(int(found[1]))
            else:  # another layout, or a draft: whoever has the texts puts them anew
                shutil.rmtree(folder)
        if talk.DIMENSIONS not in self._shards:
            self._open(talk.DIMENSIONS)
        self._dirty = False
        self.closed = False

    def answer(self, request: talk.Request) -> talk.Reply:
        """Do what is asked."""
        match request:
            case talk.Ping():
                return talk.Done()
            case talk.Count(organisation, user):
                wanted = qdrant.CountRequest(filter=_of(organisation, user))
                return talk.Done(sum(shard.count(wanted) for shard in self._shards.values()))
            case talk.Search():
                return talk.Hits(self._search(request))
            case talk.Nearest():
                return self._nearest(request)
            case talk.Upsert(organisation, user, points):
                return self._upsert(organisation, user, points)
            case talk.Delete(organisation, user, ids, marks):
                keys: list[int | UUID | str] = [talk.key(organisation, user, name) for name in ids]
                keys += [talk.marked(organisation, user, mark) for mark in marks]
                return self._update(qdrant.UpdateOperation.delete_points(keys))
            case talk.Forget(organisation, user):
                return self._update(qdrant.UpdateOperation.delete_points_by_filter(_of(organisation, user)))

    def flush(self) -> None:
        """Bring what has changed to the disk."""
        if self._dirty:
            for shard in self._shards.values():
                shard.flush()
            self._dirty = False

    def close(self) -> None:
        """The end."""
        self.closed = True
        self.flush()
        for shard in self._shards.values():
            shard.close()

    def _open(self, length: int) -> None:
        """Have the shard of this length, made where there is none."""
        folder, config = self._home / f"{_SHARD}{length}", _config(length)
        if not folder.exists():
            _make(folder, config)
        shard = qdrant.EdgeShard.load(str(folder), config)
        shard.optimize()  # gives back the room of what was deleted: while it does nobody could be answered
        self._shards[length] = shard

    def _upsert(self, organisation: str, user: str, points: Sequence[talk.Point]) -> talk.Done:
        """Keep points where vectors of their length are, which may be a place that is made for them."""
        for length in {talk.length(point.text) for point in points}:
            if length not in self._shards:
                self._open(length)
            kept = [_stored(organisation, user, one) for one in points if talk.length(one.text) == length]
            self._shards[length].update(qdrant.UpdateOperation.upsert_points(kept))
        self._dirty = True
        return talk.Done()

    def _update(self, operation: qdrant.UpdateOperation) -> talk.Done:
        """Of whatever length the vectors are: what is forgotten is forgotten by an earlier model's too."""
        for shard in self._shards.values():
            shard.update(operation)
        self._dirty = True
        return talk.Done()

    def _search(self, asked: talk.Search) -> list[talk.Hit]:
        shard = self._shards.get(talk.length(asked.text))
        if shard is None:
            return []
        mine = _of(asked.organisation, asked.user, asked.where)
        found: list[Any] = shard.query(_by_text(asked, mine, with_payload=True))
        return [talk.hit(point.score, point.payload) for point in found]

    def _nearest(self, asked: talk.Nearest) -> talk.Found:
        length, mine = talk.among(asked), _of(asked.organisation, asked.user)
        shards = [shard for of, shard in self._shards.items() if not length or of == length]
        by_text: list[talk.Scored] = []
        by_words: list[talk.Scored] = []
        for shard in shards:
            if asked.text:
                by_text += _scored(shard, _by_text(asked, mine, with_payload=False))
            if asked.words.indices:
                by_words += _scored(shard, _by_words(asked, mine))
        return talk.found(by_text, talk.joined(by_words) if len(shards) > 1 else by_words)


def _by_text(asked: talk.Search | talk.Nearest, mine: qdrant.Filter, *, with_payload: bool) -> qdrant.QueryRequest:
    near = qdrant.Query.Nearest(talk.floats(asked.text), using=talk.TEXT)
    return qdrant.QueryRequest(asked.limit, query=near, filter=mine, with_payload=with_payload)


def _by_words(asked: talk.Nearest, mine: qdrant.Filter) -> qdrant.QueryRequest:
    # How rare a word is must not depend on what others have written: it would tell of it.
    corpus = qdrant.SearchParams(idf=qdrant.IdfParams(corpus=mine))
    near = qdrant.Query.Nearest(_sparse(asked.words), using=talk.WORDS)
    return qdrant.QueryRequest(asked.limit, query=near, params=corpus, filter=mine, with_payload=False)


def _scored(shard: qdrant.EdgeShard, asked: qdrant.QueryRequest) -> list[talk.Scored]:
    found: list[Any] = shard.query(asked)
    return [(point.id.bytes, point.score) for point in found]


def _config(dimensions: int) -> qdrant.EdgeConfig:
    """A text and its words per point. A user has few: they are looked through, and no graph over all is built.

    In 8 bits a number instead of 32, a text is compared in a third of the time, and the same is found.
    """
    text = qdrant.EdgeVectorParams(
        size=dimensions, distance=qdrant.Distance.Cosine, datatype=qdrant.VectorStorageDatatype.Turbo8
    )
    return qdrant.EdgeConfig(
        vectors={talk.TEXT: text},
        sparse_vectors={talk.WORDS: qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf)},
        hnsw_config=qdrant.HnswIndexConfig(m=0, ef_construct=100, full_scan_threshold=10_000),
        max_search_threads=1,
    )


def _make(folder: Path, config: qdrant.EdgeConfig) -> None:
    """A new shard, which gets its name when it is whole."""
    draft = folder.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    shard = qdrant.EdgeShard.create(str(draft), config)
    for name in (talk.ORGANISATION, talk.OWNER):
        shard.update(qdrant.UpdateOperation.create_field_index(name, qdrant.KeywordIndexParams(is_tenant=True)))
    shard.flush()
    shard.close()
    draft.rename(folder)


def _of(organisation: str, user: str, where: dict[str, str] | None = None) -> qdrant.Filter:
    wanted = talk.wanted(organisation, user, where)
    return qdrant.Filter(must=[qdrant.FieldCondition(name, match=qdrant.MatchValue(wanted[name])) for name in wanted])


def _stored(organisation: str, user: str, point: talk.Point) -> qdrant.Point:
    vectors: dict[str, Any] = {talk.TEXT: talk.floats(point.text)}
    if point.words.indices:
        vectors[talk.WORDS] = _sparse(point.words)
    return qdrant.Point(talk.stored_by(organisation, user, point), vectors, talk.payload(organisation, user, point))


def _sparse(words: talk.Words) -> qdrant.SparseVector:
    return qdrant.SparseVector(list(words.indices), list(words.values))


async def serve(home: Path, path: Path) -> None:
    """Answer until told to stop."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, over.set)
    if stat.S_ISFIFO(os.fstat(0).st_mode):  # a pipe of our keeper's, in which nothing comes but its end
        loop.add_reader(0, over.set)
    shards = Shards(home)
    _clear(path)
    server = await loop.create_unix_server(lambda: _Conversation(shards), path)
    try:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_SECONDS):
                    await over.wait()
            shards.flush()
    finally:
        server.close()
        _clear(path)
        shards.close()


def _clear(path: Path) -> None:
    path.unlink(missing_ok=True)


class _Conversation(asyncio.Protocol):
    """One worker's questions, answered in their order."""

    _transport: asyncio.Transport

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._decoder: msgspec.msgpack.Decoder[talk.Request] = msgspec.msgpack.Decoder(talk.Request)
        self._frames = talk.Frames()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Questions, or parts of one."""
        try:
            for asked in self._frames.cut(data):
                if self._shards.closed:  # to be away is better than to refuse: nobody then takes it for a bad question
                    self._transport.close()
                    return
                told = msgspec.msgpack.encode(_answer(self._shards, self._decoder, asked))
                self._transport.write(talk.framed(told))
        except ValueError:  # nobody of ours
            self._transport.close()

    def pause_writing(self) -> None:
        """Who does not read its answers is asked nothing more."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._transport.resume_reading()


def _answer(shards: Shards, decoder: msgspec.msgpack.Decoder[talk.Request], asked: bytes) -> talk.Reply:
    try:
        return shards.answer(decoder.decode(asked))
    except Exception as error:  # noqa: BLE001  # Edge raises plain Exception; one bad question is no reason to end
        print(f"refused: {error}", file=sys.stderr, flush=True)  # noqa: T201  # our keeper writes it down
        return talk.Refused(str(error))


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
