"""What each client sends: the same fields and headers as it was seen to send, around words of our own.

Observed on their versions of 2026; `tests/clients` drives the clients themselves. Every client has its first turn, with
its tools, and the turn that brings a tool's result back, as it words it itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.core.ids import uuid7

GREETING: Final = "Say hello in one short sentence."
TASK: Final = "Read the file note.txt with your tool and say what it says."
NOTE: Final = "The meeting is at noon."
_PATH: Final = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
_CALL: Final = "call_doctor1"


Body = Callable[[str], dict[str, Any]]  # from the model
Bodies = tuple[Body, Body | None, Body | None]  # a greeting; a task for a tool, and the tool's result, where it has any


class Manner(Struct, frozen=True):
    """One client: where it posts, with which headers, and its bodies for a prompt and for a tool's result."""

    dialect: str  # chat | responses | messages
    path: str
    headers: Callable[[str], Mapping[str, str]]  # from its key
    greeting: Body
    task: Body | None
    result: Body | None
    whole: bool = False  # whether it also asks without a stream
    answered: str = ""  # the dialect of the answer, where it is another than that of the request
    models: str = "openai"  # whose list of models it reads


def _bearer(agent: str, **more: str) -> Callable[[str], Mapping[str, str]]:
    return lambda key: {"authorization": f"Bearer {key}", "user-agent": agent, **more}


def _function(name: str, about: str, parameters: Mapping[str, Any] = _PATH) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def _system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def _user(text: object) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _called(name: str, content: object) -> list[dict[str, Any]]:
    """The assistant's call, and the result that the client brings."""
    function = {"name": name, "arguments": json.dumps({"path": "note.txt"})}
    call = {"id": _CALL, "type": "function", "function": function}
    assistant = {"role": "assistant", "content": content, "tool_calls": [call]}
    return [assistant, {"role": "tool", "tool_call_id": _CALL, "content": NOTE}]


_USAGE: Final = {"stream": True, "stream_options": {"include_usage": True}}
_TOOLS: Final = [_function("read_file", "Read a file."), _function("list_files", "List the files of a folder.")]


def _chat(more: Mapping[str, Any], *, content: object = None, tools: Any = _TOOLS, system: str = "") -> Bodies:
    """The three bodies of a client that speaks chat completions."""
    head = [_system(system)] if system else []
    name = tools[0]["function"]["name"] if tools else ""

    def body(*messages: dict[str, Any]) -> Body:
        given = {"tools": tools} if tools else {}
        return lambda model: {"model": model, "messages": [*head, *messages], **given, **more}

    if not tools:
        return body(_user(GREETING)), None, None
    return body(_user(GREETING)), body(_user(TASK)), body(_user(TASK), *_called(name, content))


def openai() -> Manner:
    """The SDKs, as `stream()` and `create()` send it."""
    headers = _bearer("OpenAI/Python 3.57.0", **{"x-stainless-lang": "python", "x-stainless-retry-count": "0"})
    return Manner("chat", "/v1/chat/completions", headers, *_chat({"stream": True}), whole=True)


def opencode() -> Manner:
    """Opencode: a session in two headers, a limit, and schemas that say of which kind they are."""
    session = f"ses_{uuid7()}"
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_PATH, "additionalProperties": False}
    tools = [_function("read", "Read a file.", schema), _function("glob", "Find files.", schema)]
    more = {"max_tokens": 32000, "tool_choice": "auto", **_USAGE}
    agent = "opencode/1.18.33 ai-sdk/provider-utils"
    headers = _bearer(agent, **{"x-session-id": session, "x-session-affinity": session})
    bodies = _chat(more, content="", tools=tools, system="You work in a folder of files.")
    return Manner("chat", "/v1/chat/completions", headers, *bodies)


def continue_() -> Manner:
    """Continue: its key in two headers."""

    def headers(key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}", "x-api-key": key, "user-agent": "ls/JS 5.23.2"}

    bodies = _chat(_USAGE, content="", system="You work on a command line.")
    return Manner("chat", "/v1/chat/completions", headers, *bodies)


def cline() -> Manner:
    """Cline: many tools, and a choice that it leaves to the model."""
    more = {"tool_choice": "auto", **_USAGE}
    bodies = _chat(more, content="", system="You are used in an editor.")
    return Manner("chat", "/v1/chat/completions", _bearer("ai-sdk/openai-compatible/3.0.37"), *bodies)


def aider() -> Manner:
    """Aider: no tools, no usage asked for, and a temperature that newer models refuse."""
    bodies = _chat({"stream": True, "temperature": 0}, tools=None, system="You change files as you are asked to.")
    return Manner("chat", "/v1/chat/completions", _bearer("OpenAI/Python 2.20.0"), *bodies, whole=True)


def zed() -> Manner:
    """Zed: the newer name of the limit, and a key for the prompt's cache."""
    more = {"max_completion_tokens": 8192, "parallel_tool_calls": True, "prompt_cache_key": uuid7(), **_USAGE}
    return Manner("chat", "/v1/chat/completions", _bearer("Zed/1.0"), *_chat(more, system="You are used in Zed."))


def _message(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def _responses(more: Mapping[str, Any], tools: Any, head: list[dict[str, Any]]) -> Bodies:
    """The three bodies of a client that speaks Responses."""

    def body(*items: dict[str, Any]) -> Body:
        return lambda model: {"model": model, "input": [*head, *items], "tools": tools, **more}

    called = {
        "type": "function_call",
        "call_id": _CALL,
        "name": tools[0]["name"],
        "arguments": json.dumps({"path": "note.txt"}),
    }
    result = {"type": "function_call_output", "call_id": _CALL, "output": NOTE}
    task = _message("user", TASK)
    return body(_message("user", GREETING)), body(task), body(task, called, result)


def codex() -> Manner:
    """Codex: tools in groups, a search of the provider's own, sealed thoughts, and metadata about the machine."""
    session = uuid7()
    flat = {"type": "function", "strict": False, "parameters": {**_PATH, "additionalProperties": False}}
    group = {"type": "namespace", "name": "helpers_v1", "description": "Others that work along."}
    tools = [
        {**flat, "name": "read_file", "description": "Read a file."},
        {**group, "tools": [{**flat, "name": "ask_helper", "description": "Ask one of them."}]},
        {"type": "web_search", "external_web_access": True},
    ]
    more = {
        "stream": True,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": session,
        "client_metadata": {"session_id": session, "x-codex-installation-id": uuid7()},
    }
    head = [_message("developer", "You work on a command line."), _message("user", "The shell is bash.")]
    named = {"originator": "codex_exec", "session-id": session, "thread-id": session, "accept": "text/event-stream"}
    headers = _bearer("codex_exec/0.171.0", **named)
    return Manner("responses", "/v1/responses", headers, *_responses(more, tools, head), models="")


def cursor() -> Manner:
    """Cursor: a body of Responses, posted to chat completions and answered as such."""
    tools = [{"type": "function", "name": "read_file", "description": "Read a file.", "parameters": _PATH}]
    bodies = _responses({"stream": True}, tools, [_message("system", "You are used in an editor.")])
    return Manner("responses", "/v1/chat/completions", _bearer("Cursor/1.0"), *bodies, answered="chat")


def claude() -> Manner:
    """Claude Code: cache marks, a line that changes, thinking, a deferred tool, a system turn between the others."""
    session = uuid7()
    mark = {"cache_control": {"type": "ephemeral"}}
    blocks = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.332.0; cc_entrypoint=sdk-cli;"},
        {"type": "text", "text": "You work on a command line.", **mark},
    ]
    tools = [
        {"name": "Read", "description": "Read a file.", "input_schema": _PATH},
        {
            "name": "Later",
            "description": "Loaded when needed.",
            "input_schema": {"type": "object"},
            "defer_loading": True,
        },
    ]
    user_id = json.dumps({"device_id": "0" * 64, "account_uuid": "", "session_id": session})
    more = {
        "system": blocks,
        "tools": tools,
        "max_tokens": 32000,
        "metadata": {"user_id": user_id},
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
        "stream": True,
    }
    environment = {"role": "system", "content": [{"type": "text", "text": "The folder is /work.", **mark}]}
    use = {"type": "tool_use", "id": "toolu_doctor1", "name": "Read", "input": {"path": "note.txt"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_doctor1", "content": NOTE, **mark}

    def body(*messages: dict[str, Any]) -> Body:
        return lambda model: {"model": model, "messages": list(messages), **more}

    asked = _user([{"type": "text", "text": TASK}])
    later = [{"role": "assistant", "content": [use]}, _user([result])]
    headers = _bearer(
        "claude-cli/2.1.332 (external, sdk-cli)",
        **{
            "anthropic-version": "2023-06-01",
            "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
            "advanced-tool-use-2025-11-20,effort-2025-11-24",
            "x-app": "cli",
            "x-claude-code-session-id": session,
        },
    )
    bodies = body(_user([{"type": "text", "text": GREETING}]), environment), body(asked, environment)
    return Manner(
        "messages",
        "/v1/messages?beta=true",
        headers,
        *bodies,
        body(asked, environment, *later),
        whole=True,
        models="anthropic",
    )
