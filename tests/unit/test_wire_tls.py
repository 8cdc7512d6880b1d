"""Our own wire: which certificates are believed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.deadline import Patience
from gateway.core.errors import UpstreamSilent, UpstreamUnreachable
from gateway.upstream.wire import Wire
from tests.unit.wire_rig import PATIENCE, TLS, Resolved, Run, answer_ok, fetch, listening, provider_tls, wire_to


@dataclass(frozen=True)
class Trust:
    """A host name, whose certificates are trusted, and whether the provider is believed."""

    name: str
    host: str
    ca_bundle: str
    believed: bool

    def __str__(self) -> str:
        return self.name


@pytest.mark.parametrize(
    "trust",
    [
        Trust("our CA, its name", "provider.test", str(TLS / "ca.pem"), believed=True),
        Trust("our CA, its address", "127.0.0.1", str(TLS / "ca.pem"), believed=True),
        Trust("our CA, another name", "other.test", str(TLS / "ca.pem"), believed=False),
        Trust("the world's CAs", "provider.test", "", believed=False),
    ],
    ids=str,
)
def test_a_provider_is_believed_by_its_certificate(run: Run[Any], trust: Trust) -> None:
    async def scene() -> None:
        async with listening(answer_ok, provider_tls()) as port:
            url = f"https://{trust.host}:{port}"
            wire = Wire(Resolved(url, "127.0.0.1"), PATIENCE, ca_bundle=trust.ca_bundle)
            if trust.believed:
                for _ in range(2):
                    assert await fetch(wire, url) == f"host: {trust.host}:{port}".encode()
            else:
                with pytest.raises(UpstreamUnreachable):
                    await fetch(wire, url)
            wire.close()
            await asyncio.sleep(0.02)

    run(scene())


def test_a_provider_that_does_not_speak_tls_is_unreachable(run: Run[Any]) -> None:
    async def scene() -> None:
        async with listening(answer_ok) as port:
            url = f"https://127.0.0.1:{port}"
            with pytest.raises((UpstreamUnreachable, UpstreamSilent)):
                await fetch(wire_to(url, patience=Patience(connect=0.2)), url)

    run(scene())
