"""What a client hears of an answer, read as strictly as the strictest of them: text, calls, and a right end.

Three dialects, streamed and whole. What breaks a client raises Unfit, with what it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field


class Unfit(Exception):
    """The answer would break the client; the message says by what."""


class Call(Struct, frozen=True):
    """One call of a tool."""

    id: str
    name: str
    arguments: str


class Heard(Struct):
    """An answer as a client has it in the end."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    usage: Mapping[str, Any] | None = None
    ended: str = ""


def events(body: bytes) -> list[tuple[str, Any]]:
    """The events of a stream, each with its name, if it has one; `[DONE]` comes as it is."""
    found: list[tuple[str, Any]] = []
    for frame in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        name, data = "", []
        for line in frame.split(b"\n"):
            label, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if label == b"event":
                name = value.decode()
            elif label == b"data":
                data.append(value)
        if data:
            text = b"\n".join(data)
            found.append((name, "[DONE]" if text == b"[DONE]" else _json(text)))
    return found


def chat(body: bytes) -> Heard:
    """A stream of chat completions."""
    heard, calls = Heard(), dict[int, dict[str, str]]()
    told = events(body)
    if not told or told[-1][1] != "[DONE]":
        raise Unfit("the stream does not end in [DONE]")
    for _, chunk in told[:-1]:
        if "error" in chunk:
            raise Unfit(f"an error in the stream: {_words(chunk)}")
        heard.usage = chunk.get("usage") or heard.usage
        for choice in chunk["choices"]:
            delta = choice.get("delta") or {}
            if delta.get("role") not in (None, "assistant"):
                raise Unfit(f"a delta has the role {delta['role']}")
            heard.text += delta.get("content") or ""
            _add(calls, delta.get("tool_calls") or ())
            heard.ended = choice.get("finish_reason") or heard.ended
    if not heard.ended:
        raise Unfit("no finish_reason: opencode would ask again without end")
    heard.calls = [Call(**one) for _, one in sorted(calls.items())]
    return heard


def _add(calls: dict[int, dict[str, str]], deltas: Sequence[Mapping[str, Any]]) -> None:
    for delta in deltas:
        if not isinstance(delta.get("index"), int):
            raise Unfit("a tool call in the stream has no index")
        call = calls.setdefault(delta["index"], {"id": "", "name": "", "arguments": ""})
        function = delta.get("function") or {}
        call["id"] = delta.get("id") or call["id"]
        call["name"] = function.get("name") or call["name"]
        call["arguments"] += function.get("arguments") or ""


def chat_whole(body: bytes) -> Heard:
    """A chat completion without a stream."""
    told = _json(body)
    choice = told["choices"][0]
    calls = [Call(one["id"], **one["function"]) for one in choice["message"].get("tool_calls") or ()]
    return Heard(choice["message"].get("content") or "", calls, told.get("usage"), choice.get("finish_reason") or "")


def responses(body: bytes) -> Heard:
    """The events of a response; text and calls as Codex takes them, from `response.output_item.done` alone."""
    heard = Heard()
    told = events(body)
    if not told or told[0][1].get("type") != "response.created":
        raise Unfit("the stream does not begin with response.created")
    for number, (name, event) in enumerate(told):
        if name != event["type"] or event["sequence_number"] != number:
            raise Unfit(f"event {number} is not numbered and named as its type says")
        if event["type"] in ("error", "response.failed"):
            raise Unfit(f"the answer failed: {_words(event)}")
        if event["type"] == "response.output_item.done":
            _item(heard, event["item"])
    last = told[-1][1]
    if last["type"] not in ("response.completed", "response.incomplete"):
        raise Unfit("response.completed is not the last event")
    heard.usage, heard.ended = last["response"].get("usage"), last["response"]["status"]
    return heard


def responses_whole(body: bytes) -> Heard:
    """A response without a stream."""
    told = _json(body)
    heard = Heard(usage=told.get("usage"), ended=told["status"])
    for item in told["output"]:
        _item(heard, item)
    return heard


def _item(heard: Heard, item: Mapping[str, Any]) -> None:
    if item["type"] == "message":
        heard.text += "".join(part.get("text", "") for part in item["content"])
    elif item["type"] == "function_call":
        heard.calls.append(Call(item["call_id"], item["name"], item["arguments"]))


def messages(body: bytes) -> Heard:
    """The events of a message, in Anthropic's exact order."""
    heard, blocks = Heard(), dict[int, dict[str, Any]]()
    told = [one for one in events(body) if one[0] != "ping"]
    for name, event in told:
        if name != event["type"]:
            raise Unfit("an event without its name: Claude Code would read nothing")
        if name == "error":
            raise Unfit(f"an error in the stream: {_words(event)}")
    kinds = [name for name, _ in told]
    if kinds[:1] != ["message_start"] or kinds[-2:] != ["message_delta", "message_stop"]:
        raise Unfit(f"the stream is {', '.join([*kinds[:1], '…', *kinds[-2:]])}")
    for name, event in told[1:-2]:
        _block(blocks, name, event)
    for block in blocks.values():
        if not block["stopped"]:
            raise Unfit("a content block does not stop")
        if block["type"] == "text":
            heard.text += block["text"]
        elif block["type"] == "tool_use":
            heard.calls.append(Call(block["id"], block["name"], block["json"] or "{}"))
    heard.usage, heard.ended = told[-2][1].get("usage"), told[-2][1]["delta"]["stop_reason"]
    return heard


def _block(blocks: dict[int, dict[str, Any]], name: str, event: Mapping[str, Any]) -> None:
    if name == "content_block_start":
        if event["index"] != len(blocks):
            raise Unfit("a content block is out of order")
        blocks[event["index"]] = {"text": "", "json": "", "stopped": False, **event["content_block"]}
        return
    block = blocks.get(event["index"])
    if block is None or block["stopped"]:
        raise Unfit(f"{name} outside of a content block")
    if name == "content_block_stop":
        block["stopped"] = True
    elif name == "content_block_delta":
        delta = event["delta"]
        block["text"] += delta.get("text", "")
        block["json"] += delta.get("partial_json", "")


def messages_whole(body: bytes) -> Heard:
    """A message without a stream."""
    told = _json(body)
    text = "".join(block["text"] for block in told["content"] if block["type"] == "text")
    used = [block for block in told["content"] if block["type"] == "tool_use"]
    calls = [Call(block["id"], block["name"], json.dumps(block["input"])) for block in used]
    return Heard(text, calls, told.get("usage"), told["stop_reason"])


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Unfit("what came is not JSON") from None


def _words(event: Mapping[str, Any]) -> str:
    error = event.get("error") or (event.get("response") or {}).get("error") or event
    return str(error.get("message", error))[:200]


def chat_broken(body: bytes) -> str:
    """The words of the error that ends a stream of chat completions; an end beside it would be taken for a whole."""
    told = [event for _, event in events(body)]
    error = told[-1].get("error") if told and isinstance(told[-1], dict) else None
    if not isinstance(error, dict) or not error.get("message") or not error.get("type"):
        raise Unfit("the stream does not end in an error that the client could read")
    if any(choice.get("finish_reason") for chunk in told[:-1] for choice in chunk["choices"]):
        raise Unfit("the stream has an error, and a finish_reason too")
    return str(error["message"])


def responses_broken(body: bytes) -> str:
    """The words of a response's failure: an event for the SDKs, flat and nested, and then the one that Codex reads."""
    told = [event for _, event in events(body)]
    if [event.get("type") for event in told[-2:]] != ["error", "response.failed"]:
        raise Unfit("the stream does not end in error and response.failed")
    failed = told[-1]["response"]
    if not told[-2].get("message") or not told[-2].get("error", {}).get("message") or failed["status"] != "failed":
        raise Unfit("the SDKs would not hear of the failure")
    if not failed["error"]["code"]:
        raise Unfit("the failure has no code, which is all that Codex reads")
    return str(failed["error"]["message"])


def messages_broken(body: bytes) -> str:
    """The words of the error that ends the stream of a message."""
    told = events(body)
    if not told or told[-1][0] != "error" or not told[-1][1].get("error", {}).get("type"):
        raise Unfit("the stream does not end in an error event with a type")
    if any(name in ("message_delta", "message_stop") for name, _ in told):
        raise Unfit("the message has an error, and an end too")
    return str(told[-1][1]["error"]["message"])
