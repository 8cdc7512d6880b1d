"""Provider keys go in and do not come out, and no secret is in the audit trail or in any reply but its first."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.stores import organisations
from tests.tenancy.office import Office

GOOD = "sk-good-0123456789abcdef"


def test_only_the_last_four_are_shown_and_only_the_vault_opens_it(office: Office, database: str) -> None:
    admin = office.key("acme", "admin")
    made = office.ok("POST", "/acme/provider-keys", admin, json={"provider": "openai", "api_key": GOOD})
    assert (made["api_key"], made["last4"], made["is_active"], made["verified_at"]) == ("…cdef", "cdef", True, None)
    assert office.ok("GET", f"/acme/provider-keys/{made['id']}", admin) == made
    assert GOOD[:-4] not in office.ask("GET", "/acme/provider-keys", admin).text
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "select org_id, sealed, master from syntra.provider_key where id = %s", (made["id"],)
        ).fetchone()
        dump = connection.execute("select string_agg(p::text, ' ') from syntra.provider_key p").fetchone()
    assert row is not None
    assert dump is not None
    assert GOOD not in dump[0]
    assert GOOD.encode().hex() not in dump[0]
    assert office.vault.open(str(row[0]), made["id"], "openai", row[1], row[2]).reveal() == GOOD


def test_the_key_that_is_active_is_the_one_that_callers_go_out_with(office: Office) -> None:
    admin = office.key("swap", "admin")
    first = office.ok("POST", "/swap/provider-keys", admin, json={"provider": "gemini", "api_key": "first-key-1"})
    assert first["provider"] == "google"
    second = office.ok("POST", "/swap/provider-keys", admin, json={"provider": "google", "api_key": "second-key-2"})
    states = {one["id"]: one["is_active"] for one in office.ok("GET", "/swap/provider-keys", admin)["data"]}
    assert states == {first["id"]: False, second["id"]: True}
    office.ok("PUT", f"/swap/provider-keys/{first['id']}", admin, json={"is_active": True})
    caller = office.run(office.keys.identify(office.key("swap")))
    assert caller.credentials["google"].secret.reveal() == "first-key-1"
    changed = office.ok(
        "PUT",
        f"/swap/provider-keys/{first['id']}",
        admin,
        json={"provider": "google", "api_key": "third-key-3", "is_active": False},
    )
    assert (changed["last4"], changed["is_active"]) == ("ey-3", False)
    for one in (first, second):
        office.ok("DELETE", f"/swap/provider-keys/{one['id']}", admin)
        office.refused(404, "GET", f"/swap/provider-keys/{one['id']}", admin)
    acts = [act["act"] for act in office.ok("GET", "/swap/audit", office.key("swap"))["data"]]
    assert [act.removeprefix("provider_key.") for act in acts if act.startswith("provider_key")] == [
        *("create", "create", "update", "update", "delete", "delete")
    ]


def test_a_key_is_tried_at_its_provider_where_that_is_asked_for(office: Office) -> None:
    admin = office.key("tried", "admin")
    path = "/tried/provider-keys"
    bad = office.refused(
        400, "POST", f"{path}?verify=true", admin, json={"provider": "openai", "api_key": "sk-bad-123"}
    )
    assert (bad["param"], bad["code"]) == ("api_key", "provider_key_refused")
    office.refused(502, "POST", f"{path}?verify=true", admin, json={"provider": "openai", "api_key": "sk-away-123"})
    assert office.ok("GET", path, admin)["data"] == []
    made = office.ok("POST", f"{path}?verify=true", admin, json={"provider": "openai", "api_key": GOOD})
    assert made["verified_at"] is not None
    replaced = office.ok("PUT", f"{path}/{made['id']}", admin, json={"api_key": "sk-bad-4567"})
    assert replaced["verified_at"] is None
    office.refused(400, "GET", f"{path}/{made['id']}?verify=true", admin)
    office.refused(400, "PUT", f"{path}/{made['id']}?verify=true", admin, json={})
    office.ok("PUT", f"{path}/{made['id']}", admin, json={"api_key": GOOD})
    assert office.ok("GET", f"{path}/{made['id']}?verify=true", admin)["verified_at"] is not None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"provider": "openai"}, "api_key"),
        ({"api_key": GOOD}, "provider"),
        ({"provider": "nobody", "api_key": GOOD}, "provider"),
        ({"provider": "openai", "api_key": "short"}, "api_key"),
        ({"provider": "openai", "api_key": "sk-with a-space"}, "api_key"),
        ({"provider": "openai", "api_key": "sk-line\r\nx-evil: 1"}, "api_key"),
        ({"provider": "openai", "api_key": "sk-schlüssel-1"}, "api_key"),
        ({"provider": "openai", "api_key": 5}, "api_key"),
        ({"provider": "openai", "api_key": GOOD, "base_url": "http://evil"}, "base_url"),
        ({"provider": "openai", "api_key": "sk-nul-12345\0"}, None),
    ],
)
def test_what_is_no_key_is_refused(body: dict[str, object], param: str | None, office: Office) -> None:
    reply = office.ask("POST", "/refused/provider-keys", office.key("refused", "admin"), json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param
    assert str(body.get("api_key")) not in reply.text


def test_a_key_for_another_provider_is_another_key(office: Office) -> None:
    admin = office.key("other", "admin")
    made = office.ok("POST", "/other/provider-keys", admin, json={"provider": "openai", "api_key": GOOD})
    error = office.refused(400, "PUT", f"/other/provider-keys/{made['id']}", admin, json={"provider": "kimi"})
    assert error["param"] == "api_key"
    office.ok(
        "PUT", f"/other/provider-keys/{made['id']}", admin, json={"provider": "moonshot", "api_key": "sk-kimi-999"}
    )
    caller = office.run(office.keys.identify(office.key("other")))
    assert caller.credentials["kimi"].secret.reveal() == "sk-kimi-999"


async def seq(office: Office) -> int:
    """The number of the last act."""
    found = await organisations.organisation_named(office.postgres, "trail")
    assert found is not None
    async with office.postgres.tenant(found.id) as cursor:
        await cursor.execute("select seq - 1 as seq from audit_head")
        (row,) = await cursor.fetchall()
    return int(row["seq"])


def test_a_key_whose_master_is_gone_is_told_so_and_can_be_sent_anew(office: Office, database: str) -> None:
    admin = office.key("lost", "admin")
    made = office.ok("POST", "/lost/provider-keys", admin, json={"provider": "openai", "api_key": GOOD})
    path = f"/lost/provider-keys/{made['id']}?verify=true"
    with psycopg.connect(database) as connection:
        connection.execute("update syntra.provider_key set master = 'gone' where id = %s", (made["id"],))
    assert office.refused(409, "GET", path, admin)["code"] == "provider_key_sealed"
    office.ok("PUT", path, admin, json={"api_key": GOOD})
    office.ok("GET", path, admin)


@settings(max_examples=40)
@given(
    api_key=st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=24, max_size=60),
    name=st.text(min_size=1, max_size=20),
)
def test_no_secret_is_in_the_audit_trail(api_key: str, name: str, office: Office) -> None:
    owner = office.key("trail")
    before = office.run(seq(office))
    made = office.ask("POST", "/trail/keys", owner, json={"name": name, "role": "admin"})
    secrets = [api_key[:-4]]  # longer than the name
    if made.status_code == 201:
        secrets.append(made.json()["key"].rpartition("-")[2])
    kept = office.ask("POST", "/trail/provider-keys", owner, json={"provider": "openai", "api_key": api_key})
    if kept.status_code == 201:
        one = f"/trail/provider-keys/{kept.json()['id']}"
        office.ask("PUT", f"{one}?verify=true", owner, json={"api_key": api_key})
        office.ask("DELETE", one, owner)
    told = "\n".join(strings(office.ok("GET", f"/trail/audit?limit=1000&after={before}", owner)["data"]))
    assert "key.create" in told
    assert not [secret for secret in secrets if secret in told]


def strings(value: object) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for one in pair for text in strings(one))
    elif isinstance(value, list):
        yield from (text for one in value for text in strings(one))


@settings(max_examples=100)
@given(
    route=st.sampled_from(
        [
            "POST ",
            "POST /fuzz/keys",
            "POST /fuzz/members",
            "POST /fuzz/provider-keys",
            "PUT /fuzz/limits",
            "PATCH /fuzz",
        ]
    ),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    "name role email limits scopes models usd_per_day provider api_key is_active expires_at person persona x".split()
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=10,
    )
    | st.fixed_dictionaries({"name": st.text(), "email": st.text(), "role": st.text()}),
)
def test_whatever_is_sent_is_no_defect_of_ours(route: str, body: object, office: Office) -> None:
    method, _, path = route.partition(" ")
    reply = office.ask(method, path, office.key("local" if not path else "fuzz"), json=body)
    assert reply.status_code < 500, reply.text


@pytest.mark.parametrize(
    "path",
    [
        "/%00",
        "/fuzz/keys/%00",
        "/%ff",
        "/fuzz/keys?after=%00",
        "?after=%00",
        "/fuzz/usage?from=%00&group_by=%00",
        "/a%2fb/keys",
        "//keys",
    ],
)
def test_whatever_is_asked_for_is_no_defect_of_ours(path: str, office: Office) -> None:
    for name in ("fuzz", "local"):
        assert 400 <= office.ask("GET", path, office.key(name)).status_code < 500


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 30_000, b'{"name": "\\u0000"}', b'{"name": "a", "name": "b"']
)
def test_bytes_that_are_no_body_are_told_so(body: bytes, office: Office) -> None:
    office.refused(400, "POST", "/fuzz/keys", office.key("fuzz"), content=body)


def test_a_body_is_small_and_json(office: Office) -> None:
    owner = office.key("fuzz")
    office.refused(413, "POST", "/fuzz/keys", owner, json={"name": "x" * 70_000})
    office.refused(415, "POST", "/fuzz/keys", owner, content=b"{}", headers={"content-type": "text/plain"})


def test_a_key_for_an_endpoint_that_there_is_not_is_not_made(office: Office) -> None:
    body = {"name": "x", "scopes": {"endpoints": ["chat", "bogus"]}}
    refused = office.refused(400, "POST", "/acme/keys", office.key("acme"), json=body)
    assert (refused["param"], "moderations" in refused["message"]) == ("scopes.endpoints", True)
