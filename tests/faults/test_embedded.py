"""The engines inside the data directory: whoever dies, they are neither torn away, nor left behind, nor lost."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from gateway.stores.embedded import sockets
from gateway.stores.embedded import valkey as embedded_valkey
from gateway.stores.embedded.hold import Hold
from gateway.stores.embedded.valkey import Valkey
from gateway.stores.embedded.words import Cannot, Places
from tests.fakes.embedded import (
    ALL,
    AS_ROOT,
    cache,
    gone,
    holder,
    is_busy,
    is_kept,
    kill_all,
    pid,
    refuses_nothing,
    running,
    sql,
    write,
)
from tests.fakes.server import wait_for


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
        wait_for(lambda: "the databases are kept again" in caplog.text, 15)  # before, the old ones may still answer
        assert refuses_nothing(hold.places)
        assert is_kept(hold.places)


@pytest.mark.parametrize("name", ALL)
def test_an_engine_that_dies_is_started_again_and_the_log_says_so(
    data: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    with caplog.at_level(logging.WARNING), Hold(data, ALL) as hold:
        hold.follow()
        write(hold.places)
        victim = pid(data, name)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: "runs again" in caplog.text, 10)
        assert pid(data, name) != victim
        assert refuses_nothing(hold.places)
        assert is_kept(hold.places)
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
