"""Where Valkey is: every way that people write it, and no password in sight."""

from __future__ import annotations

import pickle

import pytest
from valkey.asyncio.connection import SSLConnection, UnixDomainSocketConnection

from gateway.stores.valkey import dial
from gateway.stores.valkey_place import Place, PlaceError, chosen, place

PASSWORD = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("url", "told", "tls", "user", "password"),
    [
        ("redis://localhost", "redis://localhost:6379/0", False, "", ""),
        ("valkey://localhost:7000/3", "redis://localhost:7000/3", False, "", ""),
        (f"redis://:{PASSWORD}@cache:6379", "redis://cache:6379/0", False, "", PASSWORD),
        (f"rediss://default:{PASSWORD}@x.upstash.io:6380", "rediss://x.upstash.io:6380/0", True, "default", PASSWORD),
        (f"valkeys://app:{PASSWORD}@cache", "rediss://cache:6379/0", True, "app", PASSWORD),
        ("redis://app:p%40ss%2Fword%3A@cache", "redis://cache:6379/0", False, "app", "p@ss/word:"),
        ("redis://[::1]:7000/1", "redis://[::1]:7000/1", False, "", ""),
        ("redis://cache?db=4", "redis://cache:6379/4", False, "", ""),
        (f"unix://app:{PASSWORD}@/run/valkey.sock?db=2", "unix:///run/valkey.sock?db=2", False, "app", PASSWORD),
    ],
)
def test_a_url_says_where_and_who(url: str, told: str, tls: bool, user: str, password: str) -> None:
    found = place(url)
    assert (str(found), found.tls, found.user, found.password.reveal()) == (told, tls, user, password)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://x.upstash.io", "rediss://x.upstash.io:6379/0"),  # the REST address; the protocol has its own port
        ("https://x.upstash.io:443", "rediss://x.upstash.io:6379/0"),
        ("rediss://x.upstash.io:6380", "rediss://x.upstash.io:6380/0"),
    ],
)
def test_a_token_of_upstash_is_the_password_of_its_default_user(url: str, told: str) -> None:
    found = place(url, token=PASSWORD)
    assert (str(found), found.tls, found.user, found.password.reveal()) == (told, True, "default", PASSWORD)


def test_a_password_in_the_url_goes_before_the_token() -> None:
    found = place(f"rediss://app:{PASSWORD}@x.upstash.io", token="token")
    assert (found.user, found.password.reveal()) == ("app", PASSWORD)


def test_the_first_place_that_is_named_is_taken() -> None:
    assert chosen("", "  ", "", "") is None
    assert chosen("", "", "", PASSWORD) is None
    assert str(chosen("redis://a", "redis://b", "https://c", "t")) == "redis://a:6379/0"
    assert str(chosen("", "redis://b", "https://c", "t")) == "redis://b:6379/0"
    third = chosen("", "", " https://c ", " t ")
    assert third is not None
    assert (str(third), third.password.reveal()) == ("rediss://c:6379/0", "t")


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{PASSWORD}@cache",
        f":{PASSWORD}@cache",
        f"{PASSWORD}",
        f"redis://:{PASSWORD}@",
        f"redis://:{PASSWORD}@cache:99999",
        f"redis://:{PASSWORD}@cache:port",
        f"redis://:{PASSWORD}@cache/zero",
        f"redis://:{PASSWORD}@cache?ssl_cert_reqs=none",
        f"redis://:{PASSWORD}@cache?password={PASSWORD}",
        f"redis://:{PASSWORD}@[cache",
        "unix://",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(PlaceError) as caught:
        chosen("", url, "", "")
    assert str(caught.value).startswith("REDIS_URL: ")
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", [f"rediss://app:{PASSWORD}@cache", f"unix://app:{PASSWORD}@/run/v"])
def test_no_text_of_a_place_or_its_connection_has_the_password(url: str) -> None:
    found = place(url)
    connection = dial(found)
    for text in (str(found), repr(found), f"{found}", f"{found!r}", repr([found]), repr(connection), str(connection)):
        assert PASSWORD not in text
    with pytest.raises(TypeError):
        pickle.dumps(found)


def test_a_connection_with_tls_looks_at_the_certificate_and_its_name() -> None:
    connection = dial(place("rediss://cache?ssl_ca_certs=/etc/ca.pem"))
    assert isinstance(connection, SSLConnection)
    assert (connection.check_hostname, connection.cert_reqs.name, connection.ca_certs) == (
        True,
        "CERT_REQUIRED",
        "/etc/ca.pem",
    )


def test_a_unix_socket_is_dialled_as_one() -> None:
    connection = dial(Place(path="/run/valkey.sock", database=2))
    assert isinstance(connection, UnixDomainSocketConnection)
    assert (connection.path, connection.db) == ("/run/valkey.sock", 2)
