"""`syntra migrate`: bring the database up to date."""

from __future__ import annotations

import sys

import rich_click as click

from gateway import prepare
from gateway.commands.database import DATA_DIR, chosen, database
from gateway.stores import schema


@click.command()
@click.option("--check", is_flag=True, help="Only say what would be applied; exit 1 if there is anything.")
@DATA_DIR
def migrate(*, check: bool, data_dir: str | None) -> None:
    """Set the database up, or bring it up to date: every start does it too, where DATABASE_URL's user may.

    It is safe while gateways run, and safe to run twice.
    """
    wanted = chosen(data_dir)
    with database(wanted) as place:
        pending = schema.pending(place)
        if not check:
            schema.migrate(place, prepare.pepper(wanted).check)
    if not pending:
        click.echo(f"{place} is up to date.")
    for name in pending:
        click.echo(f"to apply: {name}" if check else f"applied: {name}")
    if check and pending:
        click.echo("Run `syntra migrate` to apply it.", err=True)
        sys.exit(1)
