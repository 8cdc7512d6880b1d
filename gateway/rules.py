"""The documents in force, and the stages that follow them: an edit takes effect on the next request."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.core.caller import Caller
from gateway.core.health import Health
from gateway.core.pace import Lengths, Pace
from gateway.core.precedence import in_thread
from gateway.core.rolling import Rolling
from gateway.stages.persona import Persona
from gateway.stages.policy import Policies, Policy
from gateway.stages.reader import Reader
from gateway.stores.classifier import Classifier
from gateway.stores.embedding import Encoder
from gateway.stores.expectation import Expectation
from gateway.stores.qualities import require_usable
from gateway.stores.tokenizer import Tokenizer
from gateway.upstream.documents import folders, nameable
from gateway.upstream.offers import catalogued
from gateway.upstream.prices import Prices
from gateway.upstream.providers import NAMES
from policies.checks import Nameable
from policies.documents import DocumentError, Tempo
from policies.library import Library, packed, unpacked
from policies.watcher import Watcher, unforeseen

SECONDS: Final = 1.0  # between two looks at the folders
_KEPT: Final = "documents"  # what the workers leave for each other: the last good ones
_REFRESH: Final = 60  # looks between two in which what was measured long ago fades

log = logging.getLogger("syntra")


class Parts(Struct, frozen=True):
    """What is made of a library, off the loop, before it is put in force."""

    library: Library
    classifier: Classifier | None
    expectations: Mapping[str, Expectation]


class Rules:
    """Reads the documents, makes the stages that depend on them, and keeps these up to date."""

    def __init__(
        self,
        folder: Path | None,
        live: Sequence[str],
        known: Prices,
        health: Health,
        pace: Pace,
        lengths: Lengths,
        *,
        reads: bool,
        rewrites: bool = True,
        rolling: Rolling | None = None,
    ) -> None:
        self._known = known
        self._reads = reads
        self._pace = pace
        self._rolling = rolling or Rolling(None)
        self._refused = ""
        self._watcher, parts = self._begun(folders(folder), nameable(known, live, require_usable))
        self.library = parts.library
        known.take(catalogued(self.library.models, known))
        self.tokenizer = Tokenizer()
        self.persona = Persona(self.library.persona)
        self.policy = Policy(self.library, known, live, health, pace, lengths)
        order = list(dict.fromkeys((*live, *NAMES)))  # whose a bare model name is, where several have it

        def made(some: Collection[str]) -> Policy:
            return Policy(self.library, known, [name for name in order if name in some], health, pace, lengths)

        self.policies = Policies(self.policy, live, made)
        self.assumed = not live  # no provider has a key: what is only explained is explained as if all six had one
        self.rehearsed = Policy(self.library, known, NAMES, health, pace, lengths) if self.assumed else self.policy
        self.reader = Reader(parts.classifier, self.library.intents, lengths, self.tokenizer, rewrites=rewrites)
        self._take(parts)

    @property
    def error(self) -> str:
        """What is wrong with the files as they stand; empty where they are the documents in force."""
        return self._watcher.error or self._refused

    def tempos(self) -> Mapping[str, Tempo]:
        """The pace of each provider that the documents set."""
        return self.library.models.pace

    def explains(self, caller: Caller) -> Policy:
        """What explains a route to this caller: as if all six providers had a key, where none has."""
        return self.rehearsed if self.assumed and not caller.credentials else self.policies.of(caller)

    async def follow(self, told: Callable[[bool], None]) -> None:
        """Look after the files until cancelled; `told` hears of every edit, and whether it was taken."""
        if self.error:
            self._tell_refused(told)
        for tick in itertools.count():
            await asyncio.sleep(SECONDS)
            if tick % _REFRESH == 0:
                self._pace.refresh(time.monotonic())
            before = self.error
            parts = await in_thread(self._look)
            if parts is not None:
                self._take(parts)
                log.info("policies: version %s is in force", self.library.version)
                told(True)
            elif self.error and self.error != before:
                self._tell_refused(told)
            elif before and not self.error:
                log.info("policies: mended, version %s stays", self.library.version)
                told(True)

    def _tell_refused(self, told: Callable[[bool], None]) -> None:
        log.error("policies: an edit was not taken, version %s stays: %s", self.library.version, self.error)
        told(False)

    def _begun(self, places: Sequence[Path], known: Nameable) -> tuple[Watcher, Parts]:
        """The documents as they stand; where they are bad, those that another worker had in force.

        A bad edit refuses the start of a server. That of a worker it must not: one that cannot start ends them all.
        """
        try:
            watcher = Watcher(places, known)
            parts = self._made(watcher.library)
        except Exception as error:
            good = self._rolling.kept(_KEPT)
            if good is None:
                raise
            watcher = Watcher(places, known, unpacked(good))
            watcher.error = str(error) if isinstance(error, DocumentError) else unforeseen(error)
            return watcher, self._made(watcher.library)
        self._keep(parts)
        return watcher, parts

    def _keep(self, parts: Parts) -> None:
        """Leave these documents to the workers that come later."""
        try:
            self._rolling.keep(_KEPT, packed(parts.library.sources))
        except OSError as error:
            log.warning("policies: a worker that comes later will not find these documents: %s", error.strerror)

    def _look(self) -> Parts | None:
        """The parts of a new library, if there is one that can be used."""
        if not self._watcher.poll():
            return None
        try:
            parts = self._made(self._watcher.library)
        except Exception as error:  # noqa: BLE001  # it is told as a mistake is, and the next edit is looked for
            self._refused = unforeseen(error)
            return None
        self._refused = ""
        self._keep(parts)
        return parts

    def _made(self, library: Library) -> Parts:
        if not self._reads:
            return Parts(library, None, {})
        added = {name: intent.examples for name, intent in library.intents.intent.items() if intent.examples}
        catalogue = [model.name for model in library.models.model]
        expectations = {
            name: Expectation(routing.quality, Encoder.load(), catalogue)
            for name, routing in library.routing.items()
            if routing.quality is not None
        }
        return Parts(library, Classifier.load(extra=added), expectations)

    def _take(self, parts: Parts) -> None:
        self.library = parts.library
        self._known.take(catalogued(self.library.models, self._known))
        self.reader.take(parts.classifier, parts.library.intents, parts.expectations)
        self.policies.take(parts.library)
        if self.assumed:
            self.rehearsed.take(parts.library)
        self.persona.take(parts.library.persona)
