"""A conversation whose provider changes at any turn, and in the middle of a tool loop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

from tests.fakes.provider import Provider
from tests.fakes.script import Script, ToolCall
from tests.fakes.talkers import NAME, ChatTalker, MessagesTalker, ResponsesTalker, Talker

MODELS = {
    "openai": "gpt-5.1",
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-3-pro-preview",
    "kimi": "kimi-k2-thinking",
    "openrouter": "openai/gpt-oss-120b",
    "perplexity": "sonar",
}
IDS = {  # as each of them names its calls
    "openai": "call_{0:024d}",
    "anthropic": "toolu_01{0:022d}",
    "google": "",
    "kimi": "functions.look_up:{1}",
    "openrouter": "tool_{1}_look_up|{0:060d}",
}
_numbers = count(1)


@dataclass(frozen=True)
class Step:
    """One request: who is asked, and what it says."""

    provider: str
    script: Script
    tools: bool

    @property
    def model(self) -> str:
        return f"{self.provider}/{MODELS[self.provider]}"


def talker(dialect: str, random: Random) -> Talker:
    if dialect == "chat":
        return ChatTalker(faithful=random.random() < 0.3)
    return MessagesTalker() if dialect == "messages" else ResponsesTalker()


def said(provider: str, random: Random, *, calls: int, tools: bool = True) -> Step:
    """An answer with a token of its own."""
    token = f"tok-{provider}-{next(_numbers)}"
    if not calls:
        return Step(provider, Script(pieces=("The answer ", f"is {token}", ".")), tools)
    made = []
    for k in range(calls):
        identity = IDS[provider].format(next(_numbers), k)
        made.append(ToolCall(identity, NAME, json.dumps({"word": f"{token} {k}"})))
    return Step(provider, Script(pieces=(), tool_calls=tuple(made)), tools)


def converse(random: Random, talking: Talker) -> Iterator[tuple[Step, dict[str, Any]]]:
    """The requests of one conversation, each with its step; whoever sends it gives the answer to `talking`."""
    callers = [name for name in MODELS if name != "perplexity"]
    for turn in range(random.randint(2, 4)):
        talking.say(f"Question {turn}, please.")
        for _ in range(random.choice((0, 1, 1, 2))):
            step = said(random.choice(callers), random, calls=random.choice((1, 1, 2)))
            yield step, talking.body(step.model, tools=True)
        searches = random.random() < 0.1
        step = said("perplexity" if searches else random.choice(callers), random, calls=0, tools=not searches)
        yield step, talking.body(step.model, tools=step.tools)


def answer_calls(talking: Talker, raw: bytes, step: Step) -> None:
    """The client runs what was called; every call is there, under an id of the form that clients see."""
    calls = talking.hear(raw)
    assert len(calls) == len(step.script.tool_calls)
    for call, meant in zip(calls, step.script.tool_calls, strict=True):
        assert json.loads(call.arguments) == json.loads(meant.arguments)
        assert call.id.startswith(("call_", "toolu_"))
        assert len(call.id) <= 40
        assert call.id.replace("_", "").replace("-", "").isalnum()
        talking.answer(call, f"result of {call.id}")


def restored(fakes: Mapping[str, Provider]) -> dict[str, int]:
    return {name: fake.guard.restored for name, fake in fakes.items() if fake.guard is not None}
