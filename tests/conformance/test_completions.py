"""`/v1/completions`, as editors speak it, over every provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai
import pytest

from tests.fakes.gateway import KIMI, OPENAI, PINS, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Fault

Fakes = Mapping[str, Provider]
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)


@every_provider
def test_a_text_is_gone_on_with(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(pieces=(" jumps", " over."))
    with gateway.client() as client:
        reply = client.completions.create(model=pin.model, prompt="The quick fox", max_tokens=20)
    [choice] = reply.choices
    assert (choice.text, choice.finish_reason, choice.index) == (" jumps over.", "stop", 0)
    assert (reply.object, reply.model) == ("text_completion", pin.model)
    assert reply.usage is not None
    assert reply.usage.total_tokens == 30
    sent = fake.last.body.decode()
    assert "The quick fox" in sent
    assert "You are Syntra" not in sent


@every_provider
def test_a_gap_is_filled(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    with gateway.client() as client:
        client.completions.create(model=pin.model, prompt="def f():\n    ", suffix="\n    return x")
    sent = providers[pin.provider].last.body.decode()
    assert "<before>def f()" in sent
    assert "return x</after>" in sent


@every_provider
def test_a_stream_tells_the_same(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=(" jumps", " over."), finish="length")
    options: Any = {"include_usage": True}
    with (
        gateway.client() as client,
        client.completions.create(model=pin.model, prompt="The fox", stream=True, stream_options=options) as stream,
    ):
        *chunks, last = stream
    assert "".join(chunk.choices[0].text for chunk in chunks) == " jumps over."
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["length"]
    assert last.choices == []
    assert last.usage is not None
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_several_prompts_are_several_choices(stream: bool, gateway: Gateway, providers: Fakes) -> None:
    prompts = ["One", "Two", "Three"]
    with gateway.client() as client:
        if stream:
            chunks = list(client.completions.create(model=OPENAI.model, prompt=prompts, n=2, stream=True))
            texts: dict[int, str] = {}
            for chunk in chunks:
                for choice in chunk.choices:
                    texts[choice.index] = texts.get(choice.index, "") + choice.text
        else:
            reply = client.completions.create(model=OPENAI.model, prompt=prompts, n=2)
            texts = {choice.index: choice.text for choice in reply.choices}
            assert reply.usage is not None
            assert reply.usage.total_tokens == 90
    assert sorted(texts) == [0, 2, 4]  # the fake gives one of two; the place of the other stays free
    assert set(texts.values()) == {"Hello from the fake."}
    assert [request.json["messages"][1]["content"] for request in providers["openai"].requests] == prompts


def test_the_prompts_share_the_limit_of_the_cost(gateway: Gateway, providers: Fakes) -> None:
    asked: Any = {"model": "openai/gpt-4o", "max_tokens": 300, "extra_headers": {"x-syntra-max-cost-usd": "0.005"}}
    with gateway.client() as client:
        client.completions.create(prompt="One", **asked)
        with pytest.raises(openai.BadRequestError) as raised:
            client.completions.create(prompt=["One"] * 16, **asked)
    assert raised.value.code == "no_candidate"
    assert len(providers["openai"].requests) == 1


@pytest.mark.parametrize("pin", [OPENAI, KIMI], ids=str)
def test_logprobs_stand_side_by_side(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(logprobs=True)
    with gateway.client() as client:
        reply = client.completions.create(model=pin.model, prompt="Say", logprobs=1)
        with client.completions.create(model=pin.model, prompt="Say", logprobs=1, stream=True) as stream:
            streamed = [chunk.choices[0].logprobs for chunk in stream if chunk.choices[0].logprobs]
    told = reply.choices[0].logprobs
    assert told is not None
    assert told.tokens == ["Hello", " from", " the", " fake."]
    assert told.text_offset == [0, 5, 10, 14]
    assert told.top_logprobs == [{token: -0.125} for token in told.tokens]
    assert [offset for one in streamed for offset in one.text_offset or ()] == told.text_offset


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"echo": True}, "echo"),
        ({"best_of": 3}, "best_of"),
        ({"prompt": [1, 2, 3]}, "prompt[0]"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["x"] * 17}, "prompt"),
        ({"logprobs": 6}, "logprobs"),
    ],
)
def test_what_cannot_be_served_is_a_400_that_says_where(
    body: dict[str, Any], param: str, gateway: Gateway, providers: Fakes
) -> None:
    with gateway.client() as client, pytest.raises(openai.BadRequestError) as raised:
        client.completions.create(**{"model": OPENAI.model, "prompt": "x", **body})
    assert raised.value.param == param


def test_a_failure_in_the_middle_is_raised(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(fault=Fault.RESET_MID)
    with (
        gateway.client() as client,
        client.completions.create(model=OPENAI.model, prompt="x", stream=True) as stream,
        pytest.raises(openai.APIError) as raised,
    ):
        list(stream)
    assert PROSE not in str(raised.value)
