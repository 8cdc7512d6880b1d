"""The documents that people edit: what they say is read, what is wrong in them is told with file, line and key."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from policies.documents import Intents, Models, Organisations, Persona, Routing
from policies.reading import Read, Source, read

PERSONA = 'kind = "persona"\nversion = 2\nname = "Nova"\ntext = "Be."\n'
MODELS = """\
kind = "models"
version = 1
embeddings = ["c/3"]
[[model]]
name = "b/2"
source = "measured by ourselves"
quality.default = [0.9, 0.5]
[[model]]
name = "a/1/x"
source = "measured by ourselves"
quality = { coding_help = [1, 0] }
price = { input = 0.1, output = 2 }
lacks = ["tools"]
"""
ROUTING = """\
kind = "routing"
version = 1
about = "For tests."

[weights]
shortfall = 10
surplus = 0.5
cost = 1
ttft = 0.4
duration = 0.4
crowding = 4
stay = 0.2
search = 2

[half]
cost_usd = 0.005
ttft_ms = 2000
duration_ms = 20_000

[enough]
default = [0.8, 0.9]
"""


def found(text: str, name: str = "d.toml") -> Persona | Models | Intents | Routing | Organisations | list[str]:
    one = read(Source(Path(name), text.encode()))
    return one.document if isinstance(one, Read) else one


def test_the_persona_is_read() -> None:
    assert found(PERSONA + "with_tools = true") == Persona(2, "Nova", "Be.", with_json=False, with_tools=True)


def test_the_models_are_read_in_their_order() -> None:
    models = found(MODELS)
    assert isinstance(models, Models)
    assert [model.name for model in models.model] == ["b/2", "a/1/x"]
    assert models.embeddings == ["c/3"]
    assert models.model[1].quality == {"coding_help": (1.0, 0.0)}
    assert models.model[0].abilities is None


def test_a_policy_is_read_and_what_it_leaves_out_is_as_it_should_be() -> None:
    routing = found(ROUTING)
    assert isinstance(routing, Routing)
    assert routing.enough == {"default": (0.8, 0.9)}
    assert (routing.models, routing.fresh_from, routing.attempts) == (["*"], 0.6, 3)
    assert (routing.default, routing.fallback, routing.quality) == ([], "", None)


@dataclass(frozen=True)
class Wrong:
    """A document with mistakes, and what is told of them."""

    text: str
    told: tuple[str, ...]

    def __str__(self) -> str:
        return self.told[0]


KINDS = "persona, models, intents, routing, organisations"
ABILITIES = "tools, forced_tools, vision, json, search, audio, files, sampling"
WRONG = [
    Wrong("", (f"1: kind: it is missing; it is one of {KINDS}",)),
    Wrong(
        'x = 1\nkind = "rooting"',
        (f"2: kind: there is no kind 'rooting'; it is one of {KINDS}; did you mean 'routing'?",),
    ),
    Wrong("kind = 3", (f"1: kind: there is no kind 3; it is one of {KINDS}",)),
    Wrong('kind = "persona"\nname = "Nova"\ntext = "x"', ("1: 'version' is missing",)),
    Wrong(PERSONA.replace("2", '"two"'), ("2: version: expected a whole number, got a text",)),
    Wrong(PERSONA + "with_json = 1", ("5: with_json: expected true or false, got a whole number",)),
    Wrong(PERSONA + "with_jsn = true", ("5: with_jsn: there is no such key; did you mean 'with_json'?",)),
    Wrong(PERSONA + "colour = 1", ("5: colour: there is no such key",)),
    Wrong(PERSONA + "= 5\n", ("5: invalid statement (column 1)",)),
    Wrong(PERSONA + "name = 'x'\n", ("5: cannot overwrite a value (column 11)",)),
    Wrong('kind = "persona"\ntext = """x\n', ("2: unterminated string (at the end of the file)",)),
    Wrong(
        ROUTING.replace("cost = 1", "costs = 1"),
        ("5: weights: 'cost' is missing", "8: weights.costs: there is no such key; did you mean 'cost'?"),
    ),
    Wrong(ROUTING.replace("stay = 0.2", "stay = 101"), ("12: weights.stay: expected a number <= 100.0",)),
    Wrong(ROUTING.replace("stay = 0.2", "stay = nan"), ("12: weights.stay: expected a number >= 0.0",)),
    Wrong(ROUTING.replace("ttft_ms = 2000", "ttft_ms = 0"), ("17: half.ttft_ms: expected a number > 0.0",)),
    Wrong(ROUTING.replace("ttft_ms = 2000", "ttft_ms = inf"), ("17: half.ttft_ms: expected a number <= 1000000000.0",)),
    Wrong(ROUTING.replace("[0.8, 0.9]", "[\n0.8,\n1.9]"), ("23: enough.default[1]: expected a number <= 1.0",)),
    Wrong(ROUTING.replace("[0.8, 0.9]", "[0.8]"), ("21: enough.default: expected a list of length 2, got 1",)),
    Wrong(ROUTING.replace("[0.8, 0.9]", "0.8"), ("21: enough.default: expected a list, got a number",)),
    Wrong(ROUTING.replace("[enough]", "[[enough]]"), ("20: enough: expected a table, got a list",)),
    Wrong(ROUTING.replace("version = 1", "version = 1\nattempts = 0"), ("3: attempts: expected a whole number >= 1",)),
    Wrong(MODELS.replace('"c/3"', '"c"'), ("3: embeddings[0]: 'c' is not a whole name, provider/model",)),
    Wrong(MODELS.replace('"b/2"', '"/2"'), ("5: model[0].name: '/2' is not a whole name, provider/model",)),
    Wrong(MODELS.replace('"b/2"', '"b/"'), ("5: model[0].name: 'b/' is not a whole name, provider/model",)),
    Wrong(MODELS.replace('name = "a/1/x"\n', ""), ("8: model[1]: 'name' is missing",)),
    Wrong(
        MODELS.replace("output = 2", "ouput = 2"),
        ("12: model[1].price.ouput: there is no such key; did you mean 'output'?",),
    ),
    Wrong(MODELS.replace("input = 0.1", "input = -1"), ("12: model[1].price.input: expected a number >= 0.0",)),
    Wrong(
        MODELS.replace('["tools"]', '["tool"]'),
        (f"13: model[1].lacks[0]: there is no 'tool'; it is one of {ABILITIES}; did you mean 'tools'?",),
    ),
    Wrong(
        'kind = "intents"\nversion = 1\n[intent.own]\nabout = "x"\noutput_tokens = [0, 10]\n',
        ("5: intent.own.output_tokens[0]: expected a whole number >= 1",),
    ),
    Wrong(
        'kind = "organisations"\nversion = 1\n[organisation."a b"]\naliases.x = 1\n',
        ("4: organisation.a b.aliases.x: expected a text, got a whole number",),
    ),
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_mistake_is_told_with_file_line_and_key(wrong: Wrong) -> None:
    assert found(wrong.text) == [f"d.toml:{line}" for line in wrong.told]


def test_all_mistakes_of_a_file_are_told_in_their_order() -> None:
    text = ROUTING.replace('about = "For tests."', "about = 1").replace("stay", "sty").replace("0.8", "8")
    assert found(text) == [
        "d.toml:3: about: expected a text, got a whole number",
        "d.toml:5: weights: 'stay' is missing",
        "d.toml:12: weights.sty: there is no such key; did you mean 'stay'?",
        "d.toml:21: enough.default[0]: expected a number <= 1.0",
    ]


def test_a_file_that_is_no_text_is_told_with_the_line() -> None:
    assert read(Source(Path("d.toml"), b'version = 1\nname = "\xff"')) == ["d.toml:2: this is not UTF-8"]


def test_a_document_cannot_be_changed_by_the_way() -> None:
    with pytest.raises(AttributeError):
        found(PERSONA).name = "x"  # type: ignore[union-attr]


def test_reading_documents_needs_nothing_of_the_gateway() -> None:
    code = "import sys, policies.watcher; print([name for name in sys.modules if name.startswith('gateway')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
