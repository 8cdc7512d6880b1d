"""A Messages conversation as chat messages: roles by turns, every call answered at once, nothing of it twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from gateway.core.spoken import spoken
from gateway.dialects.messages import thoughts, toolbox
from gateway.dialects.messages.body import (
    Block,
    DocumentBlock,
    ImageBlock,
    Message,
    SearchResult,
    Source,
    Text,
    TextBlock,
    Thinking,
    ToolResult,
    ToolUse,
    Unknown,
    blocks,
    refused,
)

_REMINDER: Final = "<system-reminder>"
_BILLING: Final = "x-anthropic-billing-header:"  # Claude Code's: it changes from call to call and says nothing
_NOTHING: Final = "(no content)"

_encode = msgspec.json.Encoder().encode


class Turn(Struct):
    """What one side says until the other one does."""

    role: str
    blocks: list[Block]
    at: str  # where it begins


class Conversation(Struct):
    """A conversation as chat messages; the other forms are what some providers want of the same message."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    thoughtful: dict[int, dict[str, Any]] = field(default_factory=dict)  # with the reasoning that belongs to it
    sealed: dict[int, dict[str, Any]] = field(default_factory=dict)  # with the sealed reasoning of OpenRouter
    signed: dict[int, dict[str, Any]] = field(default_factory=dict)  # with Gemini's signatures at the calls
    referred: set[str] = field(default_factory=set)  # deferred tools that a result speaks of
    lost: dict[str, None] = field(default_factory=dict)  # what had to be left out; a set in order


def system_text(system: Text | None) -> str:
    """The system prompt as one text, without what would keep every prompt from being found in a provider's cache."""
    if system is None:
        return ""
    texts = [block.text for block in blocks(system, "system") if isinstance(block, TextBlock)]
    return "\n\n".join(filter(None, map(_without_billing, texts)))


def _without_billing(text: str) -> str:
    return text.partition("\n")[2] if text.startswith(_BILLING) else text


def read(messages: list[Message], system: str) -> Conversation:
    """The whole conversation; raises BadRequest where calls and results do not meet."""
    if not messages:
        raise refused("messages", "at least one message is required")
    made = Conversation()
    turns = list(_turns(messages))
    if system:
        made.messages.append({"role": "system", "content": system})
    for before, turn in zip([None, *turns], turns, strict=False):
        _check_pairs(before, turn)
        if turn.role == "user":
            _user(made, turn)
        elif turn.role == "assistant":
            _assistant(made, turn)
        else:
            _leading_system(made, turn)
    _check_pairs(turns[-1], None)
    if not made.messages or made.messages[-1]["role"] == "system":
        made.messages.append({"role": "user", "content": _NOTHING})
    return made


def _turns(messages: list[Message]) -> Iterator[Turn]:
    """Messages of one side joined; what the system says in between is a reminder in the user's turn."""
    turn: Turn | None = None
    waiting: list[Block] = []
    for k, message in enumerate(messages):
        at = f"messages.{k}"
        said = blocks(message.content, f"{at}.content", answers=message.role == "user")
        role = message.role
        if turn is not None and role == "system" != turn.role:
            reminders = [_reminder(block) for block in said if isinstance(block, TextBlock)]
            if turn.role == "user":
                _remind(turn, reminders)
            else:
                waiting += reminders
            continue
        if turn is not None and turn.role == role:
            turn.blocks += said
            continue
        if turn is not None:
            yield turn
        turn = Turn(role, said, at)
        if waiting and role == "user":
            _remind(turn, waiting)
            waiting = []
    if turn is not None:
        yield turn
    if waiting:
        yield Turn("user", waiting, f"messages.{len(messages) - 1}")


def _remind(turn: Turn, reminders: list[Block]) -> None:
    """Reminders stand before what the user says, where Claude Code puts its own: what is asked is read last."""
    place = 0
    for block in turn.blocks:
        if not isinstance(block, ToolResult) and not (
            isinstance(block, TextBlock) and block.text.startswith(_REMINDER)
        ):
            break
        place += 1
    turn.blocks[place:place] = reminders


def _reminder(block: TextBlock) -> Block:
    """As Claude Code itself tells a model that takes no system messages in between."""
    if block.text.startswith(_REMINDER):
        return block
    return TextBlock(f"{_REMINDER}\n{block.text}\n</system-reminder>")


def _check_pairs(before: Turn | None, turn: Turn | None) -> None:
    """Every call of a turn has its one result in the next, and every result its call in the one before."""
    asked = before if before is not None and before.role == "assistant" else None
    calls = [block.id for block in asked.blocks if isinstance(block, ToolUse)] if asked is not None else []
    answers = turn if turn is not None and turn.role == "user" else None
    results = [block.tool_use_id for block in answers.blocks if isinstance(block, ToolResult)] if answers else []
    if asked is not None and len(set(calls)) < len(calls):
        raise refused(asked.at, "`tool_use` ids must be unique")
    if asked is not None and (lost := [call for call in calls if call not in results]):
        told = ", ".join(lost)[:500]
        reason = f"`tool_use` ids were found without `tool_result` blocks immediately after: {told}. "
        raise refused(asked.at, reason + "Each `tool_use` block must have a corresponding `tool_result` block next.")
    if answers is not None and (strays := [result for result in results if result not in calls]):
        told = ", ".join(strays)[:500]
        reason = f"unexpected `tool_use_id` found in `tool_result` blocks: {told}. "
        raise refused(
            answers.at, reason + "Each `tool_result` block must have a corresponding `tool_use` block before."
        )
    if answers is not None and len(set(results)) < len(results):
        raise refused(answers.at, "each tool_use must have a single result")


def _leading_system(made: Conversation, turn: Turn) -> None:
    """System messages before anybody spoke are more of the system prompt."""
    text = "\n\n".join(block.text for block in turn.blocks if isinstance(block, TextBlock))
    if made.messages:
        made.messages[0]["content"] += f"\n\n{text}"
    elif text:
        made.messages.append({"role": "system", "content": text})


def _user(made: Conversation, turn: Turn) -> None:
    """Results first, each a message; then what the user says, with the pictures that the results brought.

    A reminder beside results goes into the last of them: it does not make a step of a tool loop a turn of the user's.
    """
    results = [block for block in turn.blocks if isinstance(block, ToolResult)]
    parts: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for k, result in enumerate(results):
        said.append(_result(made, result, f"{turn.at}.content.{k}.content", parts))
    for block in turn.blocks:
        if isinstance(block, ToolResult):
            continue
        if (
            said
            and isinstance(block, TextBlock)
            and block.text.startswith(_REMINDER)
            and not spoken(block.text).strip()
        ):
            said[-1]["content"] += f"\n\n{block.text}"
        else:
            parts += _parts(made, block)
    made.messages += said
    if parts or not said:
        made.messages.append({"role": "user", "content": _content(parts)})


def _content(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """The plainest form of these parts."""
    if not parts:
        return _NOTHING
    only = parts[0].get("text") if len(parts) == 1 else None
    return parts if only is None else only


def _result(made: Conversation, result: ToolResult, at: str, attached: list[dict[str, Any]]) -> dict[str, Any]:
    """A result as a tool's message, which is text; what is not is attached to what the user says next."""
    if isinstance(result.content, list):
        made.referred.update(toolbox.references(result.content))
    parts = [part for block in blocks(result.content or "", at) for part in _parts(made, block)]
    texts = [part["text"] for part in parts if "text" in part]
    if len(texts) < len(parts):
        texts.append("(the rest is attached below)")
        attached += [part for part in parts if "text" not in part]
    text = "\n".join(texts) or _NOTHING
    if result.is_error and not text.lower().startswith(("error", "<tool_use_error")):
        text = f"Error: {text}"
    return {"role": "tool", "tool_call_id": result.tool_use_id, "content": text}


def _parts(made: Conversation, block: Block) -> list[dict[str, Any]]:
    """What one block says, as parts of a chat message."""
    if isinstance(block, TextBlock):
        return [_text(block.text)] if block.text else []
    if isinstance(block, ImageBlock):
        return [_image(made, block.source)]
    if isinstance(block, DocumentBlock):
        return _document(made, block)
    if isinstance(block, SearchResult):
        found = [inner.text for inner in blocks(block.content, "content") if isinstance(inner, TextBlock)]
        return [_text("\n".join((f"{block.title} ({block.source})", *found)))]
    if isinstance(block, Unknown) and block.type != "tool_reference":
        made.lost[block.type[:50]] = None
    return []


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _image(made: Conversation, source: Source) -> dict[str, Any]:
    url = _address(source)
    if url is None:
        made.lost["image"] = None
        return _text("(an image that only Anthropic can open)")
    return {"type": "image_url", "image_url": {"url": url}}


def _address(source: Source) -> str | None:
    """Where a source can be had: its own bytes, or a link."""
    if source.type == "base64" and source.data is not None and source.media_type is not None:
        return f"data:{source.media_type};base64,{source.data}"
    return source.url if source.type == "url" else None


def _document(made: Conversation, block: DocumentBlock) -> list[dict[str, Any]]:
    source = block.source
    about = [_text(text) for text in (block.title, block.context) if text]
    if source.type == "text" and source.data is not None:
        return [*about, _text(source.data)]
    if source.type == "content" and source.content is not None:
        return [*about, *(part for inner in blocks(source.content, "content") for part in _parts(made, inner))]
    if source.type == "base64" and (url := _address(source)) is not None:
        return [*about, {"type": "file", "file": {"filename": _filename(block.title), "file_data": url}}]
    made.lost["document"] = None
    told = f"(a document at {source.url})" if source.url else "(a document that only Anthropic can open)"
    return [*about, _text(told)]


def _filename(title: str | None) -> str:
    name = (title or "document").replace("/", "-")[:100]
    return name if name.lower().endswith(".pdf") else f"{name}.pdf"


def _assistant(made: Conversation, turn: Turn) -> None:
    """Text and calls; what was thought is kept apart, because only some take it back."""
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    thought: list[str] = []
    carried = thoughts.Carried(calls={}, details=[])
    for block in turn.blocks:
        if isinstance(block, TextBlock):
            texts.append(block.text)
        elif isinstance(block, ToolUse):
            calls.append(_call(block))
        elif isinstance(block, Thinking):
            thought.append(block.thinking)
            found = thoughts.read(block.signature)
            carried.calls.update(found.calls)
            carried.details.extend(found.details)
        elif isinstance(block, Unknown):
            if block.type != "redacted_thinking":
                made.lost[block.type[:50]] = None
        else:
            raise refused(turn.at, f"{type(block).__name__} blocks belong to the user")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or (None if calls else _NOTHING)}
    if calls:
        message["tool_calls"] = calls
    _keep_thoughts(made, message, "\n".join(filter(None, thought)), carried)
    made.messages.append(message)


def _keep_thoughts(made: Conversation, message: dict[str, Any], thought: str, carried: thoughts.Carried) -> None:
    place = len(made.messages)
    if thought:
        made.thoughtful[place] = {**message, "reasoning_content": thought}
    if carried.details:
        made.sealed[place] = {**message, "reasoning_details": carried.details}
    if carried.calls and "tool_calls" in message:
        calls = [
            {**call, "extra_content": carried.calls[call["id"]]} if call["id"] in carried.calls else call
            for call in message["tool_calls"]
        ]
        made.signed[place] = {**message, "tool_calls": calls}


def _call(block: ToolUse) -> dict[str, Any]:
    """A call; its arguments are the client's own bytes of them."""
    arguments = _encode(block.input).decode()
    return {"id": block.id, "type": "function", "function": {"name": toolbox.short(block.name), "arguments": arguments}}


def first_words(made: Conversation) -> bytes:
    """How the conversation began, to tell it from others of the same session."""
    for message in made.messages:
        if message["role"] == "user":
            return _encode([made.messages[0]["content"] if made.messages[0]["role"] == "system" else "", message])
    return b""


def raw(messages: dict[int, dict[str, Any]], count: int) -> dict[int, bytes]:
    """Messages by their place from the end, as they are written."""
    return {place - count: _encode(message) for place, message in messages.items()}
