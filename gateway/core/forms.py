"""Bodies that are passed through: JSON or a form, of which Syntra reads a few fields and rewrites the model's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
from msgspec import Raw, Struct

from gateway.core import privacy
from gateway.core.chat import check_text, decode, refuse_forbidden
from gateway.core.errors import BadRequest

_FORM: Final = re.compile(
    r"multipart/form-data\s*;.*?boundary=(?:\"([^\"\r\n]{1,70})\"|([^\s;\"]{1,70}))", re.IGNORECASE
)
_NAME: Final = re.compile(rb"content-disposition:\s*form-data;[^\r\n]*?\bname=\"([^\"\r\n]*)\"", re.IGNORECASE)
_MOST_TEXT: Final = 1024 * 1024  # bytes of a field that is read; a file is none
_fields = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


class PassedBody(Protocol):
    """A body on its way through."""

    @property
    def media_type(self) -> str:
        """What stands in its Content-Type."""

    def text(self, name: str) -> str:
        """The field of this name, empty where there is none; a value that is no text as it was written."""

    def renamed(self, model: str) -> bytes:
        """The body with another model in it, and everything else as it came."""


class JsonBody(Struct, frozen=True):
    """A JSON object."""

    fields: Mapping[str, Raw]

    @property
    def media_type(self) -> str:
        """JSON."""
        return "application/json"

    def text(self, name: str) -> str:
        """A field; texts of a list are joined."""
        raw = self.fields.get(name)
        if raw is None:
            return ""
        value = msgspec.json.decode(raw)
        if isinstance(value, list):
            return "\n".join(item for item in value if isinstance(item, str))
        return value if isinstance(value, str) else bytes(raw).decode()

    def renamed(self, model: str) -> bytes:
        """The same fields in the same order."""
        return _encode({**self.fields, "model": model})


class Part(Struct, frozen=True):
    """One part of a form: its header lines, and its content."""

    head: bytes
    content: bytes

    @property
    def name(self) -> str:
        """The field's name."""
        found = _NAME.search(self.head)
        return found[1].decode("utf-8", "replace") if found else ""


class FormBody(Struct, frozen=True):
    """`multipart/form-data`, as files are sent."""

    boundary: bytes
    parts: tuple[Part, ...]

    @property
    def media_type(self) -> str:
        """With the client's own boundary."""
        return f'multipart/form-data; boundary="{self.boundary.decode("latin-1")}"'

    def text(self, name: str) -> str:
        """The first part of this name."""
        content = next((part.content for part in self.parts if part.name == name), b"")
        return content.decode("utf-8", "replace") if len(content) <= _MOST_TEXT else ""

    def renamed(self, model: str) -> bytes:
        """The same parts in the same order; the model comes first where the client named none."""
        named = Part(b'Content-Disposition: form-data; name="model"', model.encode())
        parts = [named if part.name == "model" else part for part in self.parts]
        if named not in parts:
            parts.insert(0, named)
        lines = [b"--%b\r\n%b\r\n\r\n%b\r\n" % (self.boundary, part.head, part.content) for part in parts]
        return b"%b--%b--\r\n" % (b"".join(lines), self.boundary)

    @property
    def file_bytes(self) -> int:
        """The size of what is not text."""
        return sum(len(part.content) for part in self.parts if b"filename" in part.head.lower())


def parse_json(raw: bytes) -> JsonBody:
    """Bytes to an object; raises BadRequest."""
    check_text(raw)
    fields = decode(_fields, raw)
    refuse_forbidden(fields)
    privacy.drop(fields, privacy.UNSENT)
    return JsonBody(fields)


def parse_form(media_type: str, raw: bytes) -> FormBody:
    """Bytes to a form; raises BadRequest where it is none. Source: RFC 7578, RFC 2046 section 5.1.1."""
    found = _FORM.match(media_type.strip())
    if found is None:
        raise BadRequest("The body must be a form: send it as `multipart/form-data`.", code="invalid_value")
    boundary = (found[1] or found[2]).encode("latin-1", "replace")
    _, *pieces = (b"\r\n" + raw).split(b"\r\n--" + boundary)  # which is in no part: that is what makes it a boundary
    if len(pieces) < 2 or not pieces.pop().startswith(b"--"):
        raise BadRequest("The form is not whole: its last boundary is missing.", code="invalid_value")
    parts = tuple(_part(piece) for piece in pieces)
    refuse_forbidden(part.name for part in parts)
    return FormBody(boundary, tuple(part for part in parts if _field(part) not in privacy.UNSENT))


def _field(part: Part) -> str:
    """The field that a part is of, or is an entry of: SDKs write an object as `metadata[name]`, a part for each."""
    return part.name.partition("[")[0]


def _part(piece: bytes) -> Part:
    lead, _, rest = piece.partition(b"\r\n")
    head, end, content = rest.partition(b"\r\n\r\n")
    if lead.strip() or not end:
        raise BadRequest("A part of the form has no headers.", code="invalid_value")
    return Part(head, content)
