"""The tool that `llm` is given with --functions."""

from pathlib import Path


def read_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()
