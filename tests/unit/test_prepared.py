"""A start looks at the embedded database again whenever anything is new that it was prepared for."""

from __future__ import annotations

from pathlib import Path

from gateway import prepared


def test_what_was_prepared_is_known_until_a_secret_changes(tmp_path: Path) -> None:
    for name in ("key", "secret"):
        (tmp_path / name).write_text(name)
    assert not prepared.is_known(tmp_path, "")
    prepared.know(tmp_path, "")
    assert prepared.is_known(tmp_path, "")
    assert not prepared.is_known(tmp_path, "another SECRET_KEY")
    for name in ("key", "secret"):
        (tmp_path / name).write_text("new")
        assert not prepared.is_known(tmp_path, "")
        (tmp_path / name).write_text(name)
    assert prepared.is_known(tmp_path, "")


def test_what_it_remembers_tells_nothing_of_the_secrets(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    prepared.know(tmp_path, "g1ven")
    kept = (tmp_path / "prepared").read_text()
    assert "s3cret" not in kept
    assert "g1ven" not in kept
    assert len(kept) == 32
