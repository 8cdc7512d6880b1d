"""The secrets of the data directory: made once, whole, and for its owner's eyes alone."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.stores.keyfile import ENCRYPTION, KEY, SECRET, Kept, KeyFileError, read_or_make
from gateway.stores.vault import Vault, masters

FORM = re.compile(r"sk-syn-[0-9a-f]{12}-[0-9a-f]{40}")


@pytest.fixture
def wide_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_key_is_made_where_there_is_none(tmp_path: Path) -> None:
    key = read_or_make(tmp_path)
    assert FORM.fullmatch(key.reveal())
    assert (tmp_path / "key").read_text() == f"{key.reveal()}\n"


def test_a_key_is_made_once(tmp_path: Path) -> None:
    assert read_or_make(tmp_path).reveal() == read_or_make(tmp_path).reveal()


def test_a_key_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-syn-mine-mine\n\n")
    before = path.stat()
    assert read_or_make(tmp_path).reveal() == "sk-syn-mine-mine"
    assert path.read_text() == "sk-syn-mine-mine\n\n"
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


@pytest.mark.usefixtures("wide_umask")
def test_only_its_owner_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    read_or_make(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b" / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_no_two_directories_have_the_same_key(tmp_path: Path) -> None:
    assert len({read_or_make(tmp_path / str(k)).reveal() for k in range(50)}) == 50


def test_starts_that_race_get_one_key(tmp_path: Path) -> None:
    for attempt in range(10):
        folder, found, start = tmp_path / str(attempt), [], threading.Barrier(8)

        def race(folder: Path = folder, found: list[str] = found, start: threading.Barrier = start) -> None:
            start.wait()
            found.append(read_or_make(folder).reveal())

        threads = [threading.Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(found)) == 1
        assert [entry.name for entry in folder.iterdir()] == ["key"]


def test_processes_that_race_get_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gateway.stores.keyfile import read_or_make; "
        "sys.stdin.read(); print(read_or_make(Path(sys.argv[1])).reveal())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    found = {process.communicate("go", timeout=30)[0].strip() for process in started}
    assert len(found) == 1
    assert FORM.fullmatch(found.pop())
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_a_start_that_died_leaves_no_half_key(tmp_path: Path) -> None:
    (tmp_path / ".key-1-dead").write_text("sk-syn-ha")
    assert FORM.fullmatch(read_or_make(tmp_path).reveal())


def test_a_place_that_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r".+"):
        read_or_make(tmp_path / "file")


@pytest.mark.parametrize("kept", [KEY, SECRET, ENCRYPTION], ids=lambda kept: kept.name)
@pytest.mark.usefixtures("wide_umask")
def test_each_secret_has_a_file_of_its_own_for_its_owner_alone(tmp_path: Path, kept: Kept) -> None:
    made = read_or_make(tmp_path, kept)
    assert [entry.name for entry in tmp_path.iterdir()] == [kept.name]
    assert stat.S_IMODE((tmp_path / kept.name).stat().st_mode) == 0o600
    assert read_or_make(tmp_path, kept).reveal() == made.reveal()
    assert read_or_make(tmp_path / "elsewhere", kept).reveal() != made.reveal()


def test_a_fresh_master_key_is_one_for_the_vault(tmp_path: Path) -> None:
    assert len(Vault(masters(read_or_make(tmp_path, ENCRYPTION))).masters) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666])
@pytest.mark.parametrize("kept", [SECRET, ENCRYPTION], ids=lambda kept: kept.name)
def test_a_secret_that_others_may_read_or_change_is_not_used(tmp_path: Path, kept: Kept, mode: int) -> None:
    secret = read_or_make(tmp_path, kept).reveal()
    (tmp_path / kept.name).chmod(mode)
    with pytest.raises(KeyFileError, match=r"can be read by others: chmod 600 .*, or set [A-Z_]+ instead") as caught:
        read_or_make(tmp_path, kept)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("held", ["", "short", "\xff" * 50, "a\x00" * 40])
@pytest.mark.parametrize("kept", [KEY, SECRET, ENCRYPTION], ids=lambda kept: kept.name)
def test_a_file_that_holds_something_else_is_neither_used_nor_written_over(
    tmp_path: Path, kept: Kept, held: str
) -> None:
    path = tmp_path / kept.name
    path.write_bytes(held.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="does not hold"):
        read_or_make(tmp_path, kept)
    assert path.read_bytes() == held.encode("latin-1")
