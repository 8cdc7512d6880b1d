"""The first minutes: nothing is set, and it works; and what the README shows, works."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from pydantic import BaseModel

from gateway.settings import Settings
from tests.fakes.gateway import ROOT, Gateway, serving

README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def keyless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without any provider key."""
    with serving(tmp_path_factory.mktemp("first"), {}) as started:
        yield started


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_banner_shows_base_url_key_and_that_answers_are_simulated(keyless: Gateway) -> None:
    banner = keyless.log.read_text("utf-8")
    assert keyless.base_url in banner
    assert keyless.key in banner
    assert "SIMULATED" in banner


def test_the_banners_curl_line_works_when_pasted(keyless: Gateway) -> None:
    (line,) = re.findall(r"^curl .*$", keyless.log.read_text("utf-8"), re.MULTILINE)
    words = shlex.split(line)
    headers = dict(words[k + 1].split(": ", 1) for k, word in enumerate(words) if word == "-H")
    reply = httpx.post(words[1], headers=headers, content=words[words.index("-d") + 1])
    assert reply.status_code == 200
    assert "simulated" in reply.json()["choices"][0]["message"]["content"]


def test_a_simulated_answer_says_so_in_a_header(keyless: Gateway) -> None:
    for stream in (False, True):
        body = {"model": "syntra", "stream": stream, "messages": [{"role": "user", "content": "Hello!"}]}
        reply = httpx.post(f"{keyless.base_url}/chat/completions", headers=keyless.headers, json=body)
        assert reply.headers["x-syntra-simulated"] == "true"


def test_the_key_file_is_its_owners_alone(keyless: Gateway) -> None:
    assert stat.S_IMODE((keyless.data / "key").stat().st_mode) == 0o600


def test_the_simulated_provider_parses_tools_and_embeds(keyless: Gateway) -> None:
    class City(BaseModel):
        name: str
        people: int

    with keyless.client() as client:
        parsed = client.chat.completions.parse(
            model="syntra", messages=[{"role": "user", "content": "A city."}], response_format=City
        )
        assert isinstance(parsed.choices[0].message.parsed, City)
        assert len(client.embeddings.create(model="syntra", input=["a", "b"]).data) == 2


def test_the_readmes_python_runs_as_it_stands(keyless: Gateway) -> None:
    (code,) = blocks("python")
    code = code.replace("http://127.0.0.1:8000/v1", keyless.base_url)
    env = {**os.environ, "SYNTRA_KEY": keyless.key}
    said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "Hello" in said.stdout


def test_the_readmes_curl_works(keyless: Gateway) -> None:
    line = next(block for block in blocks("sh") if "curl" in block)
    words = shlex.split(line.partition("curl ")[2].replace("\\\n", " ").replace("$SYNTRA_KEY", keyless.key))
    headers = dict(words[k + 1].split(": ", 1) for k, word in enumerate(words) if word == "-H")
    url = words[0].replace("http://127.0.0.1:8000/v1", keyless.base_url)
    assert httpx.post(url, headers=headers, content=words[words.index("-d") + 1]).status_code == 200


def test_the_readme_names_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|([^|]*)\|", README, re.MULTILINE)
    told = {name: default.strip() for names, default in rows for name in re.findall(r"`([A-Z_]+)`", names)}
    for name, default in zip(Settings.__struct_encode_fields__, Settings.__struct_defaults__, strict=True):
        assert name in told, name
        if isinstance(default, float | int) and not isinstance(default, bool) and name != "PORT":
            assert told[name] == f"`{default:g}`", name


def test_the_readme_names_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    pages = README + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for target in set(re.findall(r"\bmake ([a-z]+)\b", pages)):
        assert f"\n{target}:" in makefile, target


@pytest.mark.parametrize(("system", "taken"), [("import ensurepip", "system"), ("import nothing_of_it", "path")])
def test_make_takes_the_python_of_the_distribution_where_it_can_make_a_venv(
    system: str, taken: str, tmp_path: Path
) -> None:
    pythons = {"system": tmp_path / "system", "path": tmp_path / "bin" / "python3.11"}
    pythons["path"].parent.mkdir()
    for python, code in zip(pythons.values(), (system, "pass"), strict=True):
        python.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}'\n", "utf-8")
        python.chmod(0o755)
    command = ["make", "-f", str(ROOT / "Makefile"), "-n", f"SYSTEM={pythons['system']}", ".venv/pyvenv.cfg"]
    environ = {"PATH": f"{pythons['path'].parent}{os.pathsep}{os.environ['PATH']}"}
    shown = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True).stdout
    assert f"{pythons[taken]} -m venv .venv" in shown


def test_every_test_that_a_page_names_exists() -> None:
    for page in (ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")):
        for path in re.findall(r"`(tests/[\w/.]+)[`:]", page.read_text("utf-8")):
            assert Path(ROOT / path).exists(), (page.name, path)


def test_an_unknown_name_proposes_near_ones(keyless: Gateway) -> None:
    with keyless.client() as client, pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="sintra", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "model_not_found"
    assert "syntra" in str(caught.value)
