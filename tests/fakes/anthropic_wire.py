"""Anthropic's wire, strictly: /v1/messages with its exact sequence of events."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Failure, Frame, Script, ToolCall, Usage, dumps
from tests.fakes.server import Reply, Request
from tests.fakes.shape import (
    Check,
    Refused,
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
)

COUNT = "/v1/messages/count_tokens"
COUNTED = 4711
SIGNATURE = "EqQBCkYIBxgCKkBmYWtlIHNpZ25hdHVyZQ=="
STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}

CACHED = {"cache_control": maybe(record({"type": one_of("ephemeral")}, {"ttl": one_of("5m", "1h")}))}
ID = matching(r"[a-zA-Z0-9_-]+")
TEXT = record({"type": one_of("text"), "text": filled}, {**CACHED, "citations": maybe(array(mapping))})
MEDIA = by_type(
    "type",
    {
        "base64": record(
            {"type": string, "media_type": matching(r"(image|application|text)/[\w.+-]+"), "data": filled}
        ),
        "url": record({"type": string, "url": matching(r"https?://.+")}),
        "text": record({"type": string, "media_type": one_of("text/plain"), "data": filled}),
        "file": record({"type": string, "file_id": filled}),
    },
)
IMAGE = record({"type": string, "source": MEDIA}, CACHED)
DOCUMENT = record(
    {"type": string, "source": MEDIA}, {**CACHED, "title": string, "context": string, "citations": mapping}
)
RESULT_CONTENT = either(string, array(by_type("type", {"text": TEXT, "image": IMAGE, "document": DOCUMENT})))
TOOL_RESULT = record({"type": string, "tool_use_id": ID}, {**CACHED, "content": RESULT_CONTENT, "is_error": boolean})
TOOL_USE = record({"type": string, "id": ID, "name": matching(r"[a-zA-Z0-9_-]{1,128}"), "input": mapping}, CACHED)
THOUGHT = record({"type": string, "thinking": string, "signature": one_of(SIGNATURE)})
OPAQUE = record({"type": string, "data": filled})
SERVER_USE = record(
    {"type": string, "id": matching(r"srvtoolu_[a-zA-Z0-9_]+"), "name": string, "input": mapping}, CACHED
)
SERVER_RESULT = record({"type": string, "tool_use_id": matching(r"srvtoolu_.+"), "content": anything}, CACHED)
BLOCKS: dict[str, Check] = {
    "user": by_type("type", {"text": TEXT, "image": IMAGE, "document": DOCUMENT, "tool_result": TOOL_RESULT}),
    "assistant": by_type(
        "type",
        {
            "text": TEXT,
            "tool_use": TOOL_USE,
            "thinking": THOUGHT,
            "redacted_thinking": OPAQUE,
            "server_tool_use": SERVER_USE,
            "web_search_tool_result": SERVER_RESULT,
        },
    ),
}
SEARCH = record({"type": string, "name": one_of("web_search")}, {**CACHED, "max_uses": integer(1, 100)})
CUSTOM = record(
    {"name": matching(r"[a-zA-Z0-9_-]{1,128}"), "input_schema": mapping},
    {**CACHED, "type": one_of("custom"), "description": string, "strict": boolean, "eager_input_streaming": boolean},
)
TOOLSET = record({"type": string, "mcp_server_name": string}, {})
DEFERRED = record({"name": string, "input_schema": mapping}, {"description": string, "defer_loading": boolean})


def tool(value: Any, at: str) -> None:
    """One of the client's own, or what Anthropic runs."""
    kind = value.get("type") if isinstance(value, dict) else None
    own = {"web_search_20250305": SEARCH, "mcp_toolset": TOOLSET}
    own.get(str(kind), either(CUSTOM, DEFERRED))(value, at)


CHOICE = {"disable_parallel_tool_use": boolean}
FIELDS: dict[str, Check] = {
    "cache_control": CACHED["cache_control"],
    "inference_geo": string,
    "metadata": record({}, {"user_id": string}),
    "output_config": record({}, {"effort": one_of("low", "medium", "high", "xhigh", "max"), "format": mapping}),
    "service_tier": one_of("auto", "standard_only"),
    "stop_sequences": array(matching(r"(?s).*\S.*")),
    "stream": boolean,
    "system": either(string, array(TEXT)),
    "temperature": number(0, 1),
    "thinking": by_type(
        "type",
        {
            "enabled": record({"type": string, "budget_tokens": integer(1024, 128_000)}, {"display": string}),
            "disabled": record({"type": string}),
            "adaptive": record({"type": string}, {"display": string}),
        },
    ),
    "tool_choice": by_type(
        "type",
        {
            "auto": record({"type": string}, CHOICE),
            "any": record({"type": string}, CHOICE),
            "none": record({"type": string}),
            "tool": record({"type": string, "name": filled}, CHOICE),
        },
    ),
    "tools": array(tool),
    "top_k": integer(0, 1_000_000),
    "top_p": number(0, 1),
}
BETAS = {
    "output_format": "structured-outputs",
    "context_management": "context-management",
}  # fields that need a word in the anthropic-beta header


class Anthropic(Provider):
    """api.anthropic.com."""

    name = "anthropic"

    @property
    def base_url(self) -> str:
        return self.origin

    # the request

    def check(self, request: Request) -> None:
        refuse(request.path in ("/v1/messages", COUNT), "url", "Not Found", status=404)
        refuse(request.query in ("", "beta=true"), "url", "Not Found", status=404)
        refuse(request.method == "POST", "method", "Method Not Allowed", status=405)
        refuse(request.headers.get("x-api-key") == self.key, "x-api-key", "invalid x-api-key", status=401)
        refuse("authorization" not in request.headers, "authorization", "invalid bearer token", status=401)
        version = request.headers.get("anthropic-version", "")
        refuse(re.fullmatch(r"20\d\d-\d\d-\d\d", version), "anthropic-version", "header is required")
        kind = request.headers.get("content-type", "").partition(";")[0]
        refuse(kind == "application/json", "content-type", f"unsupported media type {kind}", status=415)
        body = request.json
        betas = request.headers.get("anthropic-beta", "")
        allowed = {field: anything for field, beta in BETAS.items() if beta in betas}
        limit = {} if request.path == COUNT else {"max_tokens": integer(1, 1_000_000)}
        required = {"model": filled, **limit, "messages": array(mapping, 1)}
        record(required, {**FIELDS, **allowed})(body, "")
        for index, message in enumerate(body["messages"]):
            check_message(message, f"messages.{index}", last=index == len(body["messages"]) - 1, model=body["model"])
        check_turns([message for message in body["messages"] if message["role"] != "system"])
        check_choice(body)
        check_thoughts(body)
        breakpoints = json.dumps(body).count('"cache_control": {')
        refuse(breakpoints <= 4, "cache_control", f"A maximum of 4 blocks may have it. Found {breakpoints}.")

    async def other(self, request: Request, reply: Reply) -> bool:
        if request.path != COUNT:
            return False
        self.check(request)
        await reply.whole(200, dumps({"input_tokens": COUNTED}), *self.json_headers())
        return True

    # the answer

    def frames(self, script: Script, body: Any) -> list[Frame]:
        start = self.message(script, body, []) | {"stop_reason": None, "usage": self.usage(script.usage, 1)}
        made = [event("open", "message_start", message=start)]
        for index, block in enumerate(self.blocks(script, body)):
            made += block_events(index, block, script)
            if index == 0:
                made.insert(2, event("open", "ping"))
        delta = {"stop_reason": self.stop(script, body), "stop_sequence": None}
        usage = self.usage(script.usage, script.usage.completion) if script.usage else {}
        made.append(event("finish", "message_delta", delta=delta, usage=usage))
        made.append(event("done", "message_stop"))
        return made

    def text_after_the_end(self, body: Any) -> list[Frame]:
        late = {"type": "text_delta", "text": "AFTER THE END"}
        return [event("delta", "content_block_delta", index=0, delta=late), event("done", "message_stop")]

    def whole(self, script: Script, body: Any) -> Any:
        blocks = [{k: v for k, v in block.items() if k != "call"} for block in self.blocks(script, body)]
        return self.message(script, body, blocks)

    def message(self, script: Script, body: Any, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": "msg_01FakeFakeFakeFakeFakeFa", "type": "message", "role": "assistant", "model": body["model"]}
        usage = self.usage(script.usage, script.usage.completion) if script.usage else {}
        return {
            **head,
            "content": blocks,
            "stop_reason": self.stop(script, body),
            "stop_sequence": None,
            "usage": usage,
        }

    def stop(self, script: Script, body: Any) -> str:
        return "tool_use" if calls(script, body) else STOPS[script.finish_reason]

    def blocks(self, script: Script, body: Any) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = [dict(block) for block in script.blocks]
        if script.reasoning:
            made.append({"type": "thinking", "thinking": "".join(script.reasoning), "signature": SIGNATURE})
        called = calls(script, body)
        if not called and not script.blocks:
            made.append({"type": "text", "text": script.refusal or script.text})
        for call in called:
            block = {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments or "{}")}
            made.append({**block, "call": call})
        return made

    def usage(self, usage: Usage | None, output: int) -> dict[str, Any]:
        """Anthropic counts what was read from the cache apart from the input."""
        if usage is None:
            return {}
        cache = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": usage.cached}
        written = {"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}}
        counts = {"input_tokens": usage.prompt - usage.cached, "output_tokens": output}
        return {**counts, **cache, **written, "service_tier": "standard"}

    # the errors

    def failure(self, failure: Failure) -> Any:
        words = {"type": failure.kind, "message": failure.message}
        return {"type": "error", "error": words, "request_id": "req_011FakeFakeFake"}

    def refused(self, refused: Refused) -> Failure:
        kinds = {401: "authentication_error", 404: "not_found_error"}
        unknown = refused.why.startswith("Unknown parameter")
        why = f"{refused.where}: Extra inputs are not permitted" if unknown else str(refused)
        return Failure(refused.status, kinds.get(refused.status, "invalid_request_error"), f"{PROSE}: {why}")

    def key_error(self) -> Failure:
        return Failure(401, "authentication_error", f"invalid x-api-key: {self.key}")

    def inband(self) -> bytes:
        return event("error", "error", error={"type": "overloaded_error", "message": PROSE}).data

    def context_length(self) -> Failure:
        why = f"prompt is too long: 210011 tokens > 200000 maximum. {PROSE}"
        return Failure(400, "invalid_request_error", why)


def event(part: str, kind: str, /, **fields: Any) -> Frame:
    return Frame(b"event: %b\ndata: %b\n\n" % (kind.encode(), dumps({"type": kind, **fields})), part)


def block_events(index: int, block: dict[str, Any], script: Script) -> list[Frame]:
    """Start, deltas and stop of one content block."""
    kind = block["type"]
    if kind == "thinking":
        empty: dict[str, Any] = {"type": kind, "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in script.reasoning]
        deltas.append({"type": "signature_delta", "signature": SIGNATURE})
    elif kind == "tool_use":
        empty = {"type": kind, "id": block["id"], "name": block["name"], "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *block["call"].pieces)]
    elif kind != "text":
        empty, deltas = block, []
    elif "citations" in block:
        empty = {"type": kind, "text": "", "citations": []}
        deltas = [{"type": "citations_delta", "citation": citation} for citation in block["citations"]]
        deltas.append({"type": "text_delta", "text": block["text"]})
    else:
        empty = {"type": kind, "text": ""}
        pieces = (script.refusal,) if script.refusal else script.pieces
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    part = "reasoning" if kind == "thinking" else "delta"
    middle = [event(part, "content_block_delta", index=index, delta=delta) for delta in deltas]
    opened = event("open", "content_block_start", index=index, content_block=empty)
    return [opened, *middle, event("open", "content_block_stop", index=index)]


def calls(script: Script, body: Any) -> tuple[ToolCall, ...]:
    """The scripted calls; and a scripted JSON text, where the request forces it through a tool."""
    choice = body.get("tool_choice") or {}
    if script.tool_calls or choice.get("type") not in {"tool", "any"}:
        return script.tool_calls
    name = choice.get("name") or body["tools"][0]["name"]
    return (ToolCall("toolu_01Forced", name, script.text),)


def check_message(message: dict[str, Any], at: str, *, last: bool, model: str) -> None:
    record({"role": string, "content": anything}, {"output_config": mapping})(message, at)
    content, role = message["content"], message["role"]
    newest = re.search(r"[a-z]-5", model)
    refuse(role in ("user", "assistant") or newest, f"{at}.role", "Input should be 'user' or 'assistant'")
    refuse("output_config" not in message or newest, f"{at}.output_config", "Extra inputs are not permitted")
    final_assistant = last and role == "assistant"
    if isinstance(content, str):
        why = f"{at}: all messages must have non-empty content except for the optional final assistant message"
        refuse(content.strip() or final_assistant, at, why)
        text = content
    else:
        array(BLOCKS.get(role, TEXT), 0 if final_assistant else 1)(content, f"{at}.content")
        text = content[-1].get("text", "") if content else ""
    if final_assistant:
        refuse(text == text.rstrip(), at, "final assistant content cannot end with trailing whitespace")


def check_turns(messages: list[dict[str, Any]]) -> None:
    """Turns alternate from the user on; every tool_use has its tool_result in the very next turn, first in it."""
    refuse(messages[0]["role"] == "user", "messages.0.role", "first message must use the user role")
    waiting: set[str] = set()
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        refuse(
            message["role"] == ("user", "assistant")[index % 2], at, "roles must alternate between user and assistant"
        )
        blocks = message["content"] if isinstance(message["content"], list) else []
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        strays = sorted(set(results) - waiting)
        refuse(not strays, at, f"unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(strays)}")
        refuse(len(set(results)) == len(results), at, "each tool_use must have a single result")
        lost = sorted(waiting - set(results))
        refuse(not lost, at, f"`tool_use` ids were found without `tool_result` blocks immediately after: {lost}")
        kinds = [block["type"] == "tool_result" for block in blocks]
        refuse(kinds == sorted(kinds, reverse=True), at, "tool_result blocks must come first")
        uses = [block["id"] for block in blocks if block["type"] == "tool_use"]
        refuse(len(set(uses)) == len(uses), at, "`tool_use` ids must be unique")
        waiting = set(uses)
    refuse(not waiting, "messages", f"`tool_use` ids were found without `tool_result` blocks: {sorted(waiting)}")


def check_thoughts(body: dict[str, Any]) -> None:
    """Within a budget a tool loop begins with a thought; what is said of thoughts needs thinking."""
    thinking = (body.get("thinking") or {}).get("type")
    last = next((one for one in reversed(body["messages"]) if one["role"] == "assistant"), None)
    blocks = last["content"] if last is not None and isinstance(last["content"], list) else []
    if thinking == "enabled" and any(block["type"] == "tool_use" for block in blocks):
        first = blocks[0]["type"]
        why = f"Expected `thinking` or `redacted_thinking`, but found `{first}`."
        refuse(first in ("thinking", "redacted_thinking"), "messages.1.content.0.type", why)
    clears = "clear_thinking" in json.dumps(body.get("context_management") or {})
    refuse(thinking in ("enabled", "adaptive") or not clears, "context_management", "requires thinking")
    old = "4-5" in body["model"]
    refuse(thinking != "adaptive" or not old, "thinking.type", "adaptive thinking is not supported on this model")
    effort = (body.get("output_config") or {}).get("effort")
    refuse(effort is None or not old, "output_config.effort", "This model does not support the effort parameter.")


def check_choice(body: dict[str, Any]) -> None:
    """Tools, choice and thinking have to agree."""
    names = [tool["name"] for tool in body.get("tools", ()) if "name" in tool]
    refuse(len(set(names)) == len(names), "tools", "Tool names must be unique.")
    choice = body.get("tool_choice")
    refuse(not choice or choice["type"] == "none" or names, "tool_choice", "may only be specified with `tools`.")
    if choice and choice["type"] == "tool":
        refuse(choice["name"] in names, "tool_choice", f"Tool '{choice['name']}' not found in provided tools")
    talk = json.dumps([message["content"] for message in body["messages"]])
    refuse(names or '"type": "tool_use"' not in talk, "tools", "Requests which include `tool_use` must define tools.")
    if (body.get("thinking") or {}).get("type") == "enabled":
        budget = body["thinking"]["budget_tokens"]
        refuse(budget < body["max_tokens"], "max_tokens", "must be greater than `thinking.budget_tokens`")
        refuse(body.get("temperature", 1) == 1, "temperature", "may only be set to 1 when thinking is enabled")
        forced = (choice or {}).get("type") in {"tool", "any"}
        refuse(not forced, "tool_choice", "Thinking may not be enabled when tool_choice forces tool use.")
