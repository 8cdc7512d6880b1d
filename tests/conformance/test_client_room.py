"""The room in which real clients are driven finds out what is wrong: a small client of our own, well and ill."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.clients import stage
from tests.clients.cast import openai_env
from tests.clients.play import HELLO, Tool
from tests.clients.registry import Package
from tests.clients.stage import Client, Outcome, Scene, run
from tests.fakes.gateway import ANTHROPIC, OPENAI, Gateway, Pin
from tests.fakes.provider import Provider

PROGRAM = """
import json, os, sys, urllib.request
def ask(**body):
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    head = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), head)) as told:
        return json.load(told)["choices"][0]["message"]
"""
GREETS = "print(ask(model=sys.argv[1], messages=[{'role': 'user', 'content': 'Hi'}])['content'])"
READS = """
tool = {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}
talk = [{"role": "user", "content": "Read."}]
said = ask(model=sys.argv[1], messages=talk, tools=[tool])
call = said["tool_calls"][0]
read = open(json.loads(call["function"]["arguments"])["path"]).read()
talk += [said, {"role": "tool", "tool_call_id": call["id"], "content": read}]
print(ask(model=sys.argv[1], messages=talk, tools=[tool])["content"])
"""


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stage, "LOGS", tmp_path)
    return tmp_path


def driven(
    program: str, gateway: Gateway, fakes: Mapping[str, Provider], pin: Pin = OPENAI, *, task: bool = False
) -> Outcome:
    def command(scene: Scene) -> list[str]:
        return [sys.executable, "-c", PROGRAM + program, scene.model]

    def tool(scene: Scene) -> Tool:
        return Tool("read_file", {"path": scene.note})

    client = Client("ours", "chat", Package("ours", "pip", ()), command, openai_env, tool)
    return run(client, pin, gateway, fakes[pin.provider], task=task)


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC], ids=str)
def test_a_client_that_is_well_is_well(
    pin: Pin, gateway: Gateway, providers: Mapping[str, Provider], logs: Path
) -> None:
    assert driven(GREETS, gateway, providers, pin).fault == ""
    told = driven(READS, gateway, providers, pin, task=True)
    assert (told.fault, told.requests) == ("", 2)
    assert "exit code 0" in next(logs.glob("ours-chat-*-task.log")).read_text()


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("print('nobody was asked')", "nothing reached the provider"),
        (f"print({HELLO!r})", "nothing reached the provider"),
        (GREETS.replace("print", ""), "the answer is not shown"),
        (f"{GREETS}\nsys.exit(3)", "exit code 3"),
        (GREETS.replace("messages=", "x_nobody=1, messages="), "the provider refused"),
    ],
)
def test_a_client_that_is_ill_is_found(
    program: str, fault: str, gateway: Gateway, providers: Mapping[str, Provider]
) -> None:
    told = driven(program, gateway, providers)
    assert told.fault.startswith(fault)


def test_a_client_that_never_ends_is_ended(
    gateway: Gateway, providers: Mapping[str, Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "SECONDS", 1.0)
    told = driven("import time; time.sleep(60)", gateway, providers)
    assert told.fault == "not done within 1 s"


def test_a_client_has_a_home_of_its_own(gateway: Gateway, providers: Mapping[str, Provider]) -> None:
    told = driven("print(json.dumps(dict(os.environ)))", gateway, providers)
    environ = json.loads(told.out)
    assert environ["HOME"] != str(Path.home())
    assert not Path(environ["HOME"]).exists()
    assert not [name for name in environ if name.startswith(("ANTHROPIC_", "CLAUDE", "GITHUB_", "AWS_"))]
