"""What goes on and what does not, what the client is told of it, and what is in the books."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import UpstreamBroken
from gateway.core.let_go import let_go
from gateway.core.seam import last_words
from tests.fakes.circles import circles
from tests.fakes.gateway import KINDS
from tests.fakes.inside import Inside, inside
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, ToolCall, Usage
from tests.fakes.talkers import data_of

Fakes = Mapping[str, Provider]
BEFORE = "The reply begins, and says that I am Cla"
AFTER = "ude, made by Anthropic. Then it ends."
PIECES = tuple(BEFORE[k : k + 7] for k in range(0, len(BEFORE), 7))
ANCHOR = last_words(BEFORE)
GOES_ON = Script(pieces=(ANCHOR[:9], ANCHOR[9:] + AFTER[:5], AFTER[5:]), usage=Usage(30, 12))
CUT = Script(pieces=(*PIECES, "never heard"), fault=Fault.EOF_MID, after=len(PIECES))
QUESTION = [{"role": "user", "content": "Tell me."}]
CHAT = {"model": "syntra-go-on", "stream": True, "messages": QUESTION}
POLICY = """
kind = "routing"
version = 1
about = "The cheaper one first."
models = ["openai/gpt-4.1-mini", "kimi/kimi-k2.6"]
after_first_word = "continue"
[weights]
shortfall = 1
surplus = 0
cost = 1
ttft = 0
duration = 0
crowding = 0
stay = 0
search = 0
[half]
cost_usd = 0.005
ttft_ms = 2000
duration_ms = 20000
[enough]
default = [0.1, 0.1]
"""
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def cut() -> Iterator[Fakes]:
    """OpenAI breaks off in the middle of a sentence; Kimi goes on with it."""
    with ExitStack() as stack:
        fakes = {kind.name: stack.enter_context(kind()) for kind in KINDS if kind.name in ("openai", "kimi")}
        fakes["openai"].says, fakes["kimi"].says = CUT, GOES_ON
        yield fakes


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """The policy `syntra-go-on`: OpenAI first, then Kimi."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "go-on.toml").write_text(POLICY)
    return folder


def asked(
    fakes: Fakes,
    policies: Path,
    body: Any,
    path: str = "/v1/chat/completions",
    *,
    debug: bool = False,
    fails: bool = False,
) -> tuple[list[Any], Inside]:
    """The events of one answer, also of one that breaks, and the worker that gave it."""

    async def run() -> tuple[list[Any], Inside]:
        async with inside(fakes, policies.parent, policies=policies) as worker:
            worker.debug = debug
            if fails:
                with pytest.raises(UpstreamBroken):
                    await worker.ask(path, body)
                return data_of(worker.told), worker
            return data_of(await worker.ask(path, body)), worker

    return asyncio.run(run())


def text_of(events: list[Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def requests_of(worker: Inside) -> list[str]:
    return [name for name, _ in worker.wire.requests]


def test_each_segment_is_in_the_books(cut: Fakes, policies: Path) -> None:
    events, worker = asked(cut, policies, CHAT, debug=True)
    first, second = events[-1]["syntra"]["segments"]
    assert (first["model"], second["model"]) == ("openai/gpt-4.1-mini", "kimi/kimi-k2.6")
    assert worker.decision is not None
    attempts = worker.decision.attempts
    assert [(one.model, one.outcome, one.estimated) for one in attempts] == [
        (first["model"], first["error"], True),
        (second["model"], "answered", False),
    ]
    assert [one.usage.completion_tokens for one in attempts if one.usage] == [10, 12]
    outcome = worker.decision.outcome
    assert (outcome.ended, outcome.usage and outcome.usage.completion_tokens) == ("answered", 22)
    assert outcome.cost == sum(one.cost or 0 for one in attempts)


def test_who_was_not_asked_for_usage_is_told_of_the_segments_alone(cut: Fakes, policies: Path) -> None:
    events, _ = asked(cut, policies, CHAT)
    first, second = events[-1]["syntra"]["segments"]
    assert (first["characters"], second["characters"]) == (len(BEFORE), len(AFTER))
    assert "model" not in first | second
    assert "usage" not in events[-1]
    assert text_of(events).startswith("The reply begins, and says that I am Syntra")


def test_who_does_not_go_on_where_it_was_cut_is_not_heard(cut: Fakes, policies: Path) -> None:
    cut["kimi"].script(pieces=("Sure! Here is ", "the rest: ude."))
    events, worker = asked(cut, policies, CHAT, fails=True)
    assert BEFORE.startswith(text_of(events))
    assert requests_of(worker) == ["openai", "kimi"]
    assert worker.decision is not None
    assert worker.decision.outcome.ended == "cut"


def test_a_second_cut_is_told_as_the_first_was(cut: Fakes, policies: Path) -> None:
    cut["kimi"].says = GOES_ON.but(fault=Fault.EOF_MID, after=2)
    events, worker = asked(cut, policies, CHAT, fails=True)
    assert (BEFORE + AFTER).replace("Claude", "Syntra").startswith(text_of(events))
    assert len(requests_of(worker)) == 2


@pytest.mark.parametrize("second", [None, Fault.EOF_MID], ids=["whole", "cut again"])
def test_what_goes_on_leaves_nothing_in_circles(cut: Fakes, policies: Path, second: Fault | None) -> None:
    cut["kimi"].says = GOES_ON.but(fault=second, after=2)

    async def ask(worker: Inside) -> bool:
        try:
            await worker.ask("/v1/chat/completions", CHAT)
        except UpstreamBroken as error:
            let_go(error)  # as whoever tells it does
            return False
        return True

    async def scene() -> None:
        async with inside(cut, policies.parent, policies=policies) as worker:
            with circles() as found:
                assert await ask(worker) == (second is None)
                worker.decision = None
                await asyncio.sleep(0.05)
            assert not found

    asyncio.run(scene())


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_the_other_dialects_tell_one_text(cut: Fakes, policies: Path, path: str) -> None:
    cut["kimi"].says, cut["openai"].says = GOES_ON, CUT
    body: dict[str, Any] = {"model": "syntra-go-on", "stream": True}
    if path == "/v1/messages":
        events, _ = asked(cut, policies, body | {"messages": QUESTION, "max_tokens": 500}, path)
        text = "".join(one["delta"].get("text", "") for one in events if one["type"] == "content_block_delta")
        assert [one["type"] for one in events].count("content_block_start") == 1
        assert len(next(one for one in events if one["type"] == "message_delta")["syntra"]["segments"]) == 2
        assert text.startswith("The reply begins, and says that I am Syntra")
    else:  # OpenAI speaks the client's own dialect, and its items cannot go on
        _, worker = asked(cut, policies, body | {"input": QUESTION, "store": False}, path, fails=True)
        assert requests_of(worker) == ["openai"]


@pytest.mark.parametrize("more", [{}, {"response_format": {"type": "json_object"}}], ids=["call", "json"])
def test_calls_and_json_end_in_an_error(cut: Fakes, policies: Path, more: dict[str, Any]) -> None:
    if not more:
        call = ToolCall("call_1", "look_up", json.dumps({"word": "a long word"}), cuts=(2, 5, 9))
        cut["openai"].says = Script(pieces=(), tool_calls=(call,), fault=Fault.EOF_MID, after=2)
        more = {"tools": [TOOL]}
    asking = CHAT | {"messages": [{"role": "user", "content": "Tell me, in JSON."}]} | more
    _, worker = asked(cut, policies, asking, fails=True)
    assert requests_of(worker) == ["openai"]
