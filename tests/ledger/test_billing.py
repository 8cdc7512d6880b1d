"""Every attempt is billed for what happened in it, over real sockets, and the ledger's sums are the providers' own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from gateway.records.usage import used
from gateway.stores import postgres_place
from gateway.stores.postgres import Postgres
from tests.conftest import StartGateway
from tests.fakes.caller import HELLO, Told, ask, stream
from tests.fakes.engines import PostgresEngine
from tests.fakes.gateway import PLAIN, Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script, Usage
from tests.unit.wire_rig import Run

Fakes = Mapping[str, Provider]
MINI, SONNET = "openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5"
PRICES = {MINI: (150_000, 75_000, 600_000), SONNET: (3_000_000, 300_000, 15_000_000)}  # picodollars: read, cached, said
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}


@pytest.fixture(scope="module")
def gateway(start_gateway: StartGateway, database: str) -> Gateway:
    return start_gateway(
        "openai anthropic kimi perplexity google", DATABASE_URL=database, SYNTRA_FIRST_EVENT_SECONDS="0.7"
    )


Rows = Callable[[str], list[dict[str, Any]]]


def found_in(database: str, request_id: str) -> list[dict[str, Any]]:
    """A request's rows as soon as they are there, the final one first."""
    query = "select * from syntra.ledger where request_id = %s order by attempt"
    until = time.monotonic() + 5
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as owner:
        while not (found := owner.execute(query, (request_id,)).fetchall()):
            assert time.monotonic() < until, "no row"
            time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def rows(database: str) -> Rows:
    return partial(found_in, database)


def cost(row: Mapping[str, Any], model: str) -> int:
    read, cached, said = PRICES[model]
    return int(
        (row["input_tokens"] - row["cached_tokens"]) * read
        + row["cached_tokens"] * cached
        + row["output_tokens"] * said
    )


def of(told: Told) -> str:
    return told.headers["x-syntra-decision"]


@dataclass(frozen=True)
class Case:
    """What the provider does, and what is billed for it: exact tokens, or at least so many."""

    what: str
    script: Script
    status: str
    read: int = 0  # -1: an estimate of the prompt
    said: int = 0
    estimated: bool = True
    streamed: bool = True
    model: str = MINI
    body: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.what


HEARD = 3  # tokens in "Hello from", which is what comes through before a fault in the middle
ALL = 5  # tokens in "Hello from the fake."
CASES = (
    Case("whole", Script(), "answered", 21, 9, estimated=False),
    Case("whole, not streamed", Script(), "answered", 21, 9, estimated=False, streamed=False),
    Case("another wire", Script(), "answered", 21, 9, estimated=False, model=SONNET),
    Case("no usage", Script(usage=None), "answered", -1, ALL),
    Case("no usage, not streamed", Script(usage=None), "answered", -1, ALL, streamed=False),
    Case("a negative usage", Script(usage=Usage(-21, 9)), "answered", -1, ALL),
    Case("a usage beyond any window", Script(usage=Usage(21, 10**12)), "answered", -1, ALL),
    Case("thoughts without a usage", Script(usage=None, reasoning=("x" * 400,)), "answered", -1, ALL + 100),
    Case("two choices without a usage", Script(usage=None, more_choices=(("x" * 40,),)), "answered", -1, ALL + 10, body={"n": 2}),
    Case("reset in the middle", Script(fault=Fault.RESET_MID), "cut", -1, HEARD),
    Case("ended in the middle", Script(fault=Fault.EOF_MID), "cut", -1, HEARD),
    Case("an error in the middle", Script(fault=Fault.INBAND_MID), "cut", -1, HEARD),
    Case("cut on a wire that tells the prompt first", Script(fault=Fault.RESET_MID), "cut", 21, HEARD, model=SONNET),
    Case("reset before the head", Script(fault=Fault.RESET_BEFORE), "upstream_broken", -1),
    Case("nothing at all", Script(fault=Fault.EMPTY), "upstream_broken", -1),
    Case("a reply that is too short", Script(fault=Fault.SHORT_BODY), "upstream_broken", -1, streamed=False),
    Case("a page in place of an answer", Script(fault=Fault.HTML_200), "upstream_broken", -1),
    Case("silence", Script(fault=Fault.HANG_BEFORE), "upstream_timeout", -1),
    Case("silence after the head", Script(fault=Fault.HANG_HEAD), "upstream_timeout", -1),
    Case("limited", Script(fault=Fault.RATE_LIMITED), "rate_limit_exceeded", estimated=False),
    Case("failed", Script(fault=Fault.SERVER_ERROR), "upstream_error", estimated=False),
    Case("a bad gateway", Script(fault=Fault.BAD_GATEWAY_HTML), "upstream_error", estimated=False),
    Case("refused", Script(fault=Fault.BAD_REQUEST), "upstream_rejected", estimated=False),
    Case("our key refused", Script(fault=Fault.UNAUTHORIZED), "upstream_credential", estimated=False),
    Case("an error before the first word", Script(fault=Fault.INBAND_FIRST), "upstream_error", estimated=False),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_attempt_is_billed_for_what_happened(case: Case, gateway: Gateway, rows: Rows, providers: Fakes) -> None:
    for fake in providers.values():
        fake.says = case.script
    told = ask(gateway, case.model, stream=case.streamed, **case.body)
    final, attempt = rows(of(told))
    for row in (final, attempt):
        assert (row["status"], row["model"], row["estimated"]) == (
            case.status,
            case.model if row["attempt"] or case.read or case.said else "",
            case.estimated,
        )
        assert row["output_tokens"] == case.said
        assert row["input_tokens"] == case.read if case.read >= 0 else 10 < row["input_tokens"] < 400
        assert row["cost"] == cost(row, case.model)
        assert (row["surface"], row["asked"], row["key_id"] != "") == ("chat", case.model, True)
    assert final["duration_ms"] >= attempt["duration_ms"] > 0
    assert (final["ttft_ms"] is not None) == (case.status in ("answered", "cut"))


def test_parts_of_a_usage_are_recorded_and_never_more_than_their_whole(
    gateway: Gateway, rows: Rows, providers: Fakes
) -> None:
    providers["openai"].script(usage=Usage(100, 50, cached=60, reasoning=30))
    final, _ = rows(of(stream(gateway, MINI)))
    assert (final["cached_tokens"], final["reasoning_tokens"]) == (60, 30)
    assert final["cost"] == cost(final, MINI) == 40 * 150_000 + 60 * 75_000 + 50 * 600_000
    providers["openai"].script(usage=Usage(100, 50, cached=600, reasoning=-1))
    final, _ = rows(of(stream(gateway, MINI)))
    assert (final["cached_tokens"], final["reasoning_tokens"], final["cost"]) == (100, 0, cost(final, MINI))


def test_a_refused_connection_costs_nothing(gateway: Gateway, rows: Rows, providers: Fakes) -> None:
    with providers["openai"].refusing():
        final, attempt = rows(of(stream(gateway, MINI)))
    assert (final["status"], final["input_tokens"], final["cost"]) == ("upstream_unreachable", 0, 0)
    assert (attempt["cost"], attempt["estimated"]) == (0, False)


def test_a_picture_is_not_billed_by_its_bytes(gateway: Gateway, rows: Rows, providers: Fakes) -> None:
    providers["openai"].script(fault=Fault.RESET_BEFORE)
    said = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, PICTURE]}]
    final, _ = rows(of(stream(gateway, MINI, messages=said)))
    assert 1000 < final["input_tokens"] < 1500


def leave(gateway: Gateway, after: str, **body: Any) -> str:
    """A client that leaves when it has heard something; the decision's id."""
    body = {"model": MINI, "messages": HELLO, "stream": True, **body}
    url = f"{gateway.base_url}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=gateway.headers, verify=PLAIN, timeout=10) as reply:
        heard = ""
        for piece in reply.iter_text():
            heard += piece
            if after in heard:
                break
        return reply.headers["x-syntra-decision"]


def test_who_leaves_is_billed_for_what_had_come(gateway: Gateway, rows: Rows, providers: Fakes) -> None:
    providers["openai"].script(pieces=("x" * 400, "y" * 400, *("z" * 400,) * 20), delay=0.15)
    final, attempt = rows(leave(gateway, "yyy"))
    for row in (final, attempt):
        assert (row["status"], row["estimated"]) == ("left", True)
        assert 200 <= row["output_tokens"] <= 400
        assert row["cost"] == cost(row, MINI)


def test_who_leaves_before_the_first_word_is_billed_for_the_prompt(
    gateway: Gateway, rows: Rows, providers: Fakes, database: str
) -> None:
    providers["openai"].script(fault=Fault.HANG_BEFORE)
    url, body = f"{gateway.base_url}/chat/completions", {"model": MINI, "messages": HELLO, "user": "u"}
    before = datetime.now(UTC)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json=body, headers=gateway.headers, verify=PLAIN, timeout=0.3)
    with psycopg.connect(database, autocommit=True) as owner:
        found = None
        while found is None:
            query = "select request_id from syntra.ledger where at >= %s and attempt = 0"
            found = owner.execute(query, (before,)).fetchone()
            time.sleep(0.05)
    final, attempt = rows(found[0].hex)
    for row in (final, attempt):
        assert (row["status"], row["output_tokens"], row["estimated"]) == ("left", 0, True)
        assert row["input_tokens"] > 10
        assert row["cost"] == cost(row, MINI)


def chain(gateway: Gateway, model: str = "syntra") -> list[str]:
    body = {"model": model, "messages": HELLO}
    told = httpx.post(f"{gateway.origin}/api/route", json=body, headers=gateway.headers, verify=PLAIN).json()
    return [one["model"] for one in told["plan"]]


def test_a_fallback_is_billed_for_all_its_attempts(gateway: Gateway, rows: Rows, providers: Fakes) -> None:
    first, second, *_ = chain(gateway)
    providers[first.partition("/")[0]].by_model[first.partition("/")[2]] = Script(fault=Fault.RESET_BEFORE)
    told = ask(gateway, "syntra", headers={"x-syntra-debug": "1"})
    assert told.headers["x-syntra-model"] == second
    final, vain, good = rows(of(told))
    assert (vain["status"], vain["model"], vain["estimated"]) == ("upstream_broken", first, True)
    assert (good["status"], good["model"], good["estimated"]) == ("answered", second, False)
    assert (final["status"], final["model"], final["estimated"]) == ("answered", second, True)
    assert (good["input_tokens"], good["output_tokens"]) == (21, 9)
    assert final["input_tokens"] == vain["input_tokens"] + 21 > 21
    assert final["cost"] == vain["cost"] + good["cost"] > good["cost"] > 0
    assert (final["policy"], final["intent"]) == ("balanced", "social_chat")
    decision = httpx.get(f"{gateway.origin}/api/decisions/{of(told)}", headers=gateway.headers, verify=PLAIN).json()
    assert decision["outcome"]["cost_usd"] == told.headers.get("x-syntra-cost-usd", decision["outcome"]["cost_usd"])
    assert [one["outcome"] for one in decision["attempts"]] == ["upstream_broken", "answered"]


def test_a_model_without_a_price_has_no_cost(gateway: Gateway, rows: Rows, providers: Fakes) -> None:
    final, attempt = rows(of(stream(gateway, "openai/nobody-knows-me")))
    assert (final["cost"], attempt["cost"], final["output_tokens"]) == (None, None, 9)


def test_a_simulated_answer_has_no_cost(start_gateway: StartGateway, postgres_engine: PostgresEngine) -> None:
    with postgres_engine.database() as database:
        told = stream(start_gateway("", DATABASE_URL=database), "syntra")
        final, attempt = found_in(database, of(told))
    assert (final["cost"], attempt["cost"], final["model"]) == (None, None, "simulated/syntra")


def test_a_request_that_nobody_was_asked_for_has_a_final_row_alone(gateway: Gateway, rows: Rows) -> None:
    (final,) = rows(of(ask(gateway, "syntra-nonsense" * 1000)))
    assert (final["status"], final["cost"], final["model"], len(final["asked"])) == ("unknown_policy", 0, "", 200)


def embed(gateway: Gateway, **body: Any) -> httpx.Response:
    body = {"model": "openai/text-embedding-3-small", "input": ["one", "two"], **body}
    url = f"{gateway.base_url}/embeddings"
    return httpx.post(url, json=body, headers=gateway.headers, verify=PLAIN, timeout=10)


def test_embeddings_are_billed_too(gateway: Gateway, rows: Rows, providers: Fakes) -> None:
    final, attempt = rows(embed(gateway).headers["x-syntra-decision"])
    for row in (final, attempt):
        assert (row["surface"], row["status"], row["model"]) == (
            "embeddings",
            "answered",
            "openai/text-embedding-3-small",
        )
        assert (row["input_tokens"], row["output_tokens"], row["estimated"]) == (8, 0, False)
        assert row["cost"] == 8 * 20_000
    with providers["openai"].refusing():
        final, attempt = rows(embed(gateway).headers["x-syntra-decision"])
    assert (final["status"], final["cost"], attempt["status"]) == ("upstream_unreachable", 0, "upstream_unreachable")


def test_the_sums_are_the_providers_own_count(
    start_gateway: StartGateway, postgres_engine: PostgresEngine, providers: Fakes, run: Run[Any]
) -> None:
    with postgres_engine.database() as database:
        gateway = start_gateway("openai kimi perplexity", DATABASE_URL=database)
        models = (MINI, "kimi/kimi-k2.5", "perplexity/sonar")
        expected: Counter[str] = Counter()
        for k in range(60):
            model = models[k % 3]
            usage = Usage(20 + k, 5 + k % 7, cached=k % 5)
            providers[model.partition("/")[0]].script(usage=usage)
            assert ask(gateway, model, stream=bool(k % 2)).status == 200
            expected[f"{model} read"] += usage.prompt
            expected[f"{model} said"] += usage.completion
            expected[f"{model} requests"] += 1

        async def summed() -> Counter[str]:
            async with Postgres(postgres_place.place(database)) as postgres:
                with psycopg.connect(database) as owner:
                    (organisation,) = owner.execute("select id from syntra.organisation").fetchone() or ("",)
                ever = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
                found = await used(postgres, organisation.hex, ["model"], *ever)
            counted: Counter[str] = Counter()
            for one in found:
                counted[f"{one.model} read"] += one.input_tokens
                counted[f"{one.model} said"] += one.output_tokens
                counted[f"{one.model} requests"] += one.requests
            return counted

        until = time.monotonic() + 5
        while (counted := run(summed())) != expected:
            assert time.monotonic() < until, (counted, expected)
        assert sum(len(fake.requests) for fake in providers.values()) == 60
