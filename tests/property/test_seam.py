"""Wherever a text is cut and however both parts come in pieces: it goes on without a character twice or lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from gateway.continuing import Continuing, Rest, Segment, can_continue, continued, summed
from gateway.core.artefacts import Artefacts
from gateway.core.chat import ChatRequest, parse
from gateway.core.errors import UpstreamBroken, UpstreamError
from gateway.core.events import Choice, Chunk, CompletionDetails, Delta, PromptDetails, ToolCallDelta, Usage
from gateway.core.native import Aside
from gateway.core.seam import MOST, NoSeam, Seam, asks_for, last_words
from gateway.stages.clean import Clean
from gateway.upstream.count import Counted

ASKED = parse(b'{"model":"m","messages":[{"role":"user","content":"Tell me."}],"max_tokens":100}')
# What makes a seam hard: repetition, spaces of all kinds, marks, and what the sanitizer holds back.
PIECES = (
    "very ",
    "ha",
    "ha ",
    " ",
    "\n",
    "\n\n",
    "\t",
    "a",
    "the answer is 42",
    ". ",
    "<<<",
    ">>>",
    "<",
    "é",
    "👋🏽",
    "```\n",
)
CLEANED = ("I am ", "Claude", ", made by ", "Anthropic", "OpenAI", "an AI ", "language model ", "developed ", "by ")
TEXTS = st.lists(st.sampled_from(PIECES + CLEANED), min_size=1, max_size=60).map("".join)
PLACES = st.lists(st.floats(0, 1), max_size=12)


def cut_up(text: str, places: Sequence[float]) -> list[str]:
    edges = [0, *sorted(int(place * len(text)) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(edges) if a < b]


class Said:
    """An answer that comes in these pieces, and then ends or breaks."""

    def __init__(self, pieces: Sequence[str], *, ends: bool = True) -> None:
        self._batches = [[Chunk(choices=[Choice(0, Delta(content=piece))])] for piece in pieces]
        if ends:
            self._batches.append([Chunk(choices=[Choice(0, Delta(), finish_reason="stop")])])
            self._batches.append([Chunk(usage=Raw(b"{}"))])

    async def next(self) -> Sequence[Chunk]:
        return self._batches.pop(0) if self._batches else ()

    def counted(self) -> Counted:
        return Counted(Usage(1, 1, 2), estimated=False)


def cleaned(batches: Sequence[Sequence[Chunk]]) -> str:
    """What a client reads."""
    clean = Clean("Syntra", ASKED, voice=True)
    chunks = [chunk for batch in batches for chunk in clean.chunks(batch)]
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def heard(answer: Said | Rest) -> list[Sequence[Chunk]]:
    batches = []
    while batch := await answer.next():
        batches.append(batch)
    return batches


@settings(max_examples=400)
@given(
    text=TEXTS, at=st.floats(0, 1), first=PLACES, second=PLACES, marks=st.booleans(), lead=st.sampled_from(("", "\n"))
)
def test_a_text_goes_on_without_a_character_twice_or_lost(
    text: str, at: float, first: list[float], second: list[float], *, marks: bool, lead: str
) -> None:
    before, after = text[: int(at * len(text))], text[int(at * len(text)) :]
    anchor = last_words(before)
    assert len(anchor) <= MOST
    assert before.endswith(anchor)
    shown = asks_for(anchor).rpartition("\n")[2] if "\n" not in anchor else f"<<<{anchor}>>>"
    again = shown if marks and anchor and not anchor.startswith("<") else anchor
    said = (lead if anchor else "") + again + after

    async def run() -> tuple[str, str]:
        cut = await heard(Said(cut_up(before, first), ends=False))
        rest = await heard(
            Rest([Chunk(choices=[Choice(0, Delta(role="assistant"))])], Said(cut_up(said, second)), Seam(anchor))
        )
        whole = await heard(Said(cut_up(text, first)))
        return cleaned([*cut, *rest]), cleaned(whole)

    pieced, whole = asyncio.run(run())
    assert pieced == whole


@settings(max_examples=200)
@given(text=TEXTS, said=TEXTS, places=PLACES)
def test_who_does_not_say_the_last_words_again_is_not_heard(text: str, said: str, places: list[float]) -> None:
    anchor = last_words(text)
    seam, told = Seam(anchor), ""
    try:
        for piece in cut_up(said, places):
            told += seam.feed(piece)
        told += seam.finish()
    except NoSeam:
        assert told == ""
        return
    plain = said.lstrip().removeprefix("[[[" if anchor.startswith("<") else "<<<")
    assert plain.split()[: max(0, len(anchor.split()) - 1)] == anchor.split()[:-1]


def test_spaces_inside_the_last_words_may_differ_and_at_their_end_none_is_lost() -> None:
    seam = Seam(last_words("one two\nthree "))
    assert seam.feed("one  two three ") + seam.feed("four") == "four"
    assert Seam("three ").feed("three\n\nfour") == "\n\nfour"
    assert Seam("three\n").feed("three\n\nfour") == "\nfour"
    assert Seam("thr").feed("three four") == "ee four"
    short = Seam("three ")
    assert short.feed("three") + short.finish() == ""


@pytest.mark.parametrize(
    "delta",
    [
        Delta(tool_calls=[ToolCallDelta(0, "call_1")]),
        Delta(native=Raw(b"{}")),
        Delta(refusal="No."),
        Delta(audio=Raw(b"{}")),
    ],
    ids=["call", "event", "refusal", "audio"],
)
def test_only_a_text_goes_on(delta: Delta) -> None:
    assert not asyncio.run(_asked(ASKED, [Choice(0, Delta(content="Hi"))], [Choice(0, delta)]))
    assert asyncio.run(_asked(ASKED, [Choice(0, Delta(content="Hi"))]))


@pytest.mark.parametrize("more", [b'"n":2', b'"response_format":{"type":"json_object"}'], ids=["n", "json"])
def test_json_and_many_choices_do_not_go_on(more: bytes) -> None:
    asked = parse(b'{"model":"m","messages":[{"role":"user","content":"json"}],%b}' % more)
    assert can_continue(ASKED)
    assert not can_continue(asked)


def test_an_answer_that_has_said_why_it_ends_does_not_go_on() -> None:
    assert not asyncio.run(_asked(ASKED, [Choice(0, Delta(content="Hi"), finish_reason="stop")]))


async def _asked(request: ChatRequest, *batches: list[Choice]) -> bool:
    """Whether anybody is asked to go on behind these chunks."""
    asked = []

    async def ask(_: object, more: ChatRequest) -> None:
        asked.append(more)
        raise UpstreamError("nobody")

    one, other = object(), object()
    continuing = Continuing(request, [one, other], ask)  # type: ignore[list-item,arg-type]  # names
    for choices in batches:
        continuing.take([Chunk(choices=choices)])
    assert await continuing.begun_by_another(one, UpstreamBroken("cut")) is None  # type: ignore[arg-type]  # a name
    return bool(asked)


def test_what_is_asked_holds_the_text_the_limit_that_is_left_and_all_that_belongs_to_earlier_turns() -> None:
    full = structs.replace(
        ASKED, kept={-1: Artefacts("kimi", words="Hm.")}, asides={"google": Aside(messages={-1: b'{"role":"user"}'})}
    )
    asked = continued(full, "One two", last_words("One two"))
    assert [message.role for message in asked.body.messages] == ["user", "assistant", "user"]
    assert asked.body.messages[1].content == "One two"
    assert "<<<One two>>>" in asked.body.messages[2].text()
    assert (asked.body.max_tokens, bytes(asked.fields["max_tokens"])) == (98, b"98")
    assert list(asked.kept) == [-3]
    assert list(asked.asides["google"].messages) == [-3]
    assert continued(full, "", "") is full


def test_who_does_not_go_on_is_not_blamed_for_it_and_who_breaks_is() -> None:
    blamed: list[object] = []
    for said, count in (("Sure!", 0), ("the last", 1)):
        rest = Rest(asyncio.run(Said([said]).next()), Said([]), Seam("the last words"))
        broken = rest.blames(blamed.append)
        if not count:
            with pytest.raises(UpstreamBroken):
                asyncio.run(rest.next())
        broken(UpstreamBroken("cut"))
        assert len(blamed) == count


def test_usage_is_the_sum_of_the_segments() -> None:
    one = Usage(10, 5, 15, PromptDetails(cached_tokens=4))
    other = Usage(20, 7, 27, PromptDetails(cached_tokens=1), CompletionDetails(reasoning_tokens=3))
    whole = summed([one, other])
    assert (whole.prompt_tokens, whole.completion_tokens, whole.total_tokens) == (30, 12, 42)
    assert whole.prompt_tokens_details == PromptDetails(cached_tokens=5)
    assert whole.completion_tokens_details == CompletionDetails(reasoning_tokens=3)
    assert one.prompt_tokens == 10


def test_a_segment_that_brought_nothing_is_none() -> None:
    async def ask(*_: object) -> None:
        raise AssertionError

    continuing = Continuing(ASKED, [], ask)  # type: ignore[arg-type]  # nobody is asked
    continuing.take([Chunk(choices=[Choice(0, Delta(content="12345"))])])
    continuing.ended("a/b", Usage(1, 1, 2), "upstream_broken")
    continuing.ended("c/d", Usage(1, 1, 2), "upstream_broken")
    continuing.take([Chunk(choices=[Choice(0, Delta(content="678"))])])
    continuing.ended("e/f", Usage(1, 1, 2))
    assert continuing.segments == [
        Segment(5, Usage(1, 1, 2), "a/b", "upstream_broken"),
        Segment(3, Usage(1, 1, 2), "e/f"),
    ]
