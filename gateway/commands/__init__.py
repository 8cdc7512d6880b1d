"""The subcommands of `syntra` beside `serve`, one file each, loaded when they are called.

The server's parent process does nothing but wait for its workers: numpy and the stages would be 40 MB of it.
"""

from __future__ import annotations

import importlib
from typing import Final

import rich_click as click

NAMES: Final = ("audit", "doctor", "key", "migrate", "policy", "route")


class Commands(click.RichGroup):
    """`serve`, and the commands of `NAMES`: each is the function of its name in the file of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *NAMES])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NAMES:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(f"gateway.commands.{cmd_name}"), cmd_name)
        return command
