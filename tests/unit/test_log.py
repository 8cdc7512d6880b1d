"""The log tells what happened to whom, one thing a line, and never what anybody wrote or holds."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import time
from collections.abc import Callable
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
from gateway.records.log import About, JsonLines, TextLines, about, kind_of
from gateway.stages.people.sessions import Sessions
from gateway.stores import postgres_place, valkey_place
from gateway.stores.vault import MasterError, Unsealable, Vault, masters
from tests.fakes.doors import NO_TWINS
from tests.unit.log_rig import ANY, logged

log = logging.getLogger("syntra")


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
