"""The command line: `syntra serve`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import rich_click as click
from granian._granian import ListenerSpec
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer
from rich.console import Console

from gateway import __version__, banner, embedding, engines, prepared
from gateway.commands import Commands
from gateway.core.rolling import FOLDER, Rolling
from gateway.embedding import EmbeddingError
from gateway.engines import Stores
from gateway.records import log
from gateway.settings import COUNTS, Settings, SettingsError, read
from gateway.stores import keyfile, valkey_place
from gateway.stores.embedded.words import Cannot
from gateway.stores.keyfile import KeyFileError
from gateway.stores.valkey_place import PlaceError
from gateway.upstream import documents, providers, translate
from gateway.upstream.providers import ProvidersError
from gateway.upstream.proxy import Proxy
from policies.documents import DocumentError

_AWAY = 75  # what `gateway.prepare` exits with where the database does not answer
# ms that a connection may wait for its next request; clients (Go: 90 s) and proxies (60 s) must be the ones who end it,
# since a request that crosses our end of it on the wire is lost.
_IDLE_MS = 120_000
_KILL_GRACE = 10  # s after the drain before a worker that hangs is killed
_OVERLAP = 30  # s more for one that is replaced: it serves until the next is there

console = Console()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="syntra")
def main() -> None:
    """Syntra: one base URL, one assistant, every provider."""


@main.command()
@click.option("--host", help="Address to listen on (HOST, default 127.0.0.1).")
@click.option("--port", type=int, help="Port to listen on (PORT, default 8000).")
@click.option("--workers", type=int, help="Worker processes (SYNTRA_WORKERS, default 1).")
@click.option("--data-dir", help="Where Syntra keeps its key and data (SYNTRA_DATA_DIR).")
def serve(host: str | None, port: int | None, workers: int | None, data_dir: str | None) -> None:
    """Serve the gateway until SIGTERM or Ctrl-C."""
    flags = {"HOST": host, "PORT": port, "SYNTRA_WORKERS": workers, "SYNTRA_DATA_DIR": data_dir}
    environ = {**os.environ, **{name: str(value) for name, value in flags.items() if value is not None}}
    try:
        settings = read(environ)
        log.configure(log.kind_of(settings.log, sys.stderr), settings.log_level)
        _require_free(settings)
        _require_proxy(settings)
        valkey_place.chosen(settings.valkey_url, settings.redis_url, settings.upstash_url, settings.upstash_token)
        live = providers.configured(environ, settings.providers)
        providers.tempos(environ, live)
        documents.library(settings.policies_path, list(live))  # but for fitted sections: numpy is for the workers
        embedding.check(settings.embedding, settings.data_path, live)
        key = keyfile.read_or_make(settings.data_path)
    except (SettingsError, ProvidersError, KeyFileError, DocumentError, PlaceError, EmbeddingError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{settings.data_path}: {error.strerror}. Set SYNTRA_DATA_DIR elsewhere.") from None
    if translated := [name for name, provider in live.items() if providers.is_translated(provider)]:
        # Before the workers are forked: they share its memory, and no request ever waits for it.
        with console.status(f"Loading LiteLLM's translations for {', '.join(translated)} (about 4 s) …"):
            translate.load()
    try:
        with _stores(settings, environ) as stores:
            environ |= stores.environ
            _prepare(settings, environ)
            banner.show(console, settings, key, list(live), stores.told)
            _run(settings, environ)
    except (Cannot, SettingsError) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _stores(settings: Settings, environ: Mapping[str, str]) -> Iterator[Stores]:
    """The stores, embedded where no URL names one, until all workers have ended."""
    status = console.status("Starting the databases …")
    with ExitStack() as stack:
        with status:
            stores = stack.enter_context(engines.held(settings, environ, doing=status.update, follow=True))
        yield stores


def _prepare(settings: Settings, environ: Mapping[str, str]) -> None:
    """Set the database up in a process of its own, whose memory is given back; what can never work is refused now."""
    embedded, given = not settings.database_url, settings.secret_key.reveal()
    if embedded and prepared.is_known(settings.data_path, given):
        return
    done = subprocess.run(
        [sys.executable, "-m", "gateway.prepare"], env=dict(environ), capture_output=True, text=True, check=False
    )
    said = done.stderr.strip()
    if done.returncode == _AWAY:
        console.print(f"{said}: starting all the same, and ready as soon as it does.", style="yellow", markup=False)
    elif done.returncode:
        raise click.ClickException(said or "the database could not be set up")
    elif embedded:
        prepared.know(settings.data_path, given)


def _require_free(settings: Settings) -> None:
    """Say so now, and how to go on, if the port is taken."""
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            taken = f"cannot listen on {settings.host}:{settings.port} ({error.strerror})"
            raise SettingsError(f"{taken}. Choose another port: PORT={settings.port + 1} make run") from None


def _require_proxy(settings: Settings) -> None:
    if settings.outbound_proxy:
        try:
            Proxy.at(settings.outbound_proxy)
        except ValueError as error:
            raise SettingsError(f"SYNTRA_OUTBOUND_PROXY: {error}") from None


def _run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve until told to stop."""
    os.environ.update(environ)  # the workers read the settings from there, as any process would
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's threads would spin on the loop's core for sums that take 10 µs
    with (
        tempfile.TemporaryDirectory(prefix="syntra-counts-") as counts,
        tempfile.TemporaryDirectory(prefix="syntra-roll-") as roll,
    ):
        os.environ[COUNTS], os.environ[FOLDER] = counts, roll
        _granian(settings, Rolling(Path(roll)))


class _Server(MPServer):
    """Granian, with one socket for all workers, who know whether they are replaced or the server ends."""

    rolling: Rolling

    def _init_shared_socket(self) -> None:
        """Listen here for all, as Granian does elsewhere than on Linux.

        Of a socket of its own, a worker that goes takes along who waits in its queue; and where it was the last, nobody
        listens until the next one does.
        """
        listener = ListenerSpec(self.bind_addr, self.bind_port, self.backlog).build()
        self._ssp = None
        self._shd = listener  # type: ignore[assignment]  # Granian has no types here
        self._sfd = listener.get_fd()
        self._sso = socket.socket(fileno=self._sfd)
        self._sso.set_inheritable(True)

    def _reload(self, spawn_target: object, target_loader: object) -> None:
        usual = self.workers_kill_timeout or 0
        self.workers_kill_timeout = usual + _OVERLAP
        self.rolling.begin()
        try:
            super()._reload(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # Granian has no types here
        finally:
            self.rolling.end()
            self.workers_kill_timeout = usual


def _granian(settings: Settings, rolling: Rolling) -> None:
    """Granian, with our clock for the drain."""
    # Until Granian sets its own, a worker has its parent's handler, and would outlive a SIGTERM that comes meanwhile.
    os.register_at_fork(after_in_child=partial(signal.signal, signal.SIGTERM, signal.SIG_DFL))
    server = _Server(
        "gateway.app:worker",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_IDLE_MS),
        websockets=False,
        backlog=4096,
        backpressure=16384,  # requests in flight per worker; open streams are cheap and must not starve health checks
        respawn_failed_workers=True,
        workers_kill_timeout=int(settings.drain_seconds) + _KILL_GRACE,
        log_level=LogLevels.warning,
    )
    server.rolling = rolling
    server.serve()


if __name__ == "__main__":
    main()
