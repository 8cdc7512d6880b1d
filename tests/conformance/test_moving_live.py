"""The same moves as in tests/property/test_moves.py, a few of them, through a running gateway and over real sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from random import Random

import httpx
import pytest

from tests.fakes.gateway import PLAIN, Gateway
from tests.fakes.issuers import GUARDS
from tests.fakes.moves import answer_calls, converse, restored, talker
from tests.fakes.provider import Provider


@pytest.mark.parametrize("dialect", ["chat", "messages", "responses"])
def test_a_conversation_moves_over_real_sockets(
    gateway: Gateway, providers: Mapping[str, Provider], dialect: str
) -> None:
    for name, fake in providers.items():
        fake.guard = GUARDS[name]()
    with httpx.Client(base_url=gateway.origin, verify=PLAIN, timeout=30, trust_env=False) as http:
        for seed in range(8):
            random = Random(seed)
            talking = talker(dialect, random)
            for step, body in converse(random, talking):
                providers[step.provider].says = step.script
                headers = {**gateway.headers, "x-syntra-persona": "off"}
                reply = http.post(talking.path, json=body, headers=headers)
                assert reply.status_code == 200, (seed, reply.text, json.dumps(body))
                answer_calls(talking, reply.content, step)
    assert sum(restored(providers).values()) > 5
