"""The gateway that runs, asked as any client asks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Self

from msgspec import Struct

from gateway.core.deadline import Deadline, Patience
from gateway.core.errors import UpstreamBroken
from gateway.core.secret import Secret
from gateway.upstream.egress import Egress
from gateway.upstream.wire import Wire

_PATIENCE: Final = Patience(connect=3.0, first_event=90.0, idle=90.0, total=180.0)


class Answer(Struct, frozen=True):
    """One reply, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    torn: bool = False  # the connection ended inside the body

    @property
    def json(self) -> Any:
        """The body as data; None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Asking:
    """Asks the gateway at `origin`; raises SyntraError where it cannot be reached or says nothing for too long."""

    def __init__(self, origin: str, key: Secret, *, ca_bundle: str = "") -> None:
        self.origin = origin.rstrip("/")
        self.key = key
        self._wire = Wire(Egress([self.origin], private=True), _PATIENCE, ca_bundle=ca_bundle)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._wire.close()

    async def get(self, path: str, headers: Mapping[str, str]) -> Answer:
        """GET a path."""
        return await self._ask(path, headers, None)

    async def post(self, path: str, headers: Mapping[str, str], body: object) -> Answer:
        """POST data as JSON; bytes go as they are."""
        return await self._ask(path, headers, body if isinstance(body, bytes) else json.dumps(body).encode())

    async def _ask(self, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1", "replace")
        deadline = Deadline(_PATIENCE.total)
        url = f"{self.origin}{path}"
        if body is None:
            exchange = await self._wire.get(url, deadline, first_event=_PATIENCE.first_event, headers=lines)
        else:
            lines += b"content-type: application/json\r\n"
            exchange = await self._wire.post(url, lines, body, deadline, first_event=_PATIENCE.first_event)
        try:
            exchange.expect(_PATIENCE.idle)
            told, torn = b"", False
            try:
                while block := await exchange.read():
                    told += block
            except UpstreamBroken:
                torn = True
            return Answer(exchange.status, exchange.headers, told, torn)
        finally:
            exchange.close()
