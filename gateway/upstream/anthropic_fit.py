"""A Messages request made fit for the Anthropic model that answers it, where that is not the one its client knew.

A client asks each model for what it can: the newest think as they see fit and take an effort, older ones think within
a budget, the oldest do not think. One that asked for `syntra` could not know who would answer. And a conversation that
another provider has answered in between has thoughts and ids that Anthropic refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.core.chat import ChatRequest

_NEWEST: Final = (99, 0)  # what a name without a number is taken for
_THINKS, _ADAPTS, _ONLY_ADAPTS = (3, 7), (4, 6), (4, 7)  # from which version on
_LISTENS: Final = (4, 7)  # from which version on it takes what the system says in between
_LEAST, _MOST = 1024, 31_999  # tokens of a budget
_BUDGETS: Final = {"low": 2048, "medium": 8192}  # of an effort; more of it is as much as there is room for
_BILLING: Final = "x-anthropic-billing-header:"
_CALL_HASH = re.compile(r" ?cch=[^;\s]*;")  # in it; over the body, so that it differs in every call
_OURS: Final = "syntra."  # how a signature of our own begins
_REMINDER: Final = "<system-reminder>"

_SYSTEM = re.compile(rb'"role"\s*:\s*"system"')
_VERSION = re.compile(r"-(\d{1,2})(?=-|@|$)")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NOT_OF_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any] | None)
_objects = msgspec.json.Decoder(list[dict[str, Raw]])
_blocks = msgspec.json.Decoder(str | list[dict[str, Raw]])  # what is not changed keeps its bytes
_string = msgspec.json.Decoder(str)

Blocks = list[dict[str, Raw]]


def fit(fields: dict[str, Any], model: str, request: ChatRequest) -> tuple[str, ...]:
    """Change what must be changed, in place; what was left out, by the names of fields."""
    native = request.native
    prelude = native.system if native is not None else ""
    _fit_system(fields, prelude)
    chosen = request.body.model.rpartition("/")[2] != model  # by us, so its client could not know what it can
    before = fields.keys() | set()
    version = _version(model)
    _fit_messages(fields, request, plain=chosen or version < _LISTENS)
    _fit_thinking(fields, version, request.body.max_tokens or _MOST, chosen=chosen)
    _fit_effort(fields, model, version)
    _fit_loop(fields)
    return tuple(sorted(before - fields.keys()))


def _fit_system(fields: dict[str, Any], prelude: str) -> None:
    """The voice before the client's own prompt, but after Claude Code's line of billing, which has to be the first."""
    raw = bytes(fields.get("system") or b'""')
    if not prelude and b"cch=" not in raw:
        return
    system: str | Blocks = _blocks.decode(b'""' if raw == b"null" else raw)
    if isinstance(system, str):
        system = _without_hash(system)
        fields["system"] = f"{prelude}\n\n{system}" if prelude and system else prelude or system
        return
    first = bool(system) and _word(system[0], "text").startswith(_BILLING)
    if first:
        system[0]["text"] = _raw(_without_hash(_word(system[0], "text")))
    voice = [_text(prelude)] if prelude else []
    fields["system"] = [*system[:first], *voice, *system[first:]]


def _without_hash(text: str) -> str:
    if not text.startswith(_BILLING):
        return text
    line, end, rest = text.partition("\n")
    return _CALL_HASH.sub("", line) + end + rest


def _fit_messages(fields: dict[str, Any], request: ChatRequest, *, plain: bool) -> None:
    """Thoughts of others and ids that are none leave; what the system says in between goes into a user's turn."""
    raw: Raw = fields["messages"]
    odd_ids = any(not _ID.fullmatch(call.id) for one in request.body.messages for call in one.tool_calls or ())
    told = bytes(raw)
    plain = plain and (_SYSTEM.search(told) is not None or b'"output_config"' in told)
    if not (odd_ids or plain or b'"syntra.' in told):
        return
    messages = _objects.decode(raw)
    if plain:
        messages = [{name: message[name] for name in ("role", "content")} for message in messages]
    for message in messages:
        content = _blocks.decode(message["content"])
        if isinstance(content, list):
            kept = [_with_plain_ids(block) for block in content if not _is_others_thought(block)]
            message["content"] = _raw(kept or [_text("(no content)")])
    fields["messages"] = _without_system(messages) if plain else messages


def _is_others_thought(block: dict[str, Raw]) -> bool:
    return _word(block, "type") == "thinking" and _word(block, "signature").startswith(_OURS)


def _with_plain_ids(block: dict[str, Raw]) -> dict[str, Raw]:
    for kind, name in (("tool_use", "id"), ("tool_result", "tool_use_id")):
        if _word(block, "type") == kind:
            block[name] = _raw(_NOT_OF_AN_ID.sub("_", _word(block, name)) or "_")
    return block


def _without_system(messages: list[dict[str, Raw]]) -> list[dict[str, Raw]]:
    """The same with what the system says in between as reminders in the user's turns, as Claude Code itself does."""
    turns: list[dict[str, Raw]] = []
    waiting: Blocks = []
    for message in messages:
        role = _string.decode(message["role"])
        if role == "system":
            said = [_reminder(block) for block in _listed(message["content"])]
            if turns and _string.decode(turns[-1]["role"]) == "user":
                turns[-1]["content"] = _raw(_listed(turns[-1]["content"]) + said)
            else:
                waiting += said
            continue
        if role == "user" and waiting:
            message["content"] = _raw(_listed(message["content"]) + waiting)
            waiting = []
        turns.append(message)
    if waiting:
        turns.append({"role": Raw(b'"user"'), "content": _raw(waiting)})
    return turns


def _reminder(block: dict[str, Raw]) -> dict[str, Raw]:
    text = _word(block, "text")
    if not text or text.startswith(_REMINDER):
        return block
    return {**block, "text": _raw(f"{_REMINDER}\n{text}\n</system-reminder>")}


def _listed(raw: Raw) -> Blocks:
    content = _blocks.decode(raw)
    return [_text(content)] if isinstance(content, str) else content


def _text(text: str) -> dict[str, Raw]:
    return {"type": Raw(b'"text"'), "text": _raw(text)}


def _word(block: dict[str, Raw], name: str) -> str:
    """A text in a block; empty where there is none."""
    raw = bytes(block.get(name, b""))
    return _string.decode(raw) if raw.startswith(b'"') else ""


def _raw(value: object) -> Raw:
    return Raw(_encode(value))


def _version(model: str) -> tuple[int, int]:
    """A model's version, from its name: claude-3-5-sonnet-20241022, claude-opus-4-1, claude-sonnet-5."""
    numbers = [int(number) for number in _VERSION.findall(model)[:2]]
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else _NEWEST


def _fit_thinking(fields: dict[str, Any], version: tuple[int, int], limit: int, *, chosen: bool) -> None:
    """Thinking as this model takes it; the newest still take a budget, but were told none if they were known."""
    thinking = _part(fields, "thinking")
    kind = thinking.get("type")
    if kind == "adaptive" and version < _ADAPTS:
        effort = str(_part(fields, "output_config").get("effort"))
        budget = min(_BUDGETS.get(effort, _MOST), limit - _LEAST)
        fields["thinking"] = {"type": "enabled", "budget_tokens": budget}
        if version < _THINKS or budget < _LEAST:
            del fields["thinking"]
    elif kind == "enabled" and version < _THINKS:
        del fields["thinking"]
    elif kind == "enabled" and version >= _ONLY_ADAPTS and chosen:
        fields["thinking"] = {name: value for name, value in thinking.items() if name != "budget_tokens"}
        fields["thinking"]["type"] = "adaptive"


def _part(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """An object among the fields, as it came or as it was made; empty where there is none."""
    value = fields.get(name, {})
    return value if isinstance(value, dict) else _object.decode(value) or {}


def _fit_effort(fields: dict[str, Any], model: str, version: tuple[int, int]) -> None:
    """Effort as this model takes it, or none."""
    config = _part(fields, "output_config")
    effort = config.get("effort")
    if effort is None:
        return
    if version < _ADAPTS and not ("opus" in model and version == (4, 5)):
        del config["effort"]
    elif effort in ("xhigh", "max") and version < (_ONLY_ADAPTS if effort == "xhigh" else _ADAPTS):
        config["effort"] = "high"
    else:
        return
    fields["output_config"] = config
    if not config:
        del fields["output_config"]


def _fit_loop(fields: dict[str, Any]) -> None:
    """Within a budget, a step of a tool loop may only be thought about if the loop began with a thought."""
    kind = _part(fields, "thinking").get("type")
    if kind == "enabled" and _is_thoughtless(fields["messages"]):
        del fields["thinking"]
    if "thinking" not in fields and b"clear_thinking" in bytes(fields.get("context_management", b"")):
        del fields["context_management"]  # it is about thinking, and refused without


def _is_thoughtless(told: Raw | Iterable[dict[str, Raw]]) -> bool:
    messages = _objects.decode(told) if isinstance(told, Raw) else list(told)
    last = next((one for one in reversed(messages) if _string.decode(one["role"]) == "assistant"), None)
    blocks = _listed(last["content"]) if last is not None else []
    called = any(_word(block, "type") == "tool_use" for block in blocks)
    return called and _word(blocks[0], "type") not in ("thinking", "redacted_thinking")
