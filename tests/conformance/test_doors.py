"""Every route needs a key, but for those that this file names."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from gateway import app, settings
from tests.fakes.gateway import Gateway
from tests.fakes.server import wait_for

OPEN = ("/docs", "/health")


def routes(data: Path) -> list[tuple[str, str]]:
    """Every (method, path) that the application serves."""
    application = app.create(
        settings.read({"SYNTRA_DATA_DIR": str(data), "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}), {}
    )
    return [(str(method), route.path) for route in application.routes for method in route.methods or ("GET", "POST")]


def test_every_route_but_health_and_docs_needs_a_key(gateway: Gateway, tmp_path: Path) -> None:
    served = routes(tmp_path)
    assert {path for _, path in served} >= {"/v1/chat/completions", "/v1/embeddings", "/v1/models"}
    for method, path in served:
        if path.startswith(OPEN):
            continue
        for headers in ({}, {"authorization": "Bearer sk-syn-000000000000-wrong"}, {"authorization": "Basic eDp5"}):
            reply = httpx.request(method, gateway.origin + path, headers=headers, json={})
            assert reply.status_code in (401, 405), (method, path)
            assert "error" in reply.json()


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/docs", "/docs/openapi.json"])
def test_health_and_docs_are_open(path: str, gateway: Gateway) -> None:
    assert httpx.get(gateway.origin + path).status_code == 200


def test_the_docs_need_no_internet(gateway: Gateway) -> None:
    page = httpx.get(f"{gateway.origin}/docs").text
    assert "http://" not in page
    assert "https://" not in page
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "swagger-ui-standalone-preset.js"):
        assert f"/docs/assets/{name}" in page
        assert httpx.get(f"{gateway.origin}/docs/assets/{name}").status_code == 200


def test_the_docs_describe_every_route(gateway: Gateway, tmp_path: Path) -> None:
    document = httpx.get(f"{gateway.origin}/docs/openapi.json").json()
    served = {path for _, path in routes(tmp_path) if not path.startswith("/docs")}
    told = set(document["paths"])
    assert served <= told | {path.rpartition("/{")[0] for path in told}


def test_every_reply_has_a_request_id_and_a_clients_own_comes_back(gateway: Gateway) -> None:
    url = f"{gateway.base_url}/models"
    twice = [("authorization", f"Bearer {gateway.key}"), ("authorization", "Bearer other")]
    for headers in ([], twice, list(gateway.headers.items())):
        assert httpx.get(url, headers=headers).headers["x-request-id"]
    mine = httpx.get(url, headers={**gateway.headers, "x-request-id": "my-request-7"})
    assert mine.headers["x-request-id"] == "my-request-7"


UNREADABLE = [
    ("x-syntra-cache-control", "bogus"),
    ("x-syntra-persona", "perhaps"),
    ("x-syntra-memory", "some"),
    ("x-syntra-max-cost-usd", "-1"),
    ("authorization", "Bearer other"),
]


@pytest.mark.parametrize("header", UNREADABLE, ids=lambda header: header[0])
def test_a_request_with_a_header_that_cannot_be_read_keeps_its_id_in_the_reply_and_in_the_log(
    header: tuple[str, str], gateway: Gateway
) -> None:
    mine = f"mine-{header[0]}"
    headers = [*gateway.headers.items(), ("x-request-id", mine), header]
    told = httpx.post(f"{gateway.base_url}/chat/completions", headers=headers, json={})
    assert (told.status_code, told.headers["x-request-id"]) == (400, mine)
    wait_for(lambda: mine in gateway.log.read_text())


def test_a_key_in_x_api_key_is_as_good_as_a_bearer(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.base_url}/models", headers={"x-api-key": gateway.key}).status_code == 200


def test_a_key_of_ours_is_found_in_either_header(gateway: Gateway) -> None:
    other = {"authorization": "Bearer sk-ant-oat01-of-the-clients-own", "x-api-key": gateway.key}
    url = f"{gateway.base_url}/models"
    assert httpx.get(url, headers=other).status_code == 200
    assert httpx.get(url, headers={**other, "authorization": "Bearer sk-syn-000000000000-no"}).status_code == 401


def test_a_path_that_is_not_served_is_told_with_the_requests_id(gateway: Gateway) -> None:
    url, key = f"{gateway.base_url}/messages/batches", {"x-api-key": gateway.key}
    told = httpx.post(url, headers={**key, "x-request-id": "mine"}, json={})
    assert (told.status_code, told.headers["request-id"], told.json()["request_id"]) == (404, "mine", "mine")
    assert len(httpx.post(url, headers=key, json={}).headers["request-id"]) == 32
