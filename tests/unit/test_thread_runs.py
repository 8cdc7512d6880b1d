"""What is held of an answer for those who come back is bounded, and what is not held any more is said to be gone."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from gateway.core.errors import StreamGone
from gateway.http.threads import run as runs
from gateway.http.threads.events import encode, seen
from gateway.http.threads.run import Run


def test_a_very_long_answer_lets_its_beginning_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MOST_BYTES", 10_000)

    async def told() -> None:
        run = Run(cast("Any", None))
        for number in range(1000):
            run._tell("delta", {"content": str(number)})
            assert run.size < 10_200
        assert run.trimmed
        with pytest.raises(StreamGone) as gone:
            await run.after(0)
        assert gone.value.status == 410
        assert b'"999"' in (await run.after(999))[0]

    asyncio.run(told())


def test_who_follows_hears_every_event_once_and_then_the_end() -> None:
    async def told() -> None:
        run = Run(cast("Any", None))
        heard: list[bytes] = []

        async def follow() -> None:
            while events := await run.after(len(heard)):
                heard.extend(events)

        task = asyncio.create_task(follow())
        for number in range(50):
            run._tell("delta", {"content": str(number)})
            if number % 7 == 0:
                await asyncio.sleep(0)
        run.over = True
        run._wake()
        await task
        assert [event.split(b".")[1] for event in heard] == [str(number).encode() for number in range(50)]
        assert run.heard_by(50)

    asyncio.run(told())


def test_an_event_says_in_its_id_how_far_it_goes() -> None:
    event = encode("0199f0c1b2a47d3e8f60718293a4b5c6", 7, 42, "delta", {"content": "x"})
    found = seen(event.decode().splitlines()[0].removeprefix("id: "))
    assert found is not None
    assert (found.answer, found.number, found.characters) == ("0199f0c1b2a47d3e8f60718293a4b5c6", 7, 42)
    for text in ("", "7", "0199f0c1b2a47d3e8f60718293a4b5c6.7", "x" * 32 + ".1.1", "0" * 32 + ".9999999999.0"):
        assert seen(text) is None
