"""A client's own file keeps all that is not ours, and what was there before lies beside it."""

from __future__ import annotations

import json
import stat
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.doctor import jsonc
from gateway.doctor.clients import CLIENTS
from gateway.doctor.setups import File, Place
from gateway.doctor.writing import WritingError, write

NOW = datetime(2026, 11, 26, 15, 0, 0, tzinfo=UTC)
PLACE = Place(origin="https://syntra.example.com", key="sk-syn-0123456789ab-key")
WRITABLE = [name for name, client in CLIENTS.items() if client.setup(PLACE).files]

CODEX = """# mine
model = "gpt-5"   # the old one
approval_policy = "never"

[mcp_servers.docs]
command = "docs"   # stays

[model_providers.syntra]
env_key = "OLD"

[model_providers.other]
name = "Other"

[[things]]
a = 1
"""
CLAUDE = (
    '{\n  // may read\n  "permissions": {"allow": ["Read",]},\n  "env": {"FOO": "1", "ANTHROPIC_MODEL": "old"},\n}\n'
)
CONTINUE = """name: Mine
models:
  # the first one
  - name: Other
    provider: anthropic
  - name: Syntra
    provider: old
    extra: 1

# rules of the house
rules:
  - be short
"""
AIDER = "# mine\nmodel: gpt-4o\nauto-commits: false\n"
CLINE = '{"version": 1, "providers": {"anthropic": {"settings": {"apiKey": "theirs"}}}}'
ZED = '// Zed settings\n{\n  "theme": "One Dark", // dark\n  "agent": {\n    // nothing yet\n  },\n}\n'
OPENCODE = '{"theme": "x", "provider": {"other": {"npm": "y"}}}'
OLD = {"codex": CODEX, "claude": CLAUDE, "continue": CONTINUE, "aider": AIDER, "cline": CLINE, "zed": ZED}
OLD["opencode"] = OPENCODE


def file(name: str) -> File:
    return CLIENTS[name].setup(PLACE).files[0]


def at(home: Path, name: str, text: str) -> Path:
    path = home / file(name).path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_every_writable_client_has_an_old_file_here() -> None:
    assert set(OLD) == set(WRITABLE)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_new_file_holds_the_lines_and_is_its_owners_alone(name: str, tmp_path: Path) -> None:
    written = write(file(name), tmp_path, NOW)
    assert written.changed
    assert written.backup is None
    assert written.path.read_text("utf-8").strip() == file(name).lines.strip()
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", WRITABLE)
def test_an_old_file_is_kept_beside_the_new_one(name: str, tmp_path: Path) -> None:
    path = at(tmp_path, name, OLD[name])
    path.chmod(0o640)
    written = write(file(name), tmp_path, NOW)
    assert written.backup is not None
    assert written.backup.name == f"{path.name}.before-syntra-20261126-150000"
    assert written.backup.read_text("utf-8") == OLD[name]
    assert stat.S_IMODE(path.stat().st_mode) == (0o600 if file(name).holds_key else 0o640)
    assert sorted(one.name for one in path.parent.iterdir()) == sorted([path.name, written.backup.name])


@pytest.mark.parametrize("name", WRITABLE)
def test_what_is_written_twice_changes_nothing_and_keeps_no_second_copy(name: str, tmp_path: Path) -> None:
    path = at(tmp_path, name, OLD[name])
    write(file(name), tmp_path, NOW)
    before = path.read_bytes()
    assert not write(file(name), tmp_path, NOW).changed
    assert path.read_bytes() == before


def written(name: str, tmp_path: Path) -> str:
    path = at(tmp_path, name, OLD[name])
    write(file(name), tmp_path, NOW)
    return path.read_text("utf-8")


def test_codex_keeps_its_comments_and_other_tables(tmp_path: Path) -> None:
    text = written("codex", tmp_path)
    told = tomllib.loads(text)
    assert "# mine" in text
    assert 'command = "docs"   # stays' in text
    assert told["model"] == "syntra"
    assert told["approval_policy"] == "never"
    assert told["model_providers"]["other"] == {"name": "Other"}
    assert "env_key" not in told["model_providers"]["syntra"]  # it would stand against the command
    assert told["things"] == [{"a": 1}]


def test_claude_code_keeps_its_permissions_and_variables(tmp_path: Path) -> None:
    text = written("claude", tmp_path)
    told = jsonc.read(text)
    assert "// may read" in text
    assert told["permissions"] == {"allow": ["Read"]}
    assert told["env"]["FOO"] == "1"
    assert told["env"]["ANTHROPIC_BASE_URL"] == "https://syntra.example.com"
    assert "key" not in told["env"]


def test_continue_keeps_its_other_models_and_comments(tmp_path: Path) -> None:
    text = written("continue", tmp_path)
    told = yaml.safe_load(text)
    assert [model["name"] for model in told["models"]] == ["Other", "Syntra"]
    assert told["models"][1]["apiKey"] == PLACE.key
    assert told["rules"] == ["be short"]
    assert "# the first one" in text
    assert "# rules of the house" in text


def test_continue_without_syntra_gets_it_first(tmp_path: Path) -> None:
    path = at(tmp_path, "continue", "models:\n- name: Other\n  provider: x\n")
    write(file("continue"), tmp_path, NOW)
    assert [model["name"] for model in yaml.safe_load(path.read_text())["models"]] == ["Syntra", "Other"]


def test_continue_without_models_gets_the_list(tmp_path: Path) -> None:
    path = at(tmp_path, "continue", "name: Mine\nmodels: []\n")
    write(file("continue"), tmp_path, NOW)
    assert [model["name"] for model in yaml.safe_load(path.read_text())["models"]] == ["Syntra"]


def test_aider_keeps_its_other_choices(tmp_path: Path) -> None:
    told = yaml.safe_load(written("aider", tmp_path))
    assert told["auto-commits"] is False
    assert told["model"] == "openai/syntra"


def test_cline_keeps_its_other_providers(tmp_path: Path) -> None:
    told = json.loads(written("cline", tmp_path))
    assert told["providers"]["anthropic"] == {"settings": {"apiKey": "theirs"}}
    assert told["lastUsedProvider"] == "openai-compatible"


def test_zed_keeps_its_comments(tmp_path: Path) -> None:
    text = written("zed", tmp_path)
    told = jsonc.read(text)
    assert all(note in text for note in ("// Zed settings", "// dark", "// nothing yet"))
    assert told["theme"] == "One Dark"
    assert told["agent"]["default_model"] == {"provider": "Syntra", "model": "syntra"}


def test_opencode_keeps_its_other_providers(tmp_path: Path) -> None:
    told = json.loads(written("opencode", tmp_path))
    assert told["theme"] == "x"
    assert set(told["provider"]) == {"other", "syntra"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("codex", 'model = "gpt'),
        ("codex", 'model_providers = { syntra = { name = "inline" } }\n'),
        ("codex", 'text = """\n[model_providers.syntra]\n"""\n'),
        ("claude", '{"env": '),
        ("claude", "[]"),
        ("continue", "models: [{name: A}\n"),
        ("continue", "models: {a: 1}\n"),
        ("continue", "- a\n"),
        ("aider", "model: >\n  folded\n  text\n"),
        ("zed", "{,}"),
    ],
)
def test_what_is_not_understood_is_left_as_it_is(name: str, text: str, tmp_path: Path) -> None:
    path = at(tmp_path, name, text)
    with pytest.raises(WritingError, match="by hand"):
        write(file(name), tmp_path, NOW)
    assert path.read_text("utf-8") == text
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    link = tmp_path / "home" / file("claude").path
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert write(file("claude"), tmp_path / "home", NOW).path == real
    assert link.is_symlink()
    assert "env" in json.loads(real.read_text())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", {}),
        (
            '{"a": "//", /* b */ "c": [1, {"d": null},], "e": -1.5e3,} // f\n',
            {"a": "//", "c": [1, {"d": None}], "e": -1500.0},
        ),
        ('{"a": "\\"}"}', {"a": '"}'}),
        ("{}", {}),
    ],
)
def test_json_with_comments_is_read(text: str, told: Any) -> None:
    assert jsonc.read(text) == told


@pytest.mark.parametrize(
    "text", ["{", '{"a" 1}', '{"a": }', "{} {}", '{"a": 1 "b": 2}', "{'a': 1}", "nope", '["a" "b"]']
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        jsonc.read(text)


def test_a_place_without_a_file_of_its_key_holds_the_key() -> None:
    place = Place(key_file="", key="sk-syn-a")
    assert "sk-syn-a" in CLIENTS["codex"].setup(place).files[0].lines
    assert CLIENTS["opencode"].setup(place).files[0].holds_key
    assert not CLIENTS["opencode"].setup(Place()).files[0].holds_key
