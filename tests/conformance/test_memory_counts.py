"""`/metrics` says how long recalling takes, how many notes models are told, what is kept, and why what is not."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

import httpx
import pytest

from tests.conftest import StartGateway
from tests.fakes.gateway import Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault
from tests.fakes.users import User, wait_for

Fakes = Mapping[str, Provider]


@pytest.fixture(scope="module")
def home(start_gateway: StartGateway) -> Gateway:
    return start_gateway("openai")


def counts(gateway: Gateway) -> dict[str, float]:
    page = httpx.get(f"{gateway.origin}/metrics", headers=gateway.headers, timeout=30).text
    found = re.findall(
        r"^(syntra_(?:recall|notes|remembered|not_remembered)[a-z_]*(?:\{[^}]*\})?) (\S+)$", page, re.MULTILINE
    )
    return {name: float(value) for name, value in found}


def test_what_becomes_of_memories_is_counted(home: Gateway, providers: Fakes) -> None:
    ann = User(home)
    ann.chat("My favourite tea is Darjeeling.")
    ann.knows("My favourite tea is Darjeeling.")
    ann.chat("Which tea is my favourite?")
    ann.chat("I like green bicycles a lot.", headers={"x-syntra-memory": "read"})
    providers["openai"].script(fault=Fault.EOF_MID)
    ann.chat("I live in the blue house.")
    providers["openai"].reset()
    User(home).chat("Good morning!")
    wanted = {
        'syntra_remembered_total{kind="statement"}',
        'syntra_remembered_total{kind="fact"}',
        'syntra_not_remembered_total{reason="nothing"}',
        'syntra_not_remembered_total{reason="off"}',
        'syntra_not_remembered_total{reason="unfinished"}',
        "syntra_notes_total",
    }
    wait_for(lambda: wanted <= counts(home).keys(), lambda: counts(home))
    time.sleep(1.5)  # until all is flushed
    seen = counts(home)
    assert seen["syntra_recall_seconds_count"] >= 5
    assert 0 < seen["syntra_recall_seconds_sum"] < 0.2 * seen["syntra_recall_seconds_count"]
    assert seen["syntra_notes_total"] >= 1
    assert seen['syntra_not_remembered_total{reason="off"}'] >= 1


def test_what_is_nobodys_is_not_counted(home: Gateway, providers: Fakes) -> None:
    before = counts(home).get("syntra_recall_seconds_count", 0)
    nobody = User(home)
    nobody.headers.pop("x-syntra-user")
    nobody.chat("My favourite tea is Darjeeling.")
    time.sleep(1.5)
    assert counts(home).get("syntra_recall_seconds_count", 0) == before
