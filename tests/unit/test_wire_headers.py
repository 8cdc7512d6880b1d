"""Our own wire: what is sent, and what is read of a head."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import UpstreamBroken
from gateway.upstream.answer import header_lines
from tests.fakes.server import Reply, Request, Server
from tests.unit.wire_rig import Run, post, wire_to


def test_a_request_is_sent_whole(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.whole(200, request.body, ("X-Mixed-Case", "a B"))

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        exchange = await post(wire, f"{origin}/v1/x?y=z", body="é\u2028".encode())
        assert exchange.status == 200
        assert exchange.headers["x-mixed-case"] == "a B"
        assert await exchange.body() == "é\u2028".encode()
        exchange.close()
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))
        (request,) = server.requests
        assert (request.method, request.target) == ("POST", "/v1/x?y=z")
        assert request.headers == {
            "host": f"127.0.0.1:{server.port}",
            "content-length": "5",
            "accept-encoding": "identity",
            "x-test": "1",
        }
        assert server.failures == []


def test_blanks_around_a_headers_value_are_not_part_of_it(run: Run[Any]) -> None:
    async def serve(request: Request, reply: Reply) -> None:
        await reply.whole(200, b"x", ("content-encoding", "\t identity \t "))

    async def scene(origin: str) -> None:
        wire = wire_to(origin)
        exchange = await post(wire, f"{origin}/")
        assert exchange.headers["content-encoding"] == "identity"
        exchange.close()
        wire.close()

    with Server(serve) as server:
        run(scene(server.origin))


@pytest.mark.parametrize(
    "header",
    [("x", "a\r\nhost: evil"), ("x", "a\nb"), ("x", "a\rb"), ("x\r\ny", "a"), ("x", "\r\n\r\nGET / HTTP/1.1")],
    ids=repr,
)
def test_a_header_that_begins_another_line_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(UpstreamBroken):
        header_lines([("authorization", "Bearer x"), header])


def test_headers_are_lines() -> None:
    assert header_lines([("a", "1"), ("b", "é")]) == b"a: 1\r\nb: \xe9\r\n"
    assert header_lines([]) == b""
