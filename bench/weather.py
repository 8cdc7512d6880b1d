"""Bad weather for a gateway: real stores that can be hurt, providers that fail, and who knows the right answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench import stand
from bench.processes import Running
from bench.stand import Told, told
from gateway.core.ids import uuid7
from tests.fakes.ports import free_port
from tests.fakes.postgres import Postgres, postgres
from tests.fakes.valkey import Engine

MODEL = "syntra-weather"
HEDGING = "syntra-hedging"  # the same, but where the first is late another is asked too
PROVIDERS = ("openai", "kimi")
_PATIENCE = {
    "SYNTRA_CONNECT_SECONDS": "1",
    "SYNTRA_FIRST_EVENT_SECONDS": "2",
    "SYNTRA_IDLE_SECONDS": "2",
    "SYNTRA_TOTAL_SECONDS": "20",
}
_UP = 60.0  # s for a gateway to come up


class Weather:
    """A gateway with two providers and stores of its own; what is started is stopped with it."""

    def __init__(self, folder: Path, *, workers: int = 1, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.postgres: Postgres
        self.valkey: Engine
        self.running: Running
        self.database = ""
        self.upstreams: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{free_port()}"
        self._workers = workers
        self._environ = environ or {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.postgres = stack.enter_context(postgres())
            self.database = self.postgres.database(f"d{uuid7().replace('-', '')}")
            self.valkey = stack.enter_context(Engine(_made(self.folder / "valkey")))
            for name in PROVIDERS:
                self.upstreams[name] = self._upstream(stack, name)
            self.running = self._gateway(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def key(self) -> str:
        return (self.folder / "data" / "key").read_text("ascii").strip()

    def first(self) -> str:
        """The provider that is asked first."""
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Please tell me what stands under number 0"}]}
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json", "x-syntra-debug": "1"}
        asked = urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
        with urllib.request.urlopen(asked, timeout=20) as reply:  # noqa: S310
            return str(reply.headers["x-syntra-provider"])

    def spoil(self, provider: str, share: float) -> None:
        """From now on this share of a provider's calls meets a fault."""
        asked = urllib.request.Request(f"{self.upstreams[provider]}/share/{share}", method="POST")  # noqa: S310
        urllib.request.urlopen(asked, timeout=5).close()  # noqa: S310

    def slow(self, provider: str, share: float) -> None:
        """From now on the first word of this share of a provider's calls takes 1.5 s; 0: none takes any time."""
        asked = urllib.request.Request(f"{self.upstreams[provider]}/tail/{share}", method="POST")  # noqa: S310
        urllib.request.urlopen(asked, timeout=5).close()  # noqa: S310

    def stats(self) -> dict[str, Told]:
        """What each provider has seen."""
        return {name: told(f"{origin}/stats") for name, origin in self.upstreams.items()}

    def calls(self) -> int:
        """How many all of them have seen."""
        return sum(one["calls"] for one in self.stats().values())

    def samples(self) -> dict[str, float]:
        """The gateway's own counts."""
        asked = urllib.request.Request(f"{self.url}/metrics", headers={"authorization": f"Bearer {self.key}"})  # noqa: S310
        with urllib.request.urlopen(asked, timeout=10) as reply:  # noqa: S310
            lines = reply.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    def total(self, metric: str) -> float:
        """A metric over all of its labels."""
        return sum(value for name, value in self.samples().items() if name.partition("{")[0] == metric)

    def ledger(self) -> dict[str, int]:
        """What is recorded: requests, and attempts that came so far that a request was sent."""
        query = """
            select count(*) filter (where attempt = 0) as requests, count(distinct request_id) as distinct_requests,
                count(*) filter (where attempt > 0 and not (
                    status in ('upstream_timeout', 'upstream_unreachable') and input_tokens = 0)) as attempts
            from syntra.ledger
        """
        with psycopg.connect(self.database) as connection:
            cursor = connection.execute(query)
            row = cursor.fetchone()
            names = [column.name for column in cursor.description or ()]
        return dict(zip(names, map(int, row or ()), strict=True))

    def vectors(self) -> list[int]:
        """The processes of the vectors' engine."""
        found = []
        for status in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = status.read_bytes()
            except OSError:
                continue
            if b"gateway.stores.vectors_engine" in words and str(self.folder).encode() in words:
                found.append(int(status.parent.name))
        if not found:
            raise stand.StandError("The vectors' engine is not to be found, so it cannot be hurt.")
        return found

    def _upstream(self, stack: ExitStack, name: str) -> str:
        port = free_port()
        command = [str(stand.BIN / "faulty"), f"127.0.0.1:{port}", "0"]
        running = Running(command, self.folder / f"{name}.log")
        stack.callback(running.stop)
        origin = f"http://127.0.0.1:{port}"
        _until(lambda: bool(told(f"{origin}/stats")), 10, running)
        return origin

    def _gateway(self, stack: ExitStack) -> Running:
        policies = _made(self.folder / "data" / "policies")
        (policies / "weather.toml").write_text(_policy(), "utf-8")
        (policies / "hedging.toml").write_text(_policy('moves = ["lateness"]\n'), "utf-8")
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(stand.ROOT), **_PATIENCE}
        for name, origin in self.upstreams.items():
            environ |= {f"{name.upper()}_API_KEY": "sk-weather", f"{name.upper()}_BASE_URL": f"{origin}/v1"}
        environ |= {"SYNTRA_ALLOW_PRIVATE_UPSTREAMS": "1", "DATABASE_URL": self.database, "VALKEY_URL": self.valkey.url}
        command = [sys.executable, "-m", "gateway", "serve", "--port", self.url.rpartition(":")[2]]
        command += ["--data-dir", str(self.folder / "data"), "--workers", str(self._workers)]
        running = Running(command, self.folder / "gateway.log", {**environ, **self._environ})
        stack.callback(running.stop)
        _until(lambda: bool(told(f"{self.url}/health/ready")), _UP, running)
        return running


def judged(weather: Weather, model: str, rate: float, seconds: float, heard: Callable[[Told], None]) -> Told:
    """A load of so many requests a second, each judged; `heard` gets the counts of every second."""
    url = f"{weather.url}/v1/chat/completions"
    command = [str(stand.BIN / "judge"), url, weather.key, model, f"{rate:g}", f"{seconds:g}"]
    last: Told = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                last = json.loads(line)
                heard(last)
        finally:
            process.kill()
    if not last.get("done"):
        raise stand.StandError("The judge did not come to its end.")
    return last


@contextmanager
def progress(console: Console) -> Iterator[Progress]:
    """A bar for each load."""
    bar = BarColumn(bar_width=30)
    columns = (TextColumn("{task.description:32}"), bar, MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as shown:
        yield shown


def load(
    weather: Weather,
    name: str,
    rate: float,
    seconds: float,
    shown: Progress,
    model: str = MODEL,
    words: Callable[[Told], str] = lambda told: ", ".join(f"{name} {n}" for name, n in sorted(told["counts"].items())),
) -> Told:
    """A load that is judged, with its bar, beside which are these words."""
    task = shown.add_task(name, total=round(rate * seconds), told="")

    def heard(told: Told) -> None:
        shown.update(task, completed=sum(told["counts"].values()), told=words(told))

    return judged(weather, model, rate, seconds, heard)


def hurt(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _policy(more: str = "") -> str:
    """The shipped balanced policy with these providers alone, where a text goes on whose provider breaks off."""
    shipped = (stand.ROOT / "policies" / "balanced.toml").read_text("utf-8")
    own = ("models", "after_first_word", "moves")
    head, mark, tables = shipped.partition("\n[")
    kept = "\n".join(line for line in head.splitlines() if not line.startswith(own))
    models = json.dumps([f"{name}/*" for name in PROVIDERS])
    return f'{kept}\nmodels = {models}\nafter_first_word = "continue"\n{more}{mark}{tables}'


def _until(holds: Callable[[], bool], seconds: float, running: Running) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if running.ended or time.monotonic() > end:
            raise stand.StandError(f"It does not come up:\n{running.log.read_text('utf-8', 'replace')[-2000:]}")
        time.sleep(0.05)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
