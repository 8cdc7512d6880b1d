"""Asks a provider how many tokens a prompt has, where it counts for nothing: only Anthropic does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from gateway.core.caller import Credential
from gateway.core.chat import ChatRequest
from gateway.core.deadline import Deadline
from gateway.core.errors import UpstreamError
from gateway.core.native import MESSAGES
from gateway.upstream import anthropic_messages
from gateway.upstream.answer import checked_body, header_lines
from gateway.upstream.providers import SIMULATED, Candidate, Places
from gateway.upstream.wire import Wire

_SECONDS: Final = 5.0  # a client waits for this before it asks what it really wants


class _Count(Struct):
    input_tokens: int


_count = msgspec.json.Decoder(_Count)


class Counter:
    """Counts at the provider that will be asked."""

    def __init__(self, wire: Wire, places: Places) -> None:
        self._wire = wire
        self._places = places

    async def count(
        self, candidate: Candidate, credentials: Mapping[str, Credential], request: ChatRequest
    ) -> int | None:
        """The provider's own count; None where it does not count, or not now."""
        if candidate.provider == SIMULATED or request.native is None:
            return None
        try:
            provider = self._places.with_key(candidate, credentials)
            if provider.dialect.native != MESSAGES:
                return None
            outbound = anthropic_messages.said(provider, candidate.model, request, request.native, counts=True)
            headers = header_lines(outbound.headers)
            deadline = Deadline(_SECONDS)
            exchange = await self._wire.post(outbound.url, headers, outbound.body, deadline, first_event=_SECONDS)
            try:
                return _count.decode(await checked_body(exchange, provider)).input_tokens
            finally:
                exchange.close()
        except (UpstreamError, msgspec.MsgspecError):
            return None
