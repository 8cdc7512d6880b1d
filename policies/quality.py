"""The quality section of a policy document: which model is good enough for what prompt, by `syntra policy fit`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

LINE: Final = 108  # characters of packed numbers on one line

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Price = Annotated[float, Meta(ge=0)]


class QualityError(Exception):
    """Outcomes that nothing can be learned from, or a section that cannot be used; the message names the key."""


class Graded(Struct, frozen=True, forbid_unknown_fields=True):
    """A model whose answers were graded: how many, how good on average, and its list price."""

    name: str
    prompts: Count
    score: Share
    input_usd_per_million: Price
    output_usd_per_million: Price


class Kind(Struct, frozen=True, forbid_unknown_fields=True):
    """The prompts of one task, or of one cluster where the outcomes name no tasks, and the mean score of each model."""

    name: str
    prompts: Count
    scores: dict[str, Share]


class Packed(Struct, frozen=True, forbid_unknown_fields=True):
    """The fitted numbers as little-endian bytes; `gateway/stores/qualities.py` knows their shapes."""

    centre: bytes
    spread: bytes
    step: bytes
    points: bytes
    counts: bytes
    scores: bytes
    near: bytes
    buckets: bytes
    found: bytes
    grain: bytes
    words: bytes


class Quality(Struct, frozen=True, forbid_unknown_fields=True):
    """What was learned; `eye` tells with which embedding and measures the prompts were seen."""

    eye: str
    prompts: Annotated[int, Meta(ge=1)]
    unknown: float
    known: float
    models: Annotated[list[Graded], Meta(min_length=1)]
    kinds: list[Kind]
    packed: Packed


def meant(name: str, graded: Sequence[str]) -> str:
    """The graded model that a name of the catalogue means, if any: the same whole name, or the same last part."""
    last = name.rpartition("/")[2]
    return next((one for one in graded if one in (name, last)), "")


def render(quality: Quality) -> str:
    """The section as TOML, the same text for the same numbers."""
    return "\n".join(_lines(quality)) + "\n"


def _lines(quality: Quality) -> Iterator[str]:
    """First what a person can review, last what only a machine reads."""
    yield "# Fitted by `syntra policy fit`; no prompt is in here, only numbers and the numbers of hashed words."
    yield "[quality]"
    yield f"eye = {_text(quality.eye)}"
    yield f"prompts = {quality.prompts}"
    yield "# At most this like a known kind of prompt: the broad estimate alone. At least that: the precise one alone."
    yield f"unknown = {quality.unknown!r}"
    yield f"known = {quality.known!r}"
    for model in quality.models:
        yield "\n[[quality.models]]"
        yield f"name = {_text(model.name)}"
        yield f"prompts = {model.prompts}"
        yield f"score = {model.score!r}"
        yield f"input_usd_per_million = {model.input_usd_per_million!r}"
        yield f"output_usd_per_million = {model.output_usd_per_million!r}"
    for kind in quality.kinds:
        yield "\n[[quality.kinds]]"
        yield f"name = {_text(kind.name)}"
        yield f"prompts = {kind.prompts}"
        scores = ", ".join(f"{_text(name)} = {score!r}" for name, score in kind.scores.items())
        yield f"scores = {{ {scores} }}" if scores else "scores = {}"
    yield "\n[quality.packed]"
    for name, numbers in structs.asdict(quality.packed).items():
        packed = base64.b64encode(numbers).decode()
        # A line that ends in a backslash goes on in the next one: one string without line breaks for the reader.
        yield f'{name} = """\\'
        yield from (f"{packed[at : at + LINE]}\\" for at in range(0, len(packed), LINE))
        yield '"""'


def _text(value: str) -> str:
    """A TOML string; JSON's escapes are TOML's, but TOML forbids DEL as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
