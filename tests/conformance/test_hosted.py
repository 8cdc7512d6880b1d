"""What is passed through, by the real `openai` package: images, sounds, moderation; and ranking over plain HTTP."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import openai
import pytest

from gateway.http.docs import config
from tests.fakes import hosted
from tests.fakes.gateway import Gateway
from tests.fakes.openai_wire import OpenAI
from tests.fakes.provider import Provider
from tests.fakes.script import Fault

Fakes = Mapping[str, Provider]
ADMIN = {"usd_per_day": 5}


def used(gateway: Gateway, group: str = "model") -> dict[str, Any]:
    """The ledger's sums, as soon as they have grown."""
    url = f"{gateway.origin}/api/orgs/local/usage?group_by={group}"
    reply = httpx.get(url, headers={"authorization": f"Bearer {gateway.key}"})
    assert reply.status_code == 200, reply.text
    return {row[group]: row for row in reply.json()["data"]}


def grown(gateway: Gateway, model: str, requests: int) -> dict[str, Any]:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        row = used(gateway).get(model)
        if row is not None and row["requests"] >= requests:
            return dict(row)
        time.sleep(0.1)
    raise AssertionError(f"{model} was not recorded {requests} times")


def test_an_image_is_made_and_paid_for_by_its_tokens(start_gateway: Callable[..., Gateway], providers: Fakes) -> None:
    gateway = start_gateway("openai")
    with gateway.client() as client:
        made = client.images.generate(model="openai/gpt-image-2", prompt="A harbour", n=2, size="1024x1024")
        assert made.data is not None
        assert [image.b64_json for image in made.data] == [hosted.PICTURE] * 2
        client.images.generate(model="gpt-image-2", prompt="A harbour")
        client.images.generate(model="syntra", prompt="A harbour")
    sent = [request.json for request in providers["openai"].requests]
    assert [body["model"] for body in sent] == ["gpt-image-2"] * 3
    assert sent[0] == {"model": "gpt-image-2", "prompt": "A harbour", "n": 2, "size": "1024x1024"}
    row = grown(gateway, "openai/gpt-image-2", 3)
    assert (row["input_tokens"], row["output_tokens"], row["estimated"]) == (210, 3000, 0)
    assert float(row["cost_usd"]) > 0.01


def test_a_picture_is_edited_with_every_byte_of_it(gateway: Gateway, providers: Fakes) -> None:
    picture = base64.b64decode(hosted.PICTURE) + b"\r\n--not-a-boundary\r\n\x00\xff"
    with gateway.client() as client:
        made = client.images.edit(model="openai/gpt-image-2", image=("a.png", picture, "image/png"), prompt="Bluer")
    assert made.usage is not None
    assert made.usage.output_tokens == 1000
    sent = hosted.form(providers["openai"].last)
    assert sent.fields == {"model": "gpt-image-2", "prompt": "Bluer"}
    assert sent.files["image"] == ("a.png", picture)


def test_a_text_is_spoken(start_gateway: Callable[..., Gateway], providers: Fakes) -> None:
    gateway = start_gateway("openai")
    with gateway.client() as client:
        spoken = client.audio.speech.create(model="openai/tts-1", voice="alloy", input="x" * 1000)
        assert spoken.read() == hosted.SOUND
        assert spoken.response.headers["content-type"] == "audio/mpeg"
    row = grown(gateway, "openai/tts-1", 1)
    assert (row["cost_usd"], row["estimated"]) == ("0.015000", 1)


def test_a_sound_is_heard_whole_as_text_and_as_a_stream(gateway: Gateway, providers: Fakes) -> None:
    sound = ("a.mp3", hosted.SOUND, "audio/mpeg")
    with gateway.client() as client:
        heard = client.audio.transcriptions.create(model="openai/gpt-4o-mini-transcribe", file=sound)
        assert heard.text == hosted.SAID
        text: Any = client.audio.transcriptions.create(model="syntra", file=sound, response_format="text")
        assert text == f"{hosted.SAID}\n"
        with client.audio.transcriptions.create(model="syntra", file=sound, stream=True) as stream:
            events = list(stream)
    assert [event.type for event in events] == ["transcript.text.delta"] * 4 + ["transcript.text.done"]
    models = [hosted.form(request).fields["model"] for request in providers["openai"].requests]
    assert models == ["gpt-4o-mini-transcribe"] * 3


def test_a_cut_transcript_is_never_the_end_of_one(gateway: Gateway, providers: Fakes) -> None:
    providers["openai"].script(fault=Fault.EOF_MID)
    sound = ("a.mp3", hosted.SOUND, "audio/mpeg")
    with gateway.client() as client:
        stream = client.audio.transcriptions.create(model="syntra", file=sound, stream=True)
        with pytest.raises(openai.APIError), stream:
            list(stream)


def test_a_text_is_moderated_also_without_a_models_name(gateway: Gateway, providers: Fakes) -> None:
    with gateway.client() as client:
        told = client.moderations.create(input=["to hurt", "to heal"])
        assert told.results[0].flagged
        assert client.moderations.create(model="omni-moderation-latest", input="to heal").results[0].flagged is False
    assert {request.json["model"] for request in providers["openai"].requests} == {"omni-moderation-latest"}


def test_documents_are_ranked_by_a_server_of_ones_own(start_gateway: Callable[..., Gateway], fakes: Fakes) -> None:
    fake = fakes["openai"]
    assert isinstance(fake, OpenAI)
    gateway = start_gateway("openai", SYNTRA_PROVIDERS=f"local={fake.base_url}", LOCAL_API_KEY=fake.key)
    body = {"model": "local/bge", "query": "harbour", "documents": ["a", "b"], "top_n": 2}
    told = post(gateway, "/rerank", body)
    assert told.status_code == 200
    assert [result["index"] for result in told.json()["results"]] == [1, 0]
    assert told.headers["x-syntra-decision"]
    assert grown(gateway, "local/bge", 1)["input_tokens"] == 33


def post(gateway: Gateway, path: str, body: Any, **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {gateway.key}"}
    return httpx.post(f"{gateway.base_url}{path}", json=body, headers=headers, **more)


def test_what_tells_of_the_users_machine_is_in_no_form_in_parts_either(gateway: Gateway, providers: Fakes) -> None:
    told = {
        "model": "openai/gpt-4o-mini-transcribe",
        "x_codex_turn_metadata": "/home/ada/secret-plans",
        "client_metadata[workspace]": "/home/ada/secret-plans",
        "metadata[workspace]": "/home/ada/secret-plans",
    }
    headers = {"authorization": f"Bearer {gateway.key}"}
    files = {"file": ("a.mp3", hosted.SOUND, "audio/mpeg")}
    heard = httpx.post(f"{gateway.base_url}/audio/transcriptions", data=told, files=files, headers=headers)
    assert heard.status_code == 200, heard.text
    sent = hosted.form(providers["openai"].last)
    assert sent.fields == {"model": "gpt-4o-mini-transcribe"}
    assert sent.files["file"] == ("a.mp3", hosted.SOUND)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/images/generations", {"model": "anthropic/claude-haiku-4-5", "prompt": "x"}, 400, "unsupported_model"),
        ("/images/generations", {"model": "nobody/x", "prompt": "x"}, 404, "model_not_found"),
        ("/rerank", {"query": "x", "documents": ["a"]}, 400, "unsupported_model"),
        ("/moderations", {"input": "x", "base_url": "http://evil"}, 400, "forbidden_parameter"),
        ("/audio/speech", {"model": "openai/tts-1"}, 400, "missing_required_parameter"),
    ],
)
def test_what_cannot_be_is_said_with_a_code(
    path: str, body: Any, status: int, code: str, gateway: Gateway, providers: Fakes
) -> None:
    told = post(gateway, path, body)
    assert (told.status_code, told.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("body", [b"", b"--b\r\n", b"--b\r\nno headers--b--", b"--b\r\nx: y\r\n\r\ncut"])
def test_a_form_that_is_not_whole_goes_nowhere(body: bytes, gateway: Gateway, providers: Fakes) -> None:
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "multipart/form-data; boundary=b"}
    told = httpx.post(f"{gateway.base_url}/audio/transcriptions", content=body, headers=headers)
    assert told.status_code == 400
    assert providers["openai"].requests == []


def test_a_form_is_for_these_routes_alone(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {gateway.key}"}
    told = httpx.post(f"{gateway.base_url}/chat/completions", files={"a": b"b"}, headers=headers)
    assert told.status_code == 415


def test_a_spent_budget_makes_no_image(start_gateway: Callable[..., Gateway], providers: Fakes) -> None:
    gateway = start_gateway("openai")
    owner = {"authorization": f"Bearer {gateway.key}"}
    made = httpx.post(
        f"{gateway.origin}/api/orgs/local/keys",
        headers=owner,
        json={"name": "poor", "limits": {"usd_per_day": 0.000001}},
    )
    assert made.status_code == 201, made.text
    headers = {"authorization": f"Bearer {made.json()['key']}"}
    body = {"model": "openai/tts-1", "voice": "alloy", "input": "x" * 4000}
    told = httpx.post(f"{gateway.base_url}/audio/speech", json=body, headers=headers)
    assert (told.status_code, told.json()["error"]["code"]) == (402, "insufficient_quota")
    assert providers["openai"].requests == []


def test_the_routes_are_documented(gateway: Gateway) -> None:
    document = httpx.get(f"{gateway.origin}{config().path}/openapi.json").json()
    for path in hosted.PATHS:
        assert "post" in document["paths"][f"/v1{path}"], path
    assert json.dumps(document)
