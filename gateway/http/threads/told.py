"""What `/docs` says of the routes of threads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Raw, Struct

from gateway.http.threads import shown
from gateway.http.threads.asked import Again, Edit, NewThread, Say, ThreadChange

_ID: Final = "0199f0c1-b2a4-7d3e-8f60-718293a4b5c6"
_ANSWER: Final = "0199f0c1-c3b5-7e4f-9071-8293a4b5c6d7"
_DECISION: Final = "0199f0c1b2a47d3e8f60718293a4b5c6"
_AT: Final = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
_USAGE: Final = Raw(b'{"prompt_tokens":21,"completion_tokens":9,"total_tokens":30}')

_THREAD: Final = shown.Thread(id=_ID, title="A trip to Lisbon", metadata={}, created_at=_AT, updated_at=_AT)
_MESSAGE: Final = shown.Message(
    id=_ANSWER,
    object="thread.message",
    thread_id=_ID,
    role="assistant",
    content=Raw(b'"Hello! How can I help?"'),
    status="complete",
    model="syntra",
    decision=_DECISION,
    finish_reason="stop",
    usage=_USAGE,
    created_at=_AT,
)
_MADE: Final = shown.Made(
    id=_ANSWER,
    thread_id=_ID,
    question_id=_ID,
    content="Hello! How can I help?",
    stored=True,
    model="syntra",
    decision=_DECISION,
    finish_reason="stop",
    usage=_USAGE,
)
_STREAM: Final = (
    "Server-sent events: `thinking` (a step that begins), `route`, `delta`, `usage`, and `done` or `error`. The answer "
    "is made and kept also when its client is lost; whoever comes back with `Last-Event-ID` hears the rest."
)
_WHOSE: Final = "A thread is its user's: the key's person, else whom `x-syntra-user` names, else the key itself."


class Operation(Struct, frozen=True):
    """One method of one path."""

    path: str
    method: str
    summary: str
    says: str
    body: type[Struct] | None = None
    example: Any = None
    shows: Any = None
    query: tuple[str, ...] = ()


def _page(of: shown.Thread | shown.Message) -> shown.Page:
    return shown.Page([of], first_id=of.id, last_id=of.id, has_more=False)


OPERATIONS: Final = (
    Operation("", "post", "Begin a thread", _WHOSE, NewThread, {"title": "A trip to Lisbon"}, _THREAD),
    Operation(
        "",
        "get",
        "List the threads",
        "The one that was last written to first.",
        shows=_page(_THREAD),
        query=("limit", "after"),
    ),
    Operation("/{thread_id}", "get", "Look a thread up", "The thread.", shows=_THREAD),
    Operation(
        "/{thread_id}", "patch", "Change a thread", "The thread.", ThreadChange, {"title": "Lisbon, in May"}, _THREAD
    ),
    Operation(
        "/{thread_id}",
        "delete",
        "Forget a thread",
        "It is gone with everything that was said in it.",
        shows=shown.Deleted(_ID),
    ),
    Operation(
        "/{thread_id}/messages",
        "get",
        "List the messages",
        "In their order; with `order=desc` the latest first.",
        shows=_page(_MESSAGE),
        query=("limit", "after", "order"),
    ),
    Operation(
        "/{thread_id}/messages",
        "post",
        "Say something, and get the answer",
        "The answer. Further fields of a chat completion (`temperature`, `max_tokens`, …) are heeded.",
        Say,
        {"content": "Hello!", "model": "syntra"},
        _MADE,
    ),
    Operation(
        "/{thread_id}/messages/stream",
        "post",
        "Say something, and get the answer as it comes",
        _STREAM,
        Say,
        {"content": "Hello!", "model": "syntra"},
    ),
    Operation(
        "/{thread_id}/messages/stream",
        "get",
        "Go on with a stream that was lost",
        "What came after the event that the header `Last-Event-ID` names; 204 if that was the last.",
        query=("last_event_id",),
    ),
    Operation("/{thread_id}/messages/{message_id}", "get", "Look a message up", "The message.", shows=_MESSAGE),
    Operation(
        "/{thread_id}/messages/{message_id}",
        "patch",
        "Say something in other words",
        "The question; its answer and what came later are forgotten.",
        Edit,
        {"content": "Hello again!"},
        _MESSAGE,
    ),
    Operation(
        "/{thread_id}/messages/{message_id}/regenerate",
        "post",
        "Answer anew",
        "The answer, in place of the one that there was and of what came later, once it is whole.",
        Again,
        {"model": "syntra-best"},
        _MADE,
    ),
    Operation(
        "/{thread_id}/messages/{message_id}/regenerate/stream",
        "post",
        "Answer anew, as it comes",
        _STREAM,
        Again,
        {"model": "syntra-best"},
    ),
)
BODIES: Final = (NewThread, ThreadChange, Say, Again, Edit)
QUERY: Final = {
    "limit": f"How many at most, up to {shown.MOST}.",
    "after": "The `last_id` of the page before.",
    "order": "`asc` or `desc`.",
    "x-syntra-user": "The user whom a shared key speaks for.",
    "last_event_id": "For who cannot send the header.",
}
