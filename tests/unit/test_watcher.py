"""Edits take effect; a bad one keeps the last good documents and says what is wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from policies import watcher as module
from policies.documents import DocumentError
from policies.library import Library, packed, unpacked
from policies.reading import KINDS
from policies.watcher import Watcher
from tests.unit.test_documents import PERSONA, ROUTING
from tests.unit.test_library import FILES, KNOWN, write


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / "shipped", FILES), write(tmp_path / "own", {})]


@pytest.fixture
def watcher(folders: list[Path]) -> Watcher:
    return Watcher(folders, KNOWN)


def settle(*folders: Path) -> None:
    """As if the files had been written a minute ago."""
    for path in (path for folder in folders for path in folder.iterdir()):
        os.utime(path, (time.time() - 60, time.time() - 60))


def test_nothing_new_is_nothing_new(watcher: Watcher) -> None:
    library = watcher.library
    assert [watcher.poll() for _ in range(3)] == [False, False, False]
    assert watcher.library is library
    assert watcher.error == ""


def test_a_file_of_ones_own_is_taken_and_so_is_its_change(watcher: Watcher, folders: list[Path]) -> None:
    write(folders[1], {"mine.toml": ROUTING})
    assert watcher.poll()
    version = watcher.library.version
    assert "mine" in watcher.library.routing
    write(folders[1], {"mine.toml": ROUTING.replace("cost = 1", "cost = 9")})
    assert watcher.poll()
    assert watcher.library.routing["mine"].weights.cost == 9
    assert watcher.library.version != version
    assert not watcher.poll()


def test_a_bad_edit_keeps_the_last_good_documents_and_says_so(watcher: Watcher, folders: list[Path]) -> None:
    library = watcher.library
    write(folders[1], {"persona.toml": PERSONA.replace("version = 2", "version = two")})
    assert not watcher.poll()
    assert watcher.library is library
    assert watcher.error == f"{folders[1]}/persona.toml:2: invalid value (column 11)"
    write(folders[1], {"persona.toml": PERSONA.replace("Nova", "Nora")})
    assert watcher.poll()
    assert (watcher.library.persona.name, watcher.error) == ("Nora", "")


def test_an_edit_that_is_taken_back_is_no_error_and_nothing_new(watcher: Watcher, folders: list[Path]) -> None:
    good = FILES["cheap.toml"]
    write(folders[0], {"cheap.toml": "broken"})
    assert not watcher.poll()
    assert watcher.error
    write(folders[0], {"cheap.toml": good})
    assert not watcher.poll()
    assert watcher.error == ""


def test_a_file_that_is_gone_is_missed_at_the_second_look(watcher: Watcher, folders: list[Path]) -> None:
    write(folders[1], {"mine.toml": ROUTING})
    assert watcher.poll()
    (folders[1] / "mine.toml").unlink()
    assert [watcher.poll() for _ in range(3)] == [False, True, False]
    assert "mine" not in watcher.library.routing


def test_a_file_that_is_replaced_by_way_of_nothing_is_never_missed(watcher: Watcher, folders: list[Path]) -> None:
    write(folders[1], {"mine.toml": ROUTING})
    assert watcher.poll()
    for _ in range(3):
        (folders[1] / "mine.toml").unlink()
        assert not watcher.poll()
        assert "mine" in watcher.library.routing
        write(folders[1], {"mine.toml": ROUTING})
        assert not watcher.poll()
    assert watcher.error == ""


def test_what_others_need_is_not_missed_but_told(watcher: Watcher, folders: list[Path]) -> None:
    (folders[0] / "persona.toml").unlink()
    assert [watcher.poll() for _ in range(3)] == [False, False, False]
    assert watcher.error == "kind: there is no document of kind 'persona'"
    assert watcher.library.persona.name == "Nova"
    write(folders[0], {"persona.toml": PERSONA})
    assert not watcher.poll()
    assert watcher.error == ""


def test_an_editor_that_writes_in_two_steps_leaves_no_lasting_mistake(watcher: Watcher, folders: list[Path]) -> None:
    path = folders[1] / "mine.toml"
    path.write_text("")
    assert not watcher.poll()
    assert "kind: it is missing" in watcher.error
    path.write_text(ROUTING)
    assert watcher.poll()
    assert watcher.error == ""


def test_a_second_write_in_the_same_tick_and_of_the_same_size_is_seen(watcher: Watcher, folders: list[Path]) -> None:
    path = folders[1] / "mine.toml"
    path.write_text(ROUTING)
    stamp = path.stat()
    assert watcher.poll()
    path.write_text(ROUTING.replace("cost = 1", "cost = 2"))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert watcher.poll()
    assert watcher.library.routing["mine"].weights.cost == 2


def test_files_that_have_settled_are_not_read_again(
    watcher: Watcher, folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(*folders)
    assert not watcher.poll()

    def gather(_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(module, "gather", gather)
    assert not watcher.poll()
    assert watcher.error == ""
    write(folders[1], {"mine.toml": ROUTING})
    assert not watcher.poll()
    assert "read again" in watcher.error


def test_a_change_of_a_settled_file_is_seen_by_its_size_alone(watcher: Watcher, folders: list[Path]) -> None:
    settle(*folders)
    assert not watcher.poll()
    write(folders[0], {"persona.toml": PERSONA.replace("Nova", "Novaja")})
    settle(*folders)
    assert watcher.poll()


def test_a_file_that_cannot_be_read_is_an_error_until_it_can(watcher: Watcher, folders: list[Path]) -> None:
    (folders[1] / "mine.toml").mkdir()
    assert [watcher.poll() for _ in range(2)] == [False, False]
    assert watcher.error == f"{folders[1]}/mine.toml: Is a directory"
    (folders[1] / "mine.toml").rmdir()
    assert not watcher.poll()
    assert watcher.error == ""


@pytest.mark.parametrize("odd", ["x = " + "[" * 5_000 + "]" * 5_000, "version = " + "1" * 5_000], ids=["deep", "long"])
def test_whatever_a_file_makes_fail_is_an_edit_that_is_not_taken(
    watcher: Watcher, folders: list[Path], odd: str
) -> None:
    write(folders[1], {"mine.toml": f'kind = "routing"\n{odd}'})
    assert not watcher.poll()
    assert watcher.error.startswith(f"{folders[1]}/mine.toml: ")
    write(folders[1], {"mine.toml": ROUTING})
    assert (watcher.poll(), watcher.error) == (True, "")


def test_what_nobody_thought_of_is_told_and_the_next_edit_is_taken(
    watcher: Watcher, folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(_: object) -> str:
        raise KeyError("x")

    with monkeypatch.context() as patched:
        patched.setattr(module, "digest", odd)
        write(folders[1], {"mine.toml": ROUTING})
        assert not watcher.poll()
        assert watcher.error == "the documents cannot be used: KeyError: 'x'"
    assert (watcher.poll(), watcher.error) == (True, "")


def test_documents_that_were_good_once_are_in_force_until_an_edit_is_good(folders: list[Path]) -> None:
    good = unpacked(packed(Library.load(folders, KNOWN).sources))
    write(folders[1], {"mine.toml": "kind = 1"})
    watcher = Watcher(folders, KNOWN, good)
    assert not watcher.poll()
    assert watcher.error == f"{folders[1]}/mine.toml:1: kind: there is no kind 1; it is one of " + ", ".join(KINDS)
    write(folders[1], {"mine.toml": ROUTING})
    assert (watcher.poll(), watcher.error) == (True, "")


def test_a_start_with_bad_documents_is_refused(folders: list[Path]) -> None:
    write(folders[1], {"mine.toml": "kind = 1"})
    with pytest.raises(DocumentError, match=r"mine\.toml:1: kind"):
        Watcher(folders, KNOWN)


def test_a_folder_may_come_later(tmp_path: Path) -> None:
    watcher = Watcher([write(tmp_path / "shipped", FILES), tmp_path / "later"], KNOWN)
    assert not watcher.poll()
    write(tmp_path / "later", {"mine.toml": ROUTING})
    assert watcher.poll()
