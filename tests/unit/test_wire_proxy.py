"""Our own wire: the way through an outbound proxy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.deadline import Patience
from gateway.core.errors import SyntraError, UpstreamSilent, UpstreamUnreachable
from gateway.upstream.egress import Egress
from gateway.upstream.wire import Wire
from tests.unit.wire_rig import PATIENCE, TLS, Run, answer_ok, fetch, listening, provider_tls


class Proxy:
    """An outbound proxy: CONNECT, and what it was told. `script` is what it does instead."""

    def __init__(self, script: str = "") -> None:
        self.heads: list[bytes] = []
        self.target = 0
        self.closed = asyncio.Event()
        self._script = script

    async def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        finally:
            self.closed.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        if self._script == "closes":
            return
        if self._script == "hangs":
            await reader.read()
            return
        if self._script == "refuses":
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            await reader.read()
            return
        if self._script == "closes behind its 200":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            return
        out_reader, out_writer = await asyncio.open_connection("127.0.0.1", self.target)
        writer.write(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")
        try:
            await asyncio.gather(_pipe(reader, out_writer), _pipe(out_reader, writer))
        finally:
            out_writer.transport.abort()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(65_536):
        writer.write(block)
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_asked_for_a_tunnel_with_its_credentials(run: Run[Any], scheme: str) -> None:
    async def scene() -> None:
        proxy = Proxy()
        tls = provider_tls() if scheme == "https" else None
        async with listening(answer_ok, tls) as port, listening(proxy.accepted) as proxy_port:
            proxy.target = port
            url = f"{scheme}://provider.test:{port}"
            way = f"http://us%40er:p%3Ass@127.0.0.1:{proxy_port}"
            wire = Wire(Egress([url], private=False), PATIENCE, ca_bundle=str(TLS / "ca.pem"), proxy=way)
            for _ in range(3):
                assert await fetch(wire, url) == f"host: provider.test:{port}".encode()
            assert proxy.heads == [
                f"CONNECT provider.test:{port} HTTP/1.1\r\nhost: provider.test:{port}\r\n"
                "proxy-authorization: Basic dXNAZXI6cDpzcw==\r\n\r\n".encode()
            ]
            wire.close()
            await asyncio.sleep(0.03)

    run(scene())


def test_a_proxy_without_credentials_gets_none(run: Run[Any]) -> None:
    async def scene() -> None:
        proxy = Proxy()
        async with listening(answer_ok) as port, listening(proxy.accepted) as proxy_port:
            proxy.target = port
            url = f"http://provider.test:{port}"
            wire = Wire(Egress([url], private=False), PATIENCE, proxy=f"http://127.0.0.1:{proxy_port}")
            assert await fetch(wire, url)
            assert b"authorization" not in proxy.heads[0]
            wire.close()
            await asyncio.sleep(0.02)

    run(scene())


def test_a_proxy_is_told_an_ipv6_host_in_brackets(run: Run[Any]) -> None:
    async def scene() -> None:
        proxy = Proxy("refuses")
        async with listening(proxy.accepted) as proxy_port:
            url = "http://[2606:4700::1111]:8080"
            wire = Wire(Egress([url], private=False), PATIENCE, proxy=f"http://127.0.0.1:{proxy_port}")
            with pytest.raises(UpstreamUnreachable):
                await fetch(wire, url)
            assert proxy.heads[0].startswith(
                b"CONNECT [2606:4700::1111]:8080 HTTP/1.1\r\nhost: [2606:4700::1111]:8080\r\n"
            )

    run(scene())


@dataclass(frozen=True)
class Trouble:
    """A proxy that does not do its work, and what our caller is told."""

    script: str
    scheme: str = "http"
    kind: type[SyntraError] = UpstreamUnreachable

    def __str__(self) -> str:
        return f"{self.script} ({self.scheme})"


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("is not there"),
        Trouble("closes"),
        Trouble("refuses"),
        Trouble("refuses", "https"),
        Trouble("hangs", kind=UpstreamSilent),
        Trouble("closes behind its 200", "https"),
        Trouble("leads to another name", "https"),
    ],
    ids=str,
)
def test_a_proxy_that_fails_is_an_unreachable_provider(run: Run[Any], trouble: Trouble) -> None:
    async def scene() -> None:
        proxy = Proxy(trouble.script)
        async with listening(answer_ok, provider_tls()) as port, listening(proxy.accepted) as proxy_port:
            proxy.target = port
            url = f"{trouble.scheme}://other.test"
            way = f"http://127.0.0.1:{1 if trouble.script == 'is not there' else proxy_port}"
            patience = Patience(connect=0.3)
            wire = Wire(Egress([url], private=False), patience, ca_bundle=str(TLS / "ca.pem"), proxy=way)
            with pytest.raises(trouble.kind):
                await fetch(wire, url)
            if proxy.heads:
                await asyncio.wait_for(proxy.closed.wait(), 1)  # noqa: TID251  # nothing of ours is left open
            wire.close()

    run(scene())


def test_a_proxy_does_not_open_the_way_to_other_hosts(run: Run[Any]) -> None:
    async def scene() -> None:
        proxy = Proxy()
        async with listening(proxy.accepted) as proxy_port:
            way = f"http://127.0.0.1:{proxy_port}"
            wire = Wire(Egress(["https://api.openai.com/v1"], private=False), PATIENCE, proxy=way)
            with pytest.raises(UpstreamUnreachable):
                await fetch(wire, "https://evil.test/v1")
            assert proxy.heads == []

    run(scene())
