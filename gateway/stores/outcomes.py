"""Reads graded answers and list prices; what is wrong is told with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from policies.quality import Price, QualityError, Share


class Outcome(Struct, frozen=True):
    """A prompt that models have answered, and how good each answer was."""

    prompt: str
    scores: dict[str, Share]
    task: str = ""


class ListPrice(Struct, frozen=True):
    """What a model costs; other keys are let be."""

    input_usd_per_million: Price
    output_usd_per_million: Price


def outcomes(path: Path) -> list[Outcome]:
    """The outcomes in a file of JSON lines; raises QualityError with the line that is wrong."""
    rows = []
    for number, line in enumerate(_bytes(path).split(b"\n"), 1):
        try:
            if line.strip():
                rows.append(msgspec.json.decode(line, type=Outcome))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise QualityError(f"{path}:{number}: {error}") from None
    return rows


def prices(path: Path) -> dict[str, ListPrice]:
    """The list prices in a JSON file by model; raises QualityError."""
    try:
        return msgspec.json.decode(_bytes(path), type=dict[Annotated[str, Meta(min_length=1)], ListPrice])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise QualityError(f"{path}: {error}") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise QualityError(f"{path}: {error.strerror}") from None
