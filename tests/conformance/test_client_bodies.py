"""Bodies that real clients have sent, over every provider: `make quality BODIES=DIR`.

A folder of files `{"_meta": {"path", "headers"}, "body"}`, or `{"_meta": {"path"}, "tools"}` where only unusual tools were
kept. None of them is part of this project, so without a folder nothing is asked.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.dialects import PATHS, Said, post, read
from tests.fakes.gateway import ANTHROPIC, OPENROUTER, PERPLEXITY, PINS, PLAIN, Gateway, Pin
from tests.fakes.provider import Provider
from tests.fakes.script import Script, ToolCall, Usage

if not (FOLDER := os.environ.get("CLIENT_BODIES", "")):
    pytest.skip("CLIENT_BODIES names no folder of recorded bodies (make quality BODIES=DIR)", allow_module_level=True)

Fakes = Mapping[str, Provider]
Recorded = Mapping[str, Any]
TEXT = Script(
    pieces=('{"capital":', '"Bon', "jour ", '👋🏽\u2028."}'), usage=Usage(40, 7, cached=8)
)  # also where JSON is asked
ENDS = {"chat": ("stop", "tool_calls"), "responses": ("completed",) * 2, "messages": ("end_turn", "tool_use")}
EMBEDDERS = {"openai": "openai/text-embedding-3-small", "google": "google/gemini-embedding-001"}
ALL = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(Path(FOLDER).glob("*.json"))}
assert ALL, f"no recorded bodies in {FOLDER}"
CUT = re.compile(r"(?s)(.*?)(\.\.\.\[trimmed, \d+ chars in all\]|…\[\d+ characters\])")
NAMES = ("tool_result", "tool_use")  # that are longer than a recorder left them


def dialect(recorded: Recorded) -> str:
    path = recorded["_meta"]["path"].partition("?")[0]
    return next((name for name, known in PATHS.items() if path == known), path.rpartition("/")[2])


def uncut(value: Any, name: str = "") -> Any:
    """A recorded value with something in the place of what its recorder has cut, so that it means what it meant."""
    if isinstance(value, dict):
        return {key: uncut(one, key) for key, one in value.items() if key != "tools_omitted"}
    if isinstance(value, list):
        return [uncut(one) for one in value]
    if name == "properties" and isinstance(value, str):
        return {}
    if not isinstance(value, str) or (cut := CUT.fullmatch(value)) is None:
        return value
    return next((word for word in NAMES if name == "type" and word.startswith(cut[1])), f"{value} (in JSON)")


def body(recorded: Recorded) -> dict[str, Any]:
    """The body as it was sent; around tools alone, a prompt."""
    if recorded.get("body"):
        return dict(uncut(recorded["body"]))
    asked = {"input": "Say hello."} if dialect(recorded) == "responses" else {"messages": [_user("Say hello.")]}
    limit = {"max_tokens": 100} if dialect(recorded) == "messages" else {}
    return {**asked, **limit, "tools": uncut(recorded["tools"])}


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def of(*dialects: str) -> dict[str, Recorded]:
    return {name: recorded for name, recorded in ALL.items() if dialect(recorded) in dialects}


def functions(tools: list[dict[str, Any]]) -> Iterator[str]:
    """The names of tools that a model may call."""
    for tool in tools:
        if tool.get("type") == "namespace":
            yield from functions(tool["tools"])
        elif tool.get("type", "function") == "function" and not tool.get("defer_loading"):
            yield str(tool.get("function", tool)["name"])


def forced(recorded: Recorded) -> bool:
    """Whether the model has to call a tool."""
    choice = body(recorded).get("tool_choice")
    return choice is not None and choice not in ("auto", "none")


CONVERSATIONS = of(*PATHS)
ANSWERED = [(name, pin) for name, one in CONVERSATIONS.items() for pin in PINS if pin is PERPLEXITY or not forced(one)]
CALLING = {name: one for name, one in CONVERSATIONS.items() if [*functions(body(one).get("tools", []))]}
every_provider = pytest.mark.parametrize("pin", PINS, ids=str)
both_ways = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


def asked(gateway: Gateway, recorded: Recorded, pin: Pin, *, streamed: bool) -> Said:
    """The answer to a recorded body, asked of another model and with or without a stream."""
    sent = {**body(recorded), "model": pin.model, "stream": streamed}
    if not streamed:
        sent.pop("stream_options", None)
    elif dialect(recorded) == "chat":
        sent["stream_options"] = {"include_usage": True}
    meta = recorded["_meta"]
    return read(dialect(recorded), post(gateway, meta["path"], sent, meta.get("headers")), streamed=streamed)


@both_ways
@pytest.mark.parametrize(("name", "pin"), ANSWERED, ids=str)
def test_it_is_taken_and_answered_in_words(
    name: str, pin: Pin, streamed: bool, gateway: Gateway, providers: Fakes
) -> None:
    recorded = CONVERSATIONS[name]
    fake = providers[pin.provider]
    fake.says = TEXT
    answer = asked(gateway, recorded, pin, streamed=streamed)
    assert fake.refusals == []
    # Where a schema is a tool's, the provider sends data, and not the letters of a text.
    assert answer.text == TEXT.text or json.loads(answer.text) == json.loads(TEXT.text)
    assert (answer.calls, answer.counts) == ((), (40, 7))
    assert answer.ended == ENDS[dialect(recorded)][0]
    assert len(fake.requests) <= 1  # none where the same was asked before and its answer kept


@both_ways
@pytest.mark.parametrize("pin", [pin for pin in PINS if pin is not PERPLEXITY], ids=str)
@pytest.mark.parametrize("name", CALLING)
def test_its_tools_are_called(name: str, pin: Pin, streamed: bool, gateway: Gateway, providers: Fakes) -> None:
    recorded = CALLING[name]
    tool = next(functions(body(recorded)["tools"]))
    fake = providers[pin.provider]
    calls = (ToolCall("call_a", tool, '{"path":"note.txt"}'), ToolCall("call_b", tool, '{"path":"other.txt"}'))
    fake.says = Script(tool_calls=calls, usage=Usage(40, 7))
    answer = asked(gateway, recorded, pin, streamed=streamed)
    assert fake.refusals == []
    assert answer == Said("", tuple((call.name, json.loads(call.arguments)) for call in calls), (40, 7))
    assert answer.ended == ENDS[dialect(recorded)][1]


@both_ways
@every_provider
@pytest.mark.parametrize("name", of("completions"))
def test_a_text_goes_on(name: str, pin: Pin, streamed: bool, gateway: Gateway, providers: Fakes) -> None:
    providers[pin.provider].says = TEXT
    sent = {**body(ALL[name]), "model": pin.model, "stream": streamed}
    reply = post(gateway, "/v1/completions", sent)
    assert reply.status_code == 200, reply.text
    if streamed:
        *chunks, last = re.findall(r"^data: (.*)$", reply.text, re.MULTILINE)
        assert last == "[DONE]"
        choices = [json.loads(chunk)["choices"][0] for chunk in chunks]
    else:
        choices = reply.json()["choices"]
        assert reply.json()["usage"]["completion_tokens"] == 7
    assert "".join(choice["text"] for choice in choices) == TEXT.text
    assert choices[-1]["finish_reason"] == "stop"


@every_provider
@pytest.mark.parametrize("name", of("embeddings"))
def test_texts_become_vectors_where_the_provider_has_them(
    name: str, pin: Pin, gateway: Gateway, providers: Fakes
) -> None:
    sent = {**body(ALL[name]), "model": EMBEDDERS.get(pin.provider, pin.model)}
    reply = post(gateway, "/v1/embeddings", sent)
    if pin not in (ANTHROPIC, PERPLEXITY):
        assert reply.status_code == 200, reply.text
        inputs = sent["input"] if isinstance(sent["input"], list) else [sent["input"]]
        assert [one["index"] for one in reply.json()["data"]] == list(range(len(inputs)))
        packed = sent.get("encoding_format") == "base64"
        assert all(isinstance(one["embedding"], str if packed else list) for one in reply.json()["data"])
    else:
        assert reply.json()["error"]["code"] in ("unsupported_model", "model_not_found")


@pytest.mark.parametrize("name", of("models"))
def test_models_are_listed_as_the_client_reads_them(name: str, gateway: Gateway, providers: Fakes) -> None:
    meta = ALL[name]["_meta"]
    headers = {**gateway.headers, **meta.get("headers", {})}
    reply = httpx.get(f"{gateway.origin}{meta['path']}", headers=headers, verify=PLAIN, trust_env=False)
    assert reply.status_code == 200
    listed = reply.json()["data"]
    if "anthropic-version" in headers:
        assert all(one["type"] == "model" and one["id"].startswith(("claude", "anthropic")) for one in listed)
    else:
        assert {pin.model for pin in PINS if pin is not OPENROUTER} <= {one["id"] for one in listed}


def test_every_recorded_body_is_asked_somewhere() -> None:
    assert set(ALL) == set(CONVERSATIONS) | set(of("completions", "embeddings", "models"))
