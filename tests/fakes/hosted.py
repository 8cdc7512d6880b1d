"""What only a provider has: images, sounds, moderation; each as strict about its request as the real one."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.script import dumps
from tests.fakes.server import Reply, Request
from tests.fakes.shape import integer, one_of, record, refuse, string

SOUND = b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(range(256)) * 40
PICTURE = base64.b64encode(b"\x89PNG a picture").decode()
SAID = "The harbour lies still."
IMAGE_USAGE = {"input_tokens": 70, "output_tokens": 1000, "total_tokens": 1070} | {
    "input_tokens_details": {"text_tokens": 20, "image_tokens": 50}
}
HEARD_USAGE = {"type": "tokens", "input_tokens": 140, "output_tokens": 7, "total_tokens": 147} | {
    "input_token_details": {"text_tokens": 0, "audio_tokens": 140}
}
PATHS = frozenset(
    "/images/generations /images/edits /audio/speech /audio/transcriptions /audio/translations /moderations /rerank".split()
)
_FIELD = re.compile(rb'name="([^"]*)"(?:; filename="([^"]*)")?')


@dataclass
class Form:
    """A form as the provider reads it."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)


def form(request: Request) -> Form:
    kind = request.headers.get("content-type", "")
    refuse(kind.startswith("multipart/form-data; boundary="), "content-type", f"Unsupported content type: '{kind}'.")
    boundary = kind.partition("boundary=")[2].strip('"').encode()
    read = Form()
    *parts, end = request.body.split(b"--" + boundary)[1:]
    refuse(end.startswith(b"--"), "body", "The form is cut.")
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        found = _FIELD.search(head)
        refuse(found, "body", "A part without a name.")
        assert found is not None
        name, content = found[1].decode(), content.removesuffix(b"\r\n")
        if found[2] is None:
            read.fields[name] = content.decode()
        else:
            read.files[name] = found[2].decode(), content
    return read


def event(data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), dumps(data))


def is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/form-data")


async def serve(path: str, request: Request, reply: Reply, *, cut: bool) -> None:
    """One of `PATHS`; `cut` ends a stream before its last event."""
    if path == "/images/generations":
        record({"prompt": string, "model": string}, {"n": integer(1, 10), "size": string})(request.json, "")
        made = [{"b64_json": PICTURE}] * request.json.get("n", 1)
        await reply.whole(200, dumps({"created": 1, "data": made, "usage": IMAGE_USAGE}), *_json())
    elif path == "/images/edits":
        sent = form(request)
        refuse(sent.fields.get("prompt") and "image" in sent.files, "image", "An image and a prompt are needed.")
        await reply.whole(200, dumps({"created": 1, "data": [{"b64_json": PICTURE}], "usage": IMAGE_USAGE}), *_json())
    elif path == "/audio/speech":
        more = {"response_format": one_of("mp3", "wav", "opus")}
        record({"model": string, "input": string, "voice": string}, more)(request.json, "")
        await reply.whole(200, SOUND, ("content-type", "audio/mpeg"))
    elif path in ("/audio/transcriptions", "/audio/translations"):
        sent = form(request)
        refuse(sent.files.get("file", ("", b""))[1] == SOUND, "file", "The sound is not the one that was sent.")
        await _heard(sent, reply, cut=cut)
    elif path == "/moderations":
        said: Any = request.json["input"]
        flagged = {"flagged": "hurt" in str(said), "categories": {}, "category_scores": {}}
        told = {"id": "modr-1", "model": request.json["model"], "results": [flagged]}
        await reply.whole(200, dumps(told), *_json())
    else:
        found = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
        await reply.whole(200, dumps({"results": found, "usage": {"total_tokens": 33}}), *_json())


async def _heard(sent: Form, reply: Reply, *, cut: bool) -> None:
    if sent.fields.get("stream") == "true":
        await reply.head(200, [("content-type", "text/event-stream")])
        for word in SAID.split(" "):
            await reply.chunk(event({"type": "transcript.text.delta", "delta": word}))
        if not cut:
            await reply.chunk(event({"type": "transcript.text.done", "text": SAID, "usage": HEARD_USAGE}))
        await reply.end()
    elif sent.fields.get("response_format") == "text":
        await reply.whole(200, f"{SAID}\n".encode(), ("content-type", "text/plain; charset=utf-8"))
    else:
        await reply.whole(200, dumps({"text": SAID, "usage": HEARD_USAGE}), *_json())


def _json() -> list[tuple[str, str]]:
    return [("content-type", "application/json")]
