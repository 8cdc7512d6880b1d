"""SIGTERM loses no finished token, and a worker that dies is replaced."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartGateway
from tests.fakes.caller import Told, ask, stream
from tests.fakes.gateway import OPENAI, ROOT, Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault
from tests.fakes.server import wait_for

Fakes = Mapping[str, Provider]
DRAIN = 3.0
PIECES = tuple(f"piece{k} " for k in range(10))


class Listening(threading.Thread):
    """A client in the middle of a stream."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(name="listening")
        self.gateway = gateway
        self.told: Told | None = None

    def run(self) -> None:
        self.told = stream(self.gateway, OPENAI.model, temperature=1)  # each has a call of its own

    def result(self) -> Told:
        self.join(20)
        assert self.told is not None
        return self.told


def listen(gateway: Gateway, fake: Provider) -> Listening:
    """Starts a client and waits until the provider speaks to it."""
    before = fake.accepted
    listening = Listening(gateway)
    listening.start()
    wait_for(lambda: fake.accepted > before)
    return listening


def refuses(gateway: Gateway) -> bool:
    """Whether new work is refused, by the door or by a 503."""
    try:
        return ask(gateway, OPENAI.model).status == 503
    except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
        return True


def test_sigterm_lets_a_stream_finish_and_takes_no_new_work(start_gateway: StartGateway, providers: Fakes) -> None:
    fake = providers["openai"]
    fake.script(pieces=PIECES, delay=0.12)
    gateway = start_gateway("openai", SYNTRA_DRAIN_SECONDS="10")
    listening = listen(gateway, fake)
    gateway.terminate()
    wait_for(lambda: refuses(gateway))
    assert listening.is_alive()  # still being served while others are turned away
    told = listening.result()
    assert (told.said(), told.finishes(), told.done) == ("".join(PIECES), ["stop"], True)
    assert gateway.process.wait(5) == 0  # and it does not wait for the rest of its drain time


def test_sigterm_ends_what_is_left_in_band(start_gateway: StartGateway, providers: Fakes) -> None:
    fake = providers["openai"]
    fake.script(pieces=PIECES, fault=Fault.HANG_MID)
    gateway = start_gateway("openai", SYNTRA_DRAIN_SECONDS=str(DRAIN))
    listening = listen(gateway, fake)
    began = time.monotonic()
    gateway.terminate()
    told = listening.result()
    assert DRAIN - 0.5 < time.monotonic() - began < DRAIN + 3
    assert (told.status, told.done, told.finishes()) == (200, False, [])
    assert told.events[-1].keys() == {"error"}
    assert set(told.events[-1]["error"]) == {"message", "type", "param", "code"}
    assert gateway.process.wait(5) == 0
    assert wait_for(lambda: fake.last.closed_early)


def test_an_idle_gateway_stops_at_once(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai")
    assert ask(gateway, OPENAI.model).status == 200
    began = time.monotonic()
    gateway.terminate()
    assert gateway.process.wait(10) == 0
    assert time.monotonic() - began < 3


def test_a_restart_on_the_same_data_keeps_the_key(start_gateway: StartGateway, providers: Fakes) -> None:
    first = start_gateway("openai")
    key = first.key
    assert (first.data / "key").stat().st_mode & 0o777 == 0o600
    first.terminate()
    assert first.process.wait(10) == 0
    second = start_gateway("openai", "--data-dir", str(first.data))
    assert (first.data / "key").read_text().strip() == key
    second.data = first.data
    assert ask(second, OPENAI.model).status == 200


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(after_name[1]) == pid and after_name[0] != "Z":
            found.append(int(status.parent.name))
    return found


def workers(gateway: Gateway) -> list[int]:
    """Children that hold the listening socket, which stores and trackers do not."""
    return [pid for pid in children(gateway.process.pid) if b"resource_tracker" not in command(pid) and is_python(pid)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def is_python(pid: int) -> bool:
    return b"python" in command(pid).partition(b"\0")[0]


def test_a_killed_worker_is_replaced_and_the_server_goes_on(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai", "--workers", "2")
    first = wait_for(lambda: workers(gateway) if len(workers(gateway)) == 2 else [])
    os.kill(first[0], signal.SIGKILL)
    wait_for(lambda: len(set(workers(gateway)) - {first[0]}) == 2, 15)
    assert gateway.process.poll() is None

    def answers() -> bool:
        try:
            return all(ask(gateway, OPENAI.model).status == 200 for _ in range(8))
        except httpx.TransportError:
            return False

    wait_for(answers, 15)


def test_sigterm_ends_a_server_that_is_replacing_a_worker(start_gateway: StartGateway, providers: Fakes) -> None:
    gateway = start_gateway("openai", "--workers", "2", SYNTRA_DRAIN_SECONDS="1")
    victim = wait_for(lambda: workers(gateway) if len(workers(gateway)) == 2 else [])[0]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(set(workers(gateway)) - {victim}) == 2, 15)
    gateway.terminate()
    assert gateway.process.wait(15) == 0


def test_two_workers_drain_too(start_gateway: StartGateway, providers: Fakes) -> None:
    fake = providers["openai"]
    fake.script(pieces=PIECES, delay=0.1)
    gateway = start_gateway("openai", "--workers", "2", SYNTRA_DRAIN_SECONDS="4")
    listening = [listen(gateway, fake) for _ in range(4)]
    gateway.terminate()
    for client in listening:
        told = client.result()
        assert (told.said(), told.done) == ("".join(PIECES), True)
    assert gateway.process.wait(18) == 0


def keeps_asking(gateway: Gateway, over: threading.Event, lost: list[str]) -> None:
    """A client that comes anew each time, and is refused nothing."""
    while not over.is_set():
        try:
            told = ask(gateway, OPENAI.model, temperature=1)
        except httpx.TransportError as error:
            lost.append(repr(error))
        else:
            if told.status != 200 or told.torn:
                lost.append(f"{told.status} {told.body!r}")


@pytest.mark.parametrize("number", [1, 2])
def test_a_rolling_restart_of_the_workers_loses_no_stream_and_refuses_nobody(
    number: int, start_gateway: StartGateway, providers: Fakes
) -> None:
    fake = providers["openai"]
    gateway = start_gateway("openai", "--workers", str(number), SYNTRA_DRAIN_SECONDS="60")
    before = wait_for(lambda: set(workers(gateway)) if len(workers(gateway)) == number else set())
    fake.script()
    assert all(ask(gateway, OPENAI.model).status == 200 for _ in range(8))  # each worker has come up
    fake.script(pieces=PIECES * 10, delay=0.1)  # longer than it takes until the first worker is told to go
    listening = [listen(gateway, fake) for _ in range(4)]
    fake.script()
    over, lost = threading.Event(), list[str]()
    asking = threading.Thread(target=keeps_asking, args=(gateway, over, lost))
    asking.start()
    try:
        gateway.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not before & set(workers(gateway)), 60)
    finally:
        over.set()
        asking.join(30)
    for client in listening:
        told = client.result()
        assert (told.said(), told.finishes(), told.done) == ("".join(PIECES * 10), ["stop"], True)
    assert lost == []
    assert len(workers(gateway)) == number
    gateway.terminate()
    assert gateway.process.wait(15) == 0


def documents(gateway: Gateway) -> Mapping[str, str]:
    """What one of the workers says of the documents: `version`, and `error` where an edit was not taken."""
    try:
        found: Mapping[str, str] = httpx.get(f"{gateway.origin}/health", timeout=5).json()["policies"]
    except httpx.TransportError:
        return {}
    return found


@pytest.mark.parametrize("end", ["kill one", "replace all"])
def test_a_bad_edit_outlives_no_worker_and_ends_no_server(
    end: str, start_gateway: StartGateway, providers: Fakes, tmp_path: Path
) -> None:
    gateway = start_gateway("openai", "--workers", "2", SYNTRA_DRAIN_SECONDS="1", TMPDIR=str(tmp_path))
    before = wait_for(lambda: set(workers(gateway)) if len(workers(gateway)) == 2 else set())
    wait_for(lambda: len(list(tmp_path.glob("syntra-roll-*/serves-*"))) == 2, 30)  # one may come up seconds later
    shipped, own = ROOT / "policies" / "balanced.toml", gateway.data / "policies"
    own.mkdir(exist_ok=True)
    (own / "mine.toml").write_bytes(shipped.read_bytes())
    wait_for(lambda: all(ask(gateway, "syntra-mine").status == 200 for _ in range(8)), 15)
    good = documents(gateway)["version"]
    (own / "balanced.toml").write_text(shipped.read_text().replace("[weights]", "[weihgts]"))
    wait_for(lambda: all("weihgts" in documents(gateway).get("error", "") for _ in range(8)), 15)
    victims = before if end == "replace all" else {min(before)}
    os.kill(*((gateway.process.pid, signal.SIGHUP) if end == "replace all" else (min(before), signal.SIGKILL)))
    wait_for(lambda: not victims & set(workers(gateway)) and len(workers(gateway)) == 2, 60)
    for _ in range(20):  # Granian gives a server up when a worker ends soon after it has begun
        assert gateway.process.poll() is None
        told = documents(gateway)
        assert (told.get("version", good), "weihgts" in told.get("error", "weihgts")) == (good, True)
        time.sleep(0.2)
    assert all(ask(gateway, "syntra-mine").status == 200 for _ in range(8))
    (own / "balanced.toml").write_bytes(shipped.read_bytes())
    wait_for(lambda: not any(documents(gateway).get("error") for _ in range(8)), 15)
