"""One parser reads all replies of a connection, however they are framed and wherever their bytes are cut."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import UpstreamBroken
from gateway.upstream.connection import Connection


@dataclass(frozen=True)
class Reply:
    """What a provider sends for one request."""

    status: int
    said: str  # in a header
    body: bytes
    chunk: int  # bytes of each chunk; 0: its length is told
    interim: bool  # another reply comes before it, as 103 does

    def encoded(self) -> bytes:
        hint = b"HTTP/1.1 103 Early Hints\r\nx-said: not this\r\nlink: </a>\r\n\r\n" if self.interim else b""
        head = f"HTTP/1.1 {self.status} Whatever\r\nX-Said: {self.said}\r\n".encode("latin-1")
        if not self.chunk:
            return hint + head + b"content-length: %d\r\n\r\n%b" % (len(self.body), self.body)
        parts = [self.body[at : at + self.chunk] for at in range(0, len(self.body), self.chunk)]
        chunks = b"".join(b"%x;note=1\r\n%b\r\n" % (len(part), part) for part in parts)
        return hint + head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\nx-behind: it\r\n\r\n"


class Silence(asyncio.Transport):
    """A provider that is spoken for by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.gone = False

    def write(self, data: object) -> None:
        self.asked += 1

    def abort(self) -> None:
        self.gone = True


replies = st.builds(
    Reply,
    st.sampled_from([200, 201, 400, 429, 500]),
    st.text("abcXYZ é;=,", max_size=12).map(str.strip),
    st.binary(max_size=200),
    st.sampled_from([0, 1, 7, 64, 1000]),
    st.booleans(),
)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as found:
        yield found


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


async def whole_of(connection: Connection) -> bytes:
    await connection.head()
    body = b""
    while block := await connection.read():
        body += block
    return body


@given(st.lists(st.tuples(replies, st.lists(st.integers(0, 10_000), max_size=8)), min_size=1, max_size=6))
def test_every_reply_is_read_as_if_it_were_the_only_one(
    runner: asyncio.Runner, sent: list[tuple[Reply, list[int]]]
) -> None:
    async def story() -> None:
        connection, transport = Connection(asyncio.get_running_loop()), Silence()
        connection.connection_made(transport)
        for number, (reply, cuts) in enumerate(sent, 1):
            connection.send(b"a request", 5)
            assert transport.asked == number
            for piece in pieces(reply.encoded(), cuts):
                connection.data_received(piece)
            assert await whole_of(connection) == reply.body
            assert (connection.status, connection.headers["x-said"]) == (reply.status, reply.said)
            assert "link" not in connection.headers
            assert connection.reusable
            connection.rest()
        connection.connection_lost(None)

    runner.run(story())


@given(replies, st.lists(st.integers(0, 10_000), max_size=4), st.integers(0, 10_000), replies)
def test_a_reply_that_is_cut_is_broken_and_the_connection_is_not_used_again(
    runner: asyncio.Runner, whole: Reply, cuts: list[int], end: int, cut: Reply
) -> None:
    async def story() -> None:
        connection = Connection(asyncio.get_running_loop())
        connection.connection_made(Silence())
        connection.send(b"a request", 5)
        connection.data_received(whole.encoded())
        await connection.read()
        connection.rest()
        connection.send(b"another", 5)
        for piece in pieces(cut.encoded()[: end % len(cut.encoded())], cuts):
            connection.data_received(piece)
        connection.connection_lost(None)
        with pytest.raises(UpstreamBroken):
            await whole_of(connection)
        assert not connection.reusable

    runner.run(story())
