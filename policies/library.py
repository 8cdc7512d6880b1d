"""All documents together, checked: what the gateway decides by, and what `syntra policy check` tells of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

from msgspec import Struct, field, json

from policies import checks
from policies.checks import Nameable
from policies.documents import (
    DocumentError,
    Intents,
    Models,
    Organisation,
    Organisations,
    Persona,
    Routing,
)
from policies.reading import Read, Source, read

HERE: Final = Path(__file__).parent  # the documents that are shipped
SUFFIX: Final = ".toml"


class Library(Struct, frozen=True):
    """The documents of one moment; whatever one of them names, another has."""

    persona: Persona
    models: Models
    intents: Intents
    routing: Mapping[str, Routing]  # by the stem of the file
    organisations: Organisations
    version: str  # of the contents: the same files, the same version
    sources: Mapping[str, Source] = field(default_factory=dict)  # by the name of the file
    known: Nameable = Nameable(lambda _: False)

    @classmethod
    def load(cls, folders: Sequence[Path], known: Nameable) -> Library:
        """The documents of these folders; a later folder's file stands in for an earlier one's of the same name.

        Raises DocumentError with every mistake.
        """
        return cls.of(gather(folders), known)

    @classmethod
    def of(cls, sources: Mapping[str, Source], known: Nameable) -> Library:
        """The documents in these files, by name; raises DocumentError."""
        found = [read(source) for _, source in sorted(sources.items())]
        unread = [line for one in found if isinstance(one, list) for line in one]
        if unread:  # what others say about a file that cannot be read would only be noise
            raise DocumentError(unread)
        reads = [one for one in found if isinstance(one, Read)]
        wrong = checks.mistakes(reads, known)
        if wrong:
            raise DocumentError(wrong)
        documents = [one.document for one in reads]
        return cls(
            persona=next(one for one in documents if isinstance(one, Persona)),
            models=next(one for one in documents if isinstance(one, Models)),
            intents=next(one for one in documents if isinstance(one, Intents)),
            routing={one.source.stem: one.document for one in reads if isinstance(one.document, Routing)},
            organisations=next(one for one in documents if isinstance(one, Organisations)),
            version=digest(sources),
            sources=sources,
            known=known,
        )

    def organisation(self, name: str) -> Organisation:
        """What is said of this organisation, or of every one that is not named."""
        named = self.organisations.organisation
        return named.get(name) or named.get(checks.DEFAULT) or Organisation()


def gather(folders: Sequence[Path]) -> dict[str, Source]:
    """The files of these folders by name, as they are now; a folder that is not there has none."""
    found: dict[str, Source] = {}
    for folder in folders:
        for path in listed(folder):
            try:
                found[path.name] = Source(path, path.read_bytes())
            except FileNotFoundError:  # gone between the two looks
                continue
            except OSError as error:
                raise DocumentError([f"{path}: {error.strerror}"]) from None
    return found


def listed(folder: Path) -> list[Path]:
    """The documents in a folder, by name; what an editor keeps beside them is hidden and not one of them."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and not path.name.startswith("."))


def digest(sources: Mapping[str, Source]) -> str:
    """Twelve digits that change whenever any of these files does."""
    whole = blake2b(digest_size=6)
    for name, source in sorted(sources.items()):
        whole.update(f"{name} {len(source.content)}\n".encode() + source.content)
    return whole.hexdigest()


def packed(sources: Mapping[str, Source]) -> bytes:
    """These files as one, to be kept."""
    return json.encode({name: (str(source.path), source.content) for name, source in sources.items()})


def unpacked(content: bytes) -> dict[str, Source]:
    """What `packed` has made one of."""
    files = json.decode(content, type=dict[str, tuple[str, bytes]])
    return {name: Source(Path(path), held) for name, (path, held) in files.items()}


def check(path: Path, library: Library) -> list[str]:
    """What is wrong with this file, as if it stood among the library's; [] if nothing is."""
    if path.suffix != SUFFIX:
        return [f"{path}: the name of a document ends in {SUFFIX}"]
    try:
        source = Source(path, path.read_bytes())
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    try:
        Library.of({**library.sources, path.name: source}, library.known)
    except DocumentError as error:
        return error.mistakes
    return []
