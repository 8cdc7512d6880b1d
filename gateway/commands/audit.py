"""`syntra audit`: verify the audit trail, or read it."""

from __future__ import annotations

import re
import sys
from typing import Final

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.commands.database import DATA_DIR, using
from gateway.core.apikey import Pepper
from gateway.stores import audit_chain
from gateway.stores.audit_chain import Chain, End
from gateway.stores.organisations import organisation_named
from gateway.stores.postgres import Postgres, Row

_END: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
console: Final = Console(width=None if Console().is_terminal else 160)


@click.group()
def audit() -> None:
    """Verify the audit trail, or read it."""


@audit.command()
@click.option("--org", help="One organisation, by name; else all, deleted ones too.")
@click.option("--expect", help="With --org: an end that an earlier run has shown, SEQ:HASH, which must still be there.")
@DATA_DIR
def verify(org: str | None, expect: str | None, data_dir: str | None) -> None:
    """Recompute every chain of hashes; exit 1 and the first broken row where somebody has changed one.

    Note the ends that it shows somewhere else: who may do everything in the database could write a whole new chain,
    and only an end that is noted elsewhere tells.
    """
    expected = _end(expect)
    if expected is not None and org is None:
        raise click.UsageError("--expect is the end of one chain: say whose with --org.")

    async def work(postgres: Postgres, _: Pepper) -> list[tuple[str, Chain]]:
        found = await audit_chain.organisations(postgres)
        wanted = [(org_id, name) for org_id, name in found if org in (None, name)]
        if not wanted and org is not None:
            raise _unknown(org)
        return [(name, await audit_chain.verify(postgres, org_id, expected)) for org_id, name in wanted]

    chains = using(data_dir, work)
    _show(chains)
    if any(chain.broken for _, chain in chains):
        sys.exit(1)


@audit.command()
@click.option("--org", required=True, help="The organisation, by name.")
@click.option("--last", default=50, type=click.IntRange(1, 100_000), help="How many acts, counted from the end.")
@DATA_DIR
def show(org: str, last: int, data_dir: str | None) -> None:
    """Show what was done to an organisation, the oldest act first."""

    async def work(postgres: Postgres, _: Pepper) -> list[Row]:
        found = await organisation_named(postgres, org)
        if found is None:
            raise _unknown(org)
        async with postgres.tenant(found.id) as cursor:
            await cursor.execute("select * from audit order by seq desc limit %s", (last,))
            return (await cursor.fetchall())[::-1]

    table = _table("seq", "at (UTC)", "who", "act", "subject", "detail")
    for row in using(data_dir, work):
        detail = Text(msgspec.json.encode(row["detail"]).decode(), "dim")
        at = f"{row['at']:%Y-%m-%d %H:%M:%S}"
        table.add_row(*map(Text, (str(row["seq"]), at, row["actor"], row["act"], row["subject"])), detail)
    console.print(table)


def _end(text: str | None) -> End | None:
    if text is None:
        return None
    match = _END.fullmatch(text.strip())
    if match is None:
        raise click.UsageError("--expect is SEQ:HASH, as an earlier `syntra audit verify` has shown it.")
    return End(int(match[1]), bytes.fromhex(match[2]))


def _show(chains: list[tuple[str, Chain]]) -> None:
    table = _table("organisation", "acts", "", "end")
    for name, chain in chains:
        if chain.broken is None:
            state, end = Text("whole", "green"), str(chain.end)
        else:
            state, end = Text(f"row {chain.broken.seq} {chain.broken.what}", "bold red"), ""
        table.add_row(Text(name), str(chain.rows), state, Text(end, "dim"))
    console.print(table)


def _unknown(org: str) -> click.ClickException:
    return click.ClickException(f"There is no organisation '{org}'. `syntra audit verify` lists them all.")


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
