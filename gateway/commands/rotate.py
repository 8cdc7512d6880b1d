"""`syntra key rotate`: seal every stored provider key anew with the newest master key."""

from __future__ import annotations

import asyncio
import os
import sys

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway import prepare, settings
from gateway.settings import SettingsError
from gateway.stores import keyfile, rotation
from gateway.stores.breaker import Unavailable
from gateway.stores.keyfile import KeyFileError
from gateway.stores.postgres import Postgres
from gateway.stores.postgres_place import PostgresPlace, PostgresPlaceError
from gateway.stores.rotation import Rotated
from gateway.stores.vault import MasterError, Vault, masters

_ACTOR = "command line"


@click.command()
@click.option("--data-dir", help="Where Syntra keeps its data (SYNTRA_DATA_DIR).")
def rotate(data_dir: str | None) -> None:
    """Seal every provider key anew with the first of ENCRYPTION_KEY; gateways may run, and it may be run again.

    To rotate: put a new master key in front of ENCRYPTION_KEY (or of the file `encryption`), restart the gateways, run
    this, and take out the old keys that it names. Exits 1 where a provider key could not be opened.
    """
    environ = {**os.environ, **({"SYNTRA_DATA_DIR": data_dir} if data_dir else {})}
    try:
        chosen = settings.read(environ)
        ring = chosen.encryption_key or keyfile.read_or_make(chosen.data_path, keyfile.ENCRYPTION)
        vault = Vault(masters(ring))
        rotated = asyncio.run(_rotate(prepare.place(chosen), vault))
    except (SettingsError, KeyFileError, MasterError, PostgresPlaceError, Unavailable) as error:
        raise click.ClickException(str(error)) from None
    _tell(rotated, vault)
    sys.exit(1 if rotated.refused else 0)


async def _rotate(place: PostgresPlace, vault: Vault) -> Rotated:
    async with Postgres(place) as postgres:
        total = sum((await rotation.outdated(postgres, vault.newest)).values())
        columns = TextColumn("Sealing anew"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("", total=total)
            return await rotation.rotate(postgres, vault, _ACTOR, lambda number: progress.advance(bar, number))


def _tell(rotated: Rotated, vault: Vault) -> None:
    click.echo(f"{rotated.resealed} provider keys were sealed anew; the newest master key is {vault.newest}.")
    for said in rotated.refused:
        click.echo(f"not sealed anew: {said}", err=True)
    spare = set(rotated.spare(vault.masters))
    for place, master in enumerate(vault.masters[1:], 2):
        if master in spare:
            click.echo(f"Key {place} of ENCRYPTION_KEY ({master}) is not needed any more: take it out.")
        else:
            click.echo(f"Key {place} of ENCRYPTION_KEY ({master}) still has {rotated.needed[master]}: run this again.")
