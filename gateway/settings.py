"""Every setting there is, read once from the environment; nothing else looks at it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from gateway.core.deadline import Patience
from gateway.core.secret import Secret

COUNTS = "PROMETHEUS_MULTIPROC_DIR"  # set by the parent for its workers: where they count, so that one page shows all
VECTORS = "SYNTRA_VECTORS_SOCKET"  # the same: where the embedded engine listens

_URL = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(?:/[!-~]*)?")
Seconds = Annotated[float, Meta(gt=0, le=86400)]


class SettingsError(Exception):
    """A setting that cannot be used; the message says which and what to write."""


class Settings(Struct, frozen=True):
    """Settings by the name of their environment variable."""

    host: str = field(default="127.0.0.1", name="HOST")
    port: Annotated[int, Meta(ge=1, le=65535)] = field(default=8000, name="PORT")
    data_dir: str = field(default="", name="SYNTRA_DATA_DIR")
    workers: Annotated[int, Meta(ge=1, le=256)] = field(default=1, name="SYNTRA_WORKERS")
    frontend_url: str = field(default="", name="FRONTEND_URL")  # origins for CORS, comma-separated
    providers: str = field(default="", name="SYNTRA_PROVIDERS")  # further OpenAI-wire servers: name=base_url, …
    allow_private: bool = field(default=False, name="SYNTRA_ALLOW_PRIVATE_UPSTREAMS")
    ca_bundle: str = field(default="", name="SYNTRA_CA_BUNDLE")
    outbound_proxy: str = field(default="", name="SYNTRA_OUTBOUND_PROXY")
    database_url: Secret = field(default=Secret(""), name="DATABASE_URL")
    valkey_url: str = field(default="", name="VALKEY_URL")
    redis_url: str = field(default="", name="REDIS_URL")
    upstash_url: str = field(default="", name="UPSTASH_REDIS_URL")
    upstash_token: str = field(default="", name="UPSTASH_REDIS_TOKEN")
    qdrant_url: str = field(default="", name="QDRANT_URL")
    qdrant_key: Secret = field(default=Secret(""), name="QDRANT_API_KEY")
    requests_per_day: Annotated[int, Meta(ge=1)] | None = field(default=None, name="DEFAULT_REQUESTS_PER_DAY")
    tokens_per_day: Annotated[int, Meta(ge=1)] | None = field(default=None, name="DEFAULT_TOKENS_PER_DAY")
    secret_key: Secret = field(default=Secret(""), name="SECRET_KEY")  # else the file `secret`
    encryption_key: Secret = field(default=Secret(""), name="ENCRYPTION_KEY")  # else the file `encryption`
    oidc_issuer: str = field(default="", name="OIDC_ISSUER")
    oidc_audience: str = field(default="", name="OIDC_AUDIENCE")
    oidc_jwks_url: str = field(default="", name="OIDC_JWKS_URL")  # found by discovery where it is not set
    log: Literal["", "json", "text"] = field(default="", name="SYNTRA_LOG")
    log_level: Literal["debug", "info", "warning", "error"] = field(default="info", name="SYNTRA_LOG_LEVEL")
    reads_prompts: bool = field(default=True, name="INTELLIGENT_ROUTING_ENABLED")
    memory: bool = field(default=True, name="MEMORY_ENABLED")
    supermemory_key: Secret = field(default=Secret(""), name="SUPERMEMORY_API_KEY")
    supermemory_url: str = field(default="", name="SUPERMEMORY_API_BASE_URL")
    embedding: str = field(default="static", name="SYNTRA_EMBEDDING")  # or minilm, or provider/model
    rewrites: Literal["off", "rules", "on"] = field(default="rules", name="FEATURE_COREWRITE")  # `on`: by a model
    persona: bool = field(default=True, name="SYNTRA_PERSONA")  # `off`: no key's requests get it unless they ask
    connect_seconds: Seconds = field(default=5.0, name="SYNTRA_CONNECT_SECONDS")
    first_event_seconds: Seconds = field(default=60.0, name="SYNTRA_FIRST_EVENT_SECONDS")
    idle_seconds: Seconds = field(default=120.0, name="SYNTRA_IDLE_SECONDS")
    total_seconds: Seconds = field(default=600.0, name="SYNTRA_TOTAL_SECONDS")
    body_seconds: Seconds = field(default=10.0, name="SYNTRA_BODY_SECONDS")
    drain_seconds: Seconds = field(default=30.0, name="SYNTRA_DRAIN_SECONDS")

    @property
    def patience(self) -> Patience:
        """The waits of one upstream call."""
        return Patience(self.connect_seconds, self.first_event_seconds, self.idle_seconds, self.total_seconds)

    @property
    def data_path(self) -> Path:
        """Where Syntra keeps what must outlive it."""
        return Path(self.data_dir) if self.data_dir else Path.home() / ".local" / "share" / "syntra"

    @property
    def policies_path(self) -> Path:
        """Where the user's own policy documents lie."""
        return self.data_path / "policies"


_SWITCHED = frozenset(
    {
        *("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "SYNTRA_PERSONA", "INTELLIGENT_ROUTING_ENABLED", "MEMORY_ENABLED"),
    }
)
_REWRITES = {"yes": "on", "true": "on", "1": "on", "no": "off", "false": "off", "0": "off"}
_SWITCHES = {"on": "true", "yes": "true", "off": "false", "no": "false"}


def read(environ: Mapping[str, str]) -> Settings:
    """The settings in an environment; raises SettingsError. An empty value counts as none."""
    names = set(Settings.__struct_encode_fields__)
    given = {name: value for name, value in environ.items() if name in names and value}
    for name in _SWITCHED & given.keys():
        given[name] = _SWITCHES.get(given[name].lower(), given[name])
    if word := given.get("FEATURE_COREWRITE", "").lower():
        given["FEATURE_COREWRITE"] = _REWRITES.get(word, word)
    try:
        chosen = msgspec.convert(given, Settings, strict=False, dec_hook=_secret)
    except msgspec.ValidationError as error:
        match = re.search(r"\$\.(\w+)", str(error))
        name = match[1] if match else "settings"
        raise SettingsError(f"{name}={environ.get(name, '')!r}: {str(error).partition(' - at')[0]}.") from None
    _check_issuer(chosen)
    _check_supermemory(chosen)
    return chosen


def _check_issuer(chosen: Settings) -> None:
    """An identity provider is named with whom its tokens are for, or tokens that are for others would do."""
    if bool(chosen.oidc_issuer) != bool(chosen.oidc_audience):
        raise SettingsError("OIDC_ISSUER and OIDC_AUDIENCE belong together: set both, or neither.")
    for name, url in (("OIDC_ISSUER", chosen.oidc_issuer), ("OIDC_JWKS_URL", chosen.oidc_jwks_url)):
        if url and not _URL.fullmatch(url):
            raise SettingsError(f"{name}={url!r}: not a URL of the form https://accounts.example.com.")
        if url.startswith("http:") and not chosen.allow_private:
            hint = "set SYNTRA_ALLOW_PRIVATE_UPSTREAMS=1 if it is on a network of your own"
            raise SettingsError(f"{name}={url!r}: keys that come by plain http could be anybody's; {hint}.")


def _check_supermemory(chosen: Settings) -> None:
    """What people have said leaves only for where it was meant to go."""
    url = chosen.supermemory_url
    if url and not _URL.fullmatch(url):
        raise SettingsError(f"SUPERMEMORY_API_BASE_URL={url!r}: not a URL of the form https://api.supermemory.ai.")
    if url.startswith("http:") and not chosen.allow_private:
        hint = "set SYNTRA_ALLOW_PRIVATE_UPSTREAMS=1 if it is on a network of your own"
        raise SettingsError(f"SUPERMEMORY_API_BASE_URL={url!r}: plain http can be read on the way; {hint}.")


def _secret(wanted: type, text: str) -> object:
    """A setting that is a secret."""
    return wanted(text.strip())
