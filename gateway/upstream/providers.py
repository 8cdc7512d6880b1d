"""The providers that can be called: from the environment to where each is, with which key, on which wire."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct

from gateway.core import artefacts
from gateway.core.caller import Credential
from gateway.core.chat import ChatRequest
from gateway.core.deadline import Deadline
from gateway.core.errors import UpstreamCredential
from gateway.core.precedence import in_thread
from gateway.core.secret import Secret
from gateway.upstream.answer import Entry, Opened, Remote, Sent, at_once
from gateway.upstream.dialect import Dialect, Provider
from gateway.upstream.egress import split
from gateway.upstream.openai_wire import Manners, OpenAIWire
from gateway.upstream.share import Circle
from gateway.upstream.simulate import Simulated
from gateway.upstream.translate import Translated, is_loaded, load, names
from policies.documents import Tempo

SIMULATED = "simulated"
ENVIRONMENT = artefacts.EVERYBODY


class Known(Struct, frozen=True):
    """A provider that Syntra knows by name; `names` are the stems of its variables, the first is its own."""

    name: str
    stems: tuple[str, ...]
    base_url: str
    dialect: Dialect


# What only OpenAI has, what only others have, and what few have: each may be refused by who has it not.
_ITS_OWN = frozenset({"verbosity", "service_tier", "prompt_cache_key", "safety_identifier"})
_NEVER_ITS = frozenset({"top_k", "web_search_options"})
_RARE = frozenset({"top_k", "web_search_options", "reasoning_effort"})
_OPENAI = Manners(developer=True, limit="", responses=True, unknown=_NEVER_ITS)
_PLAIN = OpenAIWire(Manners(unknown=_ITS_OWN | _RARE))
_ANY_MODEL = OpenAIWire(Manners(unknown=_ITS_OWN | {"web_search_options"}))
_SEARCHING = OpenAIWire(
    Manners(tools=False, any_object=False, unknown=_ITS_OWN | {"logprobs", "top_logprobs", "user", "reasoning_effort"})
)

KNOWN = (
    Known("openai", ("OPENAI",), "https://api.openai.com/v1", OpenAIWire(_OPENAI)),
    Known("anthropic", ("ANTHROPIC",), "https://api.anthropic.com", Translated("anthropic")),
    Known("google", ("GOOGLE", "GEMINI"), "https://generativelanguage.googleapis.com", Translated("gemini")),
    Known("perplexity", ("PERPLEXITY",), "https://api.perplexity.ai", _SEARCHING),
    Known("kimi", ("KIMI", "MOONSHOT"), "https://api.moonshot.ai/v1", _PLAIN),
    Known("openrouter", ("OPENROUTER",), "https://openrouter.ai/api/v1", _ANY_MODEL),
)
NAMES = tuple(known.name for known in KNOWN)
ALIASES = {"gemini": "google", "moonshot": "kimi"}


class ProvidersError(Exception):
    """A provider's setting that cannot be used."""


def configured(environ: Mapping[str, str], more: str) -> dict[str, Provider]:
    """Every provider with a key, in the order of `KNOWN`, then those that `more` names (SYNTRA_PROVIDERS)."""
    found: dict[str, Provider] = {}
    for known in KNOWN:
        key = _first(environ, known.stems, "_API_KEY")
        if key:
            base_url = _first(environ, known.stems, "_BASE_URL") or known.base_url
            found[known.name] = _provider(known.name, base_url, key, known.dialect)
    for name, base_url in _named(more):
        found[name] = _provider(name, base_url, environ.get(f"{_stem(name)}_API_KEY", "").strip(), _PLAIN)
    for name in sorted(names() - found.keys() - ALIASES.keys() - _OWN):
        key = environ.get(f"{_stem(name)}_API_KEY", "").strip()
        if key:
            dialect = Translated(name)
            base_url = environ.get(f"{_stem(name)}_BASE_URL", "").strip() or dialect.home()
            found[name] = _provider(name, base_url, key, dialect)
    return found


def possible() -> frozenset[str]:
    """Every provider that a key would make live, whether it has one or not."""
    return _OWN | (names() - ALIASES.keys())


def tempos(environ: Mapping[str, str], live: Iterable[str]) -> dict[str, Tempo]:
    """The pace of the environment's keys, by provider: OPENAI_RPS, OPENAI_BURST, OPENAI_CONCURRENCY and their like."""
    known = {one.name: one.stems for one in KNOWN}
    found: dict[str, Tempo] = {}
    for name in live:
        stems = known.get(name) or (_stem(name),)
        given = {field: _first(environ, stems, f"_{field.upper()}") for field in ("rps", "burst", "concurrency")}
        try:
            tempo = msgspec.convert({field: value for field, value in given.items() if value}, Tempo, strict=False)
        except msgspec.ValidationError as error:
            field = next((field for field in given if f"$.{field}" in str(error)), "rps")
            words = str(error).partition(" - at")[0]
            raise ProvidersError(f"{stems[0]}_{field.upper()}={given[field]!r}: {words}.") from None
        if any(given.values()):
            found[name] = tempo
    return found


_OWN = frozenset(NAMES)
_RESERVED = frozenset(ALIASES) | {SIMULATED, "syntra"}


def _first(environ: Mapping[str, str], stems: Iterable[str], ending: str) -> str:
    return next((value for stem in stems if (value := environ.get(stem + ending, "").strip())), "")


def _stem(name: str) -> str:
    return name.upper().replace("-", "_")


def _named(more: str) -> list[tuple[str, str]]:
    """`name=base_url` pairs, comma-separated."""
    pairs = []
    for item in filter(None, (part.strip() for part in more.split(","))):
        name, sign, base_url = item.partition("=")
        if not sign or not name.replace("-", "").replace("_", "").isalnum() or not base_url:
            raise ProvidersError(f"SYNTRA_PROVIDERS: '{item}' is not of the form name=https://host/v1")
        if name.strip().lower() in _RESERVED:
            raise ProvidersError(f"SYNTRA_PROVIDERS: '{name.strip()}' is Syntra's own name for something else")
        pairs.append((name.strip().lower(), base_url.strip()))
    return pairs


def _provider(name: str, base_url: str, key: str, dialect: Dialect) -> Provider:
    base_url = base_url.rstrip("/")
    try:
        split(base_url)
    except ValueError as error:
        raise ProvidersError(f"{_stem(name)}_BASE_URL: {error}") from None
    if not key.isascii() or not key.isprintable():
        raise ProvidersError(f"{_stem(name)}_API_KEY has characters that no key has")
    return Provider(name, base_url, Secret(key), dialect)


def is_translated(provider: Provider) -> bool:
    """Whether it speaks a wire that LiteLLM translates, so that LiteLLM must be loaded before requests come."""
    return isinstance(provider.dialect, Translated)


class Candidate(Struct, frozen=True, dict=True):
    """One model at one provider that may answer."""

    provider: str
    model: str  # the provider's own name for it
    without: tuple[str, ...] = ()  # the request's fields that it refuses, left out because we chose it
    credential: str = ENVIRONMENT  # the id of the key that it is asked with
    most_output: int = 0  # tokens of an answer, 0 where that is not known
    window: int = 0  # tokens of prompt and answer, the same

    @cached_property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.model}"

    @cached_property
    def key(self) -> tuple[str, str, str]:
        """What rests and recovers as one: provider, credential, model."""
        return self.provider, self.credential, self.model

    @cached_property
    def issuer(self) -> str:
        """Whose its thoughts are."""
        return artefacts.issuer(self.provider, self.credential)

    @cached_property
    def pace_key(self) -> tuple[str, str]:
        """What is as fast as it is whoever pays: provider, model."""
        return self.provider, self.model


def candidate(name: str, without: tuple[str, ...] = (), most_output: int = 0, window: int = 0) -> Candidate:
    """The candidate of this name, `provider/model`."""
    provider, _, model = name.partition("/")
    return Candidate(provider, model, without, most_output=most_output, window=window)


class Places:
    """Where every provider is, and with which key it is asked."""

    def __init__(self, environ: Mapping[str, str], found: Mapping[str, Provider]) -> None:
        unused = {
            known.name: _provider(
                known.name, _first(environ, known.stems, "_BASE_URL") or known.base_url, "", known.dialect
            )
            for known in KNOWN
        }
        self._providers = {**unused, **found}

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._providers.values())

    def __contains__(self, name: str) -> bool:
        return name in self._providers

    def with_key(self, candidate: Candidate, credentials: Mapping[str, Credential]) -> Provider:
        """The provider with the key that the candidate is asked with, read once, so that an attempt has one key."""
        provider = self._providers[candidate.provider]
        if candidate.credential == ENVIRONMENT:
            return provider
        secret = credentials[candidate.provider].secret
        if not secret:
            raise UpstreamCredential("The organisation's key for this provider cannot be used.", provider=provider.name)
        return msgspec.structs.replace(provider, key=secret, credential=candidate.credential)


class Upstream:
    """Asks a candidate, wherever it is."""

    def __init__(self, places: Places, remote: Remote) -> None:
        self._places = places
        self._remote = remote
        self._simulated = Simulated()

    def ask(
        self,
        candidate: Candidate,
        credentials: Mapping[str, Credential],
        request: ChatRequest,
        deadline: Deadline,
        sent: Sent,
        circle: Circle | None = None,
        entry: Entry = at_once,
    ) -> Coroutine[Any, Any, Opened]:
        """One attempt: an answer that has begun to come in, for the caller to close; it may be the `circle`'s."""
        if candidate.provider == SIMULATED:
            return self._simulate(candidate, request)
        provider = self._places.with_key(candidate, credentials)
        asked = self._remote.ask(provider, candidate.model, request, deadline, sent, circle, entry)
        # An organisation's key may have brought the first provider that needs LiteLLM; with a key in the environment
        # it is loaded before anybody comes.
        return _after_loading(asked) if is_translated(provider) and not is_loaded() else asked

    async def _simulate(self, candidate: Candidate, request: ChatRequest) -> Opened:
        return Opened(self._simulated.ask(request, candidate.model), _nothing, request.lost)


async def _after_loading(asked: Coroutine[Any, Any, Opened]) -> Opened:
    try:
        await in_thread(load)
    except BaseException:
        asked.close()
        raise
    return await asked


def _nothing() -> None:
    """A simulated answer holds nothing that must be closed."""
