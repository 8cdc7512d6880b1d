"""Who is asking: the one who has the key, and nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.caller import Caller
from gateway.core.errors import BadKey
from gateway.core.secret import Secret
from gateway.stages.keys import Keys

KEY = "sk-syn-0123456789ab-00112233445566778899aabbccddeeff00112233"


def keys(*, persona: bool = True) -> Keys:
    return Keys(Secret(KEY), persona=persona)


def test_who_has_the_key_is_let_in() -> None:
    assert keys().identify(KEY) == Caller("local", "local", "0123456789ab", persona=True)


def test_a_caller_is_known_by_the_public_part_and_not_by_the_secret_one() -> None:
    assert KEY.rsplit("-", maxsplit=1)[-1] not in repr(keys().identify(KEY))
    assert KEY.rsplit("-", maxsplit=1)[-1] not in repr(vars(keys()))


def test_a_key_may_be_without_persona() -> None:
    assert keys(persona=False).identify(KEY).persona is False


@pytest.mark.parametrize(
    "bearer",
    [
        None,
        "",
        " ",
        KEY[:-1],
        f"{KEY}0",
        KEY.upper(),
        f" {KEY}",
        f"{KEY}\n",
        KEY.replace("sk-syn-", ""),
        "sk-openai",
        "��",
        "ключ",
        "\x00",
        "x" * 1000000,
    ],
    ids=lambda bearer: repr(bearer)[:30],
)
def test_nobody_else_is(bearer: str | None) -> None:
    with pytest.raises(BadKey) as caught:
        keys().identify(bearer)
    assert caught.value.status == 401
    assert caught.value.code == "invalid_api_key"
    assert KEY not in caught.value.message
    if bearer and bearer.strip():
        assert bearer not in caught.value.message


@given(st.text(st.characters(), max_size=80))
def test_no_text_but_the_key_lets_anybody_in(bearer: str) -> None:
    with pytest.raises(BadKey):
        keys().identify(bearer)


def test_the_two_ways_to_fail_help_in_their_own_way() -> None:
    with pytest.raises(BadKey) as nothing:
        keys().identify(None)
    with pytest.raises(BadKey) as wrong:
        keys().identify("sk-other")
    assert "Authorization: Bearer" in nothing.value.message
    assert "not known" in wrong.value.message
