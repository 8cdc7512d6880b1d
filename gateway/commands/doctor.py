"""`syntra doctor`: what is wrong with an installation, or with what a client needs of it, and how to mend it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import rich_click as click
from msgspec import structs
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from gateway import banner, settings
from gateway.commands.database import DATA_DIR, complaints
from gateway.core.secret import Secret
from gateway.doctor import installation, running, storage
from gateway.doctor.asking import Asking
from gateway.doctor.clients import CLIENTS
from gateway.doctor.finding import BAD, GOOD, Finding
from gateway.doctor.replay import Replay
from gateway.doctor.setups import Place
from gateway.doctor.writing import WritingError, write
from gateway.settings import Settings, SettingsError

_MARKS: Final = {"good": Text("✓", "green"), "odd": Text("!", "yellow"), "bad": Text("✗", "bold red")}
console: Final = Console(width=None if Console().is_terminal else 240)  # a pipe is read line by line


@click.command()
@click.option("--call", is_flag=True, help="Ask each provider for one token with its key.")
@click.option("--client", type=click.Choice(sorted(CLIENTS)), help="Look at what this client needs instead.")
@click.option("--url", help="The gateway's origin, such as https://syntra.example.com; else the one on this machine.")
@click.option("--model", default="syntra", show_default=True, help="With --client: the model that it asks for.")
@click.option("--write", "writes", is_flag=True, help="With --client: write the lines into its file; a copy is kept.")
@DATA_DIR
def doctor(*, call: bool, client: str | None, url: str | None, model: str, writes: bool, data_dir: str | None) -> None:
    """Say what is wrong, and how to mend it; exit 1 if anything is.

    Without --client it looks at settings, data directory, stores, keys and the gateway that runs. With --client it asks
    that gateway a few short questions as the client would, and shows the client's configuration. The key is that of the
    data directory, or SYNTRA_KEY.
    """
    if writes and client is None:
        raise click.UsageError("--write needs --client: whose file?")
    environ = {**os.environ, **({"SYNTRA_DATA_DIR": data_dir} if data_dir else {})}
    try:
        chosen = settings.read(environ)
    except SettingsError as error:
        _show([Finding("settings", BAD, str(error), "Mend the variable, or take it out.")])
        sys.exit(1)
    asked = url or banner.origin(chosen)
    found = (
        asyncio.run(_client(client, chosen, environ, asked, model))
        if client is not None
        else _installation(chosen, environ, asked, call=call)
    )
    _show(found)
    if client is not None:
        _configuration(client, _place(chosen, environ, asked, model), writes=writes)
    if any(one.state == BAD for one in found):
        sys.exit(1)


def _installation(chosen: Settings, environ: Mapping[str, str], url: str, *, call: bool) -> list[Finding]:
    """Everything that can be looked at here."""
    found = [Finding("settings", GOOD, "can be read"), *installation.variables(environ), *installation.place(chosen)]
    live, told = installation.keys(environ, chosen)
    found += [*installation.papers(chosen, live), *told]
    with complaints.status("Looking at the stores …") as status, storage.held(chosen, environ, status.update) as stores:
        found += stores if isinstance(stores, list) else asyncio.run(_all(stores.findings()))
    if call:
        with complaints.status("Calling the providers …"):
            found += asyncio.run(_all(installation.called(environ, chosen)))
    return found + asyncio.run(_running(chosen, environ, url))


async def _all(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [one async for one in findings]


async def _running(chosen: Settings, environ: Mapping[str, str], url: str) -> list[Finding]:
    async with Asking(url, _key(chosen, environ), ca_bundle=chosen.ca_bundle) as asking:
        return await running.findings(asking)


async def _client(name: str, chosen: Settings, environ: Mapping[str, str], url: str, model: str) -> list[Finding]:
    """Each capability, as soon as the gateway is there and knows the key."""
    key = _key(chosen, environ)
    if not key:
        where = chosen.data_path / "key"
        return [Finding("key", BAD, f"there is none in {where}", "Start the gateway once, or set SYNTRA_KEY.")]
    async with Asking(url, key, ca_bundle=chosen.ca_bundle) as asking:
        there = await running.findings(asking)
        if len(there) == 1 or there[-1].state == BAD:
            return [Finding(there[-1].what, BAD, there[-1].said, there[-1].mend)]
        with complaints.status(f"Asking as {name} does …"):
            return [one async for one in Replay(asking, CLIENTS[name].manner(), model).findings()]


def _key(chosen: Settings, environ: Mapping[str, str]) -> Secret:
    """The key to ask with; nothing where there is none yet."""
    if given := environ.get("SYNTRA_KEY", "").strip():
        return Secret(given)
    path = chosen.data_path / "key"
    return Secret(path.read_text("utf-8").strip()) if path.exists() else Secret("")


def _place(chosen: Settings, environ: Mapping[str, str], url: str, model: str) -> Place:
    given = environ.get("SYNTRA_KEY", "").strip()
    path = (chosen.data_path / "key").absolute()
    home = Path.home()
    near = f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
    key = _key(chosen, environ).reveal()
    return Place(url.rstrip("/"), "" if given else near, key, model)


def _show(found: list[Finding]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("what", no_wrap=True)
    table.add_column("how it is", overflow="fold")
    table.add_column("how to mend it" if any(one.mend for one in found) else "", overflow="fold")
    for one in found:
        table.add_row(_MARKS[one.state], Text(one.what), Text(one.said), Text(one.mend))
    console.print(table)


def _configuration(client: str, place: Place, *, writes: bool) -> None:
    """The client's lines, without the key itself, and what became of its files."""
    shown = CLIENTS[client].setup(structs.replace(place, key="sk-syn-…"))
    if shown.exports:
        _lines("For the shell that starts it:", shown.exports, "bash")
    for file in shown.files:
        note = ", with the key in place of sk-syn-…" if file.holds_key else ""
        _lines(f"~/{file.path}{note}:", file.lines, file.fence)
    if shown.by_hand:
        console.print(Text(f"\n{shown.by_hand}"))
    if not writes:
        return
    files = CLIENTS[client].setup(place).files
    if not files:
        raise click.ClickException(f"{client} has no file that could be written.")
    for file in files:
        try:
            written = write(file, Path.home(), datetime.now(UTC))
        except WritingError as error:
            raise click.ClickException(str(error)) from None
        if not written.changed:
            click.echo(f"{written.path} says so already.")
            continue
        kept = f"; what was there before is in {written.backup}" if written.backup else ""
        click.echo(f"Written to {written.path}{kept}.")


def _lines(title: str, lines: str, language: str) -> None:
    """Lines that can be pasted: no frame, no numbers, nothing wrapped."""
    console.print(Text(f"\n{title}", "bold"))
    if console.is_terminal:
        console.print(Syntax(lines.rstrip("\n"), language, background_color="default"), soft_wrap=True)
    else:
        click.echo(lines.rstrip("\n"))
