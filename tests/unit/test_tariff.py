"""What is paid for that is no chat: by tokens where they are told, by the piece where they are not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.core.money import dollars
from gateway.core.tariff import Consumed
from gateway.upstream.prices import load


@dataclass(frozen=True)
class Bill:
    """A model, what was used of it, and what that costs by the provider's list."""

    model: str
    used: Consumed
    usd: str


BILLS = (
    Bill("openai/whisper-1", Consumed(seconds=600.0), "0.060000"),
    Bill("openai/tts-1", Consumed(characters=1_000_000, seconds=66_000.0), "15.000000"),
    Bill("openai/gpt-image-1", Consumed(input=1070, output=1000, input_media=1000, images=1), "0.050350"),
    Bill("openai/gpt-4o-transcribe", Consumed(input=1400, output=100, input_media=1400), "0.004500"),
    Bill("openai/omni-moderation-latest", Consumed(input=1_000_000), "0.000000"),
)


@pytest.mark.parametrize("bill", BILLS, ids=lambda bill: bill.model)
def test_a_call_costs_what_the_list_says(bill: Bill) -> None:
    known = load(["openai"]).get(bill.model)
    assert known is not None
    assert known.tariff is not None
    assert dollars(known.tariff.of(bill.used)) == bill.usd


def test_what_does_not_chat_is_not_listed_among_what_does() -> None:
    listed = load(["openai"]).names()
    assert "openai/gpt-4o-mini" in listed
    assert not {"openai/whisper-1", "openai/tts-1", "openai/gpt-image-1"} & set(listed)
