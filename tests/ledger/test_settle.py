"""How a request ends: what its end is called, which rows it has, and what is told to who holds something back for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest, parse
from gateway.core.ends import ANSWERED, CUT, LEFT, RESTING
from gateway.core.errors import StoreAway, UnknownModel, UpstreamBroken
from gateway.core.events import Choice, Chunk, CompletionDetails, Delta, PromptDetails, Usage, encode_usage
from gateway.core.ids import uuid7
from gateway.core.money import Picodollars
from gateway.core.pace import Lengths, Pace
from gateway.records import billing
from gateway.records.billing import Settled
from gateway.records.decision import NO_PLAN, Attempt, Decision
from gateway.records.journal import Journal
from gateway.records.ledger import Ledger
from gateway.records.metrics import Metrics
from gateway.records.settle import Settle
from gateway.reply import Reply, Watch
from gateway.stages.clean import Clean
from gateway.stages.fallback import Begun
from gateway.stages.moving import Moving
from gateway.stages.policy import Route
from gateway.stores.artefacts import ArtefactStore
from gateway.upstream.answer import Answer, Opened
from gateway.upstream.count import Counted
from gateway.upstream.prices import Prices
from gateway.upstream.providers import SIMULATED, Candidate
from gateway.upstream.simulate import Simulated
from policies.facts import Facts
from tests.unit.wire_rig import Run

PRICES = Prices({})
REQUEST = parse(b'{"model":"syntra","messages":[{"role":"user","content":"x"}],"stream":true}')
LATER: Any = None  # a PostgreSQL that nobody writes to
CALLER = Caller("acme", "acme", "laptop")


def settle_at(folder: Path, pace: Pace | None = None, lengths: Lengths | None = None) -> tuple[Settle, Journal]:
    journal = Journal(folder)
    ledger = Ledger(journal, LATER, refused=lambda _: None)
    return Settle(pace or Pace(), lengths or Lengths(), ledger, Metrics(None)), journal


def decision(*attempts: Attempt, **values: Any) -> Decision:
    return Decision(uuid7(), uuid7(), "laptop", "syntra", attempts=list(attempts), **values)


def attempt(outcome: str, cost: int | None, *, tokens: int = 10, estimated: bool = False) -> Attempt:
    usage = Usage(tokens, tokens, 2 * tokens) if tokens else None
    return Attempt("openai/m", outcome, 1.0, 2.0, usage, None if cost is None else Picodollars(cost), estimated)


async def replying(answer: Answer, made: Decision, request: ChatRequest = REQUEST) -> Reply:
    candidate = Candidate(SIMULATED, "syntra")
    begun = Begun(candidate, Opened(answer, lambda: None), await answer.next(), 0.01, lambda _: None)
    keeper = partial(Moving(ArtefactStore(None, b"k" * 32)).keeper, CALLER, request, carried=False)
    watch = Watch(Clean("Syntra", request, voice=False), keeper)
    return Reply(request, Route([candidate], True, NO_PLAN, ""), begun, watch, made, PRICES, debug=True)


async def reply_heard(chunks: int) -> tuple[Reply, Decision]:
    """A reply of which a client has heard so many chunks; 0 are all."""
    made = decision()
    reply = await replying(Simulated().ask(REQUEST), made)
    heard = 0
    while made.outcome.usage is None if not chunks else heard < chunks:
        heard += len(await reply.next())
    reply.close()
    return reply, made


@pytest.mark.parametrize(("chunks", "ended"), [(0, ANSWERED), (3, LEFT)], ids=["after the end", "before it"])
def test_who_leaves_after_the_end_has_not_left(chunks: int, ended: str, run: Run[Any], tmp_path: Path) -> None:
    settle, journal = settle_at(tmp_path)
    _, made = run(reply_heard(chunks))
    settle.settle(made, asyncio.CancelledError(), 1.0)
    assert made.outcome.ended == ended
    assert journal.waiting


@pytest.mark.parametrize(
    ("attempts", "total"),
    [
        ((), 0),
        ((attempt("upstream_error", None, tokens=0),), 0),
        ((attempt(ANSWERED, 700),), 700),
        ((attempt(ANSWERED, None),), None),
        ((attempt("upstream_broken", 300), attempt(ANSWERED, 700)), 1000),
        ((attempt("upstream_broken", 300), attempt(ANSWERED, None)), 300),
        ((attempt("upstream_error", None, tokens=0), attempt(ANSWERED, None)), None),
    ],
)
def test_a_request_costs_what_is_known_of_its_attempts(attempts: tuple[Attempt, ...], total: int | None) -> None:
    assert billing.total(attempts) == total


def test_the_final_row_is_the_sum_and_a_rest_is_no_attempt(tmp_path: Path) -> None:
    settle, _ = settle_at(tmp_path)
    made = decision(
        Attempt("kimi/k", RESTING),
        attempt("upstream_broken", 300, tokens=7, estimated=True),
        Attempt("google/g", "upstream_error"),
        attempt(ANSWERED, 700, tokens=10),
        person="ada",
        surface="chat",
    )
    made.outcome.ended, made.outcome.model = CUT, "openai/m"
    assert settle.settle(made, UpstreamBroken("x"), 0.5) == Settled(34, Picodollars(1000))
    first, second, third, final = billing.rows(made)
    assert [row.attempt for row in (first, second, third, final)] == [1, 2, 3, 0]
    assert [row.status for row in (first, second, third, final)] == ["upstream_broken", "upstream_error", CUT, CUT]
    assert [row.cost for row in (first, second, third, final)] == [300, 0, 700, 1000]
    assert (final.input_tokens, final.output_tokens, final.estimated) == (17, 17, True)
    assert (final.person, final.duration_ms, final.model) == ("ada", 500.0, "openai/m")
    assert first.at == final.at


def test_parts_are_never_more_than_their_whole() -> None:
    usage = Usage(10, 5, 15, PromptDetails(cached_tokens=11), CompletionDetails(reasoning_tokens=-3))
    made = decision(Attempt("openai/m", usage=usage))
    final = billing.rows(made)[-1]
    assert (final.input_tokens, final.cached_tokens, final.output_tokens, final.reasoning_tokens) == (10, 10, 5, 0)


def test_a_refusal_that_cost_nothing_is_not_recorded_where_it_says_so(tmp_path: Path) -> None:
    settle, journal = settle_at(tmp_path)
    settle.settle(decision(), StoreAway("x"), 0.1)
    assert not journal.waiting
    settle.settle(decision(), UnknownModel("x", []), 0.1)
    before = journal.waiting
    assert before
    settle.settle(decision(attempt("upstream_broken", 1)), StoreAway("x"), 0.1)
    assert journal.waiting > before


def test_a_name_without_end_is_cut_in_rows() -> None:
    made = decision(Attempt("openai/" + "x" * 9999))
    made.asked = "y" * 9999
    assert [(len(row.asked), len(row.model)) for row in billing.rows(made)] == [(200, 200), (200, 0)]


class Steady:
    """Ten words, one every 10 ms, and their usage."""

    usage = Usage(10, 100, 110)

    def __init__(self) -> None:
        self._left = 10

    async def next(self) -> Sequence[Chunk]:
        await asyncio.sleep(0.01)
        self._left -= 1
        if self._left < 0:
            return (Chunk(usage=encode_usage(self.usage)),)
        return (Chunk(choices=[Choice(delta=Delta(content="word "), finish_reason=None if self._left else "stop")]),)

    def counted(self) -> Counted:
        return Counted(self.usage, estimated=False)


async def heard_out(fields: str, reads_s: float) -> Decision:
    """What is noted of a steady answer to a client that takes so long for each of its chunks."""
    made = decision()
    request = parse(b'{"model":"syntra","messages":[{"role":"user","content":"x"}]%b}' % fields.encode())
    reply = await replying(Steady(), made, request)
    while made.outcome.usage is None:
        await reply.next()
        await asyncio.sleep(reads_s)
    await asyncio.sleep(0.2)
    reply.close()
    return made


def test_the_time_in_which_a_model_wrote_is_from_its_first_words_to_its_last(run: Run[Any]) -> None:
    (one,) = run(heard_out(',"stream":true', 0.0)).attempts
    assert one.writing_ms is not None
    assert 80 < one.writing_ms < one.duration_ms - 190  # without what its client did afterwards


@pytest.mark.parametrize(
    ("fields", "reads_s"),
    [("", 0.0), (',"stream":true,"n":2', 0.0), (',"stream":true', 0.05)],
    ids=["in one piece", "several choices", "a slow reader"],
)
def test_where_more_than_its_model_had_a_part_no_speed_is_told(fields: str, reads_s: float, run: Run[Any]) -> None:
    (one,) = run(heard_out(fields, reads_s)).attempts
    assert one.writing_ms is None


def answered(said: int, writing_ms: float | None, finish: str = "stop", choices: int = 1) -> Decision:
    """A request whose first candidate was silent for a minute, and whose second answered."""
    usage = Usage(10, said, 10 + said)
    silent = Attempt("kimi/k", "upstream_silent", duration_ms=60_000.0)
    made = decision(silent, Attempt("openai/m", ttft_ms=500.0, usage=usage, writing_ms=writing_ms))
    made.facts = Facts("coding_help", choices=choices)
    outcome = made.outcome
    outcome.ended, outcome.model, outcome.usage, outcome.finish = ANSWERED, "openai/m", usage, finish
    outcome.ttft_ms = 500.0
    return made


def test_a_models_speed_is_its_own_and_not_that_of_the_whole_request(tmp_path: Path) -> None:
    pace = Pace(tokens_per_s=50)
    settle, _ = settle_at(tmp_path, pace)
    for _ in range(50):
        settle.settle(answered(300, None), None, 62.0)
    assert pace.tokens_per_s(("openai", "m")) == pytest.approx(50, rel=0.1)
    for _ in range(50):
        settle.settle(answered(300, 2000.0), None, 62.0)
    assert pace.tokens_per_s(("openai", "m")) == pytest.approx(150, rel=0.1)


def test_an_answer_that_was_cut_short_says_nothing_of_lengths_and_choices_are_answers_each(tmp_path: Path) -> None:
    lengths = Lengths()
    settle, _ = settle_at(tmp_path, lengths=lengths)
    for _ in range(200):
        settle.settle(answered(16, None, "length"), None, 1.0)
        settle.settle(answered(1, None, "content_filter"), None, 1.0)
    assert lengths.expected("coding_help", 900) == 900
    for _ in range(200):
        settle.settle(answered(8 * 300, None, choices=8), None, 1.0)
    assert lengths.expected("coding_help", 900) == pytest.approx(300, rel=0.1)
