"""Gemini's own wire, where LiteLLM's configuration alone does not reach: its address, its links, its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from gateway.core.events import Choice, Chunk, Delta, text_chunk
from gateway.upstream.terms import GEMINI, Said, Terms, restore_links
from gateway.upstream.translated import Dictionary, TranslatedDecoder


def say(config: Any, body_of: Any, terms: Terms, model: str, key: str, base: str, *, stream: bool) -> Said:
    """Google's own wire; the key travels in a header, because URLs end up in logs."""
    optional = config.map_openai_params(terms.params, {}, model, True)
    body = body_of(
        messages=terms.messages,
        model=model,
        optional_params=optional,
        custom_llm_provider=GEMINI,
        litellm_params={},
        cached_content=None,
    )
    restore_links(body["contents"], terms.links)
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    headers = {"content-type": "application/json", "x-goog-api-key": key}
    return f"{base.rstrip('/')}/v1beta/models/{quote(model, safe='')}:{method}", headers, body


class _Part(Struct, forbid_unknown_fields=True):
    text: str
    thought: bool = False


class _Content(Struct, forbid_unknown_fields=True):
    parts: tuple[_Part]
    role: str = "model"


class _Candidate(Struct, forbid_unknown_fields=True):
    content: _Content
    index: int = 0


class _Text(Struct, forbid_unknown_fields=True):
    """The one event of Gemini's that is nearly all of them."""

    candidates: tuple[_Candidate]
    usageMetadata: Raw = Raw()  # noqa: N815  # Google's name
    modelVersion: str = ""  # noqa: N815
    responseId: str = ""  # noqa: N815


_text = msgspec.json.Decoder(_Text)
_encode = msgspec.json.Encoder().encode


def _signatures(told: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The signatures of texts, by choice; those of calls LiteLLM passes on."""
    for k, candidate in enumerate(told.get("candidates") or ()):
        for part in (candidate.get("content") or {}).get("parts") or ():
            if part.get("thoughtSignature") and "functionCall" not in part:
                yield candidate.get("index", k), part["thoughtSignature"]


def _signed(chunks: Sequence[Chunk], signs: Mapping[int, str]) -> Sequence[Chunk]:
    """The same with each signature in its choice, in the field in which Google's own OpenAI endpoint has it."""
    choices = {choice.index: choice for chunk in chunks for choice in chunk.choices}
    more = [choices.setdefault(index, Choice(index)) for index in signs if index not in choices]
    for index, sign in signs.items():
        extra = {"extra_content": Raw(_encode({"google": {"thought_signature": sign}}))}
        choices[index].delta.extra = extra
    return (*chunks, Chunk(choices=more)) if more else chunks


class GeminiDecoder(TranslatedDecoder):
    """Reads Gemini's events, of which none says that it is the last one.

    `ended` is true as soon as every candidate has its finish reason: a body that ends then is whole, and the usage came
    with the last of them. Whoever reads on may hand in what follows.
    """

    def __init__(self, model: str, parser: Any, *, choices: int) -> None:
        super().__init__(GEMINI, model, parser, None, Dictionary(None, None, None), {})
        self._expected = choices
        self._counted = Raw()  # in the last event that went past LiteLLM; read only if none counts after it

    def _event(self, data: bytes) -> Sequence[Chunk]:
        """One event's chunks; plain text goes past LiteLLM, whose parser keeps nothing of it."""
        try:
            text = _text.decode(data)
        except msgspec.ValidationError:  # an event that is not quite this one
            return super()._event(data)
        self._counted = text.usageMetadata
        candidate = text.candidates[0]
        part = candidate.content.parts[0]
        if not part.thought:
            return (text_chunk(part.text, candidate.index, created=self._created, model=self._model),)
        return self._chunk([Choice(candidate.index, Delta(reasoning_content=part.text))])

    def _answer(self, told: dict[str, Any]) -> Sequence[Chunk]:
        """A whole answer has an event's form, and LiteLLM's other reader drops all choices if the first is flagged."""
        return self._parse(told)

    def finish(self) -> Sequence[Chunk]:
        """The usage, from whichever event told it last."""
        if bytes(self._counted):
            self.frame(b'{"usageMetadata":' + self._counted + b"}")
        return super().finish()

    def _parse(self, told: dict[str, Any]) -> Sequence[Chunk]:
        if "usageMetadata" in told:
            self._counted = Raw()
        for candidate in told.get("candidates") or ():
            for part in (candidate.get("content") or {}).get("parts") or ():
                if "functionCall" in part:
                    part["functionCall"].setdefault("args", {})  # Google leaves them out where there are none
        chunks = super()._parse(told)
        signs = dict(_signatures(told))
        return _signed(chunks, signs) if signs else chunks

    def _reasons(self, told: dict[str, Any]) -> Mapping[int, str | None]:
        if (told.get("promptFeedback") or {}).get("blockReason"):
            self._expected = 1  # there is no answer, only this
            return {0: "SAFETY"}
        candidates = told.get("candidates") or ()
        return {candidate.get("index", k): candidate.get("finishReason") for k, candidate in enumerate(candidates)}

    def _after(self, told: dict[str, Any]) -> None:
        self.ended = len(self._finished) >= self._expected
