"""A secret does not leave by accident."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from gateway.core.secret import Secret
from gateway.upstream.dialect import Provider
from gateway.upstream.openai_wire import OpenAIWire

TEXT = "sk-very-secret-4711"


@dataclass(frozen=True)
class Way:
    """A way in which a value becomes text."""

    name: str
    tell: Callable[[Secret], str]

    def __str__(self) -> str:
        return self.name


WAYS = (
    Way("repr", repr),
    Way("str", str),
    Way("ascii", ascii),
    Way("format", format),
    Way("f-string", lambda secret: f"{secret}"),
    Way("f-string with a spec", lambda secret: f"{secret:>40}"),
    Way("f-string with !r", lambda secret: f"{secret!r}"),
    Way("f-string with =", lambda secret: f"{secret=}"),
    Way("percent", lambda secret: "%s %r" % (secret, secret)),  # noqa: UP031
    Way("str.format", lambda secret: "{} {!r}".format(secret, secret)),  # noqa: UP032
    Way("in a list", lambda secret: str([secret, {"key": secret}])),
    Way("in a provider", lambda secret: repr(Provider("openai", "https://api.openai.com/v1", secret, OpenAIWire()))),
    Way("as an error's argument", lambda secret: f"{ValueError(secret)} {ValueError(secret)!r}"),
    Way("dir", lambda secret: str(dir(secret))),
)
COPIES: dict[str, Callable[[Secret], object]] = {
    "pickle": pickle.dumps,
    "pickle, oldest protocol": lambda secret: pickle.dumps(secret, 0),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "msgspec": msgspec.json.encode,
    "msgspec.to_builtins": msgspec.to_builtins,
    "json": json.dumps,
    "vars": vars,
}


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_secret_does_not_print_itself(way: Way) -> None:
    told = way.tell(Secret(TEXT))
    assert TEXT not in told
    assert "4711" not in told


@pytest.mark.parametrize("name", COPIES)
def test_a_secret_is_not_written_by_a_serialiser(name: str) -> None:
    with pytest.raises(TypeError) as caught:
        COPIES[name](Secret(TEXT))
    assert TEXT not in str(caught.value)


def test_a_log_line_with_a_secret_in_it_does_not_tell_it() -> None:
    stream = io.StringIO()
    log = logging.Logger("secret")  # noqa: LOG001
    log.addHandler(logging.StreamHandler(stream))
    secret = Secret(TEXT)
    log.warning("key %s, %r", secret, [secret])
    log.warning("key", extra={"key": secret})
    assert "Secret(…)" in stream.getvalue()
    assert TEXT not in stream.getvalue()


def test_a_traceback_with_its_locals_does_not_tell_it() -> None:
    def fail(secret: Secret) -> None:
        held = {"key": secret}
        raise ValueError(held)

    try:
        fail(Secret(TEXT))
    except ValueError as error:
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "Secret(…)" in told
    assert TEXT not in told


def test_the_text_is_there_for_the_one_who_asks() -> None:
    assert Secret(TEXT).reveal() == TEXT


def test_an_empty_secret_is_none() -> None:
    assert not Secret("")
    assert Secret("x")


def test_nothing_can_be_hung_on_a_secret() -> None:
    with pytest.raises(AttributeError):
        Secret(TEXT).note = "x"  # type: ignore[attr-defined]
