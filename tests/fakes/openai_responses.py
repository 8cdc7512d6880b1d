"""OpenAI's Responses, strictly: what /v1/responses takes, and the events that it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from tests.fakes.openai_request import LARGEST
from tests.fakes.script import Frame, Script, ToolCall, Usage, dumps
from tests.fakes.shape import (
    Check,
    anything,
    array,
    boolean,
    by_type,
    either,
    filled,
    integer,
    mapping,
    matching,
    maybe,
    number,
    one_of,
    record,
    refuse,
    string,
    table,
)

CREATED = 1_790_000_000
ENCRYPTED = "gAAAAABofakefakefakefake=="
INCLUDED = "reasoning.encrypted_content"
NAME = matching(r"[a-zA-Z0-9_-]{1,128}")
STATUS = one_of("in_progress", "completed", "incomplete")

TEXT = record({"type": string, "text": string})
IMAGE = record({"type": string}, {"image_url": maybe(string), "file_id": maybe(string), "detail": string})
FILE = record({"type": string}, {name: maybe(string) for name in ("file_id", "file_data", "file_url", "filename")})
INPUT = by_type("type", {"input_text": TEXT, "input_image": IMAGE, "input_file": FILE})
SAID = by_type(
    "type",
    {
        "output_text": record({"type": string, "text": string}, {"annotations": array(mapping), "logprobs": anything}),
        "refusal": record({"type": string, "refusal": string}),
    },
)


def identity(prefix: str) -> dict[str, Check]:
    return {"id": matching(rf"{prefix}_.+"), "status": STATUS}


def message(content: Check) -> Check:
    more = {"type": one_of("message"), "phase": string, **identity("msg")}
    return record({"role": string, "content": either(string, array(content))}, more)


MESSAGE = by_type(
    "role",
    {
        "user": message(INPUT),
        "system": message(INPUT),
        "developer": message(INPUT),
        "assistant": message(SAID),
    },
)
CALL_OUTPUT = record(
    {"type": string, "call_id": filled, "output": either(string, array(INPUT))}, identity("(fco|ctco|fc|ctc)")
)
ITEMS: dict[str, Check] = {
    "message": MESSAGE,
    "function_call": record(
        {"type": string, "call_id": filled, "name": NAME, "arguments": string},
        {"namespace": string, **identity("fc")},
    ),
    "function_call_output": CALL_OUTPUT,
    "custom_tool_call": record(
        {"type": string, "call_id": filled, "name": NAME, "input": string}, {"namespace": string, **identity("ctc")}
    ),
    "custom_tool_call_output": CALL_OUTPUT,
    "reasoning": record(
        {"type": string, "summary": array(mapping), "encrypted_content": one_of(ENCRYPTED)},
        {"content": maybe(array(mapping)), **identity("rs")},
    ),
    "web_search_call": record({"type": string, "id": filled, "status": string}, {"action": mapping}),
    "local_shell_call": mapping,
    "local_shell_call_output": mapping,
}
FUNCTION = {"name": NAME, "type": string}
MORE = {"description": maybe(string), "strict": maybe(boolean), "parameters": maybe(mapping), "defer_loading": boolean}
TOOLS: dict[str, Check] = {
    "function": record(FUNCTION, MORE),
    "custom": record(FUNCTION, {"description": string, "format": mapping}),
    "web_search": mapping,
    "image_generation": mapping,
    "code_interpreter": mapping,
    "file_search": mapping,
    "mcp": mapping,
    "local_shell": mapping,
}
TOOLS["namespace"] = record({**FUNCTION, "description": string, "tools": array(by_type("type", dict(TOOLS)), 1)})
FIELDS: Mapping[str, Check] = {
    "include": array(
        one_of(INCLUDED, "message.output_text.logprobs", "web_search_call.action.sources", "file_search_call.results")
    ),
    "instructions": maybe(string),
    "max_output_tokens": maybe(integer(16, LARGEST)),
    "max_tool_calls": maybe(integer(1, LARGEST)),
    "parallel_tool_calls": maybe(boolean),
    "prompt_cache_key": maybe(string),
    "reasoning": maybe(record({}, {"effort": maybe(string), "summary": maybe(string)})),
    "safety_identifier": maybe(string),
    "service_tier": maybe(string),
    "store": boolean,
    "stream": maybe(boolean),
    "temperature": maybe(number(0, 2)),
    "text": record({}, {"format": mapping, "verbosity": maybe(one_of("low", "medium", "high"))}),
    "tool_choice": either(one_of("none", "auto", "required"), mapping),
    "tools": array(by_type("type", TOOLS)),
    "top_logprobs": maybe(integer(0, 20)),
    "top_p": maybe(number(0, 1)),
    "truncation": maybe(one_of("auto", "disabled")),
    "user": string,
    "metadata": maybe(table(string, 16)),
}


def item(value: Any, at: str) -> None:
    mapping(value, at)
    kind = value.get("type", "message")
    refuse(kind in ITEMS, f"{at}.type", f"Invalid value: {kind!r}.")
    ITEMS[kind](value, at)


def check(body: Any) -> None:
    record({"model": filled, "input": either(string, array(item, 1))}, FIELDS)(body, "")
    if isinstance(body["input"], str):
        return
    called = {one["call_id"] for one in body["input"] if one.get("type") in {"function_call", "custom_tool_call"}}
    told = {
        one["call_id"] for one in body["input"] if str(one.get("type")).endswith("call_output") and "call_id" in one
    }
    refuse(told <= called, "input", f"No tool call found for function call output with call_id {told - called}.")
    refuse(called <= told, "input", f"No tool output found for function call {called - told}.")


class Events:
    """The frames of one answer, numbered."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._number = count()

    def add(self, part: str, kind: str, /, **fields: Any) -> None:
        data = dumps({"type": kind, "sequence_number": next(self._number), **fields})
        self.frames.append(Frame(b"event: %b\ndata: %b\n\n" % (kind.encode(), data), part))


def frames(script: Script, body: Any) -> list[Frame]:
    events = Events()
    begun = response(script, body, "in_progress", [])
    events.add("open", "response.created", response=begun)
    events.add("open", "response.in_progress", response=begun)
    items = output(script, body)
    for at, made in enumerate(items):
        tell(events, script, at, made)
    status, _ = ended(script)
    events.add("done", f"response.{status}", response=response(script, body, status, items))
    return events.frames


def tell(events: Events, script: Script, at: int, made: dict[str, Any]) -> None:
    where = {"item_id": made["id"], "output_index": at}
    kind = made["type"]
    bare = {"message": {"content": []}, "reasoning": {"summary": []}, "function_call": {"arguments": ""}}
    begun = {**made, **bare.get(kind, {})}
    if "status" in begun:
        begun["status"] = "in_progress"
    begun.pop("encrypted_content", None)
    events.add("open", "response.output_item.added", output_index=at, item=begun)
    if kind == "reasoning":
        for k, part in enumerate(made["summary"]):
            place = {**where, "summary_index": k}
            blank = {"type": "summary_text", "text": ""}
            events.add("open", "response.reasoning_summary_part.added", **place, part=blank)
            events.add("reasoning", "response.reasoning_summary_text.delta", **place, delta=part["text"])
            events.add("open", "response.reasoning_summary_text.done", **place, text=part["text"])
            events.add("open", "response.reasoning_summary_part.done", **place, part=part)
    elif kind == "message":
        say(events, script, {**where, "content_index": 0}, made["content"][0])
    elif kind == "function_call":
        call = next(call for call in script.tool_calls if call.id == made["call_id"])
        for piece in call.pieces:
            events.add("delta", "response.function_call_arguments.delta", **where, delta=piece)
        arguments = {"arguments": call.arguments, "name": call.name}
        events.add("open", "response.function_call_arguments.done", **where, **arguments)
    elif kind == "web_search_call":
        for step in ("in_progress", "searching", "completed"):
            events.add("open", f"response.web_search_call.{step}", **where)
    events.add("open", "response.output_item.done", output_index=at, item=made)


def say(events: Events, script: Script, place: dict[str, Any], part: dict[str, Any]) -> None:
    if part["type"] == "refusal":
        events.add("open", "response.content_part.added", **place, part={"type": "refusal", "refusal": ""})
        for piece in (part["refusal"][:3], part["refusal"][3:]):
            events.add("delta", "response.refusal.delta", **place, delta=piece)
        events.add("open", "response.refusal.done", **place, refusal=part["refusal"])
    else:
        blank = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        events.add("open", "response.content_part.added", **place, part=blank)
        for piece in script.pieces:
            more = {"logprobs": [logprob(piece)] if script.logprobs else [], "obfuscation": "aGV"}
            events.add("delta", "response.output_text.delta", **place, delta=piece, **more)
        events.add("open", "response.output_text.done", **place, text=script.text, logprobs=part["logprobs"])
    events.add("open", "response.content_part.done", **place, part=part)


def output(script: Script, body: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    if script.reasoning:
        thought = {"id": "rs_Fake1", "type": "reasoning"}
        thought["summary"] = [{"type": "summary_text", "text": piece} for piece in script.reasoning]  # type: ignore[assignment]
        if INCLUDED in body.get("include", ()):
            thought["encrypted_content"] = ENCRYPTED
        made.append(thought)
    for k in range(script.searches):
        action = {"type": "search", "query": "news", "queries": ["news"]}
        made.append({"id": f"ws_Fake{k}", "type": "web_search_call", "status": "completed", "action": action})
    if script.refusal is not None:
        made.append(spoken({"type": "refusal", "refusal": script.refusal}))
    elif not script.tool_calls:
        told = [logprob(piece) for piece in script.pieces] if script.logprobs else []
        made.append(spoken({"type": "output_text", "annotations": [], "logprobs": told, "text": script.text}))
    return [*made, *(called(call, k) for k, call in enumerate(script.tool_calls))]


def spoken(part: dict[str, Any]) -> dict[str, Any]:
    return {"id": "msg_Fake1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}


def called(call: ToolCall, k: int) -> dict[str, Any]:
    said = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
    return {"id": f"fc_Fake{k}", "type": "function_call", "status": "completed", **said}


def ended(script: Script) -> tuple[str, str | None]:
    if script.finish in {"length", "content_filter"}:
        return "incomplete", "max_output_tokens" if script.finish == "length" else "content_filter"
    return "completed", None


def response(script: Script, body: Any, status: str, items: list[Any]) -> dict[str, Any]:
    head = {"id": "resp_Fake1", "object": "response", "created_at": CREATED, "status": status, "error": None}
    _, reason = ended(script)
    usage = counted(script.usage) if items and script.usage is not None else None
    return {
        **head,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "model": f"{body['model']}-2026-01-01",
        "output": items,
        "service_tier": "default",
        "store": body.get("store", True),
        "instructions": body.get("instructions"),
        "tools": body.get("tools", []),
        "usage": usage,
    }


def counted(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }


def whole(script: Script, body: Any) -> dict[str, Any]:
    return response(script, body, ended(script)[0], output(script, body))


def logprob(token: str) -> dict[str, Any]:
    word = {"token": token, "logprob": -0.125, "bytes": list(token.encode())}
    return {**word, "top_logprobs": [word]}
