"""A provider breaks in every way that we know of; the client is told, and half an answer is never shown as whole.

Rows U1 to U26 of the fault model that concern a single provider, on the three wires.
"""

from __future__ import annotations

import email.utils
import json
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.conftest import StartGateway
from tests.fakes.anthropic_wire import Anthropic
from tests.fakes.caller import HELLO, Told, ask, stream
from tests.fakes.gateway import ANTHROPIC, GOOGLE, OPENAI, OPENROUTER, Gateway, Pin
from tests.fakes.gemini_wire import Gemini
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Failure, Fault, ToolCall, Usage
from tests.fakes.server import wait_for

Fakes = Mapping[str, Provider]
WIRES = (OPENAI, ANTHROPIC, GOOGLE)
wires = pytest.mark.parametrize("pin", WIRES, ids=str)
FIRST, IDLE, TOTAL = 0.4, 0.4, 1.0
GRACE = 0.7  # seconds that a busy machine may add
PIECES = ("one ", "two ", "three ", "four.")
WHOLE = "".join(PIECES)


@pytest.fixture(scope="module")
def hasty(start_gateway: StartGateway) -> Gateway:
    """A gateway with little patience, so that silence can be tested quickly."""
    gateway = start_gateway(
        "openai anthropic google openrouter",
        SYNTRA_FIRST_EVENT_SECONDS=str(FIRST),
        SYNTRA_IDLE_SECONDS=str(IDLE),
        SYNTRA_TOTAL_SECONDS=str(TOTAL),
        SYNTRA_CONNECT_SECONDS="1",
    )
    for pin in WIRES:  # what is imported on first use shall not count against deadlines as short as these
        wait_for(lambda pin=pin: ask(gateway, pin.model).status == 200, 30)  # type: ignore[misc]
    return gateway


def assert_told_by_status(told: Told, *statuses: int) -> None:
    """Nothing had been sent: the failure is a status, in our shape and words."""
    assert told.status in statuses, (told.status, told.body)
    assert not told.done
    assert told.error is not None
    assert set(told.error) == {"message", "type", "param", "code"}
    assert told.error["message"]
    assert told.headers["content-type"].startswith("application/json")


def assert_told_in_band(told: Told, begins: str) -> None:
    """Something had been sent: the failure is the last event, and there is no [DONE] and no finish reason."""
    assert told.status == 200, told.body
    assert not told.done, told.body
    assert told.finishes() == [], told.body
    assert told.events[-1].keys() == {"error"}, told.body
    assert set(told.events[-1]["error"]) == {"message", "type", "param", "code"}
    assert told.said()
    assert begins.startswith(told.said())


def assert_nothing_leaked(told: Told, fake: Provider) -> None:
    """No prose, no key, no address of the provider."""
    everything = told.body.decode() + str(dict(told.headers))
    for secret in (PROSE, "gpu-node-17", fake.key, fake.key[-12:]):
        assert secret not in everything
    assert not re.search(rf"\b{fake.port}\b", everything)  # alone, however it is told; within an id it is no port


# before the first event


@dataclass(frozen=True)
class Before:
    """A fault before the first event, and the status that tells it."""

    fault: Fault
    status: int
    wires: tuple[Pin, ...] = WIRES


BEFORE = [
    Before(Fault.RESET_BEFORE, 502),
    Before(Fault.EMPTY, 502),
    Before(Fault.HANG_BEFORE, 504),
    Before(Fault.HANG_HEAD, 504),
    Before(Fault.SERVER_ERROR, 502),
    Before(Fault.BAD_GATEWAY_HTML, 502),
    Before(Fault.UNAVAILABLE, 502),
    Before(Fault.OVERLOADED, 502),
    Before(Fault.UNAUTHORIZED, 502),
    Before(Fault.FORBIDDEN, 502),
    Before(Fault.SPENT, 402),
    Before(Fault.BAD_REQUEST, 400),
    Before(Fault.CONTEXT_LENGTH, 400),
    Before(Fault.NO_SUCH_MODEL, 404),
    Before(Fault.RATE_LIMITED, 429),
    Before(Fault.INBAND_FIRST, 502),
    Before(Fault.HTML_200, 502),
    Before(Fault.GZIP, 502),
    Before(Fault.REDIRECT, 502),
]


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
@wires
@pytest.mark.parametrize("case", BEFORE, ids=lambda case: case.fault.name.lower())
def test_a_failure_before_the_first_event_is_a_status(
    case: Before, pin: Pin, *, streamed: bool, hasty: Gateway, providers: Fakes
) -> None:
    fake = providers[pin.provider]
    fake.script(fault=case.fault)
    began = time.monotonic()
    told = ask(hasty, pin.model, stream=streamed)
    assert_told_by_status(told, case.status)
    assert_nothing_leaked(told, fake)
    assert time.monotonic() - began < (FIRST if streamed else TOTAL) + GRACE
    # No hidden retries, no redirect followed. Only a connection kept from before may turn out to be stale, once.
    assert len(fake.requests) <= (2 if case.fault in {Fault.RESET_BEFORE, Fault.EMPTY} else 1)


@wires
def test_a_provider_that_is_not_there_is_a_502_at_once(pin: Pin, hasty: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    with fake.refusing():
        for streamed in (True, False):
            began = time.monotonic()
            told = ask(hasty, pin.model, stream=streamed)
            assert_told_by_status(told, 502)
            assert_nothing_leaked(told, fake)
            assert time.monotonic() - began < 0.5
    assert ask(hasty, pin.model).status == 200  # and when it is back, so are we


@wires
def test_a_prompt_too_long_has_the_code_that_clients_act_on(pin: Pin, hasty: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(fault=Fault.CONTEXT_LENGTH)
    error = stream(hasty, pin.model).error
    assert error is not None
    assert (error["code"], error["type"]) == ("context_length_exceeded", "invalid_request_error")


def test_the_way_google_says_that_a_key_is_wrong_is_not_the_callers_mistake(hasty: Gateway, providers: Fakes) -> None:
    """It is a 400 there. To the caller it is our credential that is bad: 502."""
    fake = providers["google"]
    assert isinstance(fake, Gemini)
    good, fake.key = fake.key, "another-key-than-the-gateway-has"
    try:
        told = ask(hasty, GOOGLE.model)
    finally:
        fake.key = good
    assert_told_by_status(told, 502)


@dataclass(frozen=True)
class Wait:
    """What a provider writes into Retry-After, and the seconds that the client is told."""

    sent: str | None
    low: int
    high: int


WAITS = {
    "seconds": Wait("7", 7, 7),
    "date": Wait("in 20 seconds", 18, 21),
    "past-date": Wait("Wed, 21 Oct 2015 07:28:00 GMT", 0, 2),
    "garbage": Wait("soon, I promise", 0, 60),
    "negative": Wait("-5", 0, 60),
    "fraction": Wait("1.5", 1, 2),
    "absurd": Wait("99999999999", 1, 60),
    "missing": Wait(None, 0, 60),
}


@wires
@pytest.mark.parametrize("case", WAITS.values(), ids=WAITS)
def test_a_rate_limit_says_when_to_come_back(case: Wait, pin: Pin, hasty: Gateway, providers: Fakes) -> None:
    sent = case.sent
    if sent == "in 20 seconds":
        sent = email.utils.formatdate(time.time() + 20, usegmt=True)
    providers[pin.provider].script(fault=Fault.RATE_LIMITED, retry_after=sent)
    told = stream(hasty, pin.model)
    assert_told_by_status(told, 429)
    assert case.low <= int(told.headers["retry-after"]) <= case.high
    assert told.error is not None
    assert told.error["type"] == "rate_limit_error"


# after the first event


MID = [
    Before(Fault.RESET_MID, 502),
    Before(Fault.RESET_MID_UNFRAMED, 502),
    Before(Fault.EOF_MID, 502),
    Before(Fault.EOF_MID_UNFRAMED, 502),
    Before(Fault.EOF_MID_CHUNKED, 502),
    Before(Fault.SHORT_BODY, 502),
    Before(Fault.HALF_FRAME, 502),
    Before(Fault.HANG_MID, 504),
    Before(Fault.DRIP, 504),
    Before(Fault.INBAND_MID, 502),
    Before(Fault.MALFORMED, 502),
    Before(Fault.BAD_UTF8, 502),
    Before(Fault.GIANT_FRAME, 502),
    Before(Fault.NO_END, 502),
    Before(Fault.DONE_WITHOUT_FINISH, 502, (OPENAI,)),
]
CASES = [pytest.param(case, pin, id=f"{case.fault.name.lower()}-{pin}") for case in MID for pin in case.wires]


@pytest.mark.parametrize(("case", "pin"), CASES)
def test_a_cut_stream_is_never_a_stop(case: Before, pin: Pin, hasty: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(pieces=PIECES, fault=case.fault, after=2)
    began = time.monotonic()
    told = stream(hasty, pin.model, stream_options={"include_usage": True})
    assert_told_in_band(told, WHOLE)
    assert_nothing_leaked(told, fake)
    assert time.monotonic() - began < TOTAL + GRACE
    assert len(fake.requests) == 1


WHOLE_FAULTS = [
    case for case in MID if case.fault not in {Fault.GIANT_FRAME, Fault.DONE_WITHOUT_FINISH, Fault.BAD_UTF8}
]
WHOLE_CASES = [
    pytest.param(case, pin, id=f"{case.fault.name.lower()}-{pin}") for case in WHOLE_FAULTS for pin in case.wires
]


@pytest.mark.parametrize(("case", "pin"), WHOLE_CASES)
def test_a_cut_answer_without_a_stream_is_a_status(case: Before, pin: Pin, hasty: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    fake.script(pieces=PIECES, fault=case.fault, after=2)
    told = ask(hasty, pin.model)
    assert_told_by_status(told, 502, 504)
    assert told.status == case.status or case.fault is Fault.INBAND_MID
    assert_nothing_leaked(told, fake)


def test_an_error_chunk_of_openrouter_is_an_error(hasty: Gateway, providers: Fakes) -> None:
    providers["openrouter"].script(pieces=PIECES, fault=Fault.INBAND_MID, after=2)
    assert_told_in_band(stream(hasty, OPENROUTER.model), WHOLE)
    providers["openrouter"].script(pieces=PIECES, fault=Fault.INBAND_FIRST)
    told = stream(hasty, OPENROUTER.model)
    assert_told_by_status(told, 502)


def test_a_cut_inside_a_tool_call_is_never_a_tool_call(hasty: Gateway, providers: Fakes) -> None:
    tools = [{"type": "function", "function": {"name": "rm", "parameters": {"type": "object", "properties": {}}}}]
    call = ToolCall("call_1", "rm", '{"path":"/tmp/x/y/z"}', (5, 10, 15))
    for pin in (OPENAI, ANTHROPIC):
        providers[pin.provider].script(tool_calls=(call,), fault=Fault.EOF_MID, after=3)
        told = stream(hasty, pin.model, tools=tools)
        assert (told.finishes(), told.done) == ([], False)
        assert told.error is not None


def test_a_model_that_writes_done_has_not_ended(hasty: Gateway, providers: Fakes) -> None:
    """The words of the wire inside the text are text."""
    words = ("data: [DONE]\n\n", "event: message_stop\ndata: {}\n\n", '{"error": {"message": "no"}} ', "end.")
    for pin in WIRES:
        providers[pin.provider].script(pieces=words)
        told = stream(hasty, pin.model)
        assert (told.said(), told.finishes(), told.done) == ("".join(words), ["stop"], True)
        providers[pin.provider].script(pieces=words, fault=Fault.EOF_MID, after=2)
        assert_told_in_band(stream(hasty, pin.model), "".join(words))


def test_after_an_error_in_band_the_connection_is_closed(hasty: Gateway, providers: Fakes) -> None:
    """A client that reads on must not wait for more."""
    providers["openai"].script(pieces=PIECES, fault=Fault.INBAND_MID, after=2)
    body = json.dumps({"model": OPENAI.model, "messages": HELLO, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{hasty.port}\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {hasty.key}\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", hasty.port), 5) as sock:
        sock.sendall(head.encode() + body)
        told = b""
        try:
            while got := sock.recv(65_536):
                told += got
        except ConnectionResetError:
            pass  # a rude end is an end, too
    assert b'data: {"error":' in told
    assert b"[DONE]" not in told


# faults that are forgiven


@wires
def test_a_finished_answer_without_its_terminal_event_is_whole(pin: Pin, hasty: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=PIECES, fault=Fault.NO_DONE)
    told = stream(hasty, pin.model)
    assert (told.said(), told.finishes(), told.done) == (WHOLE, ["stop"], True)


@pytest.mark.parametrize("pin", [OPENAI, ANTHROPIC], ids=str)
def test_nothing_is_heard_after_the_end(pin: Pin, hasty: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=PIECES, fault=Fault.DOUBLE_DONE)
    told = stream(hasty, pin.model)
    assert (told.said(), told.finishes(), told.done, told.after_done) == (WHOLE, ["stop"], True, [])
    assert "AFTER THE END" not in told.body.decode()


@wires
@pytest.mark.parametrize(
    "lie",
    [None, Usage(prompt=-5, completion=-1), Usage(prompt=10**12, completion=10**12)],
    ids=["missing", "negative", "absurd"],
)
def test_a_provider_that_cannot_count_is_not_believed(
    lie: Usage | None, pin: Pin, hasty: Gateway, providers: Fakes
) -> None:
    providers[pin.provider].script(pieces=PIECES, usage=lie)
    told = stream(hasty, pin.model, stream_options={"include_usage": True})
    usage = told.chunks[-1]["usage"]
    assert 0 < usage["prompt_tokens"] < 100_000
    assert 0 < usage["completion_tokens"] < 100_000
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@wires
def test_a_slow_answer_that_keeps_coming_is_waited_for(pin: Pin, hasty: Gateway, providers: Fakes) -> None:
    providers[pin.provider].script(pieces=PIECES, delay=IDLE / 5)
    told = stream(hasty, pin.model)
    assert (told.said(), told.finishes(), told.done) == (WHOLE, ["stop"], True)


@wires
def test_the_provider_is_hung_up_on_when_it_is_given_up(pin: Pin, hasty: Gateway, providers: Fakes) -> None:
    fake = providers[pin.provider]
    for fault in (Fault.HANG_BEFORE, Fault.HANG_MID, Fault.DRIP):
        fake.script(pieces=PIECES, fault=fault)
        stream(hasty, pin.model)
        wait_for(lambda: fake.last.closed_early, 1)
    fake.reset()
    assert stream(hasty, pin.model).done  # and the next call is none the worse


def test_no_fault_leaves_a_connection_behind(hasty: Gateway, providers: Fakes) -> None:
    """After every fault at once, the provider sees no more connections than a small pool may keep."""
    fake = providers["openai"]
    for fault in Fault:
        if fault not in {Fault.DRIP, Fault.HANG_BEFORE, Fault.HANG_HEAD, Fault.HANG_MID}:
            fake.script(pieces=PIECES, fault=fault)
            stream(hasty, OPENAI.model)
    fake.reset()
    assert stream(hasty, OPENAI.model).done
    wait_for(lambda: fake.open_connections <= 2)


def test_an_unknown_event_of_anthropic_is_passed_over(hasty: Gateway, providers: Fakes) -> None:
    """Anthropic's rule for its own wire: new event types may come; clients shall not stumble."""
    fake = providers["anthropic"]
    assert isinstance(fake, Anthropic)
    fake.script(pieces=PIECES, pings=1)
    told = stream(hasty, ANTHROPIC.model)
    assert (told.said(), told.done) == (WHOLE, True)


def test_every_error_has_the_same_shape_whatever_the_provider_said(hasty: Gateway, providers: Fakes) -> None:
    fake = providers["openai"]
    shapes: list[object] = [
        {},
        {"error": None},
        {"error": "words"},
        {"detail": [1]},
        [],
        "words",
        None,
        {"error": {"code": 7}},
    ]
    plain = type(fake).failure
    for status in (400, 422, 418, 500):
        for shape in shapes:
            fake.failure = lambda _, shape=shape: shape  # type: ignore[method-assign, misc]
            fake.key_error = lambda status=status: Failure(status, "", "")  # type: ignore[method-assign, misc]
            fake.script(fault=Fault.UNAUTHORIZED)
            told = stream(hasty, OPENAI.model)
            assert_told_by_status(told, status if status < 500 else 502)
    del fake.failure, fake.key_error
    assert type(fake).failure is plain
