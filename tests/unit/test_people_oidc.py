"""An identity token proves who somebody is only if all of it holds; and no issuer makes us wait, dial or hold too much."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.core.errors import BadKey, Forbidden, StoreAway, SyntraError
from gateway.stages.people import keyset
from gateway.stages.people.issuer import Issuer, Person
from gateway.upstream import download
from gateway.upstream.egress import Egress
from gateway.upstream.wire import Wire
from tests.fakes.issuer import AUDIENCE, JWKS, FakeIssuer, jwk
from tests.fakes.server import Server
from tests.unit.wire_rig import PATIENCE, Run

ADA = Person("user-4711", "ada@example.com")


@pytest.fixture
def fake() -> Iterator[FakeIssuer]:
    with FakeIssuer() as fake:
        yield fake
        assert fake.server.failures == []


Trusting = Callable[..., Issuer]


@pytest.fixture
def trusting(run: Run[Any]) -> Iterator[Trusting]:
    """Makes verifiers of a fake; their connections are closed afterwards."""
    wires: list[Wire] = []

    def make(
        fake: FakeIssuer, url: str = "", *, name: str = "", hosts: Sequence[str] = (), private: bool = True
    ) -> Issuer:
        wires.append(Wire(Egress(list(hosts or [fake.url]), private=private), PATIENCE))
        return Issuer(wires[-1], name or fake.url, AUDIENCE, url)

    yield make

    async def close() -> None:
        for wire in wires:
            wire.close()

    run(close())


def refused(run: Run[Any], issuer: Issuer, token: str) -> SyntraError:
    with pytest.raises(SyntraError) as caught:
        run(issuer.verify(token))
    assert not any(len(part) > 10 and part in caught.value.message for part in token.split("."))
    return caught.value


@pytest.mark.parametrize("kid", ["RS256-0", "ES256-1", "EdDSA-2"])
def test_a_token_that_holds_tells_whose_it_is(fake: FakeIssuer, run: Run[Any], trusting: Trusting, kid: str) -> None:
    issuer = trusting(fake)
    assert run(issuer.verify(fake.token(kid))) == ADA
    assert run(issuer.verify(fake.token(kid, email="Ada@Example.COM"))) == ADA
    assert run(issuer.verify(fake.token(kid, aud=["another", AUDIENCE]))) == ADA
    assert run(issuer.verify(fake.token(kid, email_verified=None))) == ADA
    assert run(issuer.verify(fake.token(kid, email_verified="true"))) == ADA
    assert fake.fetched == 1


def test_the_place_of_the_keys_may_be_said_instead_of_discovered(
    fake: FakeIssuer, run: Run[Any], trusting: Trusting
) -> None:
    fake.lie = "another issuer"
    assert run(trusting(fake, fake.url + JWKS).verify(fake.token())) == ADA


def test_an_issuer_whose_name_ends_in_a_slash_is_discovered_too(
    fake: FakeIssuer, run: Run[Any], trusting: Trusting
) -> None:
    issuer = trusting(fake, fake.url + JWKS, name=fake.url + "/")
    assert run(issuer.verify(fake.token(iss=fake.url + "/"))) == ADA
    assert isinstance(refused(run, issuer, fake.token()), BadKey)


NOW = int(time.time())
LIES: dict[str, tuple[Callable[[FakeIssuer], str], str]] = {
    "another audience": (lambda fake: fake.token(aud="another"), "another audience"),
    "an audience that is no text": (lambda fake: fake.token(aud=[4711]), "another audience"),
    "no audience": (lambda fake: fake.token(aud=None), "a claim is missing"),
    "another issuer": (lambda fake: fake.token(iss="https://accounts.example.com"), "another issuer"),
    "no issuer": (lambda fake: fake.token(iss=None), "a claim is missing"),
    "a longer issuer": (lambda fake: fake.token(iss=fake.url + ".evil.example"), "another issuer"),
    "no end": (lambda fake: fake.token(exp=None), "a claim is missing"),
    "an end long ago": (lambda fake: fake.token(exp=NOW - 3600), "expired"),
    "an end just beyond the skew": (lambda fake: fake.token(exp=int(time.time()) - 62), "expired"),
    "an end that is no number": (lambda fake: fake.token(exp="soon"), "broken"),
    "not before tomorrow": (lambda fake: fake.token(nbf=NOW + 86400), "not valid yet"),
    "issued tomorrow": (lambda fake: fake.token(iat=NOW + 86400, exp=NOW + 90000), "not valid yet"),
    "no subject": (lambda fake: fake.token(sub=None), "a claim is missing"),
    "a key that is not published": (lambda fake: fake.token("RS256-0", {"kid": "unknown"}), "does not publish"),
    "another key's name": (lambda fake: fake.token("ES256-1", {"kid": "RS256-0"}), "does not publish"),
    "an access token": (lambda fake: fake.token("RS256-0", {"typ": "at+jwt"}), "of another kind"),
    "something critical": (lambda fake: fake.token("RS256-0", {"crit": ["exp"]}), "of another kind"),
    "somebody else's key under a known name": (
        lambda fake: jwt.encode(fake.claims(), rsa.generate_private_key(65537, 2048), "RS256", {"kid": "RS256-0"}),
        "signature does not hold",
    ),
    "no signature": (lambda fake: fake.token().rpartition(".")[0] + ".", "signature does not hold"),
    "another payload": (lambda fake: _with_payload(fake.token(), fake.claims(email="eve@example.com")), "signature"),
    "none": (lambda fake: _unsigned(fake, "none"), "not signed with one of"),
    "None": (lambda fake: _unsigned(fake, "None"), "not signed with one of"),
    "HS256 with the public key": (lambda fake: _hmac(fake, fake.public_pem("RS256-0"), "HS256"), "not signed with"),
    "HS512": (lambda fake: _hmac(fake, b"secret", "HS512"), "not signed with one of"),
    "HMAC that says RS256": (lambda fake: _hmac(fake, fake.public_pem("RS256-0"), "RS256"), "signature does not hold"),
    "RS512": (
        lambda fake: jwt.encode(fake.claims(), fake.keys["RS256-0"][1], "RS512", {"kid": "RS256-0"}),
        "not signed",
    ),
    "four parts": (lambda fake: fake.token() + ".x", "no signed token"),
    "two parts": (lambda fake: fake.token().rpartition(".")[0], "no signed token"),
    "an endless token": (lambda fake: fake.token(more="x" * 20_000), "no signed token"),
    "a header that is no JSON": (lambda fake: "e30x." + fake.token().partition(".")[2], "no signed token"),
    "a header that is deep": (lambda fake: _b64(b'{"alg": "RS256", "x": ' + b"[" * 2900) + ".e30.x", "no signed token"),
    "a header that is no object": (lambda fake: _b64(b"[1]") + ".e30.x", "no signed token"),
    "an algorithm that is no text": (lambda fake: _b64(b'{"alg": ["RS256"]}') + ".e30.x", "no signed token"),
    "nothing": (lambda fake: "", "no signed token"),
    "half a character": (lambda fake: "\udcff.\udcff.\udcff", "no signed token"),
}


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _with_payload(token: str, claims: dict[str, Any]) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{_b64(json.dumps(claims).encode())}.{signature}"


def _unsigned(fake: FakeIssuer, algorithm: str) -> str:
    head = {"alg": algorithm, "typ": "JWT", "kid": "RS256-0"}
    return f"{_b64(json.dumps(head).encode())}.{_b64(json.dumps(fake.claims()).encode())}."


def _hmac(fake: FakeIssuer, key: bytes, algorithm: str) -> str:
    signed = _unsigned(fake, algorithm)[:-1]
    digest = hashlib.sha512 if algorithm == "HS512" else hashlib.sha256
    return f"{signed}.{_b64(hmac.digest(key, signed.encode(), digest))}"


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_lies_is_refused_and_told_why(
    fake: FakeIssuer, run: Run[Any], trusting: Trusting, lie: str
) -> None:
    make, why = LIES[lie]
    issuer = trusting(fake)
    run(issuer.verify(fake.token()))
    error = refused(run, issuer, make(fake))
    assert isinstance(error, BadKey)
    assert (error.status, error.code, error.param) == (401, "invalid_token", "token")
    assert why in error.message


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"email_verified": False}, "email_not_verified"),
        ({"email_verified": "false"}, "email_not_verified"),
        ({"email_verified": 0}, "email_not_verified"),
        ({"email": None}, "email_missing"),
        ({"email": ["ada@example.com"]}, "email_missing"),
        ({"email": "ada"}, "email_missing"),
        ({"email": "ada@example.com\x00"}, "email_missing"),
        ({"email": "eve@example.com,ada@example.com"}, "email_missing"),
        ({"email": "ada@example.com " + "x" * 300}, "email_missing"),
        ({"email": "\u212aelvin@example.com"}, "email_unusual"),  # becomes kelvin@ in lower case: somebody else
    ],
)
def test_a_token_without_an_address_of_its_owners_is_nobodys(
    fake: FakeIssuer, run: Run[Any], trusting: Trusting, claims: dict[str, Any], code: str
) -> None:
    error = refused(run, trusting(fake), fake.token(**claims))
    assert isinstance(error, Forbidden)
    assert error.code == code


def test_clocks_may_differ_by_a_minute(fake: FakeIssuer, run: Run[Any], trusting: Trusting) -> None:
    now = int(time.time())
    issuer = trusting(fake)
    assert run(issuer.verify(fake.token(exp=now - 50))) == ADA
    assert run(issuer.verify(fake.token(nbf=now + 50, iat=now + 50))) == ADA


def test_a_new_key_is_fetched_at_once_but_not_for_everybody_who_names_one(
    fake: FakeIssuer, run: Run[Any], trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = trusting(fake)
    assert run(issuer.verify(fake.token())) == ADA
    for number in range(20):
        refused(run, issuer, fake.token("RS256-0", {"kid": f"made-up-{number}"}))
    assert fake.fetched == 1
    monkeypatch.setattr(keyset, "PAUSE", 0.0)
    assert run(issuer.verify(fake.token(fake.add("ES256")))) == ADA
    assert fake.fetched == 2


def test_a_key_that_was_withdrawn_is_good_for_ten_minutes_at_most(
    fake: FakeIssuer, run: Run[Any], trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = trusting(fake)
    token = fake.token("ES256-1")
    assert run(issuer.verify(token)) == ADA
    fake.withdraw("ES256-1")
    assert run(issuer.verify(token)) == ADA
    monkeypatch.setattr(keyset, "PAUSE", 0.0)
    monkeypatch.setattr(keyset, "FRESH", 0.0)
    assert "does not publish" in refused(run, issuer, token).message


def test_those_who_come_together_wait_for_one_fetch(fake: FakeIssuer, run: Run[Any], trusting: Trusting) -> None:

    issuer, token = trusting(fake), fake.token()

    async def all_at_once() -> list[Person]:
        return await asyncio.gather(*(issuer.verify(token) for _ in range(20)))

    assert run(all_at_once()) == [ADA] * 20
    assert fake.fetched == 1


AWAY = (
    *("failure", "redirect", "another issuer", "keys elsewhere", "no URL", "no keys", "HTML", "another form", "deep"),
    *("many keys", "encoded", "huge", "cut", "drip", "silence"),
)


@pytest.mark.parametrize("lie", AWAY)
def test_an_issuer_that_cannot_be_asked_is_a_503_and_its_old_keys_stay_good(
    fake: FakeIssuer, run: Run[Any], trusting: Trusting, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "PAUSE", 0.0)
    monkeypatch.setattr(download, "SECONDS", 0.5)
    with Server(lambda request, reply: reply.whole(200, b'{"keys": []}')) as elsewhere:
        fake.elsewhere = elsewhere.origin + JWKS
        issuer, token = trusting(fake), fake.token()
        fake.lie = lie
        began = time.monotonic()
        error = refused(run, issuer, token)
        assert time.monotonic() - began < 2
        assert isinstance(error, StoreAway)
        assert (error.status, error.code) == (503, "issuer_away")
        fake.lie = ""
        assert run(issuer.verify(token)) == ADA
        fake.lie = lie
        monkeypatch.setattr(keyset, "FRESH", 0.0)
        assert run(issuer.verify(token)) == ADA
        new = fake.token("RS256-0", {"kid": "perhaps new"})
        assert isinstance(refused(run, issuer, new), StoreAway)  # it cannot be told whether it is one
        monkeypatch.setattr(keyset, "STALE", 0.0)
        assert isinstance(refused(run, issuer, token), StoreAway)
        assert elsewhere.requests == []


def test_an_issuer_that_is_away_is_not_asked_by_everybody(fake: FakeIssuer, run: Run[Any], trusting: Trusting) -> None:
    issuer, token = trusting(fake, fake.url + JWKS), fake.token()
    fake.lie = "failure"
    for _ in range(10):
        assert isinstance(refused(run, issuer, token), StoreAway)
    assert fake.fetched == 1


def test_only_the_issuers_own_host_is_dialled(fake: FakeIssuer, run: Run[Any], trusting: Trusting) -> None:
    for issuer in (trusting(fake, hosts=["https://api.openai.com/v1"]), trusting(fake, private=False)):
        assert isinstance(refused(run, issuer, fake.token()), StoreAway)
    assert fake.server.requests == []


def test_keys_that_are_not_for_signatures_are_passed_over(fake: FakeIssuer, run: Run[Any], trusting: Trusting) -> None:
    rs, es = fake.keys["RS256-0"][1], fake.keys["ES256-1"][1]
    private = {**jwk(rs), "d": "AQAB"}
    useless = {
        "enc": jwk(rs, use="enc"),
        "oaep": jwk(rs, alg="RSA-OAEP"),
        "pss": jwk(rs, alg="PS256"),
        "short": jwk(rsa.generate_private_key(65537, 1024)),  # noqa: S505
        "p384": jwk(ec.generate_private_key(ec.SECP384R1())),
        "private": private,
        "oct": {"kty": "oct", "k": _b64(b"secret" * 6)},
        "broken": {**jwk(es), "x": "!!!"},
        "empty": {"kty": "EC", "crv": "P-256"},
        "odd": {"kty": ["RSA"]},
    }
    fake.published += [{**one, "kid": kid} for kid, one in useless.items()]
    issuer = trusting(fake)
    assert run(issuer.verify(fake.token())) == ADA
    for kid in useless:
        error = refused(run, issuer, fake.token("RS256-0", {"kid": kid}))
        assert "does not publish" in error.message


def test_a_token_without_a_key_id_is_taken_where_there_is_no_doubt(
    fake: FakeIssuer, run: Run[Any], trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyset, "PAUSE", 0.0)
    issuer = trusting(fake)
    token = jwt.encode(fake.claims(), fake.keys["ES256-1"][1], "ES256")
    assert run(issuer.verify(token)) == ADA
    fake.add("ES256")
    monkeypatch.setattr(keyset, "FRESH", 0.0)
    assert "does not publish" in refused(run, issuer, token).message
