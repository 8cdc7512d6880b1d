"""The open text of an answer: where it stands among the items, and all that was said of it so far."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gateway.dialects.responses.writer import Writer, head

_encode = msgspec.json.Encoder().encode
_logprobs = msgspec.json.Decoder(dict[str, list[Raw] | None])
_NO_LOGPROBS: Final = b',"logprobs":[]}\n\n'


class Kind(Struct, frozen=True):
    """A kind of text, and the words that its events have for it."""

    part: str  # the type of the part
    stem: str  # of its events, as in response.<stem>.delta
    field: str = "text"  # of the part and of the done event
    place: str = "content_index"
    added: str = "response.content_part.added"
    done: str = "response.content_part.done"


TEXT: Final = Kind("output_text", "output_text")
REFUSAL: Final = Kind("refusal", "refusal", "refusal")
SUMMARY: Final = Kind(
    "summary_text",
    "reasoning_summary_text",
    place="summary_index",
    added="response.reasoning_summary_part.added",
    done="response.reasoning_summary_part.done",
)
THOUGHT: Final = Kind("reasoning_text", "reasoning_text")


class Part:
    """One part while its text comes in."""

    def __init__(self, kind: Kind, item_id: str, output_index: int, index: int) -> None:
        self.kind = kind
        self.annotations: list[Any] = []
        self._where: dict[str, Any] = {"item_id": item_id, "output_index": output_index, kind.place: index}
        self._head = head(f"response.{kind.stem}.delta", **self._where)
        self._texts: list[str] = []
        self._logprobs: list[Raw] = []
        self._tail = _NO_LOGPROBS if kind is TEXT else b"}\n\n"

    @property
    def text(self) -> str:
        """All of it so far."""
        return "".join(self._texts)

    def open(self, writer: Writer) -> None:
        """Say that it begins."""
        writer.event(self.kind.added, **self._where, part=self._part(""))

    def add(self, writer: Writer, text: str, logprobs: Raw | None = None) -> None:
        """One more piece of it."""
        self._texts.append(text)
        if logprobs is None:
            writer.piece(self._head, text, self._tail)
            return
        told = _logprobs.decode(logprobs).get("content") or []
        self._logprobs += told
        writer.piece(self._head, text, b',"logprobs":%b}\n\n' % _encode(told))

    def annotate(self, writer: Writer, annotation: Any) -> None:
        """A source of what was said."""
        at = len(self.annotations)
        self.annotations.append(annotation)
        writer.event("response.output_text.annotation.added", **self._where, annotation_index=at, annotation=annotation)

    def close(self, writer: Writer, whole: dict[str, Any] | None = None) -> dict[str, Any]:
        """Say that it is over; the part as a whole, with what `whole` knows beside the text."""
        part = self._part(self.text) | ({} if whole is None else {**whole, self.kind.field: self.text})
        self.end(writer)
        writer.event(self.kind.done, **self._where, part=part)
        return part

    def end(self, writer: Writer) -> None:
        """Say the whole text."""
        more = {"logprobs": self._logprobs} if self.kind is TEXT else {}
        writer.event(f"response.{self.kind.stem}.done", **self._where, **{self.kind.field: self.text}, **more)

    def _part(self, text: str) -> dict[str, Any]:
        part: dict[str, Any] = {"type": self.kind.part, self.kind.field: text}
        if self.kind is TEXT:
            part |= {"annotations": self.annotations, "logprobs": self._logprobs}
        return part
