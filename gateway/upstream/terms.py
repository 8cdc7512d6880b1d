"""A request in the plain dictionaries that LiteLLM translates, made fit for a foreign wire before LiteLLM sees it.

LiteLLM leaves out in silence what a wire has no word for, and fetches what a client links to. Both happen here instead:
what is lost is named, what would be dialled is passed on as a link or refused with the path of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.core.chat import ChatRequest
from gateway.core.errors import BadRequest
from gateway.upstream import schemas

ANTHROPIC: Final = "anthropic"
GEMINI: Final = "gemini"

Said = tuple[str, dict[str, Any], Any]  # a translated request: URL, headers, body; bytes where it is signed

_OURS = frozenset({"model", "messages", "stream", "stream_options"})  # never the client's loss: we see to them
_NEVER = frozenset({"extra_headers", "extra_body", "functions", "function_call"})  # "supported", but not by this path
_ALSO = {ANTHROPIC: frozenset({"top_k"}), GEMINI: frozenset({"top_k", "top_logprobs"})}  # missing in LiteLLM's lists
_DEFAULTS: Mapping[str, object] = {  # leaving these out changes nothing
    "n": 1,
    "parallel_tool_calls": True,
    "logprobs": False,
    "top_logprobs": 0,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "store": False,
    "service_tier": "auto",
    "verbosity": "medium",
    "modalities": ["text"],
    "response_format": {"type": "text"},
    "tools": [],
    "stop": [],
    "metadata": {},
}
_PARTS = {
    ANTHROPIC: frozenset({"text", "refusal", "image_url", "file", "document", "thinking", "redacted_thinking"}),
    GEMINI: frozenset({"text", "refusal", "image_url", "file", "input_audio"}),
}
# Parts that OpenAI has, and whose loss would change what is asked; what nobody knows is left out with a warning.
_SAID_BY_OPENAI = frozenset({"text", "refusal", "image_url", "file", "input_audio"})
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,", re.ASCII)
_STAND_IN = "https://generativelanguage.googleapis.com/v1beta/files/syntra-link-"  # LiteLLM passes these on unread
_MOST_CANDIDATES, _MOST_STOPS, _INT32 = 8, 5, 2**31  # Gemini's

_objects = msgspec.json.Decoder(list[dict[str, Any]])
_value = msgspec.json.Decoder()


class Terms(Struct):
    """What is to be translated; `links` are URLs that stand-ins in `messages` speak for."""

    messages: list[dict[str, Any]]
    params: dict[str, Any]
    dropped: list[str]
    links: dict[str, str]
    ahead: int = 0  # messages in front that are not the client's


def read(request: ChatRequest, wire: str, supported: Collection[str]) -> Terms:
    """The request's messages and those of its parameters that this wire has a word for."""
    terms = Terms(_objects.decode(b"[" + b",".join(request.messages) + b"]"), {}, [], {}, request.ahead)
    known = (frozenset(supported) - _NEVER) | _ALSO.get(wire, frozenset())
    for name, raw in request.fields.items():
        value = _value.decode(raw)
        if name in _OURS or value is None or value == _DEFAULTS.get(name, _OURS):
            continue
        if name in known or (name == "max_completion_tokens" and "max_tokens" in known):
            terms.params[name] = value
        else:
            terms.dropped.append(name)
    _one_limit(terms.params, known)
    if wire in _PARTS:
        _fit_tools(terms)
        _prepare_messages(terms, wire)
    if wire == GEMINI:
        _fit_gemini(terms)
    return terms


def _one_limit(params: dict[str, Any], known: Collection[str]) -> None:
    """Both names of the completion's limit mean the same; the newer one wins, under the name that is known."""
    if "max_completion_tokens" in params:
        params.pop("max_tokens", None)
        if "max_completion_tokens" not in known:
            params["max_tokens"] = params.pop("max_completion_tokens")


def _fit_tools(terms: Terms) -> None:
    """Functions alone can be told; another tool is left out, and the wish for it."""
    tools = terms.params.get("tools") or []
    others = [tool["type"] for tool in tools if tool["type"] != "function"]
    if not others:
        return
    terms.dropped += [f"tools.{kind}" for kind in others]
    functions = [tool for tool in tools if tool["type"] == "function"]
    choice = terms.params.get("tool_choice")
    if not functions:
        terms.params.pop("tools")
    else:
        terms.params["tools"] = functions
    if not functions or (isinstance(choice, dict) and choice.get("type") != "function"):
        terms.params.pop("tool_choice", None)


def _fit_gemini(terms: Terms) -> None:
    """Gemini's bounds are narrower than OpenAI's."""
    params = terms.params
    if params.get("n", 1) > _MOST_CANDIDATES:
        raise _refused(f"This model gives at most {_MOST_CANDIDATES} choices.", "n")
    if isinstance(params.get("stop"), list) and len(params["stop"]) > _MOST_STOPS:
        raise _refused(f"This model takes at most {_MOST_STOPS} stop sequences.", "stop")
    if not -_INT32 <= params.get("seed", 0) < _INT32:
        _drop(terms, "seed")
    if "parallel_tool_calls" in params:  # only `false` gets here, and Gemini cannot be told
        _drop(terms, "parallel_tool_calls")
    schemas.fit(params.get("tools"))


def _drop(terms: Terms, name: str) -> None:
    terms.params.pop(name)
    terms.dropped.append(name)


def _prepare_messages(terms: Terms, wire: str) -> None:
    for k, message in enumerate(terms.messages):
        at = f"messages[{k - terms.ahead}]"
        for j, call in enumerate(message.get("tool_calls") or ()):
            _prepare_call(call, wire, f"{at}.tool_calls[{j}]")
        google = (message.pop("extra_content", None) or {}).get("google") or {}
        if wire == GEMINI and google.get("thought_signature"):
            message["provider_specific_fields"] = {"thought_signatures": [google["thought_signature"]]}
        if message.get("content") is None and message.get("refusal"):
            message["content"] = message["refusal"]
        if isinstance(message.get("content"), list):
            _leave_out_unknown(message, terms, wire)
            for j, part in enumerate(message["content"]):
                _prepare_part(part, terms, wire, f"{at}.content[{j}]")
    # Both wires refuse a system prompt that is empty; clients send one all the same.
    terms.messages = [m for m in terms.messages if m["role"] not in ("system", "developer") or m["content"]]


def _leave_out_unknown(message: dict[str, Any], terms: Terms, wire: str) -> None:
    """Without the parts of types that nobody knows, where something else is said beside them."""
    known = _PARTS[wire] | _SAID_BY_OPENAI
    kept = [part for part in message["content"] if part["type"] in known]
    if kept:
        terms.dropped += [f"content.{part['type']}" for part in message["content"] if part["type"] not in known]
        message["content"] = kept


def _prepare_call(call: dict[str, Any], wire: str, at: str) -> None:
    """A call in the history: arguments must be an object here, and a thought's signature has another place."""
    function = call.get("function")
    if not isinstance(function, dict):
        raise _refused("Only calls of functions can be told to this model.", at)
    if not _is_object(function.get("arguments") or "{}"):
        # A model's slip that the client sends back beside the tool's complaint: refusing it would end the agent's loop.
        function["arguments"] = msgspec.json.encode({"invalid_json": function["arguments"]}).decode()
    google = (call.pop("extra_content", None) or {}).get("google") or {}
    if wire == GEMINI and google.get("thought_signature"):
        call["provider_specific_fields"] = {"thought_signature": google["thought_signature"]}


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(_value.decode(arguments), dict)
    except msgspec.DecodeError:
        return False


def _prepare_part(part: dict[str, Any], terms: Terms, wire: str, at: str) -> None:
    kind = part["type"]
    if kind not in _PARTS[wire]:
        raise _refused(f"This model does not take content of the type '{kind}'.", f"{at}.{kind}")
    if kind == "refusal":
        part.update(type="text", text=part.pop("refusal"))
    elif kind == "image_url":
        image = part["image_url"]
        image["url"] = _place(image["url"], terms, wire, f"{at}.image_url")
    elif kind == "file":
        _prepare_file(part["file"], terms, wire, f"{at}.file")


def _prepare_file(file: dict[str, Any], terms: Terms, wire: str, at: str) -> None:
    if file.get("file_data"):
        if not _DATA_URI.match(file["file_data"]):
            raise _refused("A file's data must be a data URI with base64 content.", f"{at}.file_data")
    elif not file.get("file_id"):
        raise _refused("A file needs 'file_data' or 'file_id'.", at)
    elif wire == GEMINI or "://" in file["file_id"]:
        file["file_id"] = _place(file["file_id"], terms, wire, f"{at}.file_id")


def _place(url: str, terms: Terms, wire: str, at: str) -> str:
    """A URL as it may be told: the provider fetches it, never we. For Gemini it travels behind a stand-in."""
    if _DATA_URI.match(url):
        return url
    if not url.startswith("https://"):
        raise _refused("Only https URLs and data URIs with base64 content can be told to this model.", at)
    if wire != GEMINI:
        return url
    stand_in = f"{_STAND_IN}{len(terms.links)}"
    terms.links[stand_in] = url
    return stand_in


def restore_links(contents: list[dict[str, Any]], links: Mapping[str, str]) -> None:
    """Put the URLs back where stand-ins spoke for them; Gemini sees for itself what type a link has."""
    for content in contents:
        for part in content["parts"]:
            file = part.get("file_data")
            if file is not None and file["file_uri"] in links:
                file["file_uri"] = links[file["file_uri"]]


def _refused(message: str, param: str) -> BadRequest:
    return BadRequest(message, param=param, code="unsupported_value")
