"""Models and keys, what happens to them, and why they rest."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.errors import (
    SyntraError,
    UpstreamBusy,
    UpstreamCredential,
    UpstreamFailed,
)
from gateway.core.health import Cooldown, Health

MINI = ("openai", "env", "gpt-4o-mini")
BIG = ("openai", "env", "gpt-4o")
OTHER_KEY = ("openai", "acme", "gpt-4o-mini")
ELSEWHERE = ("anthropic", "env", "claude")

FAILED = UpstreamFailed("x")
REFUSAL = UpstreamCredential("x")


def busy(seconds: float) -> UpstreamBusy:
    return UpstreamBusy("x", retry_after=int(seconds))


def fail(health: Health, times: Iterable[float], error: SyntraError = FAILED) -> list[Cooldown | None]:
    return [health.failed(MINI, error, now) for now in times]


def failing() -> Health:
    """A model that cools from second 100 to 105."""
    health = Health()
    fail(health, [98, 99, 100])
    assert health.cooling(MINI, 104.9) is not None
    return health


def reason(health: Health, now: float, key: tuple[str, str, str] = MINI) -> str | None:
    found = health.cooling(key, now)
    return found.reason if found else None
