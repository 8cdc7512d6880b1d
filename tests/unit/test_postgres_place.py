"""DATABASE_URL: who sets up, who serves, and no password in any text."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from gateway.core.secret import Secret
from gateway.stores.postgres_place import SERVING, PostgresPlaceError, place

OWNER = "postgresql://owner:s3cret@db.example:5433/house?sslmode=require"


def parts(secret: Secret | None) -> dict[str, object]:
    assert secret is not None
    return dict(conninfo_to_dict(secret.reveal()))


def test_an_owners_url_sets_up_and_syntra_app_serves() -> None:
    found = place(OWNER)
    owner, serving = parts(found.owner), parts(found.serving)
    assert (owner["user"], owner["password"]) == ("owner", "s3cret")
    assert serving["user"] == SERVING
    assert serving["password"] == found.password.reveal() != "s3cret"
    for seen in (owner, serving):
        assert (seen["host"], seen["port"], seen["dbname"], seen["sslmode"]) == (
            "db.example",
            "5433",
            "house",
            "require",
        )
        assert "search_path=syntra" in str(seen["options"])


def test_every_machine_with_the_same_url_lets_the_same_syntra_app_in() -> None:
    assert place(OWNER).password.reveal() == place(OWNER).password.reveal()
    assert place(OWNER).password.reveal() != place(OWNER.replace("s3cret", "other")).password.reveal()


def test_syntra_apps_own_url_only_serves() -> None:
    found = place("postgresql://syntra_app:pw@db/house")
    assert found.owner is None
    assert parts(found.serving)["password"] == "pw"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@h/d",
        "postgresql+psycopg://u:p@h/d",
        "postgresql+asyncpg://u:p@h/d",
        "host=h user=u password=p dbname=d",
    ],
)
def test_urls_as_other_tools_write_them_are_understood(url: str) -> None:
    owner = parts(place(url).owner)
    assert (owner["user"], owner["password"], owner["host"], owner["dbname"]) == ("u", "p", "h", "d")


def test_the_urls_own_options_are_kept() -> None:
    url = "postgresql://u@h/d?connect_timeout=9&options=-c%20work_mem%3D4MB"
    owner = parts(place(url).owner)
    assert owner["connect_timeout"] == "9"
    assert str(owner["options"]).startswith("-c work_mem=4MB ")


@pytest.mark.parametrize("url", ["", "s3cret", "http://u:s3cret@h", "postgresql://h/d"])
def test_what_is_no_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(PostgresPlaceError) as caught:
        place(url)
    assert "s3cret" not in str(caught.value)


def test_no_text_of_it_has_a_password() -> None:
    found = place(OWNER)
    for text in (str(found), repr(found), f"{found}"):
        assert "s3cret" not in text
        assert found.password.reveal() not in text
    assert str(found) == "db.example/house"
