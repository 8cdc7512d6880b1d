"""Every event of a message, over every provider's fake; UPDATE_GOLDEN=1 writes the expected files anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fakes.gateway import PINS, Gateway, Pin
from tests.fakes.messages import TOOL, stream
from tests.fakes.provider import Provider
from tests.golden.dialects import expected, line, says, scripts

HERE = Path(__file__).with_name("messages")
SCRIPTS = scripts()
MADE_UP = (
    (re.compile(r"\bmsg_[0-9a-f]{32}\b"), "msg_…"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "…"),  # the request's id
    (re.compile(r"toolu_[0-9a-f]{28}"), "toolu_…"),  # LiteLLM draws an id for each call of Gemini's
)


@pytest.mark.parametrize("case", SCRIPTS)
@pytest.mark.parametrize("pin", PINS, ids=str)
def test_the_events_are_these(pin: Pin, case: str, gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    says(pin, case, SCRIPTS[case], providers)
    heard = stream(
        gateway, pin.model, tools=[TOOL], thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=4000
    )
    text = "".join(line(event, MADE_UP) for event in heard.events)
    assert text == expected(HERE / f"{pin}_{case}.events", text)
