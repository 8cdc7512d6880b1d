"""The organisation's voice: first in the prompt, in the same bytes every time, and only where it belongs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest, parse
from gateway.stages.persona import Persona
from policies import documents
from tests.fakes.library import shipped

DOCUMENT = documents.Persona(version=1, name="Syntra", text="\nYou are Syntra.\nBe kind.\n")
TEXT = "You are Syntra.\nBe kind."
ON, OFF = Caller("o", "o", "k", persona=True), Caller("o", "o", "k", persona=False)
USER = {"role": "user", "content": "x"}
TOOL = {"type": "function", "function": {"name": "f"}}


def asked(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return parse(json.dumps({"model": "m", "messages": messages or [USER], **fields}).encode())


def speak(
    request: ChatRequest, caller: Caller = ON, *, wanted: bool | None = None, **document: Any
) -> list[dict[str, Any]]:
    changed = documents.Persona(**{name: getattr(DOCUMENT, name) for name in DOCUMENT.__struct_fields__} | document)
    spoken = Persona(changed).apply(caller, request, wanted=wanted)
    return [json.loads(bytes(raw)) for raw in spoken.messages]


def test_the_persona_stands_first() -> None:
    assert speak(asked()) == [{"role": "system", "content": TEXT}, USER]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_clients_instructions_follow_and_keep_their_force(role: str) -> None:
    assert speak(asked({"role": role, "content": "Only rhyme."}, USER)) == [
        {"role": role, "content": f"{TEXT}\n\nOnly rhyme."},
        USER,
    ]


def test_the_clients_parts_stay_parts() -> None:
    part = {"type": "text", "text": "Only rhyme.", "cache_control": {"type": "ephemeral"}}
    assert speak(asked({"role": "system", "content": [part]}, USER))[0]["content"] == [
        {"type": "text", "text": TEXT},
        part,
    ]


@dataclass(frozen=True)
class Case:
    """Who asks for what, and whether the persona speaks."""

    name: str
    speaks: bool
    caller: Caller = ON
    wanted: bool | None = None
    fields: tuple[tuple[str, Any], ...] = ()
    document: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return self.name


JSON_MODE = (("response_format", {"type": "json_object"}),)
TOOLS = (("tools", [TOOL]),)

CASES = (
    Case("plain", speaks=True),
    Case("the key says no", speaks=False, caller=OFF),
    Case("the request says no", speaks=False, wanted=False),
    Case("the request says yes to the key's no", speaks=True, caller=OFF, wanted=True),
    Case("JSON mode", speaks=False, fields=JSON_MODE),
    Case(
        "a JSON schema",
        speaks=False,
        fields=(("response_format", {"type": "json_schema", "json_schema": {"name": "s"}}),),
    ),
    Case("text as format", speaks=True, fields=(("response_format", {"type": "text"}),)),
    Case("tools", speaks=False, fields=TOOLS),
    Case("functions of old", speaks=False, fields=(("functions", [{"name": "f"}]),)),
    Case("no tools", speaks=True, fields=(("tools", []),)),
    Case("JSON, and the document says yes", speaks=True, fields=JSON_MODE, document=(("with_json", True),)),
    Case("tools, and the document says yes", speaks=True, fields=TOOLS, document=(("with_tools", True),)),
    Case(
        "JSON and tools, the document says yes to one",
        speaks=False,
        fields=JSON_MODE + TOOLS,
        document=(("with_tools", True),),
    ),
    Case("JSON, and the request says yes", speaks=True, wanted=True, fields=JSON_MODE),
    Case("tools, and the request says yes", speaks=True, wanted=True, fields=TOOLS),
    Case(
        "tools, the document says yes and the key no",
        speaks=False,
        caller=OFF,
        fields=TOOLS,
        document=(("with_tools", True),),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_persona_speaks_where_it_belongs(case: Case) -> None:
    told = speak(asked(**dict(case.fields)), case.caller, wanted=case.wanted, **dict(case.document))
    assert (told[0] != USER) is case.speaks


def test_a_request_that_it_leaves_alone_is_the_same_request() -> None:
    request = asked()
    assert Persona(DOCUMENT).apply(ON, request, wanted=False) is request


@given(
    st.lists(st.sampled_from(["system", "user", "assistant"]), min_size=1, max_size=4),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
)
def test_the_first_bytes_never_change_and_the_clients_never_do(roles: list[str], text: str) -> None:
    request = asked(*({"role": role, "content": text} for role in roles))
    persona = Persona(DOCUMENT)
    once, again = (persona.apply(ON, request, wanted=None) for _ in range(2))
    assert [bytes(raw) for raw in once.messages] == [bytes(raw) for raw in again.messages]
    first = bytes(once.messages[0])
    assert first.startswith(b'{"role":"system","content":"You are Syntra.\\nBe kind.')
    kept = request.messages[1:] if roles[0] == "system" else request.messages
    assert [bytes(raw) for raw in once.messages[1:]] == [bytes(raw) for raw in kept]
    assert once.fields == request.fields


def test_the_real_documents_bytes_are_those_of_its_version() -> None:
    persona = shipped().persona
    message = bytes(Persona(persona).apply(ON, asked(), wanted=None).messages[0])
    assert json.loads(message)["content"] == persona.text.strip()
    assert (persona.version, persona.name) == (1, "Syntra")
