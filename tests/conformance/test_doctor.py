"""`syntra doctor`, as people run it: on an installation, and for each client against a gateway that runs."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.core.secret import Secret
from gateway.doctor import trouble
from gateway.doctor.asking import Asking
from gateway.doctor.clients import CLIENTS
from gateway.doctor.finding import BAD, Finding
from gateway.doctor.replay import Replay
from tests.conftest import StartGateway
from tests.fakes.gateway import ANTHROPIC, GOOGLE, OPENAI, ROOT, Gateway, Pin, provider_env
from tests.fakes.ports import free_port
from tests.fakes.provider import Provider
from tests.fakes.script import Script, ToolCall
from tests.fakes.server import Reply, Request, Server

PINNED = (OPENAI, ANTHROPIC, GOOGLE)


def doctor(*arguments: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    base = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "PORT": str(free_port())}
    command = [sys.executable, "-m", "gateway", "doctor", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**base, **env}, capture_output=True, text=True, timeout=120, check=False
    )


def line(told: subprocess.CompletedProcess[str], what: str) -> str:
    """The line about a thing, which there must be."""
    return next(line for line in told.stdout.splitlines() if what in line)


def asked(client: str, gateway: Gateway, model: str) -> list[Finding]:
    async def ask() -> list[Finding]:
        async with Asking(gateway.origin, Secret(gateway.key)) as asking:
            return [one async for one in Replay(asking, CLIENTS[client].manner(), model).findings()]

    return asyncio.run(ask())


# an installation


def test_a_new_machine_is_well_and_nothing_is_made_there(tmp_path: Path) -> None:
    told = doctor(home=tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "is made by the first start" in " ".join(told.stdout.split())
    assert "answers are simulated" in line(told, "providers")
    assert "nobody answers" in line(told, "gateway")
    assert list(tmp_path.iterdir()) == []


def test_an_installation_that_runs_is_looked_at_part_by_part(start_gateway: StartGateway) -> None:
    gateway = start_gateway("openai")
    told = doctor(home=gateway.data, SYNTRA_DATA_DIR=str(gateway.data), PORT=str(gateway.port), **gateway.stores)
    assert told.returncode == 0, told.stdout + told.stderr
    for what in ("PostgreSQL (DATABASE_URL)", "Valkey (VALKEY_URL)", "vectors"):
        assert "answers" in line(told, what)
    assert "✓" in line(told, "ok at")
    assert "is known" in line(told, "its key")
    assert gateway.key not in told.stdout


def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    told = doctor(home=tmp_path, SYNTRA_WORKERS="many")
    assert told.returncode == 1
    assert "SYNTRA_WORKERS='many'" in told.stdout


def test_a_name_that_is_no_setting_is_told_with_the_one_that_is_meant(tmp_path: Path) -> None:
    told = doctor(home=tmp_path, SYNTRA_WORKER="2", OPENAI_KEY="sk-x", SYNTRA_API_KEY="of zed's")
    assert told.returncode == 0
    assert "SYNTRA_WORKERS?" in line(told, "SYNTRA_WORKER ")
    assert "OPENAI_API_KEY" in line(told, "OPENAI_KEY")
    assert "SYNTRA_API_KEY" not in told.stdout


def test_a_key_that_others_may_read_is_told_with_the_command_that_mends_it(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-syn-0123456789ab-0123456789abcdef0123456789abcdef01234567\n")
    key.chmod(0o644)
    told = doctor(home=tmp_path, SYNTRA_DATA_DIR=str(tmp_path))
    assert told.returncode == 1
    assert "chmod 600" in told.stdout
    assert stat.S_IMODE(key.stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DATABASE_URL", "postgresql://u:secretword@127.0.0.1:9/d", "does not answer"),
        ("DATABASE_URL", "nothing of the kind", "not a URL"),
        ("VALKEY_URL", "redis://u:secretword@127.0.0.1:9/0", "does not answer"),
        ("VALKEY_URL", "http://127.0.0.1", "begins with redis://"),
        ("QDRANT_URL", "http://127.0.0.1:9", "does not answer"),
        ("ENCRYPTION_KEY", "c2hvcnQ=" * 6, "32 bytes"),
        ("SYNTRA_OUTBOUND_PROXY", "ftp://proxy", "✗"),
        ("OPENAI_BASE_URL", "ftp://host", "OPENAI_BASE_URL"),
    ],
)
def test_what_is_wrong_is_said_without_its_secrets(variable: str, value: str, said: str, tmp_path: Path) -> None:
    told = doctor(home=tmp_path, **{"SYNTRA_DATA_DIR": str(tmp_path), "OPENAI_API_KEY": "k", variable: value})
    assert told.returncode == 1, told.stdout + told.stderr
    assert said in told.stdout
    assert "secretword" not in told.stdout + told.stderr


def test_a_document_that_is_broken_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "mine.toml").write_text('kind = "routing"\nweights = 7\n')
    told = doctor(home=tmp_path, SYNTRA_DATA_DIR=str(tmp_path))
    assert told.returncode == 1
    assert "mine.toml" in line(told, "policy documents")


def test_a_key_that_a_provider_refuses_is_found_by_calling(providers: Mapping[str, Provider], tmp_path: Path) -> None:
    env = provider_env({"openai": providers["openai"], "kimi": providers["kimi"]})
    told = doctor("--call", home=tmp_path, **env | {"KIMI_API_KEY": "sk-wrong-and-secret"})
    assert told.returncode == 1
    assert "its key is taken" in line(told, "openai, called")
    assert "KIMI_API_KEY" in line(told, "kimi, called")
    assert "sk-wrong-and-secret" not in told.stdout
    assert len(providers["openai"].requests) == 1


def test_nobody_is_called_who_was_not_asked_to_be(providers: Mapping[str, Provider], tmp_path: Path) -> None:
    doctor(home=tmp_path, **provider_env({"openai": providers["openai"]}))
    assert providers["openai"].requests == []


def test_a_key_of_another_gateway_is_told(gateway: Gateway, tmp_path: Path) -> None:
    told = doctor(
        "--client", "codex", home=tmp_path, PORT=str(gateway.port), SYNTRA_KEY="sk-syn-000000000000-" + "0" * 40
    )
    assert told.returncode == 1
    assert "does not take it" in told.stdout


def test_something_else_on_the_port_is_told(tmp_path: Path) -> None:
    async def other(_: Request, reply: Reply) -> None:
        await reply.whole(200, b"<html>", ("content-type", "text/html"))

    with Server(other) as server:
        told = doctor(home=tmp_path, PORT=str(server.port))
    assert told.returncode == 1
    assert "something else answers" in told.stdout


# a client


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("pin", PINNED, ids=str)
def test_every_client_finds_what_it_needs_over_every_wire(
    client: str, pin: Pin, gateway: Gateway, providers: Mapping[str, Provider]
) -> None:
    found = asked(client, gateway, pin.model)
    assert [one for one in found if one.state == BAD] == []
    assert {one.what for one in trouble.REFUSALS} | {what for what, _ in trouble.BREAKS} < {one.what for one in found}
    assert len(found) >= 10
    assert providers[pin.provider].refusals == []


@pytest.mark.parametrize("client", [name for name in CLIENTS if name != "aider"])
def test_a_call_comes_as_the_client_reads_it(client: str, gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    def calling(request: Request) -> Script:
        tools = [tool.get("function", tool)["name"] for tool in request.json.get("tools", ())]
        return Script(tool_calls=(ToolCall("call_1", tools[0], '{"path": "note.txt"}'),)) if tools else Script()

    manner = CLIENTS[client].manner()
    providers["kimi"].plays = calling
    found = {one.what: one for one in asked(client, gateway, "kimi/kimi-k2.5")}
    assert found["tools are offered"].said.endswith("was called")
    assert manner.task is not None


@pytest.mark.parametrize("client", CLIENTS)
def test_a_provider_that_fails_is_no_pass(client: str, gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    providers["kimi"].plays = lambda _: Script(pieces=())
    found = {one.what: one for one in asked(client, gateway, "kimi/kimi-k2.5")}
    assert found["greeting, streamed"].state == BAD


def test_a_gateway_whose_streams_do_not_end_is_no_pass() -> None:
    async def cut(_: Request, reply: Reply) -> None:
        chunk = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
        body = f"data: {json.dumps(chunk)}\n\n".encode()
        await reply.whole(200, body, ("content-type", "text/event-stream"))

    async def ask(origin: str) -> list[Finding]:
        async with Asking(origin, Secret("k")) as asking:
            return [one async for one in Replay(asking, CLIENTS["openai"].manner(), "m").findings()]

    with Server(cut) as server:
        found = asyncio.run(ask(server.origin))
    assert {one.state for one in found} == {BAD}
    assert "[DONE]" in next(one.said for one in found if one.what == "greeting, streamed")


def test_the_lines_are_shown_and_written_only_when_asked(gateway: Gateway, tmp_path: Path) -> None:
    shown = doctor("--client", "codex", home=tmp_path, PORT=str(gateway.port), SYNTRA_DATA_DIR=str(gateway.data))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert f'base_url = "{gateway.base_url}"' in shown.stdout
    assert not (tmp_path / ".codex").exists()
    config = tmp_path / ".codex" / "config.toml"
    config.parent.mkdir()
    config.write_text('approval_policy = "never"\n')
    done = doctor(
        *("--client", "codex", "--write"), home=tmp_path, PORT=str(gateway.port), SYNTRA_DATA_DIR=str(gateway.data)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(config) in done.stdout
    assert "before-syntra-" in done.stdout
    assert 'approval_policy = "never"' in config.read_text()
    assert gateway.base_url in config.read_text()


def test_a_key_is_written_where_it_must_be_and_never_shown(gateway: Gateway, tmp_path: Path) -> None:
    env = {"PORT": str(gateway.port), "SYNTRA_DATA_DIR": str(gateway.data)}
    done = doctor("--client", "continue", "--write", home=tmp_path, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert gateway.key not in done.stdout + done.stderr
    assert gateway.key in (tmp_path / ".continue" / "config.yaml").read_text()


def test_a_client_without_a_file_is_told_what_to_do(gateway: Gateway, tmp_path: Path) -> None:
    env = {"PORT": str(gateway.port), "SYNTRA_DATA_DIR": str(gateway.data)}
    done = doctor("--client", "cursor", "--write", home=tmp_path, **env)
    assert done.returncode == 1
    assert "Override OpenAI Base URL" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_lines_are_written_for_a_gateway_elsewhere_with_its_key(gateway: Gateway, tmp_path: Path) -> None:
    done = doctor("--client", "codex", "--url", gateway.origin, home=tmp_path, SYNTRA_KEY=gateway.key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'base_url = "{gateway.base_url}"' in done.stdout
    assert gateway.key not in done.stdout


def test_write_wants_to_know_whose_file(tmp_path: Path) -> None:
    assert doctor("--write", home=tmp_path).returncode == 2
