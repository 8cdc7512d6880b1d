"""A text whose provider breaks off ends in an error, or goes on in another's words where the policy says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.core.seam import last_words
from policies.library import HERE
from tests.conformance.test_routing_live import version, wait_for
from tests.conftest import StartGateway
from tests.fakes.caller import Told, stream
from tests.fakes.gateway import Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, Usage

Fakes = Mapping[str, Provider]
BEFORE = "The reply begins, and says that I am Cla"
AFTER = "ude, made by Anthropic. Then it ends."
PIECES = tuple(BEFORE[k : k + 7] for k in range(0, len(BEFORE), 7))
GOES_ON = Script(pieces=(last_words(BEFORE)[:9], last_words(BEFORE)[9:] + AFTER[:5], AFTER[5:]), usage=Usage(30, 12))
CUT = Script(pieces=(*PIECES, "never heard"), fault=Fault.RESET_MID, after=len(PIECES))


@pytest.fixture(scope="module")
def two(start_gateway: StartGateway) -> Gateway:
    """A gateway with the policies `syntra-tell` and `syntra-go-on`: OpenAI first, then Kimi."""
    started = start_gateway("openai kimi")
    folder = started.data / "policies"
    folder.mkdir(exist_ok=True)
    first = version(started)
    shipped = (HERE / "balanced.toml").read_text().split("[weights]")
    head = 'kind = "routing"\nversion = 1\nabout = "A test\'s."\nmodels = ["openai/gpt-4.1-mini", "kimi/kimi-k2.6"]\n'
    for name, more in (("tell", ""), ("go-on", 'after_first_word = "continue"\n')):
        (folder / f"{name}.toml").write_text(f"{head}{more}\n[weights]{shipped[1]}")
    assert wait_for(lambda: version(started) != first)
    return started


@pytest.fixture
def cut(providers: Fakes) -> Iterator[Fakes]:
    """OpenAI breaks off in the middle of a sentence; Kimi goes on with it."""
    providers["openai"].says = CUT
    providers["kimi"].says = GOES_ON
    return providers


def last(told: Told) -> dict[str, Any]:
    found: dict[str, Any] = told.chunks[-1]
    return found


def test_a_broken_text_ends_in_an_error_by_default(two: Gateway, cut: Fakes) -> None:
    told = stream(two, "syntra-tell")
    assert told.error is not None
    assert not told.done
    assert cut["kimi"].requests == []


def test_a_broken_text_goes_on_without_a_seam_where_the_policy_says_so(two: Gateway, cut: Fakes) -> None:
    told = stream(two, "syntra-go-on", stream_options={"include_usage": True})
    assert told.error is None
    assert told.done
    assert told.finishes() == ["stop"]
    assert told.text.startswith("The reply begins, and says that I am Syntra")
    assert told.text.endswith(". Then it ends.")
    assert "Claude" not in told.text
    assert "Anthropic" not in told.text
    first, second = last(told)["syntra"]["segments"]
    assert (first["characters"], second["characters"]) == (len(BEFORE), len(AFTER))
    assert first["error"]
    assert "model" not in first
    usage = last(told)["usage"]
    assert usage["completion_tokens"] == 12 + first["usage"]["completion_tokens"]
    assert usage["prompt_tokens"] == 30 + first["usage"]["prompt_tokens"]
    sent = cut["kimi"].last.json["messages"]
    assert sent[-2] == {"role": "assistant", "content": BEFORE}
    assert sent[-1]["content"].endswith(f"<<<{last_words(BEFORE)}>>>")


def test_the_readme_says_what_becomes_of_a_broken_text() -> None:
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text("utf-8").split())
    assert 'with `after_first_word = "continue"` in its policy' in readme
    assert "the last chunk's `syntra.segments`" in readme
