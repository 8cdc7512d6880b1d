"""An answer in a thread is told step by step; a stream that is lost goes on, at whichever worker, or from what is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.conftest import StartGateway
from tests.fakes.gateway import Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Fault
from tests.fakes.server import wait_for
from tests.fakes.threads import MODEL, FrontEnd

Fakes = Mapping[str, Provider]


# streams


def test_a_stream_tells_the_steps_then_who_then_what_then_the_end(ada: FrontEnd, providers: Fakes) -> None:
    providers["openai"].script(pieces=("One, ", "two."))
    told = ada.stream(ada.thread(), "Count.", "syntra-fast")
    once = [kind for k, kind in enumerate(told.kinds) if k == 0 or kind != told.kinds[k - 1]]
    assert once == ["thinking", "route", "delta", "usage", "done"]
    assert told.steps == ["reading", "choosing", "recalling", "asking"]
    assert (told.of("route")[0]["model"], told.of("route")[0]["policy"]) == ("syntra-fast", "fast")
    assert "openai" not in json.dumps(told.of("route"))  # nothing tells who stands behind a Syntra model
    done = told.of("done")[0]
    assert (done["status"], done["finish_reason"], done["stored"]) == ("complete", "stop", True)
    assert told.events[-1].id.split(".")[1] == str(len(told.events) - 1)


def test_a_pinned_model_is_not_chosen_nobodys_memories_are_not_recalled_and_nothing_says_so(
    ada: FrontEnd, gateway: Gateway
) -> None:
    told = ada.stream(ada.thread(), "Hello.")
    assert told.steps == ["recalling", "asking"]
    assert ada.stream(ada.thread(), "Hello.", x_syntra_memory="off").steps == ["asking"]
    nobody = FrontEnd(gateway)
    assert nobody.stream(nobody.thread(), "Hello.").steps == ["asking"]
    assert told.of("route")[0]["pinned"] is True
    assert told.text == "Hello from the fake."


def test_a_search_is_told_where_who_searches_was_chosen_for_it(start_gateway: StartGateway) -> None:
    asker = FrontEnd(start_gateway("openai perplexity"))  # which has learned of nobody that it is slow or broken
    told = asker.stream(asker.thread(), "What is the weather in Lisbon right now, today?", "syntra", x_syntra_debug="1")
    assert told.steps[-1] == "searching"
    assert "perplexity" in told.of("route")[0]["answered_by"]
    assert told.of("usage")[0]["syntra"]["cost_usd"]


def test_thoughts_are_deltas_of_their_own_and_not_part_of_the_message(ada: FrontEnd, providers: Fakes) -> None:
    providers["kimi"].script(reasoning=("Let me ", "see."), pieces=("Four.",))
    thread = ada.thread()
    told = ada.stream(thread, "Two and two?", "kimi/kimi-k2.5")
    assert "".join(data.get("reasoning", "") for data in told.of("delta")) == "Let me see."
    assert ada.listed(thread)[1] == ("assistant", "Four.")


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.RESET_BEFORE, Fault.UNAUTHORIZED])
def test_a_provider_that_fails_is_an_error_and_the_question_stays(
    fault: Fault, ada: FrontEnd, providers: Fakes
) -> None:
    providers["openai"].script(fault=fault)
    thread = ada.thread()
    told = ada.stream(thread, "Hello.")
    assert told.kinds == ["thinking", "thinking", "error"]
    assert PROSE not in json.dumps(told.of("error"))
    assert ada.refused(502, "POST", f"/{thread}/messages", {"content": "Again.", "model": MODEL})["code"]
    assert ada.listed(thread) == [("user", "Hello."), ("user", "Again.")]


@pytest.mark.parametrize("fault", [Fault.RESET_MID, Fault.EOF_MID, Fault.INBAND_MID])
def test_a_cut_answer_is_an_error_and_kept_as_cut(fault: Fault, ada: FrontEnd, providers: Fakes) -> None:
    providers["openai"].script(pieces=("One, ", "two, ", "three, ", "four."), fault=fault)
    thread = ada.thread()
    told = ada.stream(thread, "Count.")
    assert told.kinds[-1] == "error"
    assert "done" not in told.kinds
    kept = ada.ok("GET", f"/{thread}/messages")["data"][1]
    assert (kept["status"], kept["content"], kept["id"]) == ("cut", told.text, told.of("error")[0]["message_id"])
    assert ada.refused(502, "POST", f"/{thread}/messages", {"content": "And?", "model": MODEL})["code"]


# streams that are lost


def test_the_work_goes_on_when_the_client_is_lost_and_the_answer_is_kept(ada: FrontEnd, providers: Fakes) -> None:
    providers["openai"].script(pieces=("One, ", "two, ", "three."), delay=0.1)
    thread = ada.thread()
    with ada.hearing(f"/{thread}/messages/stream", {"content": "Count.", "model": MODEL}) as (_, events):
        next(event for event in events if event.kind == "delta")
    wait_for(lambda: len(ada.listed(thread)) == 2, 5)
    assert ada.listed(thread)[1] == ("assistant", "One, two, three.")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_lost_stream_goes_on_behind_the_last_event_seen(method: str, ada: FrontEnd, providers: Fakes) -> None:
    providers["openai"].script(pieces=("One, ", "two, ", "three, ", "four."), delay=0.08)
    thread = ada.thread()
    path, body = f"/{thread}/messages/stream", {"content": "Count.", "model": MODEL}
    with ada.hearing(path, body) as (before, events):
        last = next(event for event in events if event.kind == "delta")
    asked = len(providers["openai"].requests)
    after = ada.hear(path, body if method == "POST" else None, method, last_event_id=last.id)
    assert before.text + after.text == "One, two, three, four."
    numbers = [int(event.id.split(".")[1]) for event in (*before.events, *after.events)]
    assert numbers == list(range(len(numbers)))
    assert after.kinds[-1] == "done"
    assert len(providers["openai"].requests) == asked  # nobody was asked twice
    again = ada.ask("GET", path, last_event_id=after.events[-1].id)
    assert (again.status_code, again.content) == (204, b"")  # which is what makes an EventSource stop


def test_who_lost_every_event_hears_them_all_again(ada: FrontEnd) -> None:
    thread = ada.thread()
    told = ada.stream(thread, "Hello.")
    again = ada.hear(f"/{thread}/messages/stream?last_event_id={told.events[0].id}", method="GET")
    assert again.events == told.events[1:]


def test_an_id_of_no_event_is_refused(ada: FrontEnd) -> None:
    thread = ada.thread()
    told = ada.stream(thread, "Hello.")
    other = ada.thread()
    assert ada.refused(400, "GET", f"/{thread}/messages/stream", last_event_id="7")["code"] == "invalid_header"
    for path, last in ((thread, f"{'0' * 32}.0.0"), (other, told.events[0].id)):
        assert ada.refused(410, "GET", f"/{path}/messages/stream", last_event_id=last)["code"] == "stream_gone"


def test_another_worker_goes_on_with_what_this_one_began(start_gateway: StartGateway, providers: Fakes) -> None:
    first = start_gateway("openai")
    second = start_gateway("openai", **first.stores, SECRET_KEY=(first.data / "secret").read_text().strip())
    here, there = FrontEnd(first, user="ada"), FrontEnd(second, key=first.key, user="ada")
    providers["openai"].script(pieces=("One, ", "two, ", "three, ", "four."), delay=0.2)
    thread = here.thread()
    path = f"/{thread}/messages/stream"
    with here.hearing(path, {"content": "Count.", "model": MODEL}) as (before, events):
        last = next(event for event in events if event.kind == "delta")
    after = there.hear(path, method="GET", last_event_id=last.id)
    assert before.text + after.text == "One, two, three, four."
    assert after.kinds[-1] == "done"
    wait_for(lambda: there.ask("GET", path, last_event_id=after.events[-1].id).status_code == 204, 3)


def test_an_answer_that_nobody_holds_any_more_is_told_from_where_it_is_kept(
    start_gateway: StartGateway, providers: Fakes
) -> None:
    first = start_gateway("openai")
    providers["openai"].script(pieces=("One, ", "two 👋🏽, ", "three."))
    here = FrontEnd(first, user="ada")
    thread = here.thread()
    told = here.stream(thread, "Count.")
    stores = {"DATABASE_URL": first.stores["DATABASE_URL"]}  # another Valkey knows nothing of it
    second = start_gateway("openai", **stores, SECRET_KEY=(first.data / "secret").read_text().strip())
    there = FrontEnd(second, key=first.key, user="ada")
    last = [event for event in told.events if event.kind == "delta"][1]
    after = there.hear(f"/{thread}/messages/stream", method="GET", last_event_id=last.id)
    assert after.kinds == ["delta", "usage", "done"]
    assert after.text == "three."


def test_a_worker_that_ends_keeps_what_was_said_to_who_was_lost(start_gateway: StartGateway, providers: Fakes) -> None:
    first = start_gateway("openai", SYNTRA_DRAIN_SECONDS="1")
    providers["openai"].script(pieces=tuple(f"{number} " for number in range(200)), delay=0.1)
    here = FrontEnd(first, user="ada")
    thread = here.thread()
    with here.hearing(f"/{thread}/messages/stream", {"content": "Count.", "model": MODEL}) as (_, events):
        next(event for event in events if event.kind == "delta")
    first.terminate()
    first.process.wait(20)
    secret = (first.data / "secret").read_text().strip()
    second = start_gateway("openai", **first.stores, SECRET_KEY=secret)
    kept = FrontEnd(second, key=first.key, user="ada").ok("GET", f"/{thread}/messages")["data"][1]
    assert kept["status"] == "cut"
    assert kept["content"].startswith("0 1 2 ")
