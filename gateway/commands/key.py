"""`syntra key`: make, list and revoke keys, and seal provider keys anew."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.commands.database import DATA_DIR, actor, chosen, using
from gateway.commands.rotate import rotate
from gateway.core import apikey
from gateway.core.apikey import PREFIX, Pepper
from gateway.core.caller import ROLES, SURFACES, Scopes
from gateway.core.limits import Limits
from gateway.core.memories import MODES
from gateway.core.owner import person_of
from gateway.stores import keyfile, organisations
from gateway.stores.organisations import FIRST, NewKey, Organisation
from gateway.stores.postgres import Postgres, Row

_AFTER: Final = re.compile(r"(\d{1,4})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LATEST: Final = datetime(3000, 1, 1, tzinfo=UTC)
_ORG: Final = click.option("--org", required=True, help="The organisation, by name.")
console: Final = Console(width=None if Console().is_terminal else 160)


class Until(click.ParamType[datetime]):
    """A moment in the future: a date, a time with its zone, or how long from now."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment."""
        if isinstance(value, datetime):
            return value
        if match := _AFTER.fullmatch(value):
            moment = datetime.now(UTC) + timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            moment = self._parsed(value)
        if not datetime.now(UTC) < moment < _LATEST:
            self.fail(f"{value} is over already, or after {_LATEST.date()}", param, ctx)
        return moment

    def _parsed(self, value: str) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a moment like 2027-01-31 or 2027-01-31T12:00+01:00 nor a time like 30d")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.group()
def key() -> None:
    """Make, list and revoke keys; seal provider keys anew."""


@key.command()
@click.option("--org", required=True, help="The organisation, by name; it is made if it is new.")
@click.option("--name", required=True, help="What the key is called in lists.")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True, help="What it may administer.")
@click.option("--person", default="", help="Whose it is, by e-mail address; none for a key that is shared.")
@click.option("--persona/--no-persona", default=True, help="Whether its answers speak as Syntra.")
@click.option(
    "--memory", type=click.Choice(MODES), default="read-write", show_default=True, help="What it may remember."
)
@click.option("--expires", type=Until(), help="When it ends: 30d, 12h, 2027-01-31; else never.")
@click.option("--model", "models", multiple=True, help="A model, or a pattern of models, that it is for; else all.")
@click.option("--policy", "policies", multiple=True, help="A policy that it is for; else all.")
@click.option(
    "--endpoint",
    "endpoints",
    type=click.Choice(SURFACES),
    metavar="NAME",
    multiple=True,
    help="A surface that it is for: chat, embeddings, …; else all.",
)
@click.option("--rpm", "requests_per_minute", type=click.IntRange(0), help="Requests a minute at most.")
@click.option("--rpd", "requests_per_day", type=click.IntRange(0), help="Requests a day at most.")
@click.option("--tpm", "tokens_per_minute", type=click.IntRange(0), help="Tokens a minute at most.")
@click.option("--tpd", "tokens_per_day", type=click.IntRange(0), help="Tokens a day at most.")
@click.option("--concurrency", type=click.IntRange(0), help="Requests at the same time at most.")
@click.option("--usd-per-day", type=click.FloatRange(0), help="US dollars a day at most.")
@click.option("--usd-per-month", type=click.FloatRange(0), help="US dollars a month at most.")
@DATA_DIR
def create(org: str, data_dir: str | None, **wished: Any) -> None:
    """Make a key, and its organisation if that is new; prints the key, which nobody can show again, and nothing else.

    It works at once, whether or not a gateway runs.
    """
    wanted = _wanted(wished)
    if not organisations.is_name(org):
        raise click.UsageError(
            f"'{org}' cannot be an organisation's name: lower-case letters, digits, '.', '_' and '-', 63 at most."
        )

    async def work(postgres: Postgres, pepper: Pepper) -> str:
        found = await _found_or_made(postgres, pepper, org, data_dir)
        _, made = await organisations.create_key(postgres, pepper, found.id, wanted, actor())
        return made.reveal()

    click.echo(using(data_dir, work))


@key.command("list")
@_ORG
@click.option("--all", "every", is_flag=True, help="Revoked and expired ones too.")
@DATA_DIR
def listed(org: str, *, every: bool, data_dir: str | None) -> None:
    """List an organisation's keys."""

    async def work(postgres: Postgres, _: Pepper) -> list[Row]:
        found = await _named(postgres, org)
        async with postgres.tenant(found.id) as cursor:
            return await organisations.keys_of(cursor)

    rows = using(data_dir, work)
    shown = [row for row in rows if every or not _state(row)]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("name", "key", "role", "person", "only for", "limits", "ends", "last used", ""):
        table.add_column(column, overflow="fold")
    for row in shown:
        table.add_row(*map(Text, _cells(row)), style="dim" if _state(row) else "")
    console.print(table)
    if hidden := len(rows) - len(shown):
        click.echo(f"{hidden} more are revoked or over; --all shows them.", err=True)


@key.command()
@click.argument("named", metavar="KEY")
@_ORG
@DATA_DIR
def revoke(named: str, org: str, data_dir: str | None) -> None:
    """Revoke KEY, by its id or as far as `syntra key list` shows it; every gateway refuses it within two seconds."""
    public = named.removeprefix(PREFIX).partition("-")[0] if named.startswith(PREFIX) else named

    async def work(postgres: Postgres, _: Pepper) -> str | None:
        found = await _named(postgres, org)
        async with postgres.tenant(found.id) as cursor:
            return await organisations.revoke_key(cursor, public, actor())

    if using(data_dir, work) is None:
        raise click.ClickException(
            f"{org} has no such key that is not revoked. `syntra key list --org {org}` shows them."
        )
    click.echo("revoked")


key.add_command(rotate)


def _wanted(wished: dict[str, Any]) -> NewKey:
    limits = {name: wished.pop(name) for name in Limits.__struct_fields__}
    scopes = {name: wished.pop(name) for name in Scopes.__struct_fields__}
    try:
        within = msgspec.convert({name: value for name, value in limits.items() if value is not None}, Limits)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"A limit is out of range: {error}") from None
    return NewKey(
        name=wished["name"],
        role=wished["role"],
        person=person_of(wished["person"]),
        persona=wished["persona"],
        memory=wished["memory"],
        scopes=Scopes(**scopes),
        limits=within,
        expires_at=wished["expires"],
    )


async def _found_or_made(postgres: Postgres, pepper: Pepper, name: str, data_dir: str | None) -> Organisation:
    if name == FIRST:  # the operator's is made with the key of the key file, as a first start does it
        first = apikey.parse(keyfile.read_or_make(chosen(data_dir).data_path).reveal())
        if first is not None:
            return await organisations.ensure_first(postgres, first, pepper)
    found = await organisations.organisation_named(postgres, name)
    found = found or await organisations.create_organisation(postgres, name, actor())
    found = found or await organisations.organisation_named(postgres, name)  # somebody else was faster
    if found is None:
        raise click.ClickException(f"'{name}' was an organisation that is deleted; choose another name.")
    return found


async def _named(postgres: Postgres, name: str) -> Organisation:
    found = await organisations.organisation_named(postgres, name)
    if found is None:
        raise click.ClickException(f"There is no organisation '{name}'. `syntra key create --org {name}` makes it.")
    return found


def _state(row: Row) -> str:
    """Why a key is none any more."""
    if row["revoked_at"] is not None:
        return f"revoked {row['revoked_at']:%Y-%m-%d}"
    return "over" if row["is_over"] else ""


def _cells(row: Row) -> tuple[str, ...]:
    scopes = "; ".join(f"{name} {', '.join(of)}" for name, of in row["scopes"].items())
    limits = ", ".join(f"{name} {value:g}" for name, value in row["limits"].items())
    ends = f"{row['expires_at']:%Y-%m-%d %H:%M}" if row["expires_at"] else ""
    used = str(row["last_used_on"] or "")
    hint = f"{PREFIX}{row['public']}-…"
    return row["name"], hint, row["role"], row["person"], scopes, limits, ends, used, _state(row)
