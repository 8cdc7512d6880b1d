"""What can never work is refused before a worker is forked, in words that quote no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import prepare, settings
from gateway.stores import keyfile
from gateway.stores.keyfile import KeyFileError

NOWHERE = "postgresql://nobody@127.0.0.1:9/none"


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"ENCRYPTION_KEY": "too-short-4711"}, "ENCRYPTION_KEY does not hold master keys"),
        ({"ENCRYPTION_KEY": "4711" * 12}, "Key 1 of ENCRYPTION_KEY is not one of 32 bytes"),
        ({"SECRET_KEY": "hush-4711"}, "SECRET_KEY does not hold a secret of 32 characters or more"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path, env: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare.main({"DATABASE_URL": NOWHERE, "SYNTRA_DATA_DIR": str(tmp_path), **env}) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "4711" not in told


def test_a_database_that_is_away_is_no_reason_not_to_start(tmp_path: Path) -> None:
    assert prepare.main({"DATABASE_URL": NOWHERE, "SYNTRA_DATA_DIR": str(tmp_path)}) == prepare.AWAY


def test_a_first_start_makes_both_secrets_and_a_setting_goes_before_its_file(tmp_path: Path) -> None:
    chosen = settings.read({"SYNTRA_DATA_DIR": str(tmp_path)})
    made = prepare.vault(chosen).masters, prepare.pepper(chosen).check
    assert made == (prepare.vault(chosen).masters, prepare.pepper(chosen).check)
    other = settings.read(
        {
            "SYNTRA_DATA_DIR": str(tmp_path),
            "ENCRYPTION_KEY": "0" * 64,
            "SECRET_KEY": "a secret of 32 characters or more",
        }
    )
    assert prepare.vault(other).masters != made[0]
    assert prepare.pepper(other).check != made[1]
    (tmp_path / "secret").chmod(0o644)
    assert prepare.pepper(other).check  # what is not used does not matter
    with pytest.raises(KeyFileError):
        keyfile.held(chosen.secret_key, tmp_path, keyfile.SECRET)
