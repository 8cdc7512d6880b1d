"""`syntra route`: where a prompt would go, and why."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.commands.offline import Offline, offline
from gateway.core.errors import SyntraError

console = Console()
complaints = Console(stderr=True)


@click.command()
@click.argument("text", required=False)
@click.option("--policy", help="The policy that chooses: balanced, cheap, fast, best, or one of your own.")
@click.option(
    "--jsonl", "file", type=click.File("r", encoding="utf-8"), help="Many prompts, one JSON object a line; - is stdin."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--data-dir", help="Where your own policies lie (SYNTRA_DATA_DIR).")
def route(text: str | None, policy: str | None, file: TextIO | None, as_json: bool, data_dir: str | None) -> None:  # noqa: FBT001  click passes flags so
    """Say where TEXT would go, and why; nobody is called.

    With --jsonl, each line is {"text": …} or a chat request's {"messages": […], "tools": …}.
    """
    if (text is None) == (file is None):
        raise click.UsageError('Give one prompt, like `syntra route "Hello!"`, or a file with --jsonl.')
    environ = {**os.environ, **({"SYNTRA_DATA_DIR": data_dir} if data_dir else {})}
    desk = offline(environ, policy)
    if desk.assumed:
        complaints.print("[yellow]No provider key is set: planned as if all six providers had one.[/yellow]")
    if file is not None:
        failed = asyncio.run(_lines(desk, file))
        if failed:
            raise click.ClickException(f"{failed} of the lines could not be routed; their objects have an `error`.")
        return
    told = asyncio.run(_one(desk, text or ""))
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _show(told)
    if "error" in told:
        raise click.ClickException(str(told["error"]))


async def _one(desk: Offline, text: str) -> dict[str, Any]:
    try:
        return await desk.explain(_body({"text": text}))
    except SyntraError as error:
        raise click.ClickException(error.message) from None
    finally:
        await desk.close()


async def _lines(desk: Offline, file: TextIO) -> int:
    """Answer every line with a line; how many could not be routed."""
    failed = 0
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            told = await desk.explain(_body(json.loads(line)))
        except (ValueError, TypeError, SyntraError) as error:
            told = {"error": f"line {number}: {error}"}
        failed += "error" in told
        told.pop("candidates", None)
        click.echo(msgspec.json.encode(told))
    await desk.close()
    return failed


def _body(row: Mapping[str, Any]) -> bytes:
    """A chat request of a line."""
    fields = dict(row)
    if "text" in fields:
        fields.setdefault("messages", [{"role": "user", "content": fields.pop("text")}])
    return json.dumps({"model": "syntra", **fields}).encode()


def _show(told: Mapping[str, Any]) -> None:
    """Facts in a few lines, candidates in a table."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column()
    for name, value in _facts(told):
        facts.add_row(name, value)
    console.print(facts)
    console.print()
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("#", justify="right")
    table.add_column("model, and why", overflow="fold")
    for name in ("score", "quality", "USD", "TTFT"):
        table.add_column(name, justify="right", no_wrap=True)
    ranks = {one["model"]: str(rank) for rank, one in enumerate(told["plan"], 1)}
    for one in told["candidates"]:
        rank = ranks.get(one["model"], "")
        cost = "?" if one["cost_usd"] is None else f"{one['cost_usd']:.6f}"
        style = "bold green" if rank == "1" else "" if rank else "dim"
        model = Text.assemble((one["model"], style), "\n", ("; ".join(one["reasons"]), "dim"))
        cells = (f"{one['score']:.3f}", f"{one['quality']:.2f}", cost, f"{one['ttft_ms'] / 1e3:.1f} s")
        table.add_row(Text(rank, style), model, *(Text(cell, style) for cell in cells))
    console.print(table)


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "intent", f"{told['intent']}, {told['confidence']:.0%} sure"
    yield "complexity", f"{told['complexity']:.2f}"
    yield "fresh facts", f"{told['fresh']:.2f}"
    yield "needs", ", ".join(told["needs"]) or "nothing special"
    yield "tokens", f"{told['tokens']} in, about {told['output_tokens']} out"
    yield "language", told["language"]
    yield "policy", f"{told['policy']}, good enough is {told['enough']:.2f} (documents {told['document']})"
