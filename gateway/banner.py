"""What the start prints: where Syntra is, the key, who answers, and a line to try it with."""

from __future__ import annotations

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway import __version__
from gateway.core.secret import Secret
from gateway.settings import Settings

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # what to dial when listening on every address


def origin(settings: Settings) -> str:
    """Where a client on this machine finds the gateway."""
    host = _ANYWHERE.get(settings.host, f"[{settings.host}]" if ":" in settings.host else settings.host)
    return f"http://{host}:{settings.port}"


def show(console: Console, settings: Settings, key: Secret, live: list[str], stores: str) -> None:
    """Print the banner; the curl line stands on a line of its own, so that it can be pasted."""
    base_url = f"{origin(settings)}/v1"
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    facts.add_row("Base URL", base_url)
    facts.add_row("Key", f"{key.reveal()}\n[dim]{settings.data_path / 'key'}[/dim]")
    facts.add_row("Providers", ", ".join(live) if live else "[yellow]none: answers are simulated[/yellow]")
    facts.add_row("Stores", stores)
    facts.add_row("Docs", f"{origin(settings)}/docs")
    console.print(Panel(facts, title=f"Syntra {__version__}", border_style="cyan", expand=False))
    if not live:
        console.print(
            Panel(
                "SIMULATED ANSWERS: no provider key is set.\n"
                "Set OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY, PERPLEXITY_API_KEY,\n"
                "KIMI_API_KEY or OPENROUTER_API_KEY and start again.",
                border_style="yellow",
                style="yellow",
                expand=False,
            )
        )
    console.print("Try it:")
    console.print(Text(_curl(base_url, key)), soft_wrap=True)
    console.print()


def _curl(base_url: str, key: Secret) -> str:
    body = '{"model": "syntra", "messages": [{"role": "user", "content": "Hello!"}]}'
    return (
        f"curl {base_url}/chat/completions -H 'Authorization: Bearer {key.reveal()}' "
        f"-H 'Content-Type: application/json' -d '{body}'"
    )
