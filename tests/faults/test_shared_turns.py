"""Who goes on with a tool loop is known to all workers."""

from __future__ import annotations

from typing import Any

from gateway.core.conversations import Turn
from gateway.stores.turns import CHANNEL, Turns
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.fakes.valkey import Engine, until
from tests.unit.wire_rig import Run


def test_what_one_worker_tells_the_others_hear_and_nonsense_hurts_nobody(run: Run[Any], shared_engine: Engine) -> None:
    heard: dict[str, list[tuple[bytes, str, int]]] = {"one": [], "other": []}

    async def story() -> None:
        async with Valkey(place(shared_engine.url)) as valkey:
            one, other = (
                Turns(valkey, lambda key, turn, who=who: heard[who].append((key, turn.model, turn.tokens)))
                for who in heard
            )
            await one.start()
            await other.start()
            await until(lambda: len(heard["other"]) > 0 or one.tell(b"key", Turn("openai/x", 7, 1.0)))
            await valkey.run("PUBLISH", CHANNEL, b"\xc1nonsense")
            other.tell(b"another", Turn("kimi/y", 8, 1.0))
            await until(lambda: len(heard["one"]) > 0)
            await one.close()
            await other.close()

    run(story())
    assert set(heard["other"]) == {(b"key", "openai/x", 7)}
    assert set(heard["one"]) == {(b"another", "kimi/y", 8)}
