"""What issuers want to see again is kept with bounds, found in one round trip, and never asked for in vain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw, structs

from gateway.core.artefacts import Artefacts, marked, unmarked
from gateway.core.caller import Caller
from gateway.core.callids import ANY, FORMS, Renaming, is_kept, shown
from gateway.core.chat import ChatRequest, parse
from gateway.core.closing import Closing
from gateway.core.context import shortened
from gateway.core.events import Choice, Chunk, Delta, FunctionDelta, ToolCallDelta
from gateway.stages.moving import Moving
from gateway.stores.artefacts import MOST_OF_ONE, SECONDS, SHARED_MS, ArtefactStore, Shelf
from gateway.stores.valkey import Command, Valkey
from gateway.stores.valkey_place import place
from tests.fakes.valkey import Engine, Wire

ACME = Caller("acme", "acme", "key-1")
KEY = b"k" * 32
SIGNED = Raw(b'[{"type":"thinking","thinking":"Hm.","signature":"c2ln"}]')
USER = {"role": "user", "content": "Look it up."}


class Counting(Valkey):
    """Valkey itself, and how often it was asked while somebody waited."""

    asked = 0

    async def pipeline(self, commands: Sequence[Command], within: float | None = None) -> list[Any]:
        self.asked += within is None
        return await super().pipeline(commands, within)


def request_of(*messages: Any) -> ChatRequest:
    return parse(json.dumps({"model": "m", "messages": messages}).encode())


def called(identity: str = "toolu_01X") -> list[Chunk]:
    """A thought, a call, and the end."""
    piece = ToolCallDelta(0, identity, "function", FunctionDelta("look_up", "{}"))
    return [
        Chunk(choices=[Choice(0, Delta(thinking_blocks=SIGNED))]),
        Chunk(choices=[Choice(0, Delta(tool_calls=[piece]))]),
        Chunk(choices=[Choice(0, Delta(), finish_reason="tool_calls")]),
    ]


def heard(moving: Moving, request: ChatRequest, chunks: list[Chunk], caller: Caller = ACME) -> str:
    """The id of the call, as the client sees it."""
    moving.keeper(caller, request, "anthropic", "reply-1", carried=False).take(chunks)
    piece = next(piece for chunk in chunks for piece in chunk.choices[0].delta.tool_calls or ())
    assert piece.id is not None
    return piece.id


def after(identity: str) -> ChatRequest:
    """The request that gives the call back with its result, as a client does that keeps nothing else."""
    call = {"id": identity, "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    answer = {"role": "assistant", "content": None, "tool_calls": [call]}
    return request_of(USER, answer, {"role": "tool", "tool_call_id": identity, "content": "found"})


async def recalled(moving: Moving, request: ChatRequest, caller: Caller = ACME) -> tuple[ChatRequest, tuple[str, ...]]:
    with Closing() as stack:
        return await moving.recall(caller, request, stack).recalled(request)


def test_another_worker_finds_a_turn_in_one_round_trip(tmp_path: Path) -> None:
    async def run() -> None:
        with Engine(tmp_path) as engine:
            async with Valkey(place(engine.url)) as first, Counting(place(engine.url)) as second:
                here, there = ArtefactStore(first, KEY), ArtefactStore(second, KEY)
                identity = heard(Moving(here), request_of(USER), called())
                await asyncio.gather(*here._writes)  # what the next worker reads has to be there
                found, degraded = await recalled(Moving(there), after(identity))
                assert found.kept[-2].issuer == "anthropic"
                assert bytes(found.kept[-2].blocks) == bytes(SIGNED)  # type: ignore[arg-type]  # it is set
                assert (second.asked, degraded) == (1, ())
                for stranger in (Caller("other", "other", "key-1"), Caller("acme", "acme", "key-2")):
                    assert not (await recalled(Moving(there), after(identity), stranger))[0].kept
                with Closing() as stack:  # another person behind the same key
                    of_ann = Moving(there).recall(ACME, after(identity), stack, "ann")
                    assert not (await of_ann.recalled(after(identity)))[0].kept

    asyncio.run(run())


def test_nobody_is_asked_for_a_conversation_without_artefacts_or_of_this_worker(tmp_path: Path) -> None:
    async def run() -> None:
        with Engine(tmp_path) as engine:
            async with Counting(place(engine.url)) as valkey:
                moving = Moving(ArtefactStore(valkey, KEY))
                plain = [chunk for chunk in called("call_abc") if bytes(SIGNED) not in msgspec.json.encode(chunk)]
                assert heard(moving, request_of(USER), plain) == "call_abc"
                await recalled(moving, after("call_abc"))
                await recalled(moving, request_of(USER, {"role": "assistant", "content": "Hi."}, USER))
                identity = heard(moving, request_of(USER), called())
                assert (await recalled(moving, after(identity)))[0].kept
                assert valkey.asked == 0

    asyncio.run(run())


def test_what_is_asked_travels_with_what_admission_asks(tmp_path: Path) -> None:
    async def run() -> None:
        with Engine(tmp_path) as engine:
            async with Wire(engine.port) as wire, Valkey(place(f"redis://127.0.0.1:{wire.port}")) as valkey:
                await valkey.run("ECHO", "first")
                moving, before = Moving(ArtefactStore(valkey, KEY)), wire.packets
                with Closing() as stack:
                    asked = after("call_syn" + "0" * 24)
                    recall = moving.recall(ACME, asked, stack)
                    await valkey.run("ECHO", "may I?")
                    await recall.recalled(asked)
                assert wire.packets - before == 1

    asyncio.run(run())


def test_a_valkey_that_is_away_costs_the_thoughts_and_nothing_else(tmp_path: Path) -> None:
    async def run() -> None:
        async with Valkey(place(Engine(tmp_path).url)) as valkey:
            moving = Moving(ArtefactStore(valkey, KEY))
            found, degraded = await recalled(moving, after("call_syn" + "0" * 24))
            assert (found.kept, degraded) == ({}, ("thoughts",))

    asyncio.run(run())


def test_an_answer_without_calls_is_found_again_by_what_was_said() -> None:
    async def run() -> None:
        moving = Moving(ArtefactStore(None, KEY))
        chunks = [
            Chunk(choices=[Choice(0, Delta(thinking_blocks=SIGNED))]),
            Chunk(choices=[Choice(0, Delta(content="It is 4."))]),
            Chunk(choices=[Choice(0, Delta(), finish_reason="stop")]),
        ]
        asked = request_of({"role": "system", "content": "It is 12:00."}, USER)
        moving.keeper(ACME, asked, "anthropic", "reply-1", carried=False).take(chunks)
        answer = {"role": "assistant", "content": "It is 4.\n"}
        later = {"role": "system", "content": "It is 12:01."}
        found, _ = await recalled(moving, request_of(later, USER, answer, USER))
        assert list(found.kept) == [-2]
        other, _ = await recalled(moving, request_of(later, {"role": "user", "content": "No."}, answer, USER))
        assert not other.kept

    asyncio.run(run())


def test_a_turn_is_found_again_when_what_was_before_it_has_become_a_summary() -> None:
    async def run() -> None:
        moving = Moving(ArtefactStore(None, KEY))
        told: list[dict[str, str]] = []
        for number in range(60):
            told.append({"role": "user", "content": f"Question {number}. " + "All of this matters to me. " * 20})
            answer = f"Answer {number}."
            chunks = [
                Chunk(choices=[Choice(0, Delta(thinking_blocks=SIGNED))]),
                Chunk(choices=[Choice(0, Delta(content=answer))]),
                Chunk(choices=[Choice(0, Delta(), finish_reason="stop")]),
            ]
            moving.keeper(ACME, request_of(*told), "anthropic", f"reply-{number}", carried=False).take(chunks)
            told.append({"role": "assistant", "content": answer})
        whole = request_of(*told, USER)
        less = shortened(whole, 3000, 9000)
        assert less is not None
        left = less[0]
        assert len(left.messages) < len(whole.messages) / 2
        with Closing() as stack:
            found, _ = await moving.recall(ACME, whole, stack).recalled(left)
        answers = [place for place, one in enumerate(left.body.messages) if one.role == "assistant"]
        assert sorted(found.kept) == [place - len(left.messages) for place in answers]

    asyncio.run(run())


def test_what_is_kept_is_bounded_in_size_and_time() -> None:
    shelf = Shelf(most_bytes=10_000)
    for number in range(100):
        shelf.put(b"%d" % number, Artefacts("anthropic"), 700, float(number))
    assert shelf.size <= 10_000
    assert len(shelf) == 10
    assert shelf.get(b"99", 99.0 + SECONDS - 1) is not None
    assert shelf.get(b"99", 99.0 + SECONDS) is None
    assert shelf.get(b"0", 1.0) is None

    async def run() -> None:
        store = ArtefactStore(None, KEY)
        store.put("acme", b"long", Artefacts("kimi", words="x" * MOST_OF_ONE))
        assert store.here(b"long") is None

    asyncio.run(run())


@pytest.mark.parametrize(
    ("own", "seen"),
    [
        ("call_abc", "call_abc"),
        ("toolu_01ABC", "call_01ABC"),
        ("functions.look_up:0", None),
        ("", None),
        ("call_" + "x" * 60, None),
        ("call_taken", None),
    ],
)
def test_a_client_sees_one_form_of_ids(own: str, seen: str | None) -> None:
    identity = shown(own, {"call_taken"}, "seed", kept=False)
    assert identity == seen if seen is not None else identity.startswith("call_")
    assert len(identity) <= 40
    assert not is_kept(identity)
    assert identity == shown(own, {"call_taken"}, "seed", kept=False)
    assert is_kept(shown(own, (), "seed", kept=True))


def test_every_provider_gets_ids_of_its_own_form_and_always_the_same() -> None:
    history = ["call_a", "functions.look_up:0", "x" * 60, "call_a", "id with spaces"]
    for provider, form in {**FORMS, "openai": ANY}.items():
        renaming, shorter = Renaming(form), Renaming(form)
        said = [renaming.call(identity, "look_up") for identity in history]
        assert len(set(said)) == len(history), provider
        assert all(form.pattern.fullmatch(identity) for identity in said), provider
        assert [shorter.call(identity, "look_up") for identity in history[:3]] == said[:3]
        assert renaming.result("call_a") == said[3]
    assert Renaming(ANY).call("call_a", "look_up") == "call_a"


def test_the_mark_of_an_issuer_tells_accounts_apart() -> None:
    sealed = marked("gAAAA", "openai")
    assert sealed != "gAAAA"
    assert marked(sealed, "openai") == sealed
    assert unmarked(sealed, "openai") == "gAAAA"
    assert unmarked(sealed, "openai 0199-key-of-acme") is None
    assert unmarked("gAAAA of the client's own", "openai") == "gAAAA of the client's own"


def test_what_is_kept_is_sealed_for_one_organisation(tmp_path: Path) -> None:
    async def run() -> None:
        with Engine(tmp_path) as engine:
            async with Valkey(place(engine.url)) as valkey:
                store = ArtefactStore(valkey, KEY)
                artefacts = Artefacts("kimi", words="a secret thought")
                store.put("acme", b"k" * 16, artefacts)
                await asyncio.gather(*store._writes)  # as above
                (name,) = await valkey.run("KEYS", "*")
                assert b"secret" not in await valkey.run("GET", name)
                assert 0 < await valkey.run("PTTL", name) <= SHARED_MS
                assert await store.elsewhere("acme", [b"k" * 16]) == {b"k" * 16: artefacts}
                assert await store.elsewhere("other", [b"k" * 16]) == {}

    asyncio.run(run())


def test_the_readme_says_how_long_thoughts_are_kept() -> None:
    said = " ".join((Path(__file__).parents[2] / "README.md").read_text("utf-8").split())
    hour, day = {3600.0: "an hour"}[SECONDS], {24 * 3600 * 1000: "a day"}[SHARED_MS]
    assert f"else from this worker for {hour}, or from Valkey, sealed, for {day}" in said


def test_artefacts_go_into_a_message_in_the_fields_they_came_in() -> None:
    message = {"role": Raw(b'"assistant"'), "tool_calls": Raw(b'[{"id":"call_1"},{"id":"call_2"}]')}
    kept = Artefacts("google", calls={"call_1": Raw(b'{"google":{"thought_signature":"s"}}')})
    told = json.loads(msgspec.json.encode(kept.into(message)))
    assert told["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}
    assert told["tool_calls"][1] == {"id": "call_2"}
    assert not structs.replace(kept, calls={})
