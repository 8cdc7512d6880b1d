"""Threads and messages as clients see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from gateway.http.threads.run import Run
from gateway.stores import threads as kept

MOST: Final = 200  # threads or messages of one page

T = TypeVar("T")
R = TypeVar("R", bound="Thread | Message")


class Thread(Struct, frozen=True, kw_only=True):
    """A conversation."""

    id: str
    object: Literal["thread"] = "thread"
    title: str
    metadata: Mapping[str, str]
    created_at: datetime
    updated_at: datetime


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question or an answer; a `cut` answer broke off, and is what was said until then."""

    id: str
    object: str
    thread_id: str
    role: str
    content: Raw  # a text or parts
    status: str
    model: str = ""  # as it was asked for
    decision: str = ""
    finish_reason: str = ""
    usage: Raw | None = None
    created_at: datetime
    edited_at: datetime | None = None


class Made(Struct, frozen=True, kw_only=True):
    """An answer that was just given."""

    id: str
    object: Literal["thread.message"] = "thread.message"
    thread_id: str
    question_id: str
    role: Literal["assistant"] = "assistant"
    content: str
    status: Literal["complete"] = "complete"
    stored: bool
    model: str
    decision: str
    finish_reason: str
    usage: Raw | None


class Deleted(Struct, frozen=True):
    """What was deleted."""

    id: str
    object: Literal["thread.deleted"] = "thread.deleted"
    deleted: bool = True


class Page(Struct, frozen=True):
    """Part of a list; the next part is asked for with `after=<last_id>`."""

    data: Sequence[Thread | Message]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: Literal["list"] = "list"


encode = msgspec.json.Encoder().encode


def thread(found: kept.Thread) -> Thread:
    """A thread."""
    return Thread(
        id=str(found.id),
        title=found.title,
        metadata=found.metadata,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


def message(thread_id: str, found: kept.Message) -> Message:
    """A message."""
    return Message(
        id=str(found.id),
        object="thread.message",
        thread_id=thread_id,
        role=found.role,
        content=found.content,
        status=found.status,
        model=found.model,
        decision=found.decision,
        finish_reason=found.finish_reason,
        usage=found.usage,
        created_at=found.created_at,
        edited_at=found.edited_at,
    )


def made(run: Run) -> Made:
    """The answer of a run that is over and whole."""
    asked = run.order.asked
    return Made(
        id=run.message_id,
        thread_id=str(asked.thread),
        question_id=str(asked.question),
        content="".join(run.text),
        stored=run.stored,
        model=run.order.request.body.model,
        decision=run.decision,
        finish_reason=run.finish,
        usage=run.usage,
    )


def page(found: Sequence[T], limit: int, shown: Callable[[T], R]) -> Page:
    """A page of what was found when one more than `limit` was looked for."""
    data = [shown(one) for one in found[:limit]]
    return Page(
        data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=len(found) > limit,
    )
