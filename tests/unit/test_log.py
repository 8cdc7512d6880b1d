"""The log tells what happened to whom, one thing a line, and never what anybody wrote or holds."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.caller import Caller
from gateway.core.errors import SyntraError, UpstreamBroken, UpstreamError
from gateway.core.secret import Secret
from gateway.http.door import Door
from gateway.http.lounge import Lounge
from gateway.records import log as file
from gateway.records.log import REQUESTS, About, JsonLines, Requests, TextLines, about, configure, kind_of
from gateway.stages.people.sessions import Sessions
from gateway.stores import postgres_place, valkey_place
from gateway.stores.vault import MasterError, Unsealable, Vault, masters
from tests.fakes.doors import NO_TWINS
from tests.laps import laps

log = logging.getLogger("syntra")
ANY = st.text(st.characters(), max_size=200)


@contextmanager
def logged(kind: str = "json") -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    root, stream = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    configure("json" if kind == "json" else "text", "info", stream)
    try:
        yield stream
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def one(record: dict[str, Any] | logging.LogRecord, kind: str) -> str:
    made = logging.makeLogRecord(record) if isinstance(record, dict) else record
    return (JsonLines() if kind == "json" else TextLines()).format(made)


def test_a_record_is_one_object_with_everything_that_is_known() -> None:
    token = about.set(About("my-request-7", "org-1", "chat"))
    try:
        with logged() as stream:
            log.warning("%s rests for %d s", "openai/gpt-4o", 5)
    finally:
        about.reset(token)
    told = json.loads(stream.getvalue())
    at = datetime.fromisoformat(told.pop("time"))
    assert abs(at.timestamp() - time.time()) < 5
    assert at.tzinfo is not None
    assert told == {
        "level": "warning",
        "logger": "syntra",
        "message": "openai/gpt-4o rests for 5 s",
        "request_id": "my-request-7",
        "organisation": "org-1",
        "surface": "chat",
    }


def test_outside_of_requests_no_request_is_told() -> None:
    with logged() as stream:
        log.info("ready")
    assert set(json.loads(stream.getvalue())) == {"time", "level", "logger", "message"}


def test_people_read_text_and_collectors_json() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert kind_of("", Terminal()) == "text"
    assert kind_of("", io.StringIO()) == "json"
    assert kind_of("json", Terminal()) == "json"
    assert kind_of("text", io.StringIO()) == "text"


@given(ANY)
def test_no_character_begins_a_line_of_its_own(text: str) -> None:
    line = one({"msg": text, "name": text, "levelname": "INFO"}, "json")
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["level"] == "info"
    line = one({"msg": text, "name": text, "levelname": "INFO"}, "text")
    assert len(line.splitlines()) == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)


@given(ANY)
def test_an_exceptions_words_do_not_either(text: str) -> None:
    try:
        raise TypeError(text)
    except TypeError as error:
        record = {"msg": "a defect", "exc_info": (type(error), error, error.__traceback__)}
    assert len(one(record, "json").splitlines()) == 1
    first, *rest = one(record, "text").splitlines()
    assert first.endswith("a defect")
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_defect_is_told_with_its_place_and_with_what_led_to_it(kind: str) -> None:
    def fail() -> None:
        try:
            raise KeyError("a prompt")
        except KeyError as error:
            raise TypeError("an int is no text") from error

    try:
        fail()
    except TypeError:
        with logged(kind) as stream:
            log.exception("a defect")
    told = stream.getvalue()
    assert f"{Path(__file__).name}:" in told
    assert re.search(r"KeyError\b(?!:)", told)  # whose words may be anything
    assert "TypeError: an int is no text" in told
    assert "a prompt" not in told


def test_an_error_that_led_to_itself_ends() -> None:
    error = TypeError("round and round")
    error.__context__ = KeyError("x")
    error.__context__.__context__ = error
    assert one({"msg": "x", "exc_info": (TypeError, error, None)}, "json").count("round and round") == 1


# The secret and the prompt: given to everything that can fail, and looked for in what was logged.

SECRETS = st.sampled_from(["sk-proj-{}", "sk-syn-0123456789ab-{}", "AIza{}{}", "eyJ{}.eyJ{}.{}", "pplx-{}"])
MARK = "Zq7vKx9pWm3TgJ5yRb2N"


def raised(kind: Callable[[], BaseException]) -> None:
    raise kind()


def failures(said: str) -> list[Callable[[], Any]]:
    """Ways to fail while one holds this text."""
    upstream = [kind for kind in _tree(UpstreamError) if kind.__name__ != "UpstreamBusy"]
    return [
        *(lambda kind=kind: raised(lambda: kind("The provider failed.", provider="openai")) for kind in upstream),  # type: ignore[misc]
        lambda: {}[said],
        lambda: int(said),
        lambda: json.loads('{"' + said),
        lambda: msgspec.json.decode(msgspec.json.encode([said]), type=list[int]),
        (said + "\udcff").encode,
        (said.encode() + b"\xff").decode,
        lambda: raised(lambda: ValueError(said)),
        lambda: raised(lambda: RuntimeError({"authorization": said})),
        lambda: raised(lambda: ExceptionGroup(said, [ValueError(said)])),
        lambda: raised(lambda: OSError(5, "cannot", said)),
        lambda: raised(lambda: LookupError(Secret(said))),
        lambda: raised(lambda: TypeError(f"bearer {said}")),
        lambda: raised(lambda: UpstreamBroken("A header for the provider has a line break in it.")),
        Path(f"/nowhere/{said}").read_text,
        lambda: re.compile("(" + said + "["),
        lambda: postgres_place.place(f"postgresql://:{said}@h:port/d"),
        lambda: valkey_place.place(f"redis://u:{said}@h:port/0"),
        lambda: Vault([Secret(said)]),
        lambda: Vault(masters(Secret("0" * 64))).open("0" * 32, "1" * 32, said, said.encode(), "x"),
        lambda: Sessions(b"0" * 32).read(said),
    ]


def _tree(kind: type[SyntraError]) -> list[Any]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]


@given(SECRETS, st.sampled_from(["json", "text"]))
def test_no_error_path_takes_a_secret_or_a_prompt_into_the_log(form: str, kind: str) -> None:
    said = form.replace("{}", MARK)
    for fail in failures(said):
        with logged(kind) as stream:
            visited(fail, said)
        assert MARK not in stream.getvalue(), stream.getvalue()


def visited(fail: Callable[[], Any], said: str) -> int:
    """One request whose key, body and headers are this text, and whose handler fails."""
    sent: list[Any] = []

    async def ask() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": said.encode(), "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        async def identify(bearer: str | None) -> Caller:
            return Caller("0" * 32, "acme", "1" * 32)

        async def serve(visit: Any, head: Any, caller: Caller) -> None:
            await visit.body(head, 1.0)
            try:
                fail()
            except (MasterError, Unsealable):
                log.exception("the vault is of no use")
                raise

        headers = [(b"authorization", f"Bearer {said}".encode()), (b"x-syntra-policy", said.encode())]
        scope: Any = {"type": "http", "method": "POST", "path": f"/{said}", "headers": headers}
        await Door(identify, Lounge(1.0), lambda surface, visit: None, NO_TWINS).route("POST", "chat", "member", serve)(
            scope, receive, send
        )

    asyncio.run(ask())
    return int(sent[0]["status"])


def test_a_task_that_nobody_waited_for_tells_no_more_than_its_kind() -> None:
    async def fails() -> None:
        raise ValueError(f"prompt {MARK}")

    async def forget() -> None:
        task = asyncio.ensure_future(fails())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    with logged() as stream:
        asyncio.run(forget())
    told = json.loads(stream.getvalue())
    assert told["message"] == "Task exception was never retrieved"
    assert MARK not in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-4711abcdef",
        "Authorization: Bearer abcdef.4711",
        "postgresql://syntra:4711hush@db:5432/x",
        "eyJhbGciOi4711.eyJzdWIi.c2ln4711",
        "AIzaSy47114711471147114711471147",
    ],
)
def test_what_looks_like_a_credential_is_blotted_out_wherever_it_came_from(text: str) -> None:
    assert "4711" not in one({"msg": f"connection failed: {text}"}, "json")
    assert "4711" not in one({"msg": f"connection failed: {text}"}, "text")


# The lines of requests.


@contextmanager
def piped(kind: str) -> Iterator[tuple[Requests, Callable[[], str]]]:
    read, write = os.pipe()
    with logged(kind), os.fdopen(read, "rb") as reader:

        def told() -> str:
            os.close(write)
            return reader.read().decode()

        yield Requests("json" if kind == "json" else "text", write, every=True), told


def test_a_request_is_one_line_with_who_answered_and_how_long_it_took() -> None:
    with piped("json") as (requests, told):
        requests.add("chat", 200, "my-request-7", 0.25, "org-1", "openai/gpt-4o-mini", "decision-1")
        requests.add("models", 401, "other", 0.001)
        requests.flush()
        first, second = map(json.loads, told().splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first == {
        "level": "info",
        "logger": REQUESTS,
        "message": "chat 200",
        "request_id": "my-request-7",
        "surface": "chat",
        "status": 200,
        "duration_ms": 250.0,
        "organisation": "org-1",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "decision": "decision-1",
    }
    assert set(second) == set(first) - {"organisation", "provider", "model", "decision"} | {"time"}


def test_people_see_it_at_a_glance() -> None:
    with piped("text") as (requests, told):
        requests.add("chat", 200, "my-request-7", 0.25, "org-1", "openai/gpt-4o-mini")
        requests.flush()
        line = told()
    assert line.endswith(" INFO    syntra.requests [my-request-7]: chat 200 250.0 ms openai/gpt-4o-mini org-1\n")


@given(ANY)
def test_no_model_name_forges_a_line(name: str) -> None:
    for kind in ("json", "text"):
        with piped(kind) as (requests, told):
            requests.add("chat", 200, "r", 0.1, "", f"openai/{name}")
            requests.flush()
            written = told()
        assert len(written.splitlines()) == 1
        if kind == "json":
            assert written.isascii()
            assert json.loads(written).get("model", "") == name


def test_lines_are_written_by_themselves() -> None:
    async def run() -> str:
        with piped("json") as (requests, told):
            following = asyncio.create_task(requests.follow())
            for number in range(200):
                requests.add("chat", 200, str(number), 0.1)
            await asyncio.sleep(1.0)
            following.cancel()
            return told()

    lines = [json.loads(line)["request_id"] for line in asyncio.run(run()).splitlines()]
    assert lines == list(map(str, range(200)))


def test_a_log_that_nobody_reads_slows_nobody_and_takes_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "_MOST_WAITING", 3000)
    read, write = os.pipe()

    drain = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(read, 65536), b"")])

    async def run(requests: Requests) -> float:
        following = asyncio.create_task(requests.follow())
        slowest = 0.0
        for number in range(20_000):
            requests.add("chat", 200, str(number), 0.1, "org-1" * 10)
            if number % 100 == 0:
                began = time.perf_counter()
                await asyncio.sleep(0.002)
                slowest = max(slowest, time.perf_counter() - began)
        waiting, lost = len(requests._waiting), requests._lost
        drain.start()
        await asyncio.sleep(1.0)
        following.cancel()
        assert (waiting, lost > 0, requests._waiting) == (3000, True, [])
        return slowest

    with logged() as stream:
        assert asyncio.run(run(Requests("json", write, every=True))) < 0.2
    os.close(write)
    drain.join()
    os.close(read)
    assert "lines of requests were lost" in stream.getvalue()


def test_below_its_level_a_request_costs_nothing() -> None:
    with logged():
        logging.getLogger().setLevel("WARNING")
        requests = Requests("json", 2, every=True)
        requests.add("chat", 200, "r", 0.1)
        assert requests._waiting == []


def test_a_line_costs_a_request_a_microsecond() -> None:
    with logged():
        requests = Requests("json", os.open(os.devnull, os.O_WRONLY), every=True)

    def add() -> None:
        for _ in range(500):
            requests.add("chat", 200, "01a2179287fc7f0397aac6a87eae9741", 0.1, "o" * 36, "openai/gpt-4o", "d" * 32)

    for lap in laps(within=1e-6 * 500):
        with lap:
            add()
        requests.flush()
    for lap in laps(within=8e-6 * 500):
        add()
        with lap:
            requests.flush()  # in a thread of its own
    os.close(requests._descriptor)


def test_at_info_only_what_did_not_go_well_has_a_line() -> None:
    read, write = os.pipe()
    try:
        requests = Requests("json", write)
        requests.on = True
        for status in (200, 204, 401, 499, 502):
            requests.add("chat", status, f"id-{status}", 0.1)
        requests.flush()
        told = [json.loads(line)["status"] for line in os.read(read, 65536).splitlines()]
    finally:
        os.close(read)
        os.close(write)
    assert told == [401, 499, 502]
