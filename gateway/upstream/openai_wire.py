"""The OpenAI wire, without translation: what stages did not rewrite is sent and forwarded as it came."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw, Struct

from gateway.core.chat import ChatRequest
from gateway.core.errors import SyntraError, UpstreamBroken, UpstreamFailed
from gateway.core.events import Chunk, Text, decode_chunk, decode_completion
from gateway.core.given_back import given_back
from gateway.core.native import RESPONSES
from gateway.upstream import faults, openai_responses
from gateway.upstream.dialect import Decoder, Outbound, Provider
from gateway.upstream.moved import fit
from gateway.upstream.openai_responses import ResponsesDecoder
from gateway.upstream.sse import FRAME_LIMIT
from gateway.upstream.turns import alternating

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw])
_NEW_MODELS = re.compile(r"(.*/)?(o\d|gpt-5)")  # they refuse max_tokens
_NULL = b"null"
_CALLING = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
_SAMPLING = frozenset({"temperature", "top_p"})  # refused by OpenAI's models that think
_EFFORT = frozenset({"reasoning_effort"})  # refused by those that do not
_HARMLESS = frozenset({"prompt_cache_key", "parallel_tool_calls"})  # nobody misses them
_FORMAT = frozenset({"response_format"})


class Manners(Struct, frozen=True):
    """In what servers of this wire differ."""

    developer: bool = False  # knows the role `developer`
    limit: str = "max_tokens"  # the name of the completion's token limit; "" where the model decides
    options: bool = True  # takes stream_options
    responses: bool = False  # speaks Responses too
    tools: bool = True
    any_object: bool = True  # takes `json_object`, the answer that is some JSON
    unknown: frozenset[str] = frozenset()  # fields of OpenAI's that it may refuse, left out where nobody insists


class OpenAIWire:
    """A dialect for every server that speaks OpenAI's chat completions."""

    def __init__(self, manners: Manners | None = None) -> None:
        self._manners = manners or Manners()

    @property
    def native(self) -> str:
        """The clients' dialect that it speaks beside chat completions."""
        return RESPONSES if self._manners.responses else ""

    def encode(self, provider: Provider, model: str, request: ChatRequest) -> Outbound:
        """The client's own fields with our model, messages and stream options."""
        if request.native is not None:
            body, dropped = openai_responses.said(model, request.native, provider.issuer)
            return Outbound(f"{provider.base_url}/responses", self.headers(provider), body, dropped)
        request, dropped = self._fitting(fit(request, provider, model), model)
        first: dict[str, object] = {"model": model, "messages": self._messages(request)}
        fields = first | request.fields | first  # ours, in the place of the client's
        if request.body.stream and self._manners.options:
            fields["stream_options"] = self._stream_options(
                request
            )  # always asked: an answer that is not counted is lost
        self._rename_limit(model, fields)
        url = f"{provider.base_url}/chat/completions"
        return Outbound(url, self.headers(provider), _encode(fields), dropped)

    def _fitting(self, request: ChatRequest, model: str) -> tuple[ChatRequest, tuple[str, ...]]:
        """The request without what this server has not, and what that was: whoever always says it may ask here too."""
        unknown = _CALLING if not self._manners.tools else frozenset()
        if request.lenient:
            unknown |= self._manners.unknown
            if self._manners.developer:
                unknown |= _SAMPLING if _NEW_MODELS.match(model) else _EFFORT
        given = request.body.response_format
        if given is not None and given.type == "json_object" and not self._manners.any_object:
            unknown |= _FORMAT
        if not unknown:
            return request, ()
        free = request.body.tool_choice in (None, "auto", "none")
        request, dropped = request.without(unknown)
        if not self._manners.tools:
            calling = "tools" in dropped or any(message.role == "tool" for message in request.body.messages)
            request = alternating(request) if request.lenient or calling else request
        missed = dropped if not free else (name for name in dropped if name != "tool_choice")
        return request, tuple(name for name in missed if name not in _HARMLESS)

    @staticmethod
    def headers(provider: Provider) -> list[tuple[str, str]]:
        """What every request on this wire carries; a local server may need no key."""
        key = provider.key.reveal()
        credential = [("authorization", f"Bearer {key}")] if key else []
        return [*credential, ("content-type", "application/json")]

    def _messages(self, request: ChatRequest) -> list[Raw]:
        """The messages' bytes, with `developer` said as `system` where only that is known."""
        raws = [message if isinstance(message, Raw) else Raw(message) for message in request.messages]
        for k, message in enumerate(request.body.messages):
            if message.role == "assistant":
                raws[k] = given_back(raws[k])
            elif message.role == "developer" and not self._manners.developer:
                fields = _object.decode(raws[k])
                fields["role"] = Raw(b'"system"')
                raws[k] = Raw(_encode(fields))
        return raws

    def _stream_options(self, request: ChatRequest) -> dict[str, object]:
        sent = request.fields.get("stream_options")
        options = _object.decode(sent) if sent is not None and bytes(sent) != _NULL else {}
        return {**options, "include_usage": True}

    def _rename_limit(self, model: str, fields: dict[str, object]) -> None:
        """max_tokens and max_completion_tokens mean the same; each model wants one of the two names."""
        if "max_tokens" not in fields and "max_completion_tokens" not in fields:
            return
        wanted = self._manners.limit or ("max_completion_tokens" if _NEW_MODELS.match(model) else "")
        other = "max_tokens" if wanted == "max_completion_tokens" else "max_completion_tokens"
        if wanted and other in fields:
            value = fields.pop(other)
            fields.setdefault(wanted, value)

    def decoder(self, model: str, request: ChatRequest) -> Decoder:
        """A reader for one answer."""
        return OpenAIDecoder() if request.native is None else ResponsesDecoder(OpenAIDecoder)

    def fault(self, provider: Provider, status: int, headers: Mapping[str, str], body: bytes) -> SyntraError:
        """The error that a status means."""
        return faults.fault(provider.name, status, headers, body)


class OpenAIDecoder:
    """Reads one answer: chunks pass as they are, the usage is taken out and comes once, at the end."""

    frame_limit = FRAME_LIMIT

    def __init__(self) -> None:
        self.ended = False
        self._usage: Raw | None = None

    def frame(self, data: bytes) -> Sequence[Chunk]:
        """One event's chunk; the usage waits, `[DONE]` ends."""
        if data == b"[DONE]":
            self.ended = True
            return ()
        try:
            chunk = decode_chunk(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise UpstreamBroken("The provider sent an event that cannot be read.") from None
        if type(chunk) is not Text:
            return self._take(chunk)
        chunk.usage = UNSET
        return (chunk,)

    def whole(self, body: bytes) -> Sequence[Chunk]:
        """A whole completion as one chunk."""
        try:
            chunk = decode_completion(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise UpstreamBroken("The provider's reply cannot be read.") from None
        self.ended = True
        return self._take(chunk)

    def finish(self) -> Sequence[Chunk]:
        """The usage, if the provider told it."""
        return (Chunk(usage=self._usage),) if self._usage is not None else ()

    def _take(self, chunk: Chunk) -> Sequence[Chunk]:
        """Take errors and usage out of a chunk."""
        if chunk.error is not UNSET and bytes(chunk.error) != _NULL:
            raise faults.inband("The provider", bytes(chunk.error))
        if chunk.usage is not UNSET:
            self._keep(chunk.usage)
            chunk.usage = UNSET
        for choice in chunk.choices:
            if choice.usage is not UNSET:
                self._keep(choice.usage)
                choice.usage = UNSET
            if choice.delta.reasoning is not None and choice.delta.reasoning_content is None:
                choice.delta.reasoning_content = (
                    choice.delta.reasoning
                )  # OpenRouter's name for it; clients read the other
            if choice.finish_reason == "error":
                raise UpstreamFailed("The provider reported an error while answering.")
        if not chunk.choices:
            if chunk.object == "error":
                raise UpstreamFailed("The provider reported an error while answering.")
            return ()
        return (chunk,)

    def _keep(self, usage: Raw) -> None:
        if bytes(usage) != _NULL:
            self._usage = usage
