"""Everything outside of this process that a request may wait for: how long at most, and what happens without it.

One line for each use of a dependency. The README has the same table, and a test compares them; the times are the ones
that the stores and the wire keep to.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway import hired, leaning
from gateway.core.deadline import Patience
from gateway.settings import Settings
from gateway.stages.memory import second
from gateway.stores import postgres, tokenizer, valkey, vectors
from gateway.upstream import download
from policies.documents import Tempo

_SETTINGS: Final = Settings()
_PATIENCE: Final[Patience] = _SETTINGS.patience


class Dependency(Struct, frozen=True):
    """One use of something outside; `told` is the word in `x-syntra-degraded` where a request goes on without it."""

    name: str
    use: str
    seconds: float  # that a request waits for it at most; 0 where none waits
    without: str
    told: str = ""


DEPENDENCIES: Final = (
    Dependency(
        "PostgreSQL",
        "who a key is",
        postgres.DEADLINE,
        "known keys for ten minutes; an unknown one is told 503",
        "keys",
    ),
    Dependency(
        "PostgreSQL", "the ledger", 0, "rows wait in the journal; where that is full, 503 before anything begins"
    ),
    Dependency(
        "PostgreSQL",
        "kept responses",
        postgres.DEADLINE,
        "the answer is given and not kept; to go on from one is a 503",
        "store",
    ),
    Dependency("PostgreSQL", "decisions, administration", postgres.DEADLINE, "503"),
    Dependency("Valkey", "limits", valkey.DEADLINE, "each worker counts for its share", "limits"),
    Dependency("Valkey", "the pace of providers", valkey.DEADLINE, "each worker keeps its share of it"),
    Dependency("Valkey", "who probes after a rest", valkey.DEADLINE, "each worker probes by itself"),
    Dependency("Valkey", "who rests", 0, "each worker finds out by itself"),
    Dependency("Valkey", "who goes on with a tool loop", 0, "each worker knows its own conversations"),
    Dependency(
        "Valkey", "kept answers, calls of other workers", valkey.DEADLINE, "each worker shares its own calls", "cache"
    ),
    Dependency("Valkey", "Idempotency-Key", valkey.DEADLINE, "served, and not remembered", "idempotency"),
    Dependency("Qdrant", "memory", vectors.DEADLINE, "the request goes out without notes", "memory"),
    Dependency("SuperMemory", "what it finds too", second.DEADLINE, "our own notes alone", "supermemory"),
    Dependency("tokenizer", "an exact count near a limit", tokenizer.PATIENCE, "estimated by the characters"),
    Dependency("identity provider", "its signing keys", download.SECONDS, "those that are known; else 503"),
    Dependency("provider", "a connection", _PATIENCE.connect, "the next candidate; else 502"),
    Dependency("provider", "its pace", Tempo().wait, "the next candidate; else 429 with the wait"),
    Dependency("provider", "the first event", _PATIENCE.first_event, "the next candidate; else 504"),
    Dependency("provider", "the next event", _PATIENCE.idle, "told in band, and never as an end"),
    Dependency("provider", "a question's vector", hired.SECONDS, "memories are found by their words", "memory"),
    Dependency("provider", "a follow-up, completed", leaning.SECONDS, "completed by rules"),
    Dependency("provider", "the whole answer", _PATIENCE.total, "504; in a stream told in band"),
)


def row(one: Dependency) -> str:
    """A line of the README's table."""
    wait = "none" if not one.seconds else f"{one.seconds * 1e3:g} ms" if one.seconds < 1 else f"{one.seconds:g} s"
    told = f"`{one.told}`" if one.told else ""
    return f"| {one.name} | {one.use} | {wait} | {one.without} | {told} |".replace("|  |", "| |")
