"""Which providers are live, from the environment alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.providers import KNOWN, ProvidersError, configured, is_translated


@dataclass(frozen=True)
class Environment:
    """Variables, and the providers that they make live: name, base URL, key."""

    name: str
    environ: dict[str, str]
    live: list[tuple[str, str, str]]
    more: str = ""

    def __str__(self) -> str:
        return self.name


ENVIRONMENTS = (
    Environment("nothing", {}, []),
    Environment("empty and blank keys", {"OPENAI_API_KEY": "", "KIMI_API_KEY": "  "}, []),
    Environment("a place without a key", {"OPENAI_BASE_URL": "https://x.test/v1"}, []),
    Environment("openai", {"OPENAI_API_KEY": "k"}, [("openai", "https://api.openai.com/v1", "k")]),
    Environment("anthropic", {"ANTHROPIC_API_KEY": "k"}, [("anthropic", "https://api.anthropic.com", "k")]),
    Environment("google", {"GOOGLE_API_KEY": "k"}, [("google", "https://generativelanguage.googleapis.com", "k")]),
    Environment("gemini", {"GEMINI_API_KEY": "k"}, [("google", "https://generativelanguage.googleapis.com", "k")]),
    Environment(
        "google before gemini",
        {"GEMINI_API_KEY": "b", "GOOGLE_API_KEY": "a"},
        [("google", "https://generativelanguage.googleapis.com", "a")],
    ),
    Environment("perplexity", {"PERPLEXITY_API_KEY": "k"}, [("perplexity", "https://api.perplexity.ai", "k")]),
    Environment("kimi", {"KIMI_API_KEY": "k"}, [("kimi", "https://api.moonshot.ai/v1", "k")]),
    Environment("moonshot", {"MOONSHOT_API_KEY": "k"}, [("kimi", "https://api.moonshot.ai/v1", "k")]),
    Environment("openrouter", {"OPENROUTER_API_KEY": "k"}, [("openrouter", "https://openrouter.ai/api/v1", "k")]),
    Environment(
        "a key with blanks around it", {"OPENAI_API_KEY": " k\n"}, [("openai", "https://api.openai.com/v1", "k")]
    ),
    Environment(
        "a place of its own",
        {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": " http://127.0.0.1:9/v1/ "},
        [("openai", "http://127.0.0.1:9/v1", "k")],
    ),
    Environment(
        "a place by the other name",
        {"GOOGLE_API_KEY": "k", "GEMINI_BASE_URL": "https://g.test"},
        [("google", "https://g.test", "k")],
    ),
    Environment(
        "in the order of the catalogue",
        {"OPENROUTER_API_KEY": "r", "OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a"},
        [
            ("openai", "https://api.openai.com/v1", "o"),
            ("anthropic", "https://api.anthropic.com", "a"),
            ("openrouter", "https://openrouter.ai/api/v1", "r"),
        ],
    ),
    Environment(
        "servers of one's own",
        {"MY_VLLM_API_KEY": "k"},
        [("my-vllm", "http://127.0.0.1:8001/v1", "k"), ("lab", "https://lab.test/v1", "")],
        more=" my-vllm=http://127.0.0.1:8001/v1/ ,, Lab=https://lab.test/v1,",
    ),
    Environment(
        "a known provider's name for a server of one's own",
        {"OPENAI_API_KEY": "k"},
        [("openai", "http://127.0.0.1:8001/v1", "k")],
        more="openai=http://127.0.0.1:8001/v1",
    ),
    Environment("one of LiteLLM's", {"COHERE_API_KEY": "k"}, [("cohere", "https://api.cohere.com/v2/chat", "k")]),
    Environment(
        "one of LiteLLM's at a place of its own",
        {"MISTRAL_API_KEY": "k", "MISTRAL_BASE_URL": "https://m.test/v1/"},
        [("mistral", "https://m.test/v1", "k")],
    ),
    Environment(
        "one that LiteLLM cannot translate", {"BEDROCK_API_KEY": "k", "AZURE_API_KEY": "k", "OLLAMA_API_KEY": "k"}, []
    ),
)


@pytest.mark.parametrize("case", ENVIRONMENTS, ids=str)
def test_a_provider_with_a_key_is_live(case: Environment) -> None:
    found = configured(case.environ, case.more)
    assert [(one.name, one.base_url, one.key.reveal()) for one in found.values()] == case.live
    assert list(found) == [name for name, _, _ in case.live]


@dataclass(frozen=True)
class Wrong:
    """A setting that cannot be used, and the variable that the message names."""

    named: str
    environ: dict[str, str] = field(default_factory=dict)
    more: str = ""

    def __str__(self) -> str:
        return f"{self.environ} {self.more}"


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("SYNTRA_PROVIDERS", more="lab"),
        Wrong("SYNTRA_PROVIDERS", more="lab="),
        Wrong("SYNTRA_PROVIDERS", more="=https://x.test/v1"),
        Wrong("SYNTRA_PROVIDERS", more="my lab=https://x.test/v1"),
        Wrong("SYNTRA_PROVIDERS", more="a/b=https://x.test/v1"),
        Wrong("SYNTRA_PROVIDERS", more="good=https://x.test/v1,bad"),
        Wrong("LAB_BASE_URL", more="lab=ftp://x.test"),
        Wrong("LAB_BASE_URL", more="lab=x.test/v1"),
        Wrong("OPENAI_BASE_URL", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "api.openai.com/v1"}),
        Wrong("OPENAI_BASE_URL", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://user:hunter2@x.test/v1"}),
        Wrong("OPENAI_BASE_URL", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://x.test:99999/v1"}),
        Wrong("OPENAI_BASE_URL", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://x.test/v 1"}),
        Wrong("OPENAI_BASE_URL", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://bücher.test/v1"}),
        Wrong("OPENAI_API_KEY", {"OPENAI_API_KEY": "hunter2\r\nx: y"}),
        Wrong("OPENAI_API_KEY", {"OPENAI_API_KEY": "hunter2\u2019"}),
        Wrong("LAB_API_KEY", {"LAB_API_KEY": "hunter2\x00"}, more="lab=https://x.test/v1"),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_used_is_told_by_name_and_without_the_secret(wrong: Wrong) -> None:
    with pytest.raises(ProvidersError) as caught:
        configured(wrong.environ, wrong.more)
    assert wrong.named in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["simulated", "gemini", "moonshot"])
def test_a_name_that_could_never_be_asked_for_is_not_taken(name: str) -> None:
    with pytest.raises(ProvidersError):
        configured({}, f"{name}=https://x.test/v1")


def test_only_openais_own_wire_needs_no_translation() -> None:
    environ = {f"{known.stems[0]}_API_KEY": "k" for known in KNOWN}
    found = configured(environ, "lab=https://lab.test/v1")
    assert {name for name, one in found.items() if is_translated(one)} == {"anthropic", "google"}
    assert all(isinstance(one.dialect, OpenAIWire) for one in found.values() if not is_translated(one))


def test_a_provider_does_not_print_its_key() -> None:
    assert "hunter2" not in repr(configured({"OPENAI_API_KEY": "hunter2"}, ""))
