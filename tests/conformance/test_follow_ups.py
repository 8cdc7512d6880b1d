"""A follow-up is recalled for, and read, with what it leans on; the provider is sent what the user said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.conformance.test_routing_live import wait_for
from tests.conftest import StartGateway
from tests.fakes.caller import ask
from tests.fakes.gateway import Gateway
from tests.fakes.provider import Provider

Fakes = Mapping[str, Provider]
ADA = {"x-syntra-user": "ada"}
FACT = "My tiger sharks at the aquarium are called Max and Moritz."
TALK = [
    {"role": "user", "content": "Tell me about tiger sharks."},
    {"role": "assistant", "content": "They are large fish."},
    {"role": "user", "content": "Where do they live?"},
]


def sent(gateway: Gateway, providers: Fakes, messages: list[Any]) -> str:
    assert ask(gateway, "openai/gpt-4o-mini", messages=messages, headers=ADA).status == 200
    return str(providers["openai"].last.json["messages"])


@pytest.mark.parametrize("switch", ["on", "off"])
def test_what_a_follow_up_leans_on_is_recalled_for(switch: str, start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai", FEATURE_COREWRITE=switch)
    url = f"{gateway.origin}/api/memories"
    assert httpx.post(url, json={"text": FACT}, headers={**gateway.headers, **ADA}).status_code in (200, 201)
    assert wait_for(lambda: FACT in sent(gateway, providers, TALK[:1]))
    told = sent(gateway, providers, TALK)
    assert (FACT in told) == (switch == "on")
    assert "Where do they live?" in told  # never in place of the user's words
    assert "Where do tiger sharks live?" not in told
