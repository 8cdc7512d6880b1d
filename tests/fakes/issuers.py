"""What providers do with artefacts: each signs or seals its own thinking, and refuses a history with anybody else's.

A guard stands in front of a fake: it checks the artefacts of a request, and gives an answer artefacts of its own. Every
answer has a token in its text or its arguments, so a guard knows its own answers in a history, and refuses one that
comes back without what it had.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.fakes import anthropic_wire, openai_responses
from tests.fakes.script import Frame, Script, dumps
from tests.fakes.server import Request
from tests.fakes.shape import refuse

TOKEN = re.compile(r"tok-[a-z]+-\d+")
DUMMY = base64.b64encode(b"skip_thought_signature_validator").decode()  # Google's own, for calls of other models


def token_of(script: Script) -> str:
    found = TOKEN.search(" ".join((script.text, *(call.arguments for call in script.tool_calls))))
    assert found is not None, script
    return found[0]


def tokens_in(value: Any) -> set[str]:
    return set(TOKEN.findall(json.dumps(value)))


class Guard:
    """One provider's artefacts; `restored` counts those that came back."""

    def __init__(self) -> None:
        self.issued: dict[str, str] = {}  # token: artefact
        self.restored = 0

    def check(self, request: Request) -> Request:
        """Raises Refused; the request with the stock artefacts that the fake itself knows."""
        raise NotImplementedError

    def thinks(self, script: Script, body: Any) -> Script:
        """What is said to this body: thinking only where it was asked for."""
        return script

    def sign(self, script: Script, frames: list[Frame], body: Any) -> list[Frame]:
        """The frames with artefacts of this answer's own."""
        raise NotImplementedError

    def demand(self, found: set[str], artefact: str | None, at: str) -> None:
        """An answer of ours has to have the artefact that it had; and no other answer has one."""
        own = [self.issued[token] for token in found if token in self.issued]
        refuse(artefact is None or artefact in own, at, f"Invalid signature or foreign artefact {artefact!r}")
        refuse(not own or artefact is not None, at, f"an artefact of ours is missing: {own}")
        self.restored += bool(own)


class AnthropicGuard(Guard):
    """Signs thinking blocks over their text; wants ids of its alphabet, each once in a conversation."""

    def check(self, request: Request) -> Request:
        body = request.json
        seen: set[str] = set()
        for k, message in enumerate(body["messages"]):
            blocks = message["content"] if isinstance(message["content"], list) else []
            refuse(blocks or message["content"], f"messages.{k}.content", "must not be empty")
            for block in blocks:
                if block["type"] == "text":
                    refuse(block["text"].strip(), f"messages.{k}", "text content blocks must be non-empty")
                if block["type"] == "tool_use":
                    refuse(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", block["id"]), f"messages.{k}", "tool_use.id")
                    refuse(block["id"] not in seen, f"messages.{k}", "`tool_use` ids must be unique")
                    seen.add(block["id"])
            if message["role"] == "assistant":
                self._check_thoughts(blocks, f"messages.{k}")
        return replace(request, body=dumps(body))

    def _check_thoughts(self, blocks: list[Any], at: str) -> None:
        thoughts = [block for block in blocks if block["type"] == "thinking"]
        found = tokens_in([block for block in blocks if block["type"] != "thinking"])
        refuse(len(thoughts) <= 1, at, "more than one thought")
        refuse(not thoughts or blocks[0]["type"] == "thinking", at, "a thought has to come first")
        self.demand(found, thoughts[0]["signature"] if thoughts else None, at)
        for thought in thoughts:
            refuse(thought["thinking"] == self.thought(found), at, "Invalid `signature` in `thinking` block")
            thought["signature"] = anthropic_wire.SIGNATURE

    def thought(self, found: set[str]) -> str:
        return next(f"I think of {token}." for token in found if token in self.issued)

    def thinks(self, script: Script, body: Any) -> Script:
        asked = (body.get("thinking") or {}).get("type") == "enabled"
        return script.but(reasoning=("I think of ", f"{token_of(script)}.") if asked else ())

    def sign(self, script: Script, frames: list[Frame], body: Any) -> list[Frame]:
        if not script.reasoning:
            return frames
        token = token_of(script)
        self.issued[token] = base64.b64encode(f"anthropic {token}".encode()).decode()
        return swapped(frames, anthropic_wire.SIGNATURE, self.issued[token])


class GeminiGuard(Guard):
    """Signs the first call of an answer, or its text; wants every step of the current turn signed."""

    def check(self, request: Request) -> Request:
        body = request.json
        said = [k for k, one in enumerate(body["contents"]) if one.get("role") == "user" and "text" in one["parts"][0]]
        for k, content in enumerate(body["contents"]):
            if content.get("role") != "model":
                continue
            parts = content["parts"]
            called = [part for part in parts if "function_call" in part or "functionCall" in part]
            signs = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
            at = f"contents[{k}]"
            refuse(len(signs) <= 1, at, "more than one signature")
            signed = "thoughtSignature" in called[0] if called else True
            refuse(signed or k < max(said), at, "Function call is missing a thought_signature in functionCall parts.")
            own = [sign for sign in signs if sign != DUMMY]
            self.demand(tokens_in(parts), own[0] if own else None, at)
        return request

    def sign(self, script: Script, frames: list[Frame], body: Any) -> list[Frame]:
        token = token_of(script)
        self.issued[token] = base64.b64encode(f"google {token}".encode()).decode()
        made, signed = [], False
        for frame in frames:
            told = json.loads(frame.data.removeprefix(b"data: "))
            parts = told["candidates"][0]["content"]["parts"]
            if not signed and ("functionCall" in parts[0] or (frame.part == "finish" and not script.tool_calls)):
                parts[0]["thoughtSignature"] = self.issued[token]
                signed = True
            made.append(replace(frame, data=b"data: %b\r\n\r\n" % dumps(told)))
        return made


class OpenAIGuard(Guard):
    """Seals reasoning for who asks by Responses; a call is refused by its id without the thought that it had."""

    def check(self, request: Request) -> Request:
        body = request.json
        if "input" not in body:
            for k, message in enumerate(body["messages"]):
                for call in message.get("tool_calls") or ():
                    refuse(len(call["id"]) <= 40, f"messages[{k}]", "string too long. Expected a maximum of 40")
            return request
        thought = ""
        for k, item in enumerate(body["input"] if isinstance(body["input"], list) else ()):
            at = f"input[{k}]"
            if item.get("type") == "reasoning":
                thought = item["id"].removeprefix("rs_")
                sealed = self.issued.get(thought)
                refuse(item["encrypted_content"] == sealed, at, "The encrypted content could not be verified.")
                item["encrypted_content"] = openai_responses.ENCRYPTED
                self.restored += 1
            elif item.get("role") in (None, "assistant") and "call_output" not in str(item.get("type")):
                own = [token for token in tokens_in(item) if token in self.issued]
                refuse(not own or own == [thought], at, "was provided without its required 'reasoning' item")
                refuse(len(item.get("call_id", "")) <= 64, at, "string too long. Expected a maximum of 64")
            else:
                thought = "" if item.get("role") == "user" else thought
        return replace(request, body=dumps(body))

    def thinks(self, script: Script, body: Any) -> Script:
        return script.but(reasoning=("A thought.",) if "input" in body else ())

    def sign(self, script: Script, frames: list[Frame], body: Any) -> list[Frame]:
        if "input" not in body:
            return frames
        token = token_of(script)
        self.issued[token] = f"gAAAA{base64.urlsafe_b64encode(f'openai {token}'.encode()).decode()}"
        made = swapped(frames, openai_responses.ENCRYPTED, self.issued[token])
        for stock in ("rs_Fake1", "msg_Fake1"):
            made = swapped(made, stock, f"{stock.partition('_')[0]}_{token}")
        return swapped(made, "fc_Fake", f"fc_{token}")


class KimiGuard(Guard):
    """Wants the words of its thoughts again, some words at every call, and ids that name and count the calls."""

    def check(self, request: Request) -> Request:
        body = request.json
        count = 0
        for k, message in enumerate(body["messages"]):
            if message["role"] != "assistant":
                continue
            at = f"messages[{k}]"
            words = message.pop("reasoning_content", None)
            refuse(words or not message.get("tool_calls"), at, "reasoning_content is missing in assistant tool call")
            for call in message.get("tool_calls") or ():
                refuse(call["id"] == f"functions.{call['function']['name']}:{count}", at, f"bad id {call['id']}")
                count += 1
            own = [self.issued[token] for token in tokens_in(message) if token in self.issued]
            refuse(not own or words == own[0], at, f"the words of a thought of ours are missing: {own}")
            self.restored += bool(own)
        return request

    def thinks(self, script: Script, body: Any) -> Script:
        return script.but(reasoning=("I think of ", f"{token_of(script)} at Kimi."))

    def sign(self, script: Script, frames: list[Frame], body: Any) -> list[Frame]:
        self.issued[token_of(script)] = "".join(script.reasoning)
        return frames


class OpenRouterGuard(Guard):
    """Seals the reasoning of who answers behind it, and cannot open what another has sealed."""

    def check(self, request: Request) -> Request:
        for k, message in enumerate(request.json["messages"]):
            if message["role"] == "assistant":
                details = message.get("reasoning_details") or []
                sealed = [one["data"] for one in details if "data" in one]
                refuse(len(sealed) <= 1, f"messages[{k}]", "more than one seal")
                refuse("thinking_blocks" not in message, f"messages[{k}]", "foreign thinking blocks")
                found = tokens_in({name: message.get(name) for name in ("content", "tool_calls")})
                self.demand(found, sealed[0] if sealed else None, f"messages[{k}]")
        return request

    def thinks(self, script: Script, body: Any) -> Script:
        return script.but(reasoning=("Let me route.",))

    def sign(self, script: Script, frames: list[Frame], body: Any) -> list[Frame]:
        token = token_of(script)
        self.issued[token] = base64.b64encode(f"openrouter {token}".encode()).decode()
        sealed = {
            "type": "reasoning.encrypted",
            "data": self.issued[token],
            "format": "openai-responses-v1",
            "index": 0,
        }
        detail = b'"reasoning_details":[%b,' % dumps(sealed)
        return [replace(frame, data=frame.data.replace(b'"reasoning_details":[', detail)) for frame in frames]


class PlainGuard(Guard):
    """Perplexity thinks aloud or not at all."""

    def check(self, request: Request) -> Request:
        for message in request.json["messages"]:
            refuse(set(message) <= {"role", "content"}, "messages", f"foreign fields: {sorted(message)}")
        return request

    def sign(self, script: Script, frames: list[Frame], body: Any) -> list[Frame]:
        return frames


GUARDS: dict[str, type[Guard]] = {
    "openai": OpenAIGuard,
    "anthropic": AnthropicGuard,
    "google": GeminiGuard,
    "kimi": KimiGuard,
    "openrouter": OpenRouterGuard,
    "perplexity": PlainGuard,
}


def swapped(frames: list[Frame], stock: str, own: str) -> list[Frame]:
    return [replace(frame, data=frame.data.replace(stock.encode(), own.encode())) for frame in frames]


def counted() -> Iterator[int]:
    """Numbers for tokens."""
    number = 0
    while True:
        number += 1
        yield number
