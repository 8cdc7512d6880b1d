"""Whose answer a request may have besides its own: what its key, its words and the documents allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gateway.core.caller import Caller
from gateway.core.chat import ChatBody, ChatRequest
from gateway.core.freshness import Freshness
from gateway.core.likeness import LONGEST, Near
from gateway.stores.embedding import Encoder
from gateway.upstream.share import Circle
from policies.documents import Sharing

# Tools of these types are run by the client, if by anybody; of every other it may be the provider who acts.
_CALLED: Final = frozenset({None, "function", "custom", "namespace"})
_ACTING: Final = frozenset({"mcp_servers", "container", "background", "conversation"})  # fields, of any dialect


class _Tool(Struct):
    type: str | None = None


_tools = msgspec.json.Decoder(list[_Tool] | None)


def circle(
    caller: Caller,
    request: ChatRequest,
    freshness: Freshness,
    sharing: Sharing,
    away: Callable[[], None],
    named: str = "",
) -> Circle | None:
    """Those with whom this request may share an answer; None where it is to have its own.

    `named` is the person for whom the holder of a shared key asks. Who says how old an answer may be has asked for no
    chance of another. `away` is told where kept answers cannot be looked for.
    """
    if not sharing.acting and _acts(request):
        return None
    asked, body = freshness.max_age, request.body
    if not asked and not sharing.random and _is_random(body):
        return None
    lasting = bool(asked) or (_is_certain(body) and body.web_search_options is None)
    kept = sharing.kept_s if lasting and freshness.keeps else 0.0
    oldest = kept if asked is None else min(kept, asked)
    joins = sharing.joins_s if asked != 0 else 0.0
    if not joins and not kept:
        return None
    scope = caller.user or f"key {caller.key_id} {named or body.user or ''}"
    near = _near(request, sharing.near) if sharing.near is not None and kept and oldest else None
    return Circle(caller.organisation, scope, joins, oldest, kept, sharing.most_kept, near, away)


def _near(request: ChatRequest, floor: float) -> Near | None:
    """The question, where the request ends in a plain one, in the words that its provider gets."""
    last = request.body.messages[-1]
    if request.native is not None or last.role != "user" or not isinstance(last.content, str):
        return None
    words = last.content
    if not 0 < len(words) <= LONGEST:
        return None
    return Near(words, Encoder.load().encode(words).tobytes(), floor)


def _is_random(body: ChatBody) -> bool:
    """Whether a request asks for chance, so that another answer to the same words is what it wants."""
    return (body.n or 1) > 1 or (bool(body.temperature) and body.seed is None)


def _is_certain(body: ChatBody) -> bool:
    """Whether it asks for none, so that the same answer is what it wants."""
    return (body.temperature == 0 or body.seed is not None) and not _is_random(body)


def _acts(request: ChatRequest) -> bool:
    """Whether its provider may do more than answer."""
    body = request.body
    if body.store or (body.tools and any(tool.type not in _CALLED for tool in body.tools)):
        return True
    fields = request.fields if request.native is None else request.native.fields
    if not _ACTING.isdisjoint(fields):
        return True
    return request.native is not None and _names_others(request.native.fields.get("tools"))


def _names_others(raw: Raw | None) -> bool:
    """Whether a dialect's own list of tools has one that the client does not run; what cannot be read may."""
    if raw is None:
        return False
    try:
        return any(tool.type not in _CALLED for tool in _tools.decode(raw) or ())
    except msgspec.ValidationError:
        return True
