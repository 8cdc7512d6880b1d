"""Organisations are made by the operator, kept by their owners, and end at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.core.limits import Limits
from tests.tenancy.office import Office, office_at


def audited(office: Office, name: str, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = office.ok("GET", f"/{name}/audit?limit=1000", key)["data"]
    return found


def test_the_operator_makes_one_and_its_first_owner_goes_on(office: Office) -> None:
    operator = office.key("local")
    made = office.ok("POST", "", operator, json={"name": "acme", "limits": {"requests_per_minute": 60}})
    assert made["limits"] == {"requests_per_minute": 60}
    owner = made["key"]
    assert [one["name"] for one in office.ok("GET", "", owner)["data"]] == ["acme"]
    assert office.ok("GET", "/acme/keys", owner)["data"][0]["role"] == "owner"
    assert owner not in office.ask("GET", "/acme/keys", owner).text
    assert office.ok("GET", f"/{made['id']}", owner) == office.ok("GET", "/acme", owner)
    assert [act["act"] for act in audited(office, "acme", owner)] == ["organisation.create", "key.create"]
    told = [act for act in audited(office, "local", operator) if act["subject"] == made["id"]]
    assert [act["act"] for act in told] == ["organisation.create"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Acme",
        "a b",
        "-a",
        "a" * 64,
        "ä",
        "0199f0c1b2a47d3e8f60718293a4b5c6",
        "0199f0c1-0000-7000-8000-000000000000",
    ],
)
def test_a_name_is_one_that_a_path_can_hold_and_no_id(name: str, office: Office) -> None:
    error = office.refused(400, "POST", "", office.key("local"), json={"name": name})
    assert error["param"] == "name"


def test_a_name_is_given_once_even_if_many_ask_and_never_again(office: Office) -> None:
    operator = office.key("local")
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: office.ask("POST", "", operator, json={"name": "once"}), range(6)))
    assert sorted(reply.status_code for reply in replies) == [201, 409, 409, 409, 409, 409]
    office.ok("DELETE", "/once", operator)
    assert office.refused(409, "POST", "", operator, json={"name": "once"})["param"] == "name"


def test_an_organisation_that_is_deleted_has_no_keys_at_once(office: Office) -> None:
    owner, viewer = office.key("doomed"), office.key("doomed", "viewer")
    office.ok("GET", "/doomed/limits", viewer)
    began = time.monotonic()
    office.ok("DELETE", "/doomed", owner)
    while office.ask("GET", "/doomed/limits", viewer).status_code != 401:
        assert time.monotonic() - began < 2
        time.sleep(0.01)
    office.refused(401, "GET", "/doomed", owner)
    assert office.refused(404, "GET", "/doomed", office.key("local"))["code"] == "organisation_not_found"


def test_the_operators_own_cannot_be_deleted(office: Office) -> None:
    office.refused(409, "DELETE", "/local", office.key("local"))


def test_the_operator_limits_renames_and_ends_but_does_not_look_inside(office: Office) -> None:
    operator, owner = office.key("local"), office.key("initech")
    made = office.ok("GET", "/initech", operator)
    assert set(made) == {"id", "object", "name", "operator", "created_at", "limits", "ceiling"}
    office.ok("PATCH", "/initech", operator, json={"limits": {"usd_per_day": 1}})
    assert office.ok("GET", "/initech/limits", owner) == {"usd_per_day": 1}
    assert office.refused(403, "PATCH", "/initech", owner, json={"name": "vip"})["code"] == "not_operator"
    office.refused(409, "PATCH", "/initech", operator, json={"name": "local"})
    office.ok("PATCH", "/initech", operator, json={"name": "initrode"})
    assert office.ok("GET", f"/{made['id']}", operator)["name"] == "initrode"
    acts = [(act["act"], act["detail"]) for act in audited(office, made["id"], owner)[-2:]]
    assert acts == [
        ("organisation.update", {"limits": {"usd_per_day": 1}}),
        ("organisation.update", {"name": "initrode"}),
    ]
    mine = [act for act in audited(office, "local", operator) if act["subject"] == made["id"]]
    assert [act["detail"]["organisation"] for act in mine] == [made["id"]] * 2


def test_the_operator_lists_them_all_page_by_page_and_others_their_own(office: Office) -> None:
    operator = office.key("local")
    for number in range(5):
        office.key(f"page-{number}")
    whole = office.ok("GET", "?limit=1000", operator)
    assert not whole["has_more"]
    names, after = [], ""
    while True:
        part = office.ok("GET", f"?limit=2&after={after}", operator)
        names += [one["name"] for one in part["data"]]
        if not part["has_more"]:
            break
        after = part["last_id"]
    assert names == [one["name"] for one in whole["data"]]
    assert {f"page-{number}" for number in range(5)} <= set(names)
    for key in (office.key("page-0"), office.key("local", "admin")):
        assert len(office.ok("GET", "", key)["data"]) == 1


def test_limits_are_set_as_a_whole_and_read_by_everybody(office: Office) -> None:
    admin, viewer = office.key("limited", "admin"), office.key("limited", "viewer")
    wanted = {"requests_per_day": 10, "usd_per_month": 12.5, "concurrency": None}
    assert office.ok("PUT", "/limited/limits", admin, json=wanted) == {"requests_per_day": 10, "usd_per_month": 12.5}
    assert office.ok("GET", "/limited/limits", viewer) == {"requests_per_day": 10, "usd_per_month": 12.5}
    assert office.ok("PUT", "/limited/limits", admin, json={}) == {}
    for wrong in (
        {"requests_per_day": -1},
        {"requests_per_day": 1.5},
        {"usd_per_day": "5"},
        {"rpm": 1},
        {"concurrency": 2**60},
    ):
        error = office.refused(400, "PUT", "/limited/limits", admin, json=wrong)
        assert error["param"] == next(iter(wrong))


def test_nobody_but_the_operator_lifts_what_the_operator_has_set(office: Office) -> None:
    operator = office.key("local")
    set_by_it = {"requests_per_minute": 60, "usd_per_month": 500.0}
    owner = office.ok("POST", "", operator, json={"name": "bounded", "limits": set_by_it})["key"]
    admin = office.key("bounded", "admin")
    lift = {"requests_per_minute": 61, "usd_per_month": 500.5, "usd_per_day": 1.0}
    for key, method, path, body in (
        (admin, "PUT", "/bounded/limits", lift),
        (owner, "PUT", "/bounded/limits", lift),
        (owner, "PATCH", "/bounded", {"limits": lift}),
    ):
        error = office.refused(403, method, path, key, json=body)
        assert (error["code"], error["param"]) == ("above_ceiling", "requests_per_minute")
        assert "usd_per_month" in error["message"]
        assert "usd_per_day" not in error["message"]
    for nothing in ({}, {"requests_per_minute": None}):  # to leave one out lifts it no more
        assert office.ok("PUT", "/bounded/limits", admin, json=nothing) == set_by_it
    assert office.ok("PATCH", "/bounded", owner, json={"limits": {}})["limits"] == set_by_it


def test_an_organisation_lowers_its_limits_adds_others_and_takes_that_back(office: Office) -> None:
    operator = office.key("local")
    owner = office.ok("POST", "", operator, json={"name": "modest", "limits": {"usd_per_month": 500.0}})["key"]
    own = {"usd_per_month": 20.0, "concurrency": 4}
    assert office.ok("PUT", "/modest/limits", owner, json=own) == own
    seen = office.ok("GET", "/modest", operator)
    assert (seen["limits"], seen["ceiling"]) == (own, {"usd_per_month": 500.0})
    assert office.ok("PUT", "/modest/limits", owner, json={}) == {"usd_per_month": 500.0}
    office.ok("PUT", "/modest/limits", owner, json=own)
    raised = office.ok("PATCH", "/modest", operator, json={"limits": {"usd_per_month": 900}})
    assert raised["limits"] == raised["ceiling"] == {"usd_per_month": 900.0}
    assert office.ok("PUT", "/modest/limits", owner, json={"usd_per_month": 900}) == {"usd_per_month": 900.0}
    assert office.ok("PATCH", "/modest", operator, json={"limits": {}})["ceiling"] == {}
    assert office.ok("PUT", "/modest/limits", owner, json={"usd_per_month": 10_000}) == {"usd_per_month": 10_000.0}


def test_the_operators_default_is_a_ceiling_where_it_has_set_none(office: Office, database: str) -> None:
    with office_at(database, Limits(requests_per_day=1000, tokens_per_day=10)) as strict:
        operator, owner = strict.key("local"), strict.key("by-default")
        error = strict.refused(403, "PUT", "/by-default/limits", owner, json={"requests_per_day": 1001})
        assert error["param"] == "requests_per_day"
        assert strict.ok("PUT", "/by-default/limits", owner, json={"requests_per_day": 9}) == {"requests_per_day": 9}
        strict.ok("PATCH", "/by-default", operator, json={"limits": {"requests_per_day": 5000}})
        assert strict.ok("PUT", "/by-default/limits", owner, json={}) == {"requests_per_day": 5000}


def test_the_operators_owners_limit_their_own_organisation_and_its_admins_keep_to_that(office: Office) -> None:
    operator, admin = office.key("local"), office.key("local", "admin")
    assert office.ok("PUT", "/local/limits", operator, json={"concurrency": 100}) == {"concurrency": 100}
    assert office.refused(403, "PUT", "/local/limits", admin, json={"concurrency": 101})["code"] == "above_ceiling"
    assert office.ok("PUT", "/local/limits", operator, json={}) == {}
