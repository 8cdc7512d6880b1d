"""A question that leaves nothing to chance, and whether its answer had been kept."""

from __future__ import annotations

from typing import Any

from tests.fakes.caller import Told, ask
from tests.fakes.gateway import OPENAI, Gateway
from tests.fakes.server import wait_for

MINI = OPENAI.model


def shared_by(gateway: Gateway, rules: str) -> Gateway:
    """The same, once its documents say that answers are shared by these rules."""
    policies = gateway.data / "policies"
    policies.mkdir(exist_ok=True)
    (policies / "organisations.toml").write_text(
        f'kind = "organisations"\nversion = 1\n[organisation.default.sharing]\n{rules}\n'
    )
    wait_for(lambda: "is in force" in gateway.log.read_text())
    return gateway


def certain(gateway: Gateway, model: str = MINI, *, wish: str = "", **body: Any) -> Told:
    headers = {"x-syntra-cache-control": wish} if wish else {}
    return ask(gateway, model, headers=headers, **{"temperature": 0, **body})


def cached(told: Told) -> str:
    assert told.headers["cache-control"] == "no-store"
    return told.headers["x-syntra-cache"]
