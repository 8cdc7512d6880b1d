"""Embeddings on Gemini's wire."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from gateway.core.embeddings import parse
from gateway.core.errors import BadRequest, UpstreamBroken
from gateway.core.secret import Secret
from gateway.upstream import gemini_embeddings
from gateway.upstream.dialect import Provider
from gateway.upstream.translate import Translated

GOOGLE = Provider("google", "http://127.0.0.1:9", Secret("s3cret"), Translated("gemini"))
TWO = b'{"embeddings":[{"values":[0.5,-1.0]},{"values":[0.25,2.0]}]}'


def a_request(**fields):
    return parse(json.dumps({"model": "gemini-embedding-001", "input": ["tide", "ebb"], **fields}).encode())


def test_each_text_becomes_a_request():
    outbound = gemini_embeddings.encode(GOOGLE, "gemini-embedding-001", a_request(dimensions=2, user="u"))
    assert outbound.url == "http://127.0.0.1:9/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert ("x-goog-api-key", "s3cret") in outbound.headers
    assert outbound.dropped == ("user",)
    first, second = json.loads(outbound.body)["requests"]
    assert first["content"] == {"parts": [{"text": "tide"}]}
    assert second["outputDimensionality"] == 2


def test_vectors_come_back_in_order_as_floats_or_packed():
    plain = json.loads(gemini_embeddings.decode(TWO, "asked", a_request())[0])
    assert [item["embedding"] for item in plain["data"]] == [[0.5, -1.0], [0.25, 2.0]]
    assert plain["model"] == "asked"
    packed = json.loads(gemini_embeddings.decode(TWO, "asked", a_request(encoding_format="base64"))[0])
    assert struct.unpack("<2f", base64.b64decode(packed["data"][1]["embedding"])) == (0.25, 2.0)


def test_tokens_are_refused():
    with pytest.raises(BadRequest) as caught:
        gemini_embeddings.encode(GOOGLE, "m", a_request(input=[[1, 2]]))
    assert caught.value.param == "input"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"embeddings":[{"values":[1]}]}', b"<html>"])
def test_a_reply_that_lacks_vectors_is_broken(body):
    with pytest.raises(UpstreamBroken):
        gemini_embeddings.decode(body, "asked", a_request())
