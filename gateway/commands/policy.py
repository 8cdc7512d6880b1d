"""`syntra policy`: look at the documents, check one, fit one to measured outcomes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway import settings
from gateway.commands.fit import fit
from gateway.settings import SettingsError
from gateway.stores.qualities import require_usable
from gateway.upstream import prices, providers
from gateway.upstream.documents import library
from gateway.upstream.offers import offer
from gateway.upstream.providers import ProvidersError
from policies import library as documents
from policies.documents import DocumentError, Model, Range, Routing
from policies.engine import PICO, matches
from policies.library import Library

console = Console(width=None if Console().is_terminal else 132)


@click.group()
def policy() -> None:
    """Look at the documents that decide, check one, or fit one."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data-dir", help="Where your own policies lie (SYNTRA_DATA_DIR).")
def check(file: Path, data_dir: str | None) -> None:
    """Check FILE as if it stood among your policies; exit 1 and every mistake by line if it cannot be used."""
    mistakes = documents.check(file, _library(data_dir))
    for mistake in mistakes:
        click.echo(mistake, err=True)
    if mistakes:
        sys.exit(1)
    console.print(f"[green]{file} is fine.[/green]")


@policy.command()
@click.argument("name", required=False)
@click.option("--data-dir", help="Where your own policies lie (SYNTRA_DATA_DIR).")
def show(name: str | None, data_dir: str | None) -> None:
    """List the policies, or show the one called NAME; `models` shows the catalogue."""
    held = _library(data_dir)
    if name is None:
        _list(held)
    elif name == "models":
        _catalogue(held)
    elif name in held.routing:
        _policy(name, held.routing[name], held)
    else:
        raise click.ClickException(f"There is no policy '{name}'. There are {', '.join(held.routing)}, and models.")


policy.add_command(fit)


def _library(data_dir: str | None) -> Library:
    environ = {**os.environ, **({"SYNTRA_DATA_DIR": data_dir} if data_dir else {})}
    try:
        chosen = settings.read(environ)
        return library(chosen.policies_path, list(providers.configured(environ, chosen.providers)), require_usable)
    except (SettingsError, ProvidersError, DocumentError) as error:
        raise click.ClickException(str(error)) from None


def _list(held: Library) -> None:
    table = _table("policy", "ask for", "about")
    for name, routing in sorted(held.routing.items()):
        asked = "syntra" if name == held.organisation("").policy else f"syntra-{name}"
        table.add_row(Text(name, style="bold"), asked, " ".join(routing.about.split()))
    console.print(table)
    console.print(f"\nDocuments {held.version}; your own go into the folder `policies` of the data directory.")


def _policy(name: str, routing: Routing, held: Library) -> None:
    console.print(Text(f"{name}, version {routing.version}", style="bold"))
    console.print(" ".join(routing.about.split()))
    table = _table("", "weight", "half at")
    halves = {"cost": f"{routing.half.cost_usd} USD", "ttft": f"{routing.half.ttft_ms:g} ms"}
    halves["duration"] = f"{routing.half.duration_ms:g} ms"
    for term in routing.weights.__struct_fields__:
        table.add_row(term, f"{getattr(routing.weights, term):g}", halves.get(term, ""))
    console.print(table)
    enough = _table("good enough for", "easy", "hard")
    for intent, ends in routing.enough.items():
        enough.add_row(intent, *(f"{end:.2f}" for end in ends))
    console.print(enough)
    listed = [model.name for model in held.models.model if matches(model.name, routing.models)]
    console.print(f"chooses among {len(listed)} of {len(held.models.model)} models, asks at most {routing.attempts}")
    console.print(f"default: {', '.join(routing.default) or 'none'}; falls back to: {routing.fallback or 'nothing'}")


def _catalogue(held: Library) -> None:
    known = prices.load(list(dict.fromkeys(model.name.partition("/")[0] for model in held.models.model)))
    intents = [name for name in held.intents.intent if any(name in model.quality for model in held.models.model)]
    heads = (intent.replace("_", "\n") for intent in intents)
    table = _table("model", "in\n$/M", "out\n$/M", "window", *heads, "can")
    for model in held.models.model:
        *cells, can = _cells(model, known)
        table.add_row(*cells, *(_ends(model.quality.get(intent)) for intent in intents), Text(can, "dim"))
    console.print(table)


def _cells(model: Model, known: prices.Prices) -> tuple[str, ...]:
    one = offer(model, known.get(model.name))
    window = f"{one.window // 1000:,}k" if one.window else "?"
    million = ["?", "?"]
    if one.price is not None:
        million = [
            f"{tokens / PICO * 1e6:.2f}"
            for tokens in (one.price.of(1, 0) - one.price.of(0, 0), one.price.of(0, 1) - one.price.of(0, 0))
        ]
    return model.name, *million, window, " ".join(sorted(one.abilities))


def _ends(ends: Range | None) -> str:
    return "" if ends is None else f"{100 * ends[0]:.0f}-{100 * ends[1]:.0f}"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
