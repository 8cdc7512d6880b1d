"""What clients of threads send."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from gateway.core import chat
from gateway.core.chat import ChatRequest, Part
from gateway.core.errors import BadRequest, BodyTooLarge
from gateway.stores.threads import Asked

MOST_BYTES: Final = 8 * 1024 * 1024  # of one message
TITLE: Final = 60  # characters of the first question that become the thread's title
_MOST_LABELS: Final = 16
# What a thread says itself, and what it has no place for.
_NOT_HERE: Final = frozenset(
    "messages stream stream_options n tools tool_choice parallel_tool_calls functions function_call store "
    "modalities audio previous_response_id".split()
)

Title = Annotated[str, Meta(max_length=200, examples=["A trip to Lisbon"])]
Labels = dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]]


class NewThread(Struct, forbid_unknown_fields=True):
    """What a thread shall be; without a title the first question gives it one."""

    title: Title = ""
    metadata: Labels = {}


class ThreadChange(Struct, forbid_unknown_fields=True):
    """What shall be otherwise."""

    title: Title | UnsetType = UNSET
    metadata: Labels | UnsetType = UNSET


class Say(Struct):
    """A question; further fields of a chat completion request (temperature, max_tokens, …) are carried along."""

    content: Annotated[str, Meta(min_length=1)] | Annotated[list[Part], Meta(min_length=1)]
    model: str = "syntra"


class Again(Struct):
    """Which model shall answer anew; the one that was asked before if it does not say."""

    model: str = ""


class Edit(Struct, forbid_unknown_fields=True):
    """A question in other words."""

    content: Annotated[str, Meta(min_length=1)] | Annotated[list[Part], Meta(min_length=1)]


class Wanted(Struct, frozen=True):
    """A question as it is kept, who shall answer it, and what else the request says."""

    content: bytes
    title: str
    model: str
    carried: dict[str, Raw]


T = TypeVar("T", NewThread, ThreadChange)

_fields = msgspec.json.Decoder(dict[str, Raw])
_new = msgspec.json.Decoder(NewThread)
_change = msgspec.json.Decoder(ThreadChange)
_say = msgspec.json.Decoder(Say)
_again = msgspec.json.Decoder(Again)
_edit = msgspec.json.Decoder(Edit)
_encode = msgspec.json.Encoder().encode


def new_thread(raw: bytes) -> NewThread:
    """The body of `POST /api/threads`, which may be empty."""
    return _labelled(chat.decode(_new, _checked(raw)))


def thread_change(raw: bytes) -> ThreadChange:
    """The body of `PATCH /api/threads/{id}`."""
    return _labelled(chat.decode(_change, _checked(raw)))


def question(raw: bytes) -> Wanted:
    """The body of `POST …/messages`. Raises BadRequest with `param`, and BodyTooLarge."""
    raw = _checked(raw)
    said, fields = chat.decode(_say, raw), chat.decode(_fields, raw)
    return _wanted(said.model, fields)


def again(raw: bytes) -> Wanted:
    """The body of `POST …/regenerate`, which may be empty; it has no words."""
    raw = _checked(raw)
    wanted, fields = chat.decode(_again, raw), chat.decode(_fields, raw)
    if "content" in fields:
        raise BadRequest("Other words are given with PATCH; then the answer is made anew.", param="content")
    return _wanted(wanted.model, fields)


def edit(raw: bytes) -> bytes:
    """The words of `PATCH …/messages/{id}`, as they are kept."""
    raw = _checked(raw)
    chat.decode(_edit, raw)
    return _wanted("", chat.decode(_fields, raw)).content


def request(asked: Asked, wanted: Wanted, model: str) -> ChatRequest:
    """The stored conversation as a chat completion request, streamed and counted."""
    messages: list[dict[str, object]] = [{"role": one.role, "content": one.content} for one in asked.before]
    return _request(messages, model, wanted.carried)


def _request(messages: list[dict[str, object]], model: str, carried: dict[str, Raw]) -> ChatRequest:
    body = {
        **carried,
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return chat.read(_encode(body))


def _wanted(model: str, fields: dict[str, Raw]) -> Wanted:
    """What is wanted, if a provider could be asked for it."""
    for name in fields:
        if name in _NOT_HERE:
            raise BadRequest(f"'{name}' has no place in a thread.", param=name, code="unsupported_parameter")
    kept = bytes(fields.get("content", b'""'))
    carried = {name: raw for name, raw in fields.items() if name not in ("content", "model")}
    if len(kept) > MOST_BYTES:
        raise BodyTooLarge(f"A message is larger than {MOST_BYTES // 1024 // 1024} MiB.")
    try:
        read = _request([{"role": "user", "content": Raw(kept)}], model or "syntra", carried)
    except BadRequest as error:
        error.param = (error.param or "").removeprefix("messages[0].") or None
        error.message = error.message.replace("messages[0].", "")
        raise
    return Wanted(kept, _title(read.body.messages[0].text()), model, carried)


def _title(text: str) -> str:
    """The beginning of the first line that says something, cut between words."""
    line = next((line for line in map(str.strip, text.splitlines()) if line), "")
    if len(line) <= TITLE:
        return line
    head, space, _ = line[: TITLE + 1].rpartition(" ")
    return f"{head if space else line[:TITLE]}…"


def _checked(raw: bytes) -> bytes:
    """A body whose text can be kept; none is an empty object."""
    chat.check_text(raw)
    return raw.strip() or b"{}"


def _labelled(body: T) -> T:
    """The body, unless it has more labels than are kept."""
    if body.metadata is not UNSET and len(body.metadata) > _MOST_LABELS:
        raise BadRequest(f"'metadata' has at most {_MOST_LABELS} entries.", param="metadata", code="invalid_value")
    return body
