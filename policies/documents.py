"""Reads the documents; what is wrong is told with file and key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

HERE = Path(__file__).parent


class DocumentError(Exception):
    """A document that cannot be used; the message names file and key."""


class Persona(Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers: `text` stands first in the prompt, byte for byte the same until `version` changes."""

    version: int
    name: str
    text: str
    with_json: bool = False
    with_tools: bool = False


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """A model by its full name, `provider/model`."""

    model: Annotated[str, Meta(pattern="^[^/]+/.+$")]


class Models(Struct, frozen=True, forbid_unknown_fields=True):
    """Which models stand behind Syntra's own names, first choice first."""

    syntra: list[Named]
    embeddings: list[Named]


D = TypeVar("D", bound=Struct)


def load(kind: type[D], path: Path) -> D:
    """A document of this kind; raises DocumentError."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), kind)
    except OSError as error:
        raise DocumentError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DocumentError(f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise DocumentError(f"{path}: {error}") from None


def persona(path: Path = HERE / "persona.toml") -> Persona:
    """The persona document."""
    return load(Persona, path)


def models(path: Path = HERE / "models.toml") -> Models:
    """The document of models."""
    return load(Models, path)
