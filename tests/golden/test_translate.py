"""What goes to providers that speak another wire, and what comes back; UPDATE_GOLDEN=1 writes the expected files anew."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.core.chat import ChatRequest, parse
from gateway.core.errors import SyntraError
from gateway.core.events import encode_chunk
from gateway.core.secret import Secret
from gateway.upstream.dialect import Decoder, Provider
from gateway.upstream.translate import Translated

HERE = Path(__file__).with_name("translate")
MODELS = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
REQUESTS = sorted((HERE / "requests").glob("*.json"))
ANSWERS = sorted((HERE / "answers").glob("*.json"))
MADE_UP = re.compile(r"call_[0-9a-f]{28}")  # LiteLLM draws an id for each call of Gemini's


def compare(path: Path, text: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text


def request_of(case: dict[str, Any]) -> ChatRequest:
    plain = {"model": "any", "messages": [{"role": "user", "content": "Good morning!"}]}
    return parse(json.dumps(plain | case.get("request", {})).encode())


def told(error: SyntraError) -> dict[str, Any]:
    plain = json.loads(error.body())["error"]
    return {"error": {"class": type(error).__name__, "status": error.status, **plain}}


def encoded(wire: str, case: dict[str, Any]) -> dict[str, Any]:
    dialect = Translated(wire)
    provider = Provider(wire, "http://127.0.0.1:9100", Secret("golden-key"), dialect)
    try:
        outbound = dialect.encode(provider, case.get("model", MODELS.get(wire, "some-model")), request_of(case))
    except SyntraError as error:
        return told(error)
    body = json.loads(outbound.body)
    return {"url": outbound.url, "headers": dict(outbound.headers), "dropped": outbound.dropped, "body": body}


def decoded(decoder: Decoder, case: dict[str, Any]) -> list[str]:
    """Every event and what became of it, line by line."""
    lines = []
    reads = [(decoder.frame, event) for event in case.get("events", ())]
    if "whole" in case:
        reads.append((decoder.whole, case["whole"]))
    for read, event in reads:
        raw = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        lines.append(f"< {raw}")
        try:
            chunks = read(raw.encode())
        except SyntraError as error:
            return [*lines, f"> {json.dumps(told(error))}"]
        lines += [f"> {line(chunk)}" for chunk in chunks]
    return [*lines, f"ended: {decoder.ended}", *(f"> {line(chunk)}" for chunk in decoder.finish())]


def line(chunk: Any) -> str:
    chunk.created = 0
    numbers: dict[str, str] = {}
    return MADE_UP.sub(lambda found: numbers.setdefault(found[0], f"call_{len(numbers)}"), encode_chunk(chunk).decode())


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_request(path: Path) -> None:
    wire, _, _ = path.stem.partition("_")
    said = encoded(wire, json.loads(path.read_text("utf-8")))
    compare(path.with_suffix(".said"), json.dumps(said, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_answer(path: Path) -> None:
    wire, _, _ = path.stem.partition("_")
    case = json.loads(path.read_text("utf-8"))
    lines = decoded(Translated(wire).decoder("asked-model", request_of(case)), case)
    compare(path.with_suffix(".chunks"), "\n".join(lines) + "\n")
