"""Our own wire: which address is dialled, and which never is."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import UpstreamUnreachable
from gateway.upstream.wire import Wire
from tests.fakes.server import Reply, Request, Server
from tests.unit.wire_rig import PATIENCE, Resolved, Run, answer_ok, fetch, listening, wire_to


def test_the_address_that_was_resolved_is_the_one_that_is_dialled(run: Run[Any]) -> None:
    async def scene() -> None:
        async with listening(answer_ok) as port:
            url = f"http://provider.invalid:{port}"
            wire = Wire(Resolved(url, "127.0.0.1"), PATIENCE)
            assert await fetch(wire, f"{url}/v1") == f"host: provider.invalid:{port}".encode()
            wire.close()

    run(scene())


def test_the_next_address_is_dialled_where_one_refuses(run: Run[Any]) -> None:
    async def scene() -> None:
        async with listening(answer_ok) as port:
            url = f"http://provider.invalid:{port}"
            wire = Wire(Resolved(url, "127.0.0.2", "127.0.0.1"), PATIENCE)
            assert await fetch(wire, f"{url}/v1")
            wire.close()

    run(scene())


def test_a_provider_that_nobody_listens_for_is_unreachable(run: Run[Any]) -> None:
    async def scene() -> None:
        async with listening(answer_ok) as port:
            pass
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(UpstreamUnreachable):
            await fetch(wire_to(url), url)

    run(scene())


def test_a_host_of_no_provider_is_never_dialled(run: Run[Any]) -> None:
    async def scene(server: Server) -> None:
        with pytest.raises(UpstreamUnreachable):
            await fetch(wire_to("https://api.openai.com/v1"), server.origin)

    async def serve(request: Request, reply: Reply) -> None:
        await reply.whole(200, b"x")

    with Server(serve) as server:
        run(scene(server))
        assert server.requests == []
