"""The lines on the clients' pages work as they stand there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.fakes.gateway import PLAIN, Gateway
from tests.fakes.messages import HELLO, VERSION
from tests.fakes.provider import Provider

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients" / "claude-code.md"
EXPORT = re.compile(r"^export (\w+)=(\S+)$", re.MULTILINE)


def exported(gateway: Gateway) -> dict[str, str]:
    lines = dict(EXPORT.findall(PAGE.read_text("utf-8")))
    lines["ANTHROPIC_BASE_URL"] = lines["ANTHROPIC_BASE_URL"].replace("http://127.0.0.1:8000", gateway.origin)
    lines["ANTHROPIC_AUTH_TOKEN"] = lines["ANTHROPIC_AUTH_TOKEN"].replace("sk-syn-…", gateway.key)
    return lines


def test_claude_code_is_answered_with_what_its_page_says(gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    lines = exported(gateway)
    bearer = {"authorization": f"Bearer {lines['ANTHROPIC_AUTH_TOKEN']}", **VERSION}
    for model in (lines["ANTHROPIC_MODEL"], lines["ANTHROPIC_DEFAULT_HAIKU_MODEL"]):
        body = {"model": model, "max_tokens": 100, "messages": HELLO}
        url = f"{lines['ANTHROPIC_BASE_URL']}/v1/messages?beta=true"
        assert httpx.post(url, headers=bearer, json=body, verify=PLAIN).status_code == 200


@pytest.mark.parametrize("name", ["syntra-best", "kimi/kimi-k2.5", "claude/syntra", "claude/openai/gpt-4o-mini"])
def test_every_model_on_the_page_can_be_asked_for(
    name: str, gateway: Gateway, providers: Mapping[str, Provider]
) -> None:
    assert f"`{name}`" in PAGE.read_text("utf-8")
    body = {"model": name, "max_tokens": 100, "messages": HELLO}
    told = httpx.post(f"{gateway.origin}/v1/messages", headers={"x-api-key": gateway.key}, json=body, verify=PLAIN)
    assert told.status_code == 200
