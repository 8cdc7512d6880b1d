"""A conversation moves between providers at any turn: nobody refuses it, and what each has signed comes back to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from gateway.upstream.translate import load
from tests.fakes.gateway import KINDS
from tests.fakes.inside import inside
from tests.fakes.issuers import GUARDS
from tests.fakes.moves import answer_calls, converse, talker
from tests.fakes.provider import Provider

CONVERSATIONS = {"chat": 400, "messages": 300, "responses": 300}


@pytest.mark.parametrize("dialect", CONVERSATIONS)
def test_a_conversation_with_tools_moves_between_providers_at_any_turn(dialect: str, tmp_path: Path) -> None:
    load()
    with ExitStack() as stack:
        fakes = {kind.name: stack.enter_context(kind()) for kind in KINDS}
        asyncio.run(_all(fakes, dialect, tmp_path))


async def _all(fakes: Mapping[str, Provider], dialect: str, folder: Path) -> None:
    for name, fake in fakes.items():
        fake.guard = GUARDS[name]()
    async with inside(fakes, folder) as gateway:
        for seed in range(CONVERSATIONS[dialect]):
            random = Random(seed)
            talking = talker(dialect, random)
            for step, body in converse(random, talking):
                fakes[step.provider].says = step.script
                try:
                    raw = await gateway.ask(talking.path, body)
                except Exception as error:
                    error.add_note(f"conversation {seed}: {gateway.wire.refused}")
                    raise
                answer_calls(talking, raw, step)
        assert gateway.wire.refused == []
    signing = fakes.keys() - {"perplexity"} - (set() if dialect == "responses" else {"openai"})
    for name in signing:  # the others have nothing that is signed or sealed in this dialect
        guard = fakes[name].guard
        assert guard is not None
        assert guard.restored > CONVERSATIONS[dialect] / 8, name
