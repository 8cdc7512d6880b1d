"""What the administrative API is made of; light, so that a start can put it together without loading the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from gateway.core.apikey import Pepper
from gateway.core.limits import NO_LIMITS, Limits
from gateway.core.secret import Secret
from gateway.stores.postgres import Postgres


class Seals(Protocol):
    """What seals provider keys and opens them: the vault."""

    def seal(self, organisation: str, credential_id: str, provider: str, secret: Secret) -> tuple[bytes, str]:
        """The secret sealed, and the id of the master key."""

    def open(self, organisation: str, credential_id: str, provider: str, sealed: bytes, master: str) -> Secret:
        """The secret."""


class Parts(Struct, frozen=True):
    """Everything that the routes use."""

    postgres: Postgres
    pepper: Pepper
    vault: Seals
    verify: Callable[[str, Secret], Awaitable[bool]]  # whether a provider takes a key; raises UpstreamError
    providers: Sequence[str]  # the names of those that can be asked
    defaults: Limits = NO_LIMITS  # of organisations for which the operator has set none
    body_seconds: float = 10.0  # within which a body must have come
