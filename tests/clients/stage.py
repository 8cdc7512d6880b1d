"""One run of one client: a home and a folder of its own, a program, and what it said.

The folders are nowhere in our own sources: clients look for a repository around them, and some write into it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.clients.play import ASK, GREET, HELLO, NOTE, Play, Tool
from tests.clients.registry import CACHE, NODE_ITSELF, Package
from tests.fakes.gateway import Gateway, Pin
from tests.fakes.provider import Provider

LOGS = CACHE / "logs"
SECONDS = 120.0  # the slowest, Aider, imports for 15 s on a busy machine
SILENT = {
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "DISABLE_AUTOUPDATER": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "AIDER_ANALYTICS_DISABLE": "true",
}


@dataclass(frozen=True)
class Scene:
    """Where a client runs and what it talks to."""

    home: Path
    work: Path
    gateway: Gateway
    model: str
    task: bool

    @property
    def prompt(self) -> str:
        return ASK if self.task else GREET

    @property
    def note(self) -> str:
        return str(self.work / "note.txt")


Command = Callable[[Scene], list[str]]
Variables = Callable[[Scene], Mapping[str, str]]


def _none(_: Scene) -> None:
    return None


@dataclass(frozen=True)
class Client:
    """A client as it is configured and called; `tool` says how it reads a file."""

    name: str
    speaks: str  # chat | responses | messages; or `page`, for the program on its page
    package: Package
    command: Command
    env: Variables
    tool: Callable[[Scene], Tool] | None
    configure: Callable[[Scene], None] = _none
    said: str = ""  # what the model says in a task, where no tool is called
    then: str = ""  # and what when the file has been read, if that is more than its word
    greets: str = ""  # what it says in a greeting, if that is more than a word
    always: bool = False  # whether a tool is called in a greeting too
    done: Callable[[Scene, str], bool] = lambda scene, out: (NOTE if scene.task else HELLO) in out
    after: Command | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    fault: str  # nothing if it went well
    seconds: float
    requests: int
    out: str


def run(client: Client, pin: Pin, gateway: Gateway, fake: Provider, *, task: bool) -> Outcome:
    """Drives a client once against one provider's model."""
    with TemporaryDirectory(prefix="syntra-client-", ignore_cleanup_errors=True) as place:
        return _run(client, pin, _scene(Path(place), pin, gateway, task=task), fake)


def _run(client: Client, pin: Pin, scene: Scene, fake: Provider) -> Outcome:
    task = scene.task
    client.configure(scene)
    fake.reset()
    tool = client.tool(scene) if client.tool and (task or client.always) else None
    play = Play(tool, client.said if task else client.greets, client.then if task else "")
    fake.plays = play
    began = time.monotonic()
    out, code = _drive(client.command(scene), _environment(client, scene), scene.work)
    seconds = time.monotonic() - began
    if client.after is not None:
        _drive(client.after(scene), _environment(client, scene), scene.work)
    log = LOGS / f"{_label(client, pin, task=task)}.log"
    log.write_text(f"{out}\n\nexit code {code}\n\n" + "\n\n".join(play.asked), "utf-8")
    return Outcome(_fault(client, scene, fake, out, code), seconds, len(fake.requests), out)


def _label(client: Client, pin: Pin, *, task: bool) -> str:
    return f"{client.name}-{client.speaks}-{pin.provider}-{'task' if task else 'greeting'}".replace(" ", "_")


def _scene(place: Path, pin: Pin, gateway: Gateway, *, task: bool) -> Scene:
    scene = Scene(place / "home", place / "work", gateway, pin.model, task)
    scene.home.mkdir(parents=True)
    scene.work.mkdir()
    (scene.work / "note.txt").write_text(f"{NOTE}\n")
    return scene


def _environment(client: Client, scene: Scene) -> dict[str, str]:
    path = f"{client.package.programs}:{NODE_ITSELF.programs}:{os.environ['PATH']}"
    base = {"PATH": path, "HOME": str(scene.home), "LANG": "C.UTF-8", "SHELL": "/bin/bash"}
    return {**base, **SILENT, **client.env(scene)}


def _drive(command: list[str], env: dict[str, str], folder: Path) -> tuple[str, int | None]:
    """What a program said, and its exit code, None if it had to be ended."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            out, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
            return out.decode(errors="replace"), None
        return out.decode(errors="replace"), process.returncode


def _fault(client: Client, scene: Scene, fake: Provider, out: str, code: int | None) -> str:
    if fake.failures:
        return f"the fake broke: {fake.failures[0]}"
    if fake.refusals:
        return f"the provider refused: {fake.refusals[0]}"
    if code is None:
        return f"not done within {SECONDS:.0f} s"
    if not fake.requests:
        return "nothing reached the provider"
    if not client.done(scene, out):
        return "the answer is not shown"
    return f"exit code {code}" if code else ""
