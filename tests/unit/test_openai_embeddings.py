"""Embeddings on OpenAI's wire: numbers or base64, as the client asked, whatever the server makes of the wish."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest

from gateway.core.embeddings import EmbeddingsRequest, parse
from gateway.core.errors import UpstreamBroken
from gateway.upstream.openai_embeddings import decode

VECTORS = [[0.5, -1.0, 0.125], [0.25, 2.0, -0.0625]]
PACKED = [base64.b64encode(struct.pack("<3f", *vector)).decode() for vector in VECTORS]


def asked(encoding_format: str | None) -> EmbeddingsRequest:
    body = {"model": "m", "input": ["tide", "ebb"]}
    wish = {} if encoding_format is None else {"encoding_format": encoding_format}
    return parse(json.dumps(body | wish).encode())


def reply(vectors: list[Any]) -> bytes:
    data = [{"object": "embedding", "index": k, "embedding": vector, "x": 1.0} for k, vector in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}).encode()


@pytest.mark.parametrize("given", [VECTORS, PACKED], ids=["server sends floats", "server sends base64"])
@pytest.mark.parametrize(("wish", "wanted"), [("base64", PACKED), ("float", VECTORS), (None, VECTORS)])
def test_vectors_come_in_the_form_that_was_asked_for(given: list[Any], wish: str | None, wanted: list[Any]) -> None:
    body, usage = decode(reply(given), "asked", asked(wish))
    told = json.loads(body)
    assert [item["embedding"] for item in told["data"]] == wanted
    rest = [(item["object"], item["index"], item["x"]) for item in told["data"]]
    assert rest == [("embedding", 0, 1.0), ("embedding", 1, 1.0)]
    assert told["model"] == "asked"
    assert usage is not None
    assert usage.prompt_tokens == 4


def test_vectors_that_have_the_form_already_pass_byte_for_byte() -> None:
    data = b'[ {"embedding":[1e-1, 0.50],"index":0} ]'
    body, _ = decode(b'{"data":%b}' % data, "asked", asked("float"))
    assert data in body


@pytest.mark.parametrize(
    ("vector", "wish"),
    [(["a"], "base64"), ([1e39], "base64"), ([[0.5]], "base64"), ("AAA", "float"), ("AAAA", "float"), ("é", None)],
)
def test_what_cannot_be_put_into_the_form_is_the_servers_fault(vector: Any, wish: str | None) -> None:
    with pytest.raises(UpstreamBroken):
        decode(reply([vector]), "asked", asked(wish))
