"""The documents that people edit: what they say is read, what is wrong in them is told with file and key."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from policies import documents
from policies.documents import DocumentError

PERSONA = 'version = 2\nname = "Nova"\ntext = "Be."\n'


def test_the_persona_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(PERSONA + "with_tools = true")
    persona = documents.persona(tmp_path / "p.toml")
    assert (persona.version, persona.name, persona.text, persona.with_json, persona.with_tools) == (
        2,
        "Nova",
        "Be.",
        False,
        True,
    )


def test_the_models_are_read_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text('[[syntra]]\nmodel = "b/2"\n[[syntra]]\nmodel = "a/1/x"\n[[embeddings]]\nmodel = "c/3"\n')
    models = documents.models(path)
    assert [named.model for named in models.syntra] == ["b/2", "a/1/x"]
    assert [named.model for named in models.embeddings] == ["c/3"]


@dataclass(frozen=True)
class Wrong:
    """A persona document with a mistake, and the words that tell of it."""

    text: str
    told: str

    def __str__(self) -> str:
        return self.told


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong('name = "Nova"\ntext = "x"', "version"),
        Wrong(PERSONA.replace("2", '"two"', 1), "$.version"),
        Wrong(PERSONA + "with_json = 1", "$.with_json"),
        Wrong(PERSONA + "with_jsn = true", "with_jsn"),
        Wrong(PERSONA + "= 5\n", "line 4"),
        Wrong('text = """x', ""),
        Wrong("", "version"),
    ],
    ids=str,
)
def test_a_mistake_is_told_with_its_file_and_key(tmp_path: Path, wrong: Wrong) -> None:
    path = tmp_path / "persona.toml"
    path.write_text(wrong.text)
    with pytest.raises(DocumentError) as caught:
        documents.persona(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert wrong.told in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        documents.models(tmp_path / "none.toml")
    assert str(caught.value) == f"{tmp_path / 'none.toml'}: No such file or directory"


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_bytes(b'version = 1\nname = "\xff"')
    with pytest.raises(DocumentError) as caught:
        documents.persona(tmp_path / "m.toml")
    assert str(tmp_path / "m.toml") in str(caught.value)


@pytest.mark.parametrize("name", ["b", "/b", "b/", ""])
def test_a_model_without_provider_is_a_mistake(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(f'embeddings = []\n[[syntra]]\nmodel = "{name}"\n')
    with pytest.raises(DocumentError):
        documents.models(path)


def test_the_documents_of_the_house_can_be_read() -> None:
    assert documents.persona().text.strip()
    models = documents.models()
    assert models.syntra
    assert models.embeddings
    assert len({named.model for named in models.syntra}) == len(models.syntra)


def test_a_document_cannot_be_changed_by_the_way() -> None:
    with pytest.raises(AttributeError):
        documents.persona().name = "x"  # type: ignore[misc]


def test_reading_documents_needs_nothing_of_the_gateway() -> None:
    code = "import sys, policies.documents; print([name for name in sys.modules if name.startswith('gateway')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
