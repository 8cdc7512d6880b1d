"""Counting tokens in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from gateway.stores import counting, tokenizer
from gateway.stores.tokenizer import PER_MESSAGE, Tokenizer
from tests.laps import laps


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take long to start the child; what is given up is a test of its own."""
    monkeypatch.setattr(tokenizer, "PATIENCE", 60.0)


async def counted(*texts: bytes) -> list[int | None]:
    made = Tokenizer()
    try:
        return [await made.count([text]) for text in texts]
    finally:
        await made.close()


def test_the_count_is_tiktokens_own() -> None:
    texts = ["hello world", "Zwölf Boxkämpfer jagen Viktor", "日本で一番高い山", "def f(x):\n    return x * 2\n" * 50]
    encoding = counting.load()
    expected = [len(encoding.encode_ordinary(text)) + PER_MESSAGE for text in texts]
    assert asyncio.run(counted(*(text.encode() for text in texts))) == expected


def test_what_looks_like_a_special_token_is_text() -> None:
    (count,) = asyncio.run(counted(b"<|endoftext|>"))
    assert count is not None
    assert count > PER_MESSAGE + 1


def test_a_megabyte_of_one_letter_is_counted_and_the_loop_goes_on() -> None:
    async def longest_wait(made: Tokenizer) -> float:
        work, worst = asyncio.create_task(made.count([b"a" * 1_000_000])), 0.0
        while not work.done():
            begun = time.monotonic()
            await asyncio.sleep(0)
            worst = max(worst, time.monotonic() - begun)
        count = await work
        assert count is not None
        assert count > 10_000
        return worst

    async def run() -> None:
        made = Tokenizer()
        await made.count([b"warm"])
        for lap in laps(within=0.02, clock=time.monotonic):
            lap.took = await longest_wait(made)
        await made.close()

    asyncio.run(run())


def test_a_child_that_dies_is_replaced_and_its_question_is_left_to_the_estimate() -> None:
    async def run() -> list[int | None]:
        made = Tokenizer()
        counts = [await made.count([b"one"])]
        assert made._child is not None
        os.kill(made._child.pid, signal.SIGKILL)
        counts.append(await made.count([b"one"]))
        counts.append(await made.count([b"one"]))
        await made.close()
        return counts

    first, lost, again = asyncio.run(run())
    assert first == again == 1 + PER_MESSAGE
    assert lost in (None, first)


def test_one_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "PATIENCE", 0.01)
    assert asyncio.run(counted(b"hello world")) == [None]
