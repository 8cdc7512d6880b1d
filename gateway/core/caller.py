"""Who is asking, for whom, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from gateway.core.limits import NO_LIMITS, Limits
from gateway.core.memories import Mode
from gateway.core.secret import Secret

Role = Literal["viewer", "member", "admin", "owner"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "member", "admin", "owner")  # each may do what those before it may
_RANKS: Final = {role: rank for rank, role in enumerate(ROLES)}

SURFACES: Final = (  # what requests come in at, and what a key may be kept to
    *("chat", "completions", "embeddings", "models", "responses", "messages", "route", "decisions", "metrics"),
    *("admin", "sessions", "threads", "memories", "images", "audio", "moderations", "rerank"),
)


class Scopes(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a key may be used for; an empty list restricts nothing."""

    models: tuple[str, ...] = ()  # names or patterns, as in organisations.toml
    policies: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()  # surfaces

    def unknown_endpoint(self) -> str:
        """An endpoint that there is not, and which a key would be for in vain; empty if there is none."""
        return next((name for name in self.endpoints if name not in SURFACES), "")


EVERYTHING = Scopes()


class Credential(Struct, frozen=True):
    """A provider's key of one organisation."""

    id: str
    secret: Secret


class Caller(Struct, frozen=True):
    """Whoever holds a valid key, and what the key decides for every request."""

    organisation: str  # its id, a UUID
    name: str  # the organisation's name; policy documents know it by that
    key_id: str
    role: Role = "member"
    persona: bool = True
    memory: Mode = "read-write"  # what the key allows at most
    user: str = ""  # the person behind the key, where it is one person's
    scopes: Scopes = EVERYTHING
    key_limits: Limits = NO_LIMITS
    limits: Limits = NO_LIMITS  # the organisation's
    credentials: Mapping[str, Credential] = {}  # by provider; others are the environment's
    operator: bool = False  # of this installation: may make organisations
    degraded: tuple[str, ...] = ()  # what could not be asked to know all this

    def is_of(self, organisation: str) -> bool:
        """Whether this is the caller's organisation, by its id or its name."""
        return organisation == self.name or organisation.replace("-", "").lower() == self.organisation.replace("-", "")

    def is_at_least(self, role: Role) -> bool:
        """Whether the caller's role allows what `role` does."""
        return _RANKS[self.role] >= _RANKS[role]
