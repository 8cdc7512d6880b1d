"""A provider key opens for whom it was sealed, with the master that sealed it, untouched; and never otherwise."""

from __future__ import annotations

import base64
import os
import pickle
import secrets
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ids import uuid7
from gateway.core.secret import Secret
from gateway.stores.vault import MasterError, Unsealable, Vault, masters

KEY = Secret("sk-provider-4711")
ORG, ID = uuid7(), uuid7()


def master() -> Secret:
    return Secret(base64.b64encode(os.urandom(32)).decode())


FIRST, SECOND = master(), master()
VAULT = Vault([FIRST])


def test_what_is_sealed_opens_again() -> None:
    sealed, by = VAULT.seal(ORG, ID, "openai", KEY)
    assert VAULT.open(ORG, ID, "openai", sealed, by).reveal() == KEY.reveal()
    assert by == VAULT.newest
    assert KEY.reveal().encode() not in sealed


@given(st.text(st.characters(), max_size=300))
def test_any_text_is_a_secret(text: str) -> None:
    sealed, by = VAULT.seal(ORG, ID, "openai", Secret(text))
    assert VAULT.open(ORG, ID, "openai", sealed, by).reveal() == text


def test_the_database_may_write_ids_as_it_likes() -> None:
    sealed, by = VAULT.seal(ORG, ID, "openai", KEY)
    assert VAULT.open(str(UUID(ORG)), str(UUID(ID)).upper(), "openai", sealed, by).reveal() == KEY.reveal()


def test_the_same_secret_never_looks_the_same() -> None:
    assert len({VAULT.seal(ORG, ID, "openai", KEY)[0] for _ in range(100)}) == 100


def test_a_row_that_was_moved_or_relabelled_does_not_open() -> None:
    sealed, by = VAULT.seal(ORG, ID, "openai", KEY)
    for place in ((uuid7(), ID, "openai"), (ORG, uuid7(), "openai"), (ORG, ID, "anthropic"), (ID, ORG, "openai")):
        with pytest.raises(Unsealable):
            VAULT.open(*place, sealed, by)


@given(st.data())
def test_a_changed_byte_is_noticed_wherever_it_is(data: st.DataObject) -> None:
    sealed, by = VAULT.seal(ORG, ID, "openai", KEY)
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytes([*sealed[:at], sealed[at] ^ data.draw(st.integers(1, 255)), *sealed[at + 1 :]])
    with pytest.raises(Unsealable):
        VAULT.open(ORG, ID, "openai", changed, by)


@given(st.binary(max_size=100))
def test_bytes_that_are_no_seal_do_not_open(junk: bytes) -> None:
    for sealed in (junk, b"\x01" + junk):
        with pytest.raises(Unsealable):
            VAULT.open(ORG, ID, "openai", sealed, VAULT.newest)


def test_what_is_cut_short_does_not_open() -> None:
    sealed, by = VAULT.seal(ORG, ID, "openai", KEY)
    for length in range(len(sealed)):
        with pytest.raises(Unsealable):
            VAULT.open(ORG, ID, "openai", sealed[:length], by)


def test_the_newest_seals_and_all_open() -> None:
    sealed, by = VAULT.seal(ORG, ID, "openai", KEY)
    ring = Vault([SECOND, FIRST])
    assert ring.open(ORG, ID, "openai", sealed, by).reveal() == KEY.reveal()
    again, newer = ring.seal(ORG, ID, "openai", KEY)
    assert newer == ring.newest == Vault([SECOND]).newest != by
    assert Vault([SECOND]).open(ORG, ID, "openai", again, newer).reveal() == KEY.reveal()
    with pytest.raises(Unsealable, match="lacks the master key"):
        Vault([SECOND]).open(ORG, ID, "openai", sealed, by)


def test_a_seal_does_not_open_under_another_masters_name() -> None:
    ring = Vault([SECOND, FIRST])
    sealed, _ = ring.seal(ORG, ID, "openai", KEY)
    with pytest.raises(Unsealable):
        ring.open(ORG, ID, "openai", sealed, Vault([FIRST]).newest)


def test_a_master_is_written_in_base64_of_either_kind_or_in_hex() -> None:
    raw = b"\xff\xfb\xef" * 10 + b"\xbe\xff"  # has both characters in which the kinds of base64 differ
    plain, safe = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    forms = (plain, safe, plain.rstrip("="), safe.rstrip("="), raw.hex(), raw.hex().upper(), f" {plain}\n")
    assert len({Vault([Secret(form)]).newest for form in forms}) == 1


def test_a_masters_id_says_nothing_of_it() -> None:
    raw = os.urandom(32)
    by = Vault([Secret(raw.hex())]).newest
    assert len(by) == 12
    assert by not in raw.hex()


def test_a_key_that_is_named_twice_is_one() -> None:
    assert len(Vault([FIRST, SECOND, FIRST]).masters) == 2


BAD = {
    "too short": base64.b64encode(os.urandom(31)).decode(),
    "too long": base64.b64encode(os.urandom(33)).decode(),
    "16 bytes": secrets.token_hex(16),
    "hex with an end": secrets.token_hex(31) + "zz",
    "a passphrase": "correct horse battery staple 123 correct horse",
    "not ASCII": "é" * 43,
    "broken UTF-8": "\udcff" * 43,
    "a sign that is not base64's": "!" + secrets.token_urlsafe(32)[1:],
}


@pytest.mark.parametrize("form", BAD)
def test_a_key_of_another_form_is_refused_without_being_quoted(form: str) -> None:
    with pytest.raises(MasterError) as caught:
        Vault([FIRST, Secret(BAD[form])])
    said = repr(caught.value) + str(caught.value.__cause__) + str(caught.value.__context__)
    assert "Key 2 of ENCRYPTION_KEY" in said
    assert not any(BAD[form][at : at + 6] in said for at in range(len(BAD[form]) - 6))


def test_the_setting_is_split_at_commas() -> None:
    ring = masters(Secret(f" {FIRST.reveal()} ,{SECOND.reveal()},"))
    assert [key.reveal() for key in ring] == [FIRST.reveal(), SECOND.reveal()]
    for nothing in ("", " , ,"):
        with pytest.raises(MasterError, match="holds no key"):
            masters(Secret(nothing))
    with pytest.raises(MasterError, match="holds no key"):
        Vault([])


def test_no_secret_leaves_with_a_failure_or_with_the_vault() -> None:
    sealed, _ = VAULT.seal(ORG, ID, "openai", KEY)
    with pytest.raises(Unsealable) as caught:
        VAULT.open(uuid7(), ID, "openai", sealed, VAULT.newest)
    said = f"{caught.value!r} {caught.value.__cause__} {vars(caught.value)}"
    assert KEY.reveal() not in said
    assert FIRST.reveal() not in said
    assert FIRST.reveal() not in repr(VAULT) + str(vars(VAULT))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(VAULT)
