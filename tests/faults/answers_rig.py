"""A question that leaves nothing to chance, and whether its answer had been kept."""

from __future__ import annotations

from typing import Any

from tests.fakes.caller import Told, ask
from tests.fakes.gateway import OPENAI, Gateway

MINI = OPENAI.model


def certain(gateway: Gateway, model: str = MINI, *, wish: str = "", **body: Any) -> Told:
    headers = {"x-syntra-cache-control": wish} if wish else {}
    return ask(gateway, model, headers=headers, **{"temperature": 0, **body})


def cached(told: Told) -> str:
    assert told.headers["cache-control"] == "no-store"
    return told.headers["x-syntra-cache"]
