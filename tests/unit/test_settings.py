"""Every setting, read once from the environment; what cannot be used is told by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.deadline import Patience
from gateway.core.secret import Secret
from gateway.settings import Settings, SettingsError, read


@dataclass(frozen=True)
class Given:
    """A variable with a value, and the setting that it becomes."""

    variable: str
    value: str
    field: str
    becomes: Any
    beside: Mapping[str, str] = field(default_factory=dict)  # what it makes no sense without

    def __str__(self) -> str:
        return f"{self.variable}={self.value}"


GIVEN = (
    Given("HOST", "0.0.0.0", "host", "0.0.0.0"),
    Given("PORT", "9000", "port", 9000),
    Given("PORT", "65535", "port", 65535),
    Given("SYNTRA_DATA_DIR", "/tmp/x y", "data_dir", "/tmp/x y"),  # noqa: S108
    Given("SYNTRA_DATA_DIR", "on", "data_dir", "on"),
    Given("SYNTRA_WORKERS", "4", "workers", 4),
    Given("FRONTEND_URL", "http://a,http://b", "frontend_url", "http://a,http://b"),
    Given("SYNTRA_PROVIDERS", "lab=http://x/v1", "providers", "lab=http://x/v1"),
    Given("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "1", "allow_private", True),
    Given("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "true", "allow_private", True),
    Given("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "TRUE", "allow_private", True),
    Given("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "Yes", "allow_private", True),
    Given("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "on", "allow_private", True),
    Given("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "0", "allow_private", False),
    Given("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "off", "allow_private", False),
    Given("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "", "allow_private", False),
    Given("SYNTRA_CA_BUNDLE", "/x.pem", "ca_bundle", "/x.pem"),
    Given("SYNTRA_OUTBOUND_PROXY", "http://u:p@proxy:3128", "outbound_proxy", "http://u:p@proxy:3128"),
    Given("DATABASE_URL", "postgresql://u:p@h/d", "database_url", Secret("postgresql://u:p@h/d")),
    Given("DEFAULT_REQUESTS_PER_DAY", "1000", "requests_per_day", 1000),
    Given("DEFAULT_TOKENS_PER_DAY", "100000", "tokens_per_day", 100000),
    Given("SECRET_KEY", " s ", "secret_key", Secret("s")),
    Given("ENCRYPTION_KEY", "a,b", "encryption_key", Secret("a,b")),
    Given("QDRANT_URL", "http://h:6333", "qdrant_url", "http://h:6333"),
    Given("QDRANT_API_KEY", "k", "qdrant_key", Secret("k")),
    Given("OIDC_ISSUER", "https://a.example", "oidc_issuer", "https://a.example", {"OIDC_AUDIENCE": "b"}),
    Given("OIDC_AUDIENCE", "b", "oidc_audience", "b", {"OIDC_ISSUER": "https://a.example/"}),
    Given("OIDC_JWKS_URL", "https://a.example/keys", "oidc_jwks_url", "https://a.example/keys"),
    Given("SYNTRA_LOG", "text", "log", "text"),
    Given("SYNTRA_LOG_LEVEL", "warning", "log_level", "warning"),
    Given("VALKEY_URL", "redis://h/1", "valkey_url", "redis://h/1"),
    Given("REDIS_URL", "redis://h", "redis_url", "redis://h"),
    Given("UPSTASH_REDIS_URL", "rediss://h", "upstash_url", "rediss://h"),
    Given("UPSTASH_REDIS_TOKEN", "t", "upstash_token", "t"),
    Given("QDRANT_URL", "http://h:6333", "qdrant_url", "http://h:6333"),
    Given("QDRANT_API_KEY", "k", "qdrant_key", Secret("k")),
    Given("INTELLIGENT_ROUTING_ENABLED", "off", "reads_prompts", False),
    Given("MEMORY_ENABLED", "off", "memory", False),
    Given("SUPERMEMORY_API_KEY", "sm_k", "supermemory_key", Secret("sm_k")),
    Given("SUPERMEMORY_API_BASE_URL", "https://m.example", "supermemory_url", "https://m.example"),
    Given("SYNTRA_EMBEDDING", "minilm", "embedding", "minilm"),
    Given("FEATURE_COREWRITE", "yes", "rewrites", "on"),
    Given("SYNTRA_PERSONA", "no", "persona", False),
    Given("SYNTRA_CONNECT_SECONDS", "0.5", "connect_seconds", 0.5),
    Given("SYNTRA_FIRST_EVENT_SECONDS", "10", "first_event_seconds", 10.0),
    Given("SYNTRA_IDLE_SECONDS", "30", "idle_seconds", 30.0),
    Given("SYNTRA_TOTAL_SECONDS", "900", "total_seconds", 900.0),
    Given("SYNTRA_BODY_SECONDS", "2", "body_seconds", 2.0),
    Given("SYNTRA_DRAIN_SECONDS", "1", "drain_seconds", 1.0),
)


def plain(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else value


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_a_variable_becomes_its_setting_and_no_other(given: Given) -> None:
    settings = read({given.variable: given.value, "UNRELATED": "x", **given.beside})
    assert plain(getattr(settings, given.field)) == plain(given.becomes)
    names = dict(zip(Settings.__struct_encode_fields__, Settings.__struct_fields__, strict=True))
    touched = {given.field, *(names[variable] for variable in given.beside)}
    assert msgspec.structs.replace(settings, **{name: getattr(Settings(), name) for name in touched}) == Settings()


def test_every_setting_has_a_case_here() -> None:
    assert {given.field for given in GIVEN} == set(Settings.__struct_fields__)
    assert {given.variable for given in GIVEN} == set(Settings.__struct_encode_fields__)


def test_without_variables_it_is_for_one_person_on_one_machine() -> None:
    settings = read({})
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert not settings.allow_private
    assert settings.persona
    assert settings == read(dict.fromkeys(Settings.__struct_encode_fields__, ""))


@dataclass(frozen=True)
class Wrong:
    """A value that cannot be used."""

    variable: str
    value: str

    def __str__(self) -> str:
        return f"{self.variable}={self.value}"


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("PORT", "0"),
        Wrong("PORT", "65536"),
        Wrong("PORT", "-1"),
        Wrong("PORT", "http"),
        Wrong("PORT", "80.5"),
        Wrong("SYNTRA_WORKERS", "0"),
        Wrong("SYNTRA_WORKERS", "257"),
        Wrong("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "maybe"),
        Wrong("SYNTRA_ALLOW_PRIVATE_UPSTREAMS", "2"),
        Wrong("SYNTRA_PERSONA", "-"),
        Wrong("SYNTRA_IDLE_SECONDS", "0"),
        Wrong("SYNTRA_IDLE_SECONDS", "-1"),
        Wrong("SYNTRA_IDLE_SECONDS", "nan"),
        Wrong("SYNTRA_IDLE_SECONDS", "inf"),
        Wrong("SYNTRA_TOTAL_SECONDS", "forever"),
        Wrong("SYNTRA_DRAIN_SECONDS", "1e999"),
        Wrong("SYNTRA_LOG", "xml"),
        Wrong("SYNTRA_LOG_LEVEL", "loud"),
        Wrong("OIDC_JWKS_URL", "file:///etc/passwd"),
        Wrong("OIDC_JWKS_URL", "https://me@a.example/keys"),
        Wrong("OIDC_JWKS_URL", "a.example/keys"),
        Wrong("OIDC_JWKS_URL", "http://a.example/keys"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_used_is_told_with_its_name(wrong: Wrong) -> None:
    with pytest.raises(SettingsError) as caught:
        read({wrong.variable: wrong.value})
    assert str(caught.value).startswith(f"{wrong.variable}={wrong.value!r}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("alone", [{"OIDC_ISSUER": "https://a.example"}, {"OIDC_AUDIENCE": "b"}])
def test_an_issuer_without_an_audience_is_refused_for_it_would_take_tokens_for_anybody(alone: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="belong together"):
        read(alone)


def test_the_waits_of_a_call_are_the_settings() -> None:
    settings = read(
        {
            "SYNTRA_CONNECT_SECONDS": "1",
            "SYNTRA_FIRST_EVENT_SECONDS": "2",
            "SYNTRA_IDLE_SECONDS": "3",
            "SYNTRA_TOTAL_SECONDS": "4",
        }
    )
    assert settings.patience == Patience(1, 2, 3, 4)
    assert read({}).patience == Patience()


def test_data_is_kept_where_it_was_said_or_at_home() -> None:
    assert read({"SYNTRA_DATA_DIR": "/x"}).data_path == Path("/x")
    assert read({}).data_path == Path.home() / ".local" / "share" / "syntra"
