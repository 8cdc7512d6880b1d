"""`syntra key rotate`: seal every stored provider key anew with the newest master key."""

from __future__ import annotations

import sys

import rich_click as click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway import prepare
from gateway.commands.database import DATA_DIR, actor, chosen, complaints, using
from gateway.core.apikey import Pepper
from gateway.stores import rotation
from gateway.stores.keyfile import KeyFileError
from gateway.stores.postgres import Postgres
from gateway.stores.rotation import Rotated
from gateway.stores.vault import MasterError, Vault


@click.command()
@DATA_DIR
def rotate(data_dir: str | None) -> None:
    """Seal every provider key anew with the first of ENCRYPTION_KEY; gateways may run, and it may be run again.

    To rotate: put a new master key in front of ENCRYPTION_KEY (or of the file `encryption`), restart the gateways, run
    this, and take out the old keys that it names. Exits 1 where a provider key could not be opened.
    """
    wanted = chosen(data_dir)
    try:
        vault = prepare.vault(wanted)
    except (KeyFileError, MasterError) as error:
        raise click.ClickException(str(error)) from None

    async def work(postgres: Postgres, _: Pepper) -> Rotated:
        total = sum((await rotation.outdated(postgres, vault.newest)).values())
        columns = TextColumn("Sealing anew"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=complaints, transient=True) as progress:
            bar = progress.add_task("", total=total)
            return await rotation.rotate(postgres, vault, actor(), lambda number: progress.advance(bar, number))

    rotated = using(data_dir, work)
    _tell(rotated, vault)
    sys.exit(1 if rotated.refused else 0)


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
