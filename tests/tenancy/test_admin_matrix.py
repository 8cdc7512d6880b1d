"""Every route of the administrative API, asked by everybody who may and everybody who may not."""

from __future__ import annotations

import re
import statistics
import time
from datetime import UTC, datetime, timedelta

import pytest
from litestar import Litestar, get

from gateway.core.caller import ROLES, Scopes
from gateway.core.ids import uuid7
from gateway.http.admin.application import handlers
from tests.tenancy.office import Office

OPERATOR = "operator"  # an owner of the organisation that operates the installation
# Who may, at least. It stands here once more, so that nobody changes it at the route without looking here.
LEAST = {
    "POST /api/orgs": OPERATOR,
    "GET /api/orgs": "viewer",
    "GET /api/orgs/{org_id}": "viewer",
    "PATCH /api/orgs/{org_id}": "owner",
    "DELETE /api/orgs/{org_id}": "owner",
    "GET /api/orgs/{org_id}/members": "viewer",
    "POST /api/orgs/{org_id}/members": "admin",
    "PATCH /api/orgs/{org_id}/members/{member_id}": "admin",
    "DELETE /api/orgs/{org_id}/members/{member_id}": "admin",
    "GET /api/orgs/{org_id}/keys": "member",
    "POST /api/orgs/{org_id}/keys": "member",
    "GET /api/orgs/{org_id}/keys/{key_id}": "member",
    "PATCH /api/orgs/{org_id}/keys/{key_id}": "member",
    "DELETE /api/orgs/{org_id}/keys/{key_id}": "member",
    "GET /api/orgs/{org_id}/provider-keys": "admin",
    "POST /api/orgs/{org_id}/provider-keys": "admin",
    "GET /api/orgs/{org_id}/provider-keys/{key_id}": "admin",
    "PUT /api/orgs/{org_id}/provider-keys/{key_id}": "admin",
    "DELETE /api/orgs/{org_id}/provider-keys/{key_id}": "admin",
    "GET /api/orgs/{org_id}/limits": "viewer",
    "PUT /api/orgs/{org_id}/limits": "admin",
    "GET /api/orgs/{org_id}/usage": "viewer",
    "GET /api/orgs/{org_id}/audit": "admin",
    "GET /api/orgs/{org_id}/decisions": "viewer",
}
OF_AN_ORGANISATION = [route for route in LEAST if "{org_id}" in route]
# What the operator's owners may do to an organisation that is not theirs: not look inside.
REACHED = {"GET /api/orgs/{org_id}", "PATCH /api/orgs/{org_id}", "DELETE /api/orgs/{org_id}"}


@pytest.fixture(scope="module")
def keys(office: Office) -> dict[str, str]:
    found = {role: office.key("acme", role) for role in ROLES}
    found |= {
        "another's owner": office.key("globex"),
        OPERATOR: office.key("local"),
        "revoked": office.key("acme", name="revoked"),
    }
    found |= {"operator's admin": office.key("local", "admin")}
    listed = office.ok("GET", "/acme/keys", found["owner"])["data"]
    last = next(one for one in listed if found["revoked"].startswith(one["hint"].removesuffix("…")))
    office.ok("DELETE", f"/acme/keys/{last['id']}", found["owner"])
    ended = datetime.now(UTC) + timedelta(milliseconds=50)
    found["expired"] = office.key("acme", expires_at=ended)
    time.sleep(0.06)
    return found


def asked(route: str, organisation: str = "acme") -> tuple[str, str]:
    """Method and path; what belongs to the organisation has an id that nothing has."""
    method, path = route.split()
    path = path.removeprefix("/api/orgs").replace("{org_id}", organisation)
    return method, re.sub(r"\{\w+\}", uuid7(), path)


def test_every_route_is_in_the_table() -> None:
    served = {f"{method} {re.sub(r':[a-z]+', '', path)}" for path, one in handlers() for method in one.http_methods}
    assert served == set(LEAST)


@pytest.mark.parametrize("route", LEAST)
def test_who_has_the_role_may_and_who_has_less_may_not(route: str, office: Office, keys: dict[str, str]) -> None:
    least = LEAST[route]
    for role in ROLES:
        allowed = least != OPERATOR and ROLES.index(role) >= ROLES.index(least)
        if allowed and route == "DELETE /api/orgs/{org_id}":
            continue  # it would; tests/tenancy/test_admin_organisations.py does
        reply = office.ask(*asked(route), keys[role])
        if allowed:
            # Let in: told about its missing body, or that nothing has this id.
            assert reply.status_code in (200, 400, 404), (role, reply.text)
            if reply.status_code == 404:
                assert reply.json()["error"]["code"].removesuffix("_not_found") in ("member", "key", "provider_key")
        else:
            assert reply.status_code == 403, (role, reply.text)
            assert reply.json()["error"]["code"] in ("role_too_low", "not_operator")


@pytest.mark.parametrize("route", LEAST)
@pytest.mark.parametrize("who", ["nobody", "wrong", "revoked", "expired"])
def test_who_has_no_key_learns_nothing(who: str, route: str, office: Office, keys: dict[str, str]) -> None:
    key = {"nobody": None, "wrong": f"sk-syn-{'0' * 12}-{'0' * 48}"}.get(who, keys.get(who))
    assert office.refused(401, *asked(route), key)["code"] == "invalid_api_key"


@pytest.mark.parametrize("route", OF_AN_ORGANISATION)
@pytest.mark.parametrize("who", ["another's owner", OPERATOR, "operator's admin"])
def test_another_organisation_is_as_unknown_as_one_that_never_was(
    who: str, route: str, office: Office, keys: dict[str, str]
) -> None:
    if who == OPERATOR and route in REACHED:
        return
    acme = office.ok("GET", "/acme", keys["owner"])["id"]
    replies = [office.ask(*asked(route, name), keys[who]) for name in ("acme", acme, "nobody-here", uuid7())]
    assert {reply.status_code for reply in replies} == {404}
    assert len({reply.content for reply in replies}) == 1
    kept = [{name: value for name, value in one.headers.items() if name != "x-request-id"} for one in replies]
    assert all(one == kept[0] for one in kept)


def test_time_does_not_tell_whether_an_organisation_exists(office: Office, keys: dict[str, str]) -> None:
    took: dict[str, list[float]] = {"acme": [], "nobody": []}
    for _ in range(150):
        for name, times in took.items():
            began = time.perf_counter()
            office.refused(404, "GET", f"/{name}/keys", keys["another's owner"])
            times.append(time.perf_counter() - began)
    there, not_there = (statistics.median(times) for times in took.values())
    assert 0.7 < there / not_there < 1.4


def test_the_header_must_agree_with_the_key(office: Office, keys: dict[str, str]) -> None:
    acme = office.ok("GET", "/acme", keys["owner"])["id"]
    for named in ("acme", acme, acme.replace("-", "")):
        office.ok("GET", "/acme", keys["viewer"], headers={"x-org-id": named})
    for named in ("globex", uuid7()):
        error = office.refused(403, "GET", "/acme", keys["owner"], headers={"x-org-id": named})
        assert error["code"] == "wrong_organisation"


def test_a_key_for_other_surfaces_administers_nothing(office: Office, keys: dict[str, str]) -> None:
    office.refused(403, "GET", "/acme", office.key("acme", scopes=Scopes(endpoints=("chat",))))
    office.ok("GET", "/acme", office.key("acme", scopes=Scopes(endpoints=("chat", "admin"))))


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "POST"])
def test_other_methods_are_refused_with_those_that_there_are(method: str, office: Office, keys: dict[str, str]) -> None:
    reply = office.ask(method, "/acme/usage", keys["owner"])
    assert reply.status_code == 405
    assert "GET" in reply.headers["allow"]


def test_a_route_that_does_not_say_who_may_call_it_is_nobodys(office: Office, keys: dict[str, str]) -> None:
    @get("/api/orgs/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "secret"

    office.ok("GET", "/acme", keys["owner"])  # so that it is loaded
    application = office.administration._application
    assert isinstance(application, Litestar)
    application.register(forgotten)
    for key in (keys["owner"], keys[OPERATOR]):
        assert "Nobody" in office.refused(403, "GET", "/forgotten", key)["message"]
