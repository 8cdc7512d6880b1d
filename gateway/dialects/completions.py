"""OpenAI's first surface, `POST /v1/completions`, as editors still speak it: a text to go on with, or a gap to fill.

Hardly any model is offered on that wire any more, so the text is put to a chat model with the task to go on with it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, structs

from gateway.core import chat
from gateway.core.chat import ChatRequest, Count, Penalty, StreamOptions
from gateway.core.errors import BadRequest
from gateway.core.events import Choice, Chunk, Usage, decode_usage
from gateway.core.ids import uuid7

MOST_PROMPTS: Final = 16
_GO_ON: Final = (
    "Go on with the text that the user sends, exactly where it ends. Write only what comes next: no introduction, no "
    "comment, no code fence, and nothing of the text again."
)
_FILL: Final = (
    "The user sends a text with a gap: what stands before it is in <before>, what stands after it in <after>. Write "
    "only what belongs in the gap, so that the three together are the text: no tags, no comment, no code fence."
)


class Body(Struct):
    """The fields of a request that Syntra reads."""

    model: str
    prompt: str | list[Any]
    suffix: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, Meta(ge=1, le=20)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None
    stop: str | list[str] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, float] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    user: str | None = None


class Asked(Struct, frozen=True):
    """One request: a chat completion for each of its prompts."""

    body: Body
    requests: Sequence[ChatRequest]

    @property
    def tells_usage(self) -> bool:
        """Whether the counts shall be told."""
        options = self.body.stream_options
        return not self.body.stream or bool(options and options.include_usage)


_SAME: Final = (
    "model temperature top_p n stop presence_penalty frequency_penalty logit_bias seed user stream max_tokens".split()
)
_encode = msgspec.json.Encoder().encode
_fields = msgspec.json.Decoder(dict[str, Raw])
_body = msgspec.json.Decoder(Body)


def parse(raw: bytes) -> Asked:
    """Bytes to a request; raises BadRequest with `param` set to the path of what is wrong."""
    chat.check_text(raw)
    fields = chat.decode(_fields, raw)
    chat.refuse_forbidden(fields)
    body = chat.decode(_body, raw)
    if body.echo:
        raise _unsupported("echo", "The prompt cannot be told again here; leave 'echo' out.")
    if body.best_of is not None and body.best_of > (body.n or 1):
        raise _unsupported("best_of", "Answers cannot be compared here; leave 'best_of' out.")
    return Asked(body, [_request(body, prompt) for prompt in _prompts(body.prompt)])


def _prompts(given: str | list[Any]) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not given or len(given) > MOST_PROMPTS:
        raise BadRequest(f"'prompt' is one text, or 1 to {MOST_PROMPTS} of them.", param="prompt", code="invalid_value")
    for k, prompt in enumerate(given):
        if not isinstance(prompt, str):
            message = "A prompt of token ids means nothing to another tokenizer; send it as text."
            raise BadRequest(message, param=f"prompt[{k}]", code="invalid_value")
    return given


def _request(body: Body, prompt: str) -> ChatRequest:
    """One prompt as a chat completion."""
    if body.suffix:
        task, text = _FILL, f"<before>{prompt}</before><after>{body.suffix}</after>"
    else:
        task, text = _GO_ON, prompt
    fields: dict[str, Any] = {name: value for name in _SAME if (value := getattr(body, name)) is not None}
    if body.stream:
        fields["stream_options"] = {"include_usage": True}
    if body.logprobs is not None:
        fields |= {"logprobs": True, "top_logprobs": body.logprobs}
    fields["messages"] = [{"role": "system", "content": task}, {"role": "user", "content": text}]
    return structs.replace(chat.parse(_encode(fields)), lenient=True)


def _unsupported(name: str, message: str) -> BadRequest:
    return BadRequest(message, param=name, code="unsupported_parameter")


class _Token(Struct):
    token: str
    logprob: float
    top_logprobs: list[_Token] = []


class _Logprobs(Struct):
    content: list[_Token] | None = None


_logprobs = msgspec.json.Decoder(_Logprobs)


class _Text(Struct):
    """One choice while its pieces come in."""

    pieces: list[str] = []
    tokens: list[_Token] = []
    finish_reason: str | None = None


class Answer:
    """One answer: chunks in, text completions out; the choices of the second prompt are numbered after the first's."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._per_prompt = asked.body.n or 1
        self._head = {
            "id": f"cmpl-{uuid7()}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": asked.body.model,
        }
        self._texts: dict[int, _Text] = {}
        self._length: dict[int, int] = {}  # characters told of each choice, for the offsets of its tokens
        self._usage = Usage()

    def chunks(self, batch: Sequence[Chunk], prompt: int) -> bytes:
        """The events that come of these chunks of the answer to one of the prompts."""
        out: list[bytes] = []
        for chunk in batch:
            if chunk.usage is not UNSET:
                self._count(decode_usage(chunk.usage) or Usage())
            told = [self._take(choice, prompt * self._per_prompt + choice.index) for choice in chunk.choices]
            out += [b"data: %b\n\n" % _encode({**self._head, "choices": [one]}) for one in told if one is not None]
        return b"".join(out)

    def end(self) -> bytes:
        """The last events."""
        if not self._asked.tells_usage:
            return b"data: [DONE]\n\n"
        usage = _encode({**self._head, "choices": [], "usage": self._usage})
        return b"data: %b\n\ndata: [DONE]\n\n" % usage

    def reply(self) -> bytes:
        """The whole answer."""
        choices = [
            self._choice(index, "".join(text.pieces), text.tokens, text.finish_reason, 0)
            for index, text in sorted(self._texts.items())
        ]
        return _encode({**self._head, "choices": choices, "usage": self._usage})

    def _take(self, choice: Choice, index: int) -> dict[str, Any] | None:
        """One piece of one choice; None where it says nothing."""
        text = self._texts.get(index)
        if text is None:
            text = self._texts[index] = _Text([], [])
        said = choice.delta.content or choice.delta.refusal or ""
        tokens = [] if bytes(choice.logprobs) == b"null" else _logprobs.decode(choice.logprobs).content or []
        if not said and not tokens and choice.finish_reason is None:
            return None
        text.finish_reason = choice.finish_reason or text.finish_reason
        text.pieces.append(said)
        text.tokens += tokens
        offset = self._length.get(index, 0)
        self._length[index] = offset + len(said)
        return self._choice(index, said, tokens, choice.finish_reason, offset)

    def _choice(
        self, index: int, text: str, tokens: Sequence[_Token], reason: str | None, offset: int
    ) -> dict[str, Any]:
        logprobs = None if self._asked.body.logprobs is None else _told(tokens, offset)
        return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}

    def _count(self, usage: Usage) -> None:
        self._usage.prompt_tokens += usage.prompt_tokens
        self._usage.completion_tokens += usage.completion_tokens
        self._usage.total_tokens += usage.total_tokens or usage.prompt_tokens + usage.completion_tokens


def _told(tokens: Sequence[_Token], offset: int) -> dict[str, Any]:
    """Logprobs as this surface tells them: lists side by side."""
    *offsets, _ = accumulate((len(one.token) for one in tokens), initial=offset)
    return {
        "tokens": [one.token for one in tokens],
        "token_logprobs": [one.logprob for one in tokens],
        "top_logprobs": [{top.token: top.logprob for top in one.top_logprobs} for one in tokens],
        "text_offset": offsets,
    }
