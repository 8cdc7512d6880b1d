"""`python -m tests.clients [NAME …]`: install, drive, and say in a table what works; exit code 1 if anything does not."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.clients.cast import CLIENTS
from tests.clients.registry import NODE_ITSELF, InstallError
from tests.clients.stage import LOGS, Client, Outcome, run
from tests.fakes.anthropic_wire import Anthropic
from tests.fakes.gateway import ANTHROPIC, GOOGLE, OPENAI, Gateway, provider_env, serving
from tests.fakes.gemini_wire import Gemini
from tests.fakes.openai_wire import OpenAI
from tests.fakes.provider import Provider

PINNED = (OPENAI, ANTHROPIC, GOOGLE)  # three wires that have nothing in common
WORKS = ("greeting", "task")
console = Console(width=None if Console().is_terminal else 140)


def main(wanted: Sequence[str]) -> int:
    chosen = [client for client in CLIENTS if not wanted or client.name in wanted]
    unknown = sorted(set(wanted) - {client.name for client in CLIENTS})
    if unknown:
        console.print(f"Not known: {', '.join(unknown)}. There are {', '.join(sorted({c.name for c in CLIENTS}))}.")
        return 1
    try:
        with console.status("Installing …") as status:
            for package in (NODE_ITSELF, *{client.package: None for client in chosen}):
                status.update(f"Installing {package.shown} …")
                package.install()
    except InstallError as error:
        console.print(Text(str(error), "red"))
        return 1
    LOGS.mkdir(exist_ok=True)
    return _show(_driven(chosen))


def _driven(chosen: Sequence[Client]) -> dict[Client, dict[str, Outcome]]:
    """Every run there is, one after the other: the fakes say to all what they say to one."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="syntra-clients-")))
        fakes = {kind.name: stack.enter_context(kind()) for kind in (OpenAI, Anthropic, Gemini)}
        status = stack.enter_context(console.status("Starting the gateway …"))
        gateway = stack.enter_context(serving(folder, provider_env(fakes)))
        told = {}
        for client in chosen:
            status.update(f"{client.name} ({client.speaks}) …")
            told[client] = _one(client, gateway, fakes)
            faults = [outcome.fault for outcome in told[client].values() if outcome.fault]
            console.print(Text(f"{client.name} ({client.speaks}): {'; '.join(faults) or 'all well'}", "dim"))
        return told


def _one(client: Client, gateway: Gateway, fakes: Mapping[str, Provider]) -> dict[str, Outcome]:
    return {
        f"{pin.provider} {work}": run(client, pin, gateway, fakes[pin.provider], task=work == "task")
        for pin in PINNED
        for work in WORKS
        if work == "greeting" or client.tool or client.said
    }


def _show(told: Mapping[Client, Mapping[str, Outcome]]) -> int:
    table = Table(title="Real clients over the fakes: seconds, and requests that reached the provider")
    table.add_column("client", no_wrap=True)
    table.add_column("speaks")
    for pin in PINNED:
        for work in WORKS:
            table.add_column(f"{pin.provider}\n{work}", justify="right")
    failed = []
    for client, outcomes in told.items():
        cells = []
        for label in (f"{pin.provider} {work}" for pin in PINNED for work in WORKS):
            outcome = outcomes.get(label)
            if outcome is None:
                cells.append(Text("–", "dim"))
                continue
            mark = Text(f"{outcome.seconds:.1f} s, {outcome.requests}", "green")
            cells.append(Text("fails", "bold red") if outcome.fault else mark)
            if outcome.fault:
                failed.append((client, label, outcome))
        table.add_row(client.package.shown, client.speaks, *cells)
    console.print(table)
    for client, label, outcome in failed:
        console.print(Text(f"{client.name} ({client.speaks}), {label}: {outcome.fault}", "red"))
        console.print(Text(outcome.out.strip()[-600:], "dim"))
    runs = sum(len(outcomes) for outcomes in told.values())
    console.print(f"{runs - len(failed)} of {runs} runs went well; what was said is in {LOGS}")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the gateway and its engines end too
    sys.exit(main(sys.argv[1:]))
