"""Members and keys: nobody gives more than they have, and whoever goes takes their keys along."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.core.caller import ROLES, Scopes
from gateway.core.ids import uuid7
from gateway.core.limits import Limits
from tests.tenancy.office import Office

ADA = "ada@example.com"


def member(office: Office, owner: str, name: str, role: str = "member", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = office.ok(
        "POST", f"/{name}/members", owner, json={"email": f"{uuid7()}@example.com", "role": role, **more}
    )
    return made


def test_an_address_is_one_person_however_it_is_written(office: Office) -> None:
    owner = office.key("people")
    made = office.ok(
        "POST", "/people/members", owner, json={"email": "Ada@Example.com", "role": "admin", "name": "Ada"}
    )
    assert (made["email"], made["role"], made["name"]) == (ADA, "admin", "Ada")
    assert office.refused(409, "POST", "/people/members", owner, json={"email": ADA})["param"] == "email"
    for wrong in ("ada", "a@b@c", "a b@c", "@", "a" * 300 + "@b"):
        assert office.refused(400, "POST", "/people/members", owner, json={"email": wrong})["param"] == "email"


def test_nobody_gives_a_role_above_their_own(office: Office) -> None:
    keys = {role: office.key("roles", role, person=f"{role}@example.com") for role in ROLES}
    for giver in ("member", "admin", "owner"):
        for role in ROLES:
            for path, body in (
                ("members", {"email": f"{uuid7()}@x.org", "role": role}),
                ("keys", {"name": "k", "role": role}),
            ):
                status = office.ask("POST", f"/roles/{path}", keys[giver], json=body).status_code
                allowed = ROLES.index(role) <= ROLES.index(giver) and not (giver == "member" and path == "members")
                assert status == (201 if allowed else 403), (giver, role, path)


def test_members_roles_are_the_owners_to_change(office: Office) -> None:
    owner, admin = office.key("change"), office.key("change", "admin")
    made = member(office, owner, "change")
    office.ok("PATCH", f"/change/members/{made['id']}", admin, json={"name": "Bob"})
    office.refused(403, "PATCH", f"/change/members/{made['id']}", admin, json={"role": "viewer"})
    changed = office.ok("PATCH", f"/change/members/{made['id']}", owner, json={"role": "viewer"})
    assert (changed["name"], changed["role"]) == ("Bob", "viewer")
    above = member(office, owner, "change", "owner")
    office.refused(403, "DELETE", f"/change/members/{above['id']}", admin)
    office.refused(403, "PATCH", f"/change/members/{above['id']}", admin, json={"name": "x"})


def test_the_last_owner_stays_even_when_two_go_at_once(office: Office) -> None:
    owner = office.key("owners")
    first, second = (member(office, owner, "owners", "owner")["id"] for _ in range(2))
    with ThreadPoolExecutor(2) as pool:
        going = [
            pool.submit(office.ask, "DELETE", f"/owners/members/{first}", owner),
            pool.submit(office.ask, "PATCH", f"/owners/members/{second}", owner, json={"role": "viewer"}),
        ]
        assert sorted(one.result().status_code for one in going) == [200, 409]
    left = [one for one in office.ok("GET", "/owners/members", owner)["data"] if one["role"] == "owner"]
    assert len(left) == 1
    error = office.refused(409, "DELETE", f"/owners/members/{left[0]['id']}", owner)
    assert error["code"] == "last_owner"


def test_who_is_removed_loses_their_keys_and_who_is_demoted_keeps_smaller_ones(office: Office) -> None:
    owner = office.key("leaving")
    made = office.ok("POST", "/leaving/members", owner, json={"email": ADA, "role": "admin"})
    key = office.ok("POST", "/leaving/keys", owner, json={"name": "hers", "role": "admin", "person": "Ada@example.com"})
    other = office.ok("POST", "/leaving/keys", owner, json={"name": "shared", "role": "admin"})
    office.ok("GET", "/leaving/audit", key["key"])
    office.ok("PATCH", f"/leaving/members/{made['id']}", owner, json={"role": "member"})
    assert office.ok("GET", f"/leaving/keys/{key['id']}", owner)["role"] == "member"
    felt(office, 403, "/leaving/audit", key["key"])
    office.ok("DELETE", f"/leaving/members/{made['id']}", owner)
    felt(office, 401, "/leaving", key["key"])
    office.ok("GET", "/leaving/audit", other["key"])
    told = office.ok("GET", "/leaving/audit", owner)["data"][-2:]
    assert [act["detail"].get("keys_lowered", act["detail"].get("keys_revoked")) for act in told] == [1, 1]


def felt(office: Office, status: int, path: str, key: str) -> None:
    """Every worker hears of a change within two seconds."""
    began = time.monotonic()
    while office.ask("GET", path, key).status_code != status:
        assert time.monotonic() - began < 2
        time.sleep(0.01)


def test_a_key_is_shown_whole_once_and_works_until_it_is_revoked(office: Office) -> None:
    owner = office.key("once")
    made = office.ok(
        "POST", "/once/keys", owner, json={"name": "laptop", "limits": {"usd_per_day": 5}, "persona": False}
    )
    whole = made.pop("key")
    assert whole.startswith(made["hint"].removesuffix("…"))
    office.ok("GET", "/once", whole)
    assert office.ok("GET", f"/once/keys/{made['id']}", owner) == made
    secret = whole.rpartition("-")[2]
    for path in ("/once/keys", f"/once/keys/{made['id']}", "/once/audit"):
        assert secret not in office.ask("GET", path, owner).text
    for _ in range(2):
        office.ok("DELETE", f"/once/keys/{made['id']}", owner)
    felt(office, 401, "/once", whole)
    assert office.ok("GET", f"/once/keys/{made['id']}", owner)["revoked_at"] is not None
    assert [act["act"] for act in office.ok("GET", "/once/audit", owner)["data"]].count("key.revoke") == 1


def test_a_change_of_a_key_is_felt_and_told(office: Office) -> None:
    owner = office.key("changed")
    made = office.ok("POST", "/changed/keys", owner, json={"name": "a", "role": "admin"})
    office.ok("GET", "/changed/audit", made["key"])
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    wanted = {"name": "b", "role": "viewer", "scopes": {"models": ["syntra*"]}, "expires_at": until}
    changed = office.ok("PATCH", f"/changed/keys/{made['id']}", owner, json=wanted)
    assert (changed["name"], changed["role"], changed["scopes"]) == ("b", "viewer", {"models": ["syntra*"]})
    felt(office, 403, "/changed/audit", made["key"])
    assert office.ok("PATCH", f"/changed/keys/{made['id']}", owner, json={"expires_at": None})["expires_at"] is None
    acts = office.ok("GET", "/changed/audit", owner)["data"]
    assert [act["act"] for act in acts[-2:]] == ["key.update", "key.update"]
    before = len(acts)
    office.ok("PATCH", f"/changed/keys/{made['id']}", owner, json={"name": "b"})
    assert len(office.ok("GET", "/changed/audit", owner)["data"]) == before  # nothing was done


@pytest.mark.parametrize(
    "end", ["2020-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2027-01-01", "soon"]
)
def test_the_end_of_a_key_is_a_moment_to_come(end: str, office: Office) -> None:
    error = office.refused(400, "POST", "/ends/keys", office.key("ends"), json={"name": "x", "expires_at": end})
    assert error["param"] == "expires_at"


def test_members_make_see_and_revoke_their_own_keys(office: Office) -> None:
    owner = office.key("own")
    hers = office.ok("POST", "/own/keys", owner, json={"name": "hers", "person": ADA})
    his = office.ok("POST", "/own/keys", owner, json={"name": "his", "person": "bob@example.com"})
    made = office.ok("POST", "/own/keys", hers["key"], json={"name": "phone"})
    assert made["person"] == ADA
    assert [one["name"] for one in office.ok("GET", "/own/keys", hers["key"])["data"]] == ["hers", "phone"]
    for method in ("GET", "PATCH", "DELETE"):
        body = {"json": {"name": "x"}} if method == "PATCH" else {}
        office.refused(404, method, f"/own/keys/{his['id']}", hers["key"], **body)
    office.ok("PATCH", f"/own/keys/{made['id']}", hers["key"], json={"name": "tablet", "persona": False})
    office.refused(403, "PATCH", f"/own/keys/{made['id']}", hers["key"], json={"limits": {}})
    office.refused(403, "POST", "/own/keys", hers["key"], json={"name": "x", "person": "bob@example.com"})
    office.ok("DELETE", f"/own/keys/{made['id']}", hers["key"])
    shared = office.ok("POST", "/own/keys", owner, json={"name": "shared"})
    assert [one["name"] for one in office.ok("GET", "/own/keys", shared["key"])["data"]] == ["shared"]
    office.refused(403, "POST", "/own/keys", shared["key"], json={"name": "x"})


def test_a_key_makes_no_key_that_may_more(office: Office) -> None:
    limited = office.key("more", "admin", limits=Limits(usd_per_day=5))
    office.refused(403, "POST", "/more/keys", limited, json={"name": "x"})
    scopes = Scopes(models=("syntra*", "openai/*"), endpoints=("chat", "admin"))
    scoped = office.key("more", "admin", scopes=scopes)
    wanted = {"models": ["openai/*"], "endpoints": ["chat"]}
    made = office.ok("POST", "/more/keys", scoped, json={"name": "x", "scopes": wanted})
    for wrong in ({}, {"models": ["openai/*"]}, {**wanted, "models": ["*"]}, {**wanted, "endpoints": ["embeddings"]}):
        office.refused(403, "POST", "/more/keys", scoped, json={"name": "x", "scopes": wrong})
        office.refused(403, "PATCH", f"/more/keys/{made['id']}", scoped, json={"scopes": wrong})
    soon = datetime.now(UTC) + timedelta(hours=1)
    ending = office.key("more", "admin", expires_at=soon)
    office.refused(403, "POST", "/more/keys", ending, json={"name": "x"})
    later = (soon + timedelta(seconds=1)).isoformat()
    office.refused(403, "POST", "/more/keys", ending, json={"name": "x", "expires_at": later})
    office.ok("POST", "/more/keys", ending, json={"name": "x", "expires_at": soon.isoformat()})


def test_a_key_of_somebody_above_is_out_of_reach(office: Office) -> None:
    owner, admin = office.key("above"), office.key("above", "admin")
    made = office.ok("POST", "/above/keys", owner, json={"name": "boss", "role": "owner"})
    office.refused(403, "DELETE", f"/above/keys/{made['id']}", admin)
    office.refused(403, "PATCH", f"/above/keys/{made['id']}", admin, json={"role": "viewer"})


def test_lists_come_in_pages(office: Office) -> None:
    owner = office.key("pages")
    ids = [office.ok("POST", "/pages/keys", owner, json={"name": str(number)})["id"] for number in range(5)]
    found, after = [], ""
    while True:
        part = office.ok("GET", f"/pages/keys?limit=2&after={after}", owner)
        assert part["object"] == "list"
        assert (part["first_id"], part["last_id"]) == (part["data"][0]["id"], part["data"][-1]["id"])
        found += [one["id"] for one in part["data"]]
        if not part["has_more"]:
            break
        after = part["last_id"]
    assert found[1:] == ids
    for query, param in (("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("after=x", "after")):
        assert office.refused(400, "GET", f"/pages/keys?{query}", owner)["param"] == param
