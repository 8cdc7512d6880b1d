"""The test stand: the instruments, the raw upstream, and gateways between the two."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

from bench.processes import Running, busy, pinned, quietly
from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "bench" / "bin"
INSTRUMENTS = ("upstream", "load", "streams", "faulty", "judge")
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
BOTH = ("OPENAI", "ANTHROPIC")
_START_SECONDS = 60.0  # for a gateway that imports LiteLLM on a busy core
_LATE_SECONDS = 60.0  # for answers that are under way at the end of a load
_TOLD = re.compile(r"^(SYNTRA_.*|DEFAULT_.*|[A-Z_]+_(API_KEY|BASE_URL|RPS|BURST|CONCURRENCY)|HOST|PORT|FRONTEND_URL)$")
_NUMBER = re.compile(r"(\S+?)=(-?[\d.]+)$")

Reading = dict[str, float]
Told = dict[str, Any]


class StandError(Exception):
    """Why nothing can be measured."""


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    seconds: float = 5.0  # of each load
    rounds: int = 2  # gateway runs of each load, each between two raw ones
    streams: int = 1000
    stream_chunks: int = 300  # of each of the open streams, ten a second
    starts: int = 3


@dataclass(frozen=True)
class Target:
    """Where a load goes, and how a command in the report names that place."""

    url: str
    label: str
    key: str = "sk-none"


@dataclass(frozen=True)
class Gateway(Target):
    """A running gateway."""

    running: Running = field(kw_only=True)
    started: float = field(kw_only=True)  # s from `serve` to the first answered chat request


def build() -> None:
    """Make the instruments."""
    if shutil.which("go") is None:
        raise StandError("The instruments are written in Go, and there is no `go` on the PATH: https://go.dev/dl/")
    for name in INSTRUMENTS:
        command = [
            "go",
            "build",
            "-trimpath",
            "-o",
            str(BIN / name),
            str(ROOT / "bench" / "instruments" / f"{name}.go"),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StandError(f"{' '.join(command)}:\n{done.stderr}")


class Stand:
    """Runs the instruments on one core and gateways on another; what it starts, it stops."""

    def __init__(self, folder: Path, plan: Plan, cores: tuple[int, int] | None, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.plan = plan
        self.say = say
        self._gateway_core = cores[0] if cores else None
        self._core = cores[1] if cores else None
        self._stack = ExitStack()
        self.raw = Target(f"http://127.0.0.1:{free_port()}", "$UPSTREAM")
        self._shared: Gateway | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            command = [str(BIN / "upstream"), self.raw.url.removeprefix("http://")]
            running = self._start(stack, command, self._core, "upstream")
            _wait(lambda: _answers(int(self.raw.url.rpartition(":")[2]), "GET", "/stats"), running)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def gateway(self) -> Gateway:
        """The gateway with both providers, started when it is first needed and kept till the end."""
        if self._shared is None:
            self._shared = self._stack.enter_context(self.new_gateway("both", BOTH))
        return self._shared

    @contextmanager
    def new_gateway(self, name: str, stems: tuple[str, ...]) -> Iterator[Gateway]:
        """A gateway with these providers on the data directory of that name."""
        with ExitStack() as stack:
            yield self._new_gateway(stack, name, stems)

    def load(self, target: Target, connections: int, body: str, path: str = CHAT) -> Reading:
        """A closed loop of requests for some seconds."""
        self.say(f"{target.label}{path}: {connections} connections, {body}, {self.plan.seconds:g} s")
        command = [str(BIN / "load"), target.url + path, str(connections), str(self.plan.seconds), str(_body(body))]

        def once() -> Reading:
            with self._watch(target) as noise:
                found = self._instrument(pinned([*command, target.key], self._core))
            return found | noise

        return quietly(once, self._noisy)[0]

    def _noisy(self, share: float) -> None:
        self.say(f"again: the host took {share:.0%} of the machine meanwhile")

    def streams(self, target: Target, model: str) -> tuple[Reading, int]:
        """Many open streams; what the instrument saw, and the most memory that the gateway took meanwhile."""
        count = self.plan.streams
        self.say(f"{target.label}{CHAT}: {count} open streams of {model}")
        return quietly(lambda: self._streams(target, model, count), self._noisy)[0]

    def _streams(self, target: Target, model: str, count: int) -> tuple[Reading, int]:
        command = [str(BIN / "streams"), target.url + CHAT, target.key, model, str(count)]
        most, calls = 0, self._calls()
        with (
            self._watch(target) as noise,
            subprocess.Popen(pinned(command, self._core), stdout=subprocess.PIPE, text=True) as process,
        ):
            try:
                while process.poll() is None:
                    if isinstance(target, Gateway):
                        most = max(most, target.running.resident())
                    time.sleep(0.25)
            finally:
                process.kill()
            output = process.stdout.read() if process.stdout else ""
        if (calls := self._calls() - calls) < count:
            raise StandError(f"{count} streams were {calls} calls: what was measured is listening, not streaming")
        return reading(output) | noise, most

    def _calls(self) -> int:
        """What the upstream has been asked until now."""
        return int(told(f"{self.raw.url}/stats")["calls"])

    def python(self, *arguments: str) -> str:
        """The output of Python on the gateway's core."""
        command = pinned([sys.executable, *arguments], self._gateway_core)
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    def command(self, line: str, *, gateway_core: bool = False) -> str:
        """A command as the report shows it."""
        core = self._gateway_core if gateway_core else self._core
        return " ".join(pinned([line], core))

    @contextmanager
    def _watch(self, target: Target) -> Iterator[Reading]:
        """Who uses the gateway's core meanwhile: the gateway `own`, somebody else `others`, as shares of the time."""
        found: Reading = {}
        core = self._gateway_core
        if core is None or not isinstance(target, Gateway):
            yield found
            return
        began, own, all_of_it = time.perf_counter(), target.running.cpu(), busy(core)
        yield found
        seconds = time.perf_counter() - began
        own, all_of_it = target.running.cpu() - own, busy(core) - all_of_it
        found |= {"own": own / seconds, "others": max(0.0, all_of_it - own) / seconds}

    def _instrument(self, command: list[str]) -> Reading:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                output, _ = process.communicate(timeout=self.plan.seconds + _LATE_SECONDS)
            except subprocess.TimeoutExpired:
                raise StandError(f"Still waiting for answers after {_LATE_SECONDS:g} s more") from None
            finally:
                process.kill()
        return reading(output)

    def _new_gateway(self, stack: ExitStack, name: str, stems: tuple[str, ...]) -> Gateway:
        port, data = free_port(), self.folder / name
        url = f"http://127.0.0.1:{port}"
        self.say(f"starting Syntra with {' and '.join(f'{stem}_API_KEY' for stem in stems)}")
        began = time.perf_counter()
        command = [sys.executable, "-m", "gateway", "serve", "--port", str(port), "--data-dir", str(data)]
        running = self._start(stack, command, self._gateway_core, name, _environ(self.raw.url, stems))
        _wait(lambda: _answers(port, "GET", "/health/ready"), running)
        key = (data / "key").read_text("ascii").strip()
        _wait(lambda: _answers(port, "POST", CHAT, key, _body("chat").read_bytes()), running)
        return Gateway(url, "$SYNTRA", key, running=running, started=time.perf_counter() - began)

    def _start(
        self, stack: ExitStack, command: list[str], core: int | None, name: str, environ: dict[str, str] | None = None
    ) -> Running:
        running = Running(pinned(command, core), self.folder / f"{name}.log", environ)
        stack.callback(running.stop)
        return running


def reading(output: str) -> Reading:
    """The numbers in an instrument's line: `err=0 first_ms p50=0.51` is {"err": 0, "first_ms.p50": 0.51}."""
    values: Reading = {}
    group = ""
    for word in output.partition("\n")[0].split():
        if match := _NUMBER.match(word):
            percentile = match[1] in ("p50", "p95", "p99", "max")
            values[f"{group}.{match[1]}" if percentile else match[1]] = float(match[2])
        else:
            group = word
    if not values.get("ok") or values.get("err"):
        raise StandError(f"Not every request was answered: {output.strip() or 'the instrument said nothing'}")
    return values


def told(url: str) -> Told:
    """What one of our own processes says at this address; nothing where it does not answer."""
    try:
        with urlopen(url, timeout=5) as reply:  # noqa: S310
            found: Told = json.load(reply)
    except OSError:
        return {}
    return found


def _body(name: str) -> Path:
    return ROOT / "bench" / "bodies" / f"{name}.json"


def _environ(upstream: str, stems: tuple[str, ...]) -> dict[str, str]:
    """Our environment without anything that Syntra heeds, and these providers at the upstream."""
    environ = {name: value for name, value in os.environ.items() if not _TOLD.match(name)}
    bases = {"OPENAI": f"{upstream}/v1", "ANTHROPIC": upstream}
    for stem in stems:
        environ |= {f"{stem}_API_KEY": "sk-bench", f"{stem}_BASE_URL": bases[stem]}
    return environ | {"SYNTRA_ALLOW_PRIVATE_UPSTREAMS": "1", "PYTHONPATH": str(ROOT)}


def _answers(port: int, method: str, path: str, key: str = "", body: bytes | None = None) -> bool:
    """Whether there is an answer, and a good one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {"authorization": f"Bearer {key}", "content-type": "application/json"})
        reply = connection.getresponse()
        return reply.status == 200 and json.loads(reply.read()) is not None
    except OSError:
        return False
    finally:
        connection.close()


def _wait(happened: Callable[[], bool], running: Running) -> None:
    """Until it has happened; raises StandError where it cannot any more."""
    end = time.monotonic() + _START_SECONDS
    while not happened():
        if running.ended or time.monotonic() > end:
            raise StandError(f"What was started does not answer:\n{running.log.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(0.01)
