"""A client that leaves, stream or not, closes the provider's connection at once: nobody pays for unheard words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import openai
import pytest

from tests.fakes.caller import HELLO
from tests.fakes.gateway import OPENAI, PINS, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import Fault
from tests.fakes.server import Request, wait_for
from tests.laps import laps

Fakes = Mapping[str, Provider]
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)
PROMPT = 0.1  # seconds; a busy machine may need a second lap


def left(request: Request, at: float) -> float:
    """Seconds from leaving until the provider saw the connection close."""
    closed = wait_for(lambda: request.closed_early)
    assert closed is not None
    return closed - at


@every_provider
def test_closing_a_stream_closes_the_provider_at_once(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    for lap in laps(PROMPT, time.monotonic):
        fake.script(fault=Fault.HANG_MID)
        with gateway.client() as client:
            stream = client.chat.completions.create(model=pin.model, messages=HELLO, stream=True)
            for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
            at = time.monotonic()
            stream.close()
            lap.took = left(fake.last, at)


@every_provider
def test_cancelling_an_async_stream_closes_the_provider_at_once(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]

    async def cancel() -> float:
        fake.script(fault=Fault.HANG_MID)
        async with gateway.async_client() as client:
            heard = asyncio.Event()

            async def listen() -> None:
                async for chunk in await client.chat.completions.create(model=pin.model, messages=HELLO, stream=True):
                    if chunk.choices[0].delta.content:
                        heard.set()

            listening = asyncio.ensure_future(listen())
            async with asyncio.timeout(10):
                await heard.wait()
            at = time.monotonic()
            listening.cancel()
            await asyncio.wait([listening])
            return await asyncio.to_thread(left, fake.last, at)

    for lap in laps(PROMPT, time.monotonic):
        lap.took = asyncio.run(cancel())


@every_provider
def test_cancelling_a_plain_call_closes_the_provider_at_once(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]

    async def cancel() -> float:
        fake.script(fault=Fault.HANG_BEFORE)
        async with gateway.async_client() as client:
            before = len(fake.requests)
            asking = asyncio.ensure_future(client.chat.completions.create(model=pin.model, messages=HELLO))
            await asyncio.to_thread(wait_for, lambda: len(fake.requests) > before)
            at = time.monotonic()
            asking.cancel()
            await asyncio.wait([asking])
            return await asyncio.to_thread(left, fake.last, at)

    for lap in laps(PROMPT, time.monotonic):
        lap.took = asyncio.run(cancel())


def test_a_client_that_times_out_closes_the_provider_too(gateway: Gateway, providers: Fakes) -> None:
    fake = providers[OPENAI.provider]
    for lap in laps(PROMPT, time.monotonic):
        fake.script(fault=Fault.HANG_HEAD)
        with gateway.client(timeout=0.5) as client, pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model=OPENAI.model, messages=HELLO, stream=True)
        lap.took = left(fake.last, time.monotonic())


def test_reading_a_stream_to_its_end_is_not_leaving(gateway: Gateway, providers: Fakes) -> None:
    fakes = [providers[pin.provider] for pin in PINS]
    with gateway.client() as client:
        for pin in PINS:
            with client.chat.completions.create(model=pin.model, messages=HELLO, stream=True) as stream:
                list(stream)
    for fake in fakes:
        wait_for(lambda fake=fake: fake.last.answered)  # type: ignore[misc]
        assert fake.last.closed_early is None


@every_provider
def test_leaving_on_the_last_event_is_not_leaving(pin: Pin, gateway: Gateway, providers: Fakes) -> None:
    """Codex closes as soon as it has read `response.completed`."""
    log = gateway.log.stat().st_size
    for _ in range(10):
        with gateway.client() as client:
            for event in client.responses.create(model=pin.model, input="Say hello.", stream=True):
                if event.type == "response.completed":
                    break
    time.sleep(1)  # the log is written four times a second, and has a line for each that left
    assert b"responses 499" not in gateway.log.read_bytes()[log:]
    assert providers[pin.provider].last.closed_early is None
