"""People sign in once and work with a session: as what they are now, where they are a member, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.apikey import Pepper
from gateway.core.caller import Caller
from gateway.core.errors import BadKey, BadRequest, Forbidden, UnknownRoute
from gateway.core.ids import uuid7
from gateway.core.limits import Limits
from gateway.core.secret import Secret
from gateway.http.admin.sessions import SignIn
from gateway.http.lounge import Lounge
from gateway.stages.people import People
from gateway.stages.people.sessions import Session, Sessions
from gateway.stores.postgres_place import PostgresPlace
from tests.fakes.issuer import FakeIssuer
from tests.fakes.people import Lobby, lobby
from tests.fakes.tenants import PEPPER, set_up
from tests.laps import laps

Scene = Callable[[Lobby], Awaitable[None]]


@pytest.fixture(scope="module")
def place(database: str) -> PostgresPlace:
    return set_up(database)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeIssuer]:
    with FakeIssuer() as fake:
        yield fake


def play(place: PostgresPlace, scene: Scene, fake: FakeIssuer | None = None, **options: bool) -> None:
    async def run() -> None:
        async with lobby(place, fake, **options) as here:
            await scene(here)

    asyncio.run(run())


async def within(seconds: float, holds: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


# Sessions, as texts.

SESSIONS = Sessions(PEPPER.sessions)
ORG, MEMBER = str(UUID(uuid7())), str(UUID(uuid7()))


def test_a_session_says_who_and_lasts_half_an_hour() -> None:
    token, ends = SESSIONS.make(ORG, MEMBER)
    assert SESSIONS.read(token.reveal()) == Session(ORG, MEMBER)
    assert timedelta(minutes=29) < ends - datetime.now(UTC) <= timedelta(minutes=30)
    claims = jwt.decode(token.reveal(), options={"verify_signature": False})
    assert set(claims) == {"iss", "aud", "sub", "org", "iat", "exp"}  # no role: it would be believed for half an hour
    assert token.reveal() not in repr(token)


def signed(key: bytes = PEPPER.sessions, algorithm: str = "HS256", **changed: Any) -> str:
    now = int(time.time())
    whole = {"iss": "syntra", "aud": "syntra", "sub": MEMBER, "org": ORG, "iat": now, "exp": now + 60, **changed}
    return jwt.encode({k: v for k, v in whole.items() if v is not None}, key, algorithm)


GOOD = signed()
FORGED = {
    "another key": signed(Pepper(Secret("another")).sessions),
    "the digest of the secret that databases keep": signed(PEPPER.check),
    "an empty key": signed(b"\x00" * 32),
    "HS512": signed(algorithm="HS512", key=PEPPER.sessions * 2),
    "HS384": signed(algorithm="HS384", key=PEPPER.sessions * 2),
    "none": jwt.encode({"iss": "syntra", "aud": "syntra", "sub": MEMBER, "org": ORG, "exp": 9e9}, "", "none"),
    "another issuer": signed(iss="somebody"),
    "another audience": signed(aud="another"),
    "several audiences": signed(aud=["syntra", "another"]),
    "no end": signed(exp=None),
    "no member": signed(sub=None),
    "no organisation": signed(org=None),
    "it has ended": signed(exp=int(time.time()) - 1),
    "it has not begun": signed(nbf=int(time.time()) + 3600),
    "cut": GOOD[:-1],
    "no signature": GOOD.rpartition(".")[0] + ".",
    "longer": GOOD + "A",
    "spaces": f" {GOOD}",
    "two lines": f"{GOOD}\n",
    "three dots": f"{GOOD}.x",
    "only dots": "..",
    "half a character": "\udcff.\udcff.\udcff",
    "endless": "a." * 1_000_000,
}


@pytest.mark.parametrize("way", FORGED)
def test_a_session_that_was_not_made_here_or_has_ended_is_none(way: str) -> None:
    with pytest.raises(BadKey) as caught:
        SESSIONS.read(FORGED[way])
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    assert len(caught.value.message) < 200


def test_an_expired_session_says_so() -> None:
    with pytest.raises(BadKey, match="session has expired"):
        SESSIONS.read(FORGED["it has ended"])


def test_an_identity_token_is_not_a_key_and_is_told_where_to_go(fake: FakeIssuer) -> None:
    for kid in fake.keys:
        with pytest.raises(BadKey, match="POST /api/sessions"):
            SESSIONS.read(fake.token(kid))


@given(st.text(st.characters(), max_size=300), st.integers(0, 2))
def test_no_text_is_a_session_that_was_not_made_as_one(text: str, dots: int) -> None:
    for bearer in (text, text.replace(" ", ".") + "." * dots):
        with pytest.raises(BadKey):
            SESSIONS.read(bearer)


# Members.


def test_a_member_is_let_in_as_what_the_organisation_says(place: PostgresPlace, fake: FakeIssuer) -> None:
    async def scene(here: Lobby) -> None:
        org, member = await here.member("acme", "Ada@example.com", "admin")
        await here.change(org, """update organisation set limits = '{"requests_per_day": 5}'""")
        signed_in = await here.people.sign_in(fake.token(), "acme")
        assert (signed_in.membership.name, signed_in.membership.role) == ("acme", "admin")
        caller = await here.people.identify(signed_in.token.reveal())
        assert caller == Caller(org, "acme", member, "admin", user="ada@example.com", limits=Limits(requests_per_day=5))

    play(place, scene, fake)


def test_the_organisations_provider_keys_come_with_them(place: PostgresPlace) -> None:
    async def scene(here: Lobby) -> None:
        org, member = await here.member("providing", "ada@example.com")
        await here.change(
            org,
            "insert into provider_key (org_id, id, provider, sealed, master, last4) "
            "values (%s, gen_random_uuid(), 'openai', 'sk-secret', 'plain', 'cret')",
            org,
        )
        caller = await here.people.identify(SESSIONS.make(org, member)[0].reveal())
        assert caller.credentials["openai"].secret.reveal() == "sk-secret"

    play(place, scene)


async def refused(here: Lobby, token: str) -> bool:
    try:
        await here.people.identify(token)
    except BadKey:
        return True
    return False


def test_who_is_removed_is_out_within_two_seconds_of_every_worker(place: PostgresPlace) -> None:
    async def scene(here: Lobby) -> None:
        org, member = await here.member("leaving", "ada@example.com")
        token = SESSIONS.make(org, member)[0].reveal()
        async with lobby(place) as there:
            assert not await refused(there, token)
            await here.change(org, "delete from member where id = %s", member)
            await within(2.0, lambda: refused(there, token))
            await here.member("leaving", "ada@example.com")  # who comes back does not wake old sessions
            await asyncio.sleep(0.1)
            assert await refused(there, token)

    play(place, scene)


def test_who_is_demoted_feels_it_within_two_seconds(place: PostgresPlace) -> None:
    async def scene(here: Lobby) -> None:
        org, member = await here.member("demoting", "ada@example.com", "owner")
        token = SESSIONS.make(org, member)[0].reveal()
        assert (await here.people.identify(token)).role == "owner"
        await here.change(org, "update member set role = 'viewer' where id = %s", member)

        async def felt() -> bool:
            return (await here.people.identify(token)).role == "viewer"

        await within(2.0, felt)

    play(place, scene)


def test_a_deleted_organisation_takes_its_sessions_along(place: PostgresPlace, fake: FakeIssuer) -> None:
    async def scene(here: Lobby) -> None:
        org, member = await here.member("going", "going@example.com")
        token = SESSIONS.make(org, member)[0].reveal()
        assert not await refused(here, token)
        await here.change(org, "update organisation set deleted_at = now()")
        await within(2.0, lambda: refused(here, token))
        with pytest.raises(Forbidden):
            await here.people.sign_in(fake.token(email="going@example.com"))

    play(place, scene, fake)


def test_a_member_of_one_organisation_is_nobody_in_another(place: PostgresPlace) -> None:
    async def scene(here: Lobby) -> None:
        one, ada = await here.member("one", "ada@example.com")
        other, eve = await here.member("other", "eve@example.com")
        for org, member in ((one, eve), (other, ada), (str(UUID(uuid7())), ada)):
            assert await refused(here, SESSIONS.make(org, member)[0].reveal())

    play(place, scene)


def test_the_persona_may_be_off_for_everybody(place: PostgresPlace) -> None:
    async def scene(here: Lobby) -> None:
        org, member = await here.member("plain", "ada@example.com")
        assert (await here.people.identify(SESSIONS.make(org, member)[0].reveal())).persona is False

    play(place, scene, persona=False)


def test_a_hundred_requests_with_a_new_session_ask_the_database_once(place: PostgresPlace) -> None:
    async def scene(here: Lobby) -> None:
        token = SESSIONS.make(*await here.member("crowd", "ada@example.com"))[0].reveal()
        callers = await asyncio.gather(*(here.people.identify(token) for _ in range(100)))
        assert len({id(caller) for caller in callers}) == 1

    play(place, scene)


def test_a_known_session_costs_a_fraction_of_a_millisecond(place: PostgresPlace) -> None:
    async def scene(here: Lobby) -> None:
        token = SESSIONS.make(*await here.member("quick", "ada@example.com"))[0].reveal()
        await here.people.identify(token)
        for lap in laps(within=200e-6 * 100):
            with lap:
                for _ in range(100):
                    await here.people.identify(token)

    play(place, scene)


# Signing in.


def test_who_belongs_to_several_says_which(place: PostgresPlace, fake: FakeIssuer) -> None:
    async def scene(here: Lobby) -> None:
        email = "many@example.com"
        first, _ = await here.member("first", email, "owner")
        await here.member("second", email, "viewer")
        with pytest.raises(BadRequest, match="member of first, second") as caught:
            await here.people.sign_in(fake.token(email=email))
        assert (caught.value.param, caught.value.code) == ("organisation", "organisation_required")
        for wanted in ("first", first):
            signed_in = await here.people.sign_in(fake.token(email=email), wanted)
            assert (signed_in.membership.organisation, signed_in.membership.role) == (first, "owner")
        second = await here.people.sign_in(fake.token(email=email), "second")
        assert (await here.people.identify(second.token.reveal())).role == "viewer"

    play(place, scene, fake)


def test_who_belongs_nowhere_gets_nothing_and_learns_nothing(place: PostgresPlace, fake: FakeIssuer) -> None:
    async def scene(here: Lobby) -> None:
        await here.member("secretive", "ada@example.com")
        for wanted in ("", "secretive", "there-is-none"):
            with pytest.raises(Forbidden) as caught:
                await here.people.sign_in(fake.token(email="mallory@example.com"), wanted)
            assert caught.value.message.replace(f" called '{wanted}'", "") == (
                "You are not a member of an organisation here. Ask one of its administrators to add mallory@example.com."
            )

    play(place, scene, fake)


def test_without_an_issuer_nobody_signs_in(place: PostgresPlace) -> None:
    async def scene(here: Lobby) -> None:
        with pytest.raises(UnknownRoute, match="OIDC_ISSUER"):
            await here.people.sign_in("x.y.z")

    play(place, scene)


# The route.


async def post(people: People, body: bytes, method: str = "POST", counted: Any = None) -> tuple[int, Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def load() -> People:
        return people

    sign_in = SignIn(load, Lounge(1.0), counted or (lambda surface, visit: None), body_seconds=1.0)
    scope: Any = {"type": "http", "method": method, "path": "/api/sessions", "headers": []}
    await sign_in.application(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message["body"] for message in sent[1:]))


def test_a_token_goes_in_and_a_session_comes_out(place: PostgresPlace, fake: FakeIssuer) -> None:
    async def scene(here: Lobby) -> None:
        org, member = await here.member("routed", "routed@example.com", "viewer")
        counted: list[tuple[str, int]] = []
        body = json.dumps({"token": fake.token(email="routed@example.com"), "organisation": "routed"}).encode()
        status, told = await post(
            here.people, body, counted=lambda surface, visit: counted.append((surface, visit.status))
        )
        assert status == 200
        token, ends = told.pop("token"), datetime.fromisoformat(told.pop("expires_at"))
        assert told == {"object": "session", "organisation": "routed", "organisation_id": org, "role": "viewer"}
        assert ends > datetime.now(UTC) + timedelta(minutes=29)
        assert (await here.people.identify(token)).key_id == member
        assert counted == [("sessions", 200)]

    play(place, scene, fake)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"{}", 401, "token"),
        (b'{"token": ""}', 401, "token"),
        (b'{"token": "x"}', 401, "token"),
        (b'{"token": 4711}', 400, "token"),
        (b'{"token": "x", "organization": "acme"}', 400, None),
        (b'{"token": "x\\u0000"}', 400, None),
        (b"\xff", 400, None),
        (b"[" * 100_000, 400, None),
        (b"", 400, None),
    ],
)
def test_what_proves_nothing_is_refused_in_the_usual_form(
    place: PostgresPlace, fake: FakeIssuer, body: bytes, status: int, param: str | None
) -> None:
    async def scene(here: Lobby) -> None:
        got, told = await post(here.people, body)
        assert got == status
        assert told["error"]["param"] == param or param is None

    play(place, scene, fake)


def test_it_is_posted(place: PostgresPlace) -> None:
    async def scene(here: Lobby) -> None:
        assert (await post(here.people, b"", "GET"))[0] == 405

    play(place, scene)
