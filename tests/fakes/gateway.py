"""A real gateway process, started the way a user starts it."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai

from tests.fakes.anthropic_wire import Anthropic
from tests.fakes.compatible_wires import Kimi, OpenRouter, Perplexity
from tests.fakes.gemini_wire import Gemini
from tests.fakes.openai_wire import OpenAI
from tests.fakes.ports import free_port
from tests.fakes.provider import Provider

ROOT = Path(__file__).resolve().parents[2]
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nothing here is TLS; the default context costs 20 ms to load
START_SECONDS = 60.0  # importing litellm takes 8 s on a quiet machine
KINDS: tuple[type[Provider], ...] = (OpenAI, Anthropic, Gemini, Perplexity, Kimi, OpenRouter)
VARIABLES = {"google": "GOOGLE_API_KEY GEMINI_BASE_URL"}  # the others are NAME_API_KEY and NAME_BASE_URL


@dataclass(frozen=True)
class Pin:
    """One provider and the model of it that the tests ask for."""

    provider: str
    model: str
    upstream: str  # the model's name at the provider

    def __str__(self) -> str:
        return self.provider


PINS = (
    Pin("openai", "openai/gpt-4o-mini", "gpt-4o-mini"),
    Pin("anthropic", "anthropic/claude-sonnet-4-5", "claude-sonnet-4-5"),
    Pin("google", "google/gemini-2.5-flash", "gemini-2.5-flash"),
    Pin("perplexity", "perplexity/sonar", "sonar"),
    Pin("kimi", "kimi/kimi-k2.5", "kimi-k2.5"),
    Pin("openrouter", "openrouter/deepseek/deepseek-chat", "deepseek/deepseek-chat"),
)
OPENAI, ANTHROPIC, GOOGLE, PERPLEXITY, KIMI, OPENROUTER = PINS


@dataclass
class Gateway:
    """A running gateway: where it is, its key, its process, its log."""

    port: int
    data: Path
    process: subprocess.Popen[bytes]
    log: Path
    stores: Mapping[str, str] = field(default_factory=dict)  # the variables that name them
    seen: int = field(default=0)  # how much of the log earlier tests have already caused

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    @property
    def key(self) -> str:
        return (self.data / "key").read_text().strip()

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def client(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.base_url, api_key=self.key, max_retries=0, **options)

    def async_client(self, **options: Any) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=self.base_url, api_key=self.key, max_retries=0, **options)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait_until_up(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.origin}/health", timeout=2, verify=PLAIN).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the gateway did not come up, exit code {self.process.poll()}:\n{self.log.read_text()}")


running: list[Gateway] = []


def provider_env(fakes: Mapping[str, Provider]) -> dict[str, str]:
    """The variables that make a gateway use these fakes."""
    env = {"SYNTRA_ALLOW_PRIVATE_UPSTREAMS": "1"}
    for name, fake in fakes.items():
        default = f"{name.upper()}_API_KEY {name.upper()}_BASE_URL"
        key, url = VARIABLES.get(name, default).split()
        env |= {key: fake.key, url: getattr(fake, "base_url", fake.origin)}
    return env


@contextmanager
def serving(folder: Path, env: Mapping[str, str], *arguments: str) -> Iterator[Gateway]:
    """A gateway process with nothing of our own environment but PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    data, log, port = folder / "data", folder / "gateway.log", free_port()
    command = [sys.executable, "-m", "gateway", "serve", "--host", "127.0.0.1", "--port", str(port)]
    base = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data), *arguments],
            cwd=ROOT,
            env={**base, **env},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    gateway = Gateway(port, data, process, log)
    running.append(gateway)
    try:
        gateway.wait_until_up()
        yield gateway
    finally:
        stop(gateway)
        running.remove(gateway)


def stop(gateway: Gateway) -> None:
    """Ends the process with all that it started."""
    if gateway.process.poll() is None:
        gateway.terminate()
        try:
            gateway.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait(5)
