"""What the events of every dialect are compared on: the answers that the fakes give, and the files of what was told."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gateway import PERPLEXITY, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, ToolCall, Usage

CALLS = (ToolCall("call_1", "look_up", '{"word":"Paris"}'), ToolCall("call_2", "look_up", "{}", cuts=()))

MadeUp = Sequence[tuple[re.Pattern[str], str]]  # what differs each time, and what stands in its place


def scripts(calls: tuple[ToolCall, ...] = CALLS) -> Mapping[str, Script]:
    """The answers, by the names of their cases."""
    return {
        "text": Script(pieces=("Bon", "jour ", "👋🏽\u2028."), usage=Usage(21, 9, cached=5)),
        "thoughts": Script(reasoning=("Let me ", "see."), pieces=("It is 4.",), usage=Usage(21, 9, reasoning=3)),
        "calls": Script(reasoning=("Let me see.",), tool_calls=calls),
        "cut": Script(pieces=("Half an",), finish="length"),
        "broken": Script(pieces=("one ", "two ", "three"), fault=Fault.RESET_MID, after=2),
    }


def says(pin: Pin, case: str, script: Script, providers: Mapping[str, Provider]) -> None:
    """Let the pin's provider answer so."""
    if case == "calls" and pin is PERPLEXITY:
        pytest.skip("it calls nothing")
    providers[pin.provider].says = script


def line(event: dict[str, Any], made_up: MadeUp) -> str:
    """An event without what is made up anew each time."""
    text = json.dumps(event, ensure_ascii=False)
    for pattern, stand_in in made_up:
        text = pattern.sub(stand_in, text)
    return text.replace("\u2028", "\\u2028") + "\n"


def expected(path: Path, text: str) -> str:
    """What a file says must have been told; with UPDATE_GOLDEN=1 that is what was."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return path.read_text("utf-8")
