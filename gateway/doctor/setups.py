"""How each client is told where Syntra is: the lines of its configuration, and how they join what is there.

The pages in docs/clients show these lines, `syntra doctor --client … --write` writes them, and `make clients` drives
the real clients with them: there is one source, and a test holds the pages to it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.doctor import jsonc, toml_text, yaml_text

SCHEMA: Final = "https://opencode.ai/config.json"


class Place(Struct, frozen=True):
    """Where a client will find Syntra: its origin, the file of its key, or the key itself, and the model to ask for."""

    origin: str = "http://127.0.0.1:8000"
    key_file: str = "~/.local/share/syntra/key"
    key: str = "sk-syn-…"
    model: str = "syntra"
    small: str = "syntra-cheap"

    @property
    def base_url(self) -> str:
        """For clients that speak OpenAI's dialects."""
        return f"{self.origin}/v1"

    @property
    def shell(self) -> str:
        """A shell's words for the key: read from its file when they run, or the key where there is no file."""
        return f"cat {quoted(self.key_file)}" if self.key_file else f"echo {shlex.quote(self.key)}"


class File(Struct, frozen=True):
    """One file of a client's: its path below the home, its lines, and how they join those that it has."""

    path: str
    lines: str
    merge: Callable[[str], str]  # the old text to the new one; raises ValueError where it cannot be read
    read: Callable[[str], Any]  # the text as data
    expect: Callable[[Any], Any]  # what must come of the old data, to see that nothing else has changed
    fence: str  # how a page calls the language
    holds_key: bool = False


class Setup(Struct, frozen=True):
    """A client's files; and where it has none that a program could write, what its user does."""

    name: str
    files: tuple[File, ...] = ()
    exports: str = ""  # lines for the shell that starts it
    by_hand: str = ""


def quoted(path: str) -> str:
    """A path for a shell, its tilde left to the shell."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)


def _json(path: str, wanted: Mapping[str, Any], *, holds_key: bool = False) -> File:
    lines = json.dumps(wanted, indent=2, ensure_ascii=False)
    return File(
        path,
        lines,
        lambda old: jsonc.joined(old, wanted),
        jsonc.read,
        lambda old: jsonc.merged(old, wanted),
        "json",
        holds_key,
    )


def codex(place: Place) -> Setup:
    """OpenAI's Codex. Its key comes of a command, so that none stands in its configuration."""
    wanted: dict[str, Any] = {
        "model": place.model,
        "model_provider": "syntra",
        "model_providers": {
            "syntra": {
                "name": "Syntra",
                "base_url": place.base_url,
                "wire_api": "responses",
                "auth": {"command": "sh", "args": ["-c", place.shell]},
            }
        },
    }
    lines = toml_text.joined("", wanted)
    file = File(
        ".codex/config.toml",
        lines,
        lambda old: toml_text.joined(old, wanted),
        toml_text.read,
        lambda old: toml_text.expected(old, wanted),
        "toml",
    )
    return Setup("codex", (file,))


def claude(place: Place) -> Setup:
    """Anthropic's Claude Code. Its base URL is the origin, without /v1."""
    env = {
        "ANTHROPIC_BASE_URL": place.origin,
        "ANTHROPIC_MODEL": place.model,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": place.small,
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
    }
    return Setup("claude", (_json(".claude/settings.json", {"apiKeyHelper": place.shell, "env": env}),))


def opencode(place: Place) -> Setup:
    """Opencode: a provider of its own name, with OpenAI's chat completions."""
    key = f"{{file:{place.key_file}}}" if place.key_file else place.key
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Syntra",
        "options": {"baseURL": place.base_url, "apiKey": key},
        "models": {name: {"name": name} for name in dict.fromkeys((place.model, place.small))},
    }
    wanted = {"$schema": SCHEMA, "model": f"syntra/{place.model}", "provider": {"syntra": provider}}
    return Setup("opencode", (_json(".config/opencode/opencode.json", wanted, holds_key=not place.key_file),))


def continue_(place: Place) -> Setup:
    """Continue, in editors and on the command line."""
    model = {
        "name": "Syntra",
        "provider": "openai",
        "model": place.model,
        "apiBase": place.base_url,
        "apiKey": place.key,
        "roles": ["chat", "edit", "apply"],
    }
    head = {"name": "Mine", "version": "1.0.0", "schema": "v1"}
    lines = yaml_text.with_item("", head, "models", model)
    file = File(
        ".continue/config.yaml",
        lines,
        lambda old: yaml_text.with_item(old, head, "models", model),
        yaml_text.read,
        lambda old: yaml_text.expected(old, head, "models", model),
        "yaml",
        holds_key=True,
    )
    return Setup("continue", (file,))


def cline(place: Place) -> Setup:
    """Cline on the command line; in an editor the same three values go into its settings."""
    settings = {
        "provider": "openai-compatible",
        "apiKey": place.key,
        "model": place.model,
        "baseUrl": place.base_url,
    }
    provider = {"settings": settings, "updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual"}
    wanted = {"version": 1, "lastUsedProvider": "openai-compatible", "providers": {"openai-compatible": provider}}
    by_hand = f'In an editor: API provider "OpenAI Compatible", base URL {place.base_url}, model ID {place.model}.'
    return Setup("cline", (_json(".cline/data/settings/providers.json", wanted, holds_key=True),), by_hand=by_hand)


def aider(place: Place) -> Setup:
    """Aider, which goes through LiteLLM: `openai/` in front of the model says that it speaks OpenAI's dialect."""
    wanted = {
        "openai-api-base": place.base_url,
        "openai-api-key": place.key,
        "model": f"openai/{place.model}",
        "weak-model": f"openai/{place.small}",
        "show-model-warnings": False,
    }
    lines = yaml_text.with_values("", wanted)
    file = File(
        ".aider.conf.yml",
        lines,
        lambda old: yaml_text.with_values(old, wanted),
        yaml_text.read,
        lambda old: {**old, **wanted},
        "yaml",
        holds_key=True,
    )
    return Setup("aider", (file,))


def openai(place: Place) -> Setup:
    """The OpenAI SDKs, and all that reads the same variables."""
    exports = f"export OPENAI_BASE_URL={place.base_url}\nexport OPENAI_API_KEY=$({place.shell})"
    by_hand = "The SDKs have no file of their own: put the lines where your shell or your service reads its variables."
    return Setup("openai", exports=exports, by_hand=by_hand)


def zed(place: Place) -> Setup:
    """Zed: a provider that speaks OpenAI's chat completions; its key comes of a variable or of its own settings."""
    models = [
        {"name": name, "display_name": name, "max_tokens": 200_000}
        for name in dict.fromkeys((place.model, place.small))
    ]
    wanted = {
        "language_models": {"openai_compatible": {"Syntra": {"api_url": place.base_url, "available_models": models}}},
        "agent": {"default_model": {"provider": "Syntra", "model": place.model}},
    }
    return Setup(
        "zed",
        (_json(".config/zed/settings.json", wanted),),
        exports=f"export SYNTRA_API_KEY=$({place.shell})",
    )


def cursor(place: Place) -> Setup:
    """Cursor, whose own servers call: the address must be one that the internet reaches."""
    by_hand = (
        "In Cursor: Settings > Models > API Keys. Put the key under OpenAI API Key, switch Override OpenAI Base URL "
        f"on, set it to the public https address of this gateway, ending in /v1 ({place.base_url} is reached from your "
        f"machine only). Add a custom model named {place.model}."
    )
    return Setup("cursor", by_hand=by_hand)
