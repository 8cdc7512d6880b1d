"""The lines on the clients' pages work as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from gateway.doctor.clients import CLIENTS
from gateway.doctor.setups import Place
from gateway.upstream.rehearse import MODELS
from tests.clients import cast, registry
from tests.fakes.gateway import PLAIN, Gateway
from tests.fakes.messages import HELLO, VERSION
from tests.fakes.provider import Provider

PAGES = Path(__file__).resolve().parents[2] / "docs" / "clients"
NAMES = sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README")
OF_SETUP = {"claude": "claude-code", "openai": "openai-python"}  # the others' pages are called as they are
SDKS = ("openai-python", "openai-node", "langchain", "vercel-ai-sdk")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


def blocks(name: str) -> list[tuple[str, str]]:
    return [(language, lines.rstrip("\n")) for language, lines in FENCE.findall(text(name))]


@pytest.fixture
def home(gateway: Gateway, tmp_path: Path) -> Path:
    """A home whose Syntra has the key of the gateway that runs."""
    data = tmp_path / ".local" / "share" / "syntra"
    data.mkdir(parents=True)
    (data / "key").write_text(gateway.key + "\n")
    return tmp_path


def exported(name: str, gateway: Gateway, home: Path) -> dict[str, str]:
    """What a shell makes of the page's exports."""
    lines = "\n".join(re.findall(r"^export .+$", text(name), re.MULTILINE))
    lines = lines.replace("http://127.0.0.1:8000", gateway.origin)
    done = subprocess.run(
        ["sh", "-c", f"{lines}\nenv"],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    return dict(line.split("=", 1) for line in done.stdout.decode().splitlines() if "=" in line)


@pytest.mark.parametrize("setup", CLIENTS)
def test_a_page_shows_the_lines_that_the_doctor_writes(setup: str) -> None:
    name = OF_SETUP.get(setup, setup)
    told = CLIENTS[setup].setup(Place())
    for file in told.files:
        assert (file.fence, file.lines.rstrip("\n")) in blocks(name)
        assert f"`~/{file.path}`" in text(name)
        assert f"syntra doctor --client {setup} --write" in text(name)
    if told.exports:
        assert ("sh", told.exports) in blocks(name)


@pytest.mark.parametrize("name", SDKS)
def test_an_sdk_finds_syntra_by_the_variables_on_its_page(name: str, gateway: Gateway, home: Path) -> None:
    assert ("sh", CLIENTS["openai"].setup(Place()).exports) in blocks(name)
    lines = exported(name, gateway, home)
    bearer = {"authorization": f"Bearer {lines['OPENAI_API_KEY']}"}
    assert httpx.get(f"{lines['OPENAI_BASE_URL']}/models", headers=bearer, verify=PLAIN).status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_the_list_of_pages_is_whole(name: str) -> None:
    assert f"({name}.md)" in text("README")
    driven = {client.name for client in cast.CLIENTS}
    assert (name in driven) == (
        "| yes |" in next(line for line in text("README").splitlines() if f"({name}.md)" in line)
    )


@pytest.mark.parametrize("name", sorted({client.name for client in cast.CLIENTS}.intersection(NAMES)))
def test_a_page_names_the_versions_that_are_driven(name: str) -> None:
    package = next(client.package for client in cast.CLIENTS if client.name == name)
    for one in package.wanted:
        called, _, version = one.replace("==", "@").rpartition("@")
        assert version in text(name) or called == "zod"


def test_every_client_that_is_driven_is_named() -> None:
    assert [name for name in {client.name for client in cast.CLIENTS} if name not in text("README")] == []


def models(name: str) -> Iterator[str]:
    """Every name on a page that could be asked for."""
    for found in re.findall(
        r"[`\"](?:openai/)?((?:claude/)?(?:syntra(?:-\w+)?|[a-z]+/[a-z0-9./-]+\d[\w.-]*))[`\"]", text(name)
    ):
        if not found.startswith(("ai-sdk/", "application/")):
            yield found


@pytest.mark.parametrize("name", NAMES)
def test_every_model_on_a_page_can_be_asked_for(name: str, gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    assert "syntra" in text(name)
    for model in dict.fromkeys(models(name)):
        body = {"model": model, "max_tokens": 100, "messages": HELLO}
        told = httpx.post(f"{gateway.origin}/v1/messages", headers={"x-api-key": gateway.key}, json=body, verify=PLAIN)
        assert told.status_code == 200, model


def test_claude_code_is_answered_with_the_variables_on_its_page(
    gateway: Gateway, home: Path, providers: Mapping[str, Provider]
) -> None:
    lines = exported("claude-code", gateway, home)
    bearer = {"authorization": f"Bearer {lines['ANTHROPIC_AUTH_TOKEN']}", **VERSION}
    for model in (lines["ANTHROPIC_MODEL"], lines["ANTHROPIC_DEFAULT_HAIKU_MODEL"]):
        body = {"model": model, "max_tokens": 100, "messages": HELLO}
        url = f"{lines['ANTHROPIC_BASE_URL']}/v1/messages?beta=true"
        assert httpx.post(url, headers=bearer, json=body, verify=PLAIN).status_code == 200


def test_the_program_on_the_page_of_python_runs(
    gateway: Gateway, home: Path, providers: Mapping[str, Provider]
) -> None:
    program = next(lines for language, lines in blocks("openai-python") if language == "python")
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**exported("openai-python", gateway, home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Hello from the fake.") == 2


def test_every_driven_client_is_pinned() -> None:
    packages = [one for one in vars(registry).values() if isinstance(one, registry.Package)]
    assert packages
    assert all(re.search(r"[\w\]](@|==)\d[\d.]+$", one) for package in packages for one in package.wanted)


def test_the_models_of_trouble_are_listed() -> None:
    assert set(re.findall(r"^\| `simulated/(\w+)` \|", text("README"), re.MULTILINE)) == MODELS
