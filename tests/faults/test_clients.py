"""Clients that do not read, that say nothing, that say two things at once, and more of them than can be served.

Rows C2, C6, C7, C12 and P3 of the fault table.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.core.caller import Caller
from gateway.core.errors import BadKey
from gateway.http import lounge as lounge_module
from gateway.http.door import Door
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.visit import Visit
from tests.conftest import StartGateway
from tests.fakes.caller import HELLO, ask
from tests.fakes.doors import NO_TWINS
from tests.fakes.gateway import OPENAI, Gateway
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for
from tests.faults.test_shutdown import workers

Fakes = Mapping[str, Provider]


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway) -> Gateway:
    return start_gateway("openai")


def request(gateway: Gateway, *more: str, path: str = "/v1/chat/completions", stream: bool = False) -> bytes:
    """A good request, with more header lines."""
    body = json.dumps({"model": OPENAI.model, "messages": HELLO, "stream": stream, "temperature": 1}).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: 127.0.0.1:{gateway.port}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"authorization: Bearer {gateway.key}",
        *more,
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


def status(gateway: Gateway, sent: bytes) -> int:
    """The status of the reply; 0 where the connection is only closed."""
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as sock:
        sock.sendall(sent)
        head = sock.recv(65_536)
    return int(head.split(b" ")[1]) if head else 0


# C2: a client that does not read.


def resident(pid: int) -> int:
    """Bytes of memory."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:  # noqa: PTH123  # a file that is not one
        return int(file.read().split()[1]) * 4096


def test_a_client_that_does_not_read_costs_no_memory_and_holds_the_provider_back(
    gateway: Gateway, providers: Fakes
) -> None:
    fake = providers["openai"]
    assert ask(gateway, OPENAI.model).status == 200
    fake.script(pieces=("x" * 20_000,) * 1400)  # 28 MB
    (worker,) = workers(gateway)
    before = resident(worker)
    with ExitStack() as stack:
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            sock.connect(("127.0.0.1", gateway.port))
            sock.sendall(request(gateway, stream=True))
        wait_for(lambda: len(fake.requests) == 5)
        time.sleep(2.5)
        assert resident(worker) - before < 32_000_000  # of 112 MB; 6 MB each, however long the answer is
        assert not any(one.answered for one in fake.requests[1:])  # it waits for us, as we wait for the client
        assert ask(gateway, "openai/gpt-4o", messages=HELLO, max_tokens=5).status == 200  # and nobody else does
    wait_for(lambda: all(one.closed_early for one in fake.requests[1:5]))


Application = Callable[[Any, Any, Any], Awaitable[None]]


def application(lounge: Lounge, serve: Callable[[Visit, Head, Caller], Awaitable[None]]) -> Application:
    async def identify(bearer: str | None) -> Caller:
        if bearer is None:
            raise BadKey("no")
        return Caller("acme", "k", "acme")

    return Door(identify, lounge, lambda _, __: None, NO_TWINS).route("POST", "chat", "member", serve)


SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/chat/completions",
    "raw_path": b"/v1/chat/completions",
    "query_string": b"",
    "headers": [(b"authorization", b"Bearer k"), (b"content-type", b"application/json"), (b"content-length", b"2")],
}


async def nothing_more() -> Any:
    await asyncio.Event().wait()


def test_a_client_that_never_reads_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lounge_module, "_MOST_WRITE", 0.3)
    ended: list[float] = []

    async def serve(visit: Visit, _: Head, __: Caller) -> None:
        await visit.start_stream((), lambda error: error.body())
        try:
            await visit.write(b"data: x\n\n")
        finally:
            ended.append(time.monotonic())

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def scene() -> None:
        lounge = Lounge(1.0)
        lounge.open()
        began = time.monotonic()
        async with asyncio.timeout(5):
            await application(lounge, serve)(SCOPE, nothing_more, send)
        assert 0.2 < ended[0] - began < 2
        assert lounge.size == 0
        lounge.close()

    with_signals(scene)


def with_signals(scene: Callable[[], Awaitable[None]]) -> None:
    """Run what listens to signals, and give them back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(scene())  # type: ignore[arg-type]
    finally:
        signal.signal(signal.SIGTERM, before)


# C6: HTTP that means two things.


@dataclass(frozen=True)
class Twofold:
    """What is sent, and which statuses are an answer to it; 0 is a connection that is only closed."""

    name: str
    sent: Callable[[Gateway], bytes]
    told: tuple[int, ...] = (400,)

    def __str__(self) -> str:
        return self.name


def swapped(gateway: Gateway, old: str, new: str) -> bytes:
    sent = request(gateway)
    assert old.encode() in sent
    return sent.replace(old.encode(), new.encode(), 1)


TWOFOLD = (
    Twofold("a length and chunks", lambda at: request(at, "transfer-encoding: chunked")),
    Twofold("two lengths", lambda at: request(at, "content-length: 7")),
    Twofold("two authorizations", lambda at: request(at, "authorization: Bearer other")),
    Twofold("a folded header", lambda at: request(at, "x-a: b\r\n c")),
    Twofold("a space before the colon", lambda at: swapped(at, "content-length:", "content-length :")),
    Twofold(
        "an unknown encoding", lambda at: swapped(at, "content-length: ", "transfer-encoding: xchunked\r\nx-was: ")
    ),
    Twofold("a length below zero", lambda at: swapped(at, "content-length: ", "content-length: -")),
    Twofold("a null in a header", lambda at: request(at, "x-a: b\0c")),
)


@pytest.mark.parametrize("case", TWOFOLD, ids=str)
def test_http_that_means_two_things_is_refused(case: Twofold, gateway: Gateway, providers: Fakes) -> None:
    assert status(gateway, case.sent(gateway)) in case.told
    assert providers["openai"].requests == []


@pytest.mark.parametrize(
    "path", ["/health/..%2fv1/chat/completions", "/v1%2fchat/completions", "//v1/chat/completions", "/v1/./models"]
)
def test_no_way_of_writing_a_path_leads_past_the_door(path: str, gateway: Gateway, providers: Fakes) -> None:
    keyless = request(gateway, path=path).replace(f"authorization: Bearer {gateway.key}\r\n".encode(), b"")
    assert status(gateway, keyless) in (401, 404)
    assert providers["openai"].requests == []


@pytest.mark.parametrize("host", ["evil.example/health?", "127.0.0.1:1/v1/models", "a.example@b.example", "[::1"])
def test_a_host_says_nothing_of_the_route(host: str, gateway: Gateway, providers: Fakes) -> None:
    """A guard that reads a URL made of the Host header can be led past a route (CVE-2026-48710)."""
    sent = swapped(gateway, f"host: 127.0.0.1:{gateway.port}", f"host: {host}")
    keyless = sent.replace(f"authorization: Bearer {gateway.key}\r\n".encode(), b"")
    assert status(gateway, keyless) in (400, 401)
    assert status(gateway, sent) in (200, 400)


# C7: a forged address.


def test_a_forged_address_gains_nothing(gateway: Gateway, providers: Fakes) -> None:
    limits = {"name": "two", "role": "member", "limits": {"requests_per_minute": 2}}
    made = httpx.post(f"{gateway.origin}/api/orgs/local/keys", headers=gateway.headers, json=limits).json()
    statuses = []
    for last in range(4):
        forged = dict.fromkeys(("x-forwarded-for", "x-real-ip", "forwarded", "cf-connecting-ip"), f"10.0.0.{last}")
        headers = {"authorization": f"Bearer {made['key']}", **forged}
        statuses.append(ask(gateway, OPENAI.model, headers=headers).status)
    assert statuses == [200, 200, 429, 429]
    assert "10.0.0." not in gateway.log.read_text()


# C12, P3: more than can be served.


def test_connections_that_say_nothing_are_in_nobodys_way(gateway: Gateway, providers: Fakes) -> None:
    with ExitStack() as stack:
        for number in range(400):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), 5))
            if number % 2:
                sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ")
        took = []
        for _ in range(10):
            began = time.monotonic()
            assert ask(gateway, OPENAI.model).status == 200
            took.append(time.monotonic() - began)
        assert sorted(took)[5] < 0.5


def test_a_worker_that_cannot_keep_up_says_so() -> None:
    async def serve(visit: Visit, _: Head, __: Caller) -> None:
        await visit.whole(200, (), b"{}")

    async def told(lounge: Lounge) -> dict[str, Any]:
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await application(lounge, serve)(SCOPE, nothing_more, send)
        return sent[0]

    async def scene() -> None:
        lounge = Lounge(1.0)
        lounge.open()
        await asyncio.sleep(0.1)
        time.sleep(0.4)  # noqa: ASYNC251  # that is what is tested
        await asyncio.sleep(0)
        assert (await told(lounge))["status"] == 200  # once is a hiccup
        await asyncio.sleep(0.1)
        for _ in range(4):
            time.sleep(0.4)  # noqa: ASYNC251
            await asyncio.sleep(0.001)
        refused = await told(lounge)
        assert refused["status"] == 503
        assert (b"retry-after", b"1") in refused["headers"]
        await asyncio.sleep(0.1)
        assert (await told(lounge))["status"] == 200  # it has caught up
        lounge.close()

    with_signals(scene)
