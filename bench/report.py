"""What is told in the end: a table for people, and figures.json for the README."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Figure
from gateway import __version__

_PACKAGES = ("granian", "httptools", "litellm", "litestar", "msgspec", "uvloop")


def show(console: Console, figures: Sequence[Figure]) -> None:
    """The table."""
    table = Table(title=f"Syntra {__version__} beside the raw upstream", title_justify="left")
    for name in ("what", "raw", "Syntra", "figure", "bar", "", "note"):
        table.add_column(name, justify="right" if name in ("raw", "Syntra", "figure") else "left", overflow="fold")
    for figure in figures:
        unit = figure.bar.unit if figure.bar else ""
        verdict = "" if figure.bar is None else "[green]ok[/green]" if figure.ok else "[bold red]miss[/bold red]"
        bar = str(figure.bar or "")
        value = f"{figure.value:.2f} {unit}".strip()
        table.add_row(figure.what, figure.raw, figure.syntra, value, bar, verdict, figure.note)
    console.print(table)


def write(path: Path, figures: Sequence[Figure], how: dict[str, Any]) -> None:
    """The figures with where, when and how they were made."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {"cpu": _cpu(), "count": os.cpu_count(), "memory_gb": round(_memory() / 1e9, 1)},
        "python": platform.python_version(),
        "versions": {"syntra": __version__, "go": _go()} | {name: metadata.version(name) for name in _PACKAGES},
        "how": how,
        "figures": [_plain(figure) for figure in figures],
    }
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _plain(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "what": figure.what,
        "raw": figure.raw,
        "syntra": figure.syntra,
        "value": round(figure.value, 3),
        "unit": figure.bar.unit if figure.bar else "",
        "bar": str(figure.bar or ""),
        "ok": figure.ok,
        "note": figure.note,
        "command": figure.command,
    }


def _cpu() -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return match[1] if match else platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _go() -> str:
    return subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
