"""Threads: a front end says one thing at a time, and the conversation is on the server."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping

import httpx
import pytest

from tests.fakes.gateway import ROOT, Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Usage
from tests.fakes.threads import MODEL, FrontEnd
from tests.fakes.users import User

Fakes = Mapping[str, Provider]
NOTHING = "0199f0c1-b2a4-7d3e-8f60-718293a4b5c6"


def sent(providers: Fakes, name: str = "openai") -> list[tuple[str, str]]:
    """The conversation as a provider was given it, without the persona."""
    messages = providers[name].last.json["messages"]
    return [(one["role"], one["content"]) for one in messages if one["role"] != "system"]


# threads


def test_a_thread_is_made_shown_changed_and_forgotten(ada: FrontEnd) -> None:
    made = ada.ask("POST", "", {"title": "Lisbon", "metadata": {"folder": "trips"}})
    assert made.status_code == 201
    thread = made.json()
    assert (thread["object"], thread["title"], thread["metadata"]) == ("thread", "Lisbon", {"folder": "trips"})
    path = f"/{thread['id']}"
    assert ada.ok("GET", path) == thread
    assert ada.ok("PATCH", path, {"title": "Porto"})["title"] == "Porto"
    assert ada.ok("GET", path)["metadata"] == {"folder": "trips"}
    ada.say(thread["id"], "Hello.")
    assert ada.ok("DELETE", path) == {"id": thread["id"], "object": "thread.deleted", "deleted": True}
    for method, more in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/messages")):
        assert ada.refused(404, method, path + more, {})["code"] == "thread_not_found"


def test_the_first_question_names_a_thread_that_has_no_name(ada: FrontEnd) -> None:
    thread = ada.thread()
    ada.say(thread, "\n  What shall I pack for three rainy days in Lisbon with two small children?\nThanks.")
    assert ada.ok("GET", f"/{thread}")["title"] == "What shall I pack for three rainy days in Lisbon with two…"
    ada.say(thread, "And for Porto?")
    assert ada.ok("GET", f"/{thread}")["title"].startswith("What shall I pack")


def test_a_name_is_the_same_in_threads_as_everywhere(gateway: Gateway, providers: Fakes) -> None:
    for name in ("李雷", "Анна", "Jürgen"):
        headers = {**gateway.headers, "x-syntra-user": name.encode()}  # type: ignore[dict-item]
        fact = {"text": "My favourite tea is Darjeeling."}
        assert httpx.post(f"{gateway.origin}/api/memories", json=fact, headers=headers).status_code == 201
        made = httpx.post(f"{gateway.origin}/api/threads", json={}, headers=headers)
        assert made.status_code == 201, made.text
        asked = {"content": "Which tea is my favourite?", "model": MODEL}
        path = f"{gateway.origin}/api/threads/{made.json()['id']}/messages"
        assert httpx.post(path, json=asked, headers=headers).status_code == 200
        assert "Darjeeling" in providers["openai"].last.json["messages"][-1]["content"]


def test_threads_come_in_pages_the_one_last_written_to_first(gateway: Gateway, providers: Fakes) -> None:
    grace = FrontEnd(gateway, user="grace")
    threads = [grace.thread(title=str(number)) for number in range(5)]
    grace.say(threads[1], "Hello.")
    first = grace.ok("GET", "?limit=2")
    assert [one["title"] for one in first["data"]] == ["1", "4"]
    assert first["has_more"]
    rest = grace.ok("GET", f"?limit=5&after={first['last_id']}")
    assert [one["title"] for one in rest["data"]] == ["3", "2", "0"]
    assert (rest["has_more"], rest["last_id"]) == (False, threads[0])


# messages


@pytest.mark.parametrize("model", [MODEL, "anthropic/claude-sonnet-4-5", "google/gemini-2.5-flash"])
def test_a_model_is_given_the_conversation_whoever_answered_before(model: str, ada: FrontEnd, providers: Fakes) -> None:
    thread = ada.thread()
    providers["openai"].script(pieces=("Nice to ", "meet you, Ada."), usage=Usage(21, 9, cached=5))
    told = ada.say(thread, "I am Ada.")
    assert (told["content"], told["status"], told["stored"]) == ("Nice to meet you, Ada.", "complete", True)
    assert (told["usage"]["prompt_tokens"], told["finish_reason"], told["model"]) == (21, "stop", MODEL)
    ada.say(thread, "Who am I?", model)
    assert ada.listed(thread)[:3] == [
        ("user", "I am Ada."),
        ("assistant", "Nice to meet you, Ada."),
        ("user", "Who am I?"),
    ]
    asked = json.dumps(providers[model.partition("/")[0]].last.json, ensure_ascii=False)
    for words in ("I am Ada.", "Nice to meet you, Ada.", "Who am I?"):
        assert asked.count(words) == 1


def test_syntra_is_asked_where_no_model_is_named_and_says_why(ada: FrontEnd, gateway: Gateway) -> None:
    thread = ada.thread()
    told = ada.ok("POST", f"/{thread}/messages", {"content": "Hello!"})
    assert told["model"] == "syntra"
    decision = httpx.get(f"{gateway.origin}/api/decisions/{told['decision']}", headers=gateway.headers).json()
    assert (decision["intent"], decision["model"], decision["policy"]) == ("social_chat", "syntra", "balanced")


def test_messages_come_in_pages_from_either_end(ada: FrontEnd) -> None:
    thread = ada.thread()
    for word in ("one", "two", "three"):
        ada.say(thread, word)
    page = ada.ok("GET", f"/{thread}/messages?limit=3")
    assert [one["content"] for one in page["data"]] == ["one", "Hello from the fake.", "two"]
    rest = ada.ok("GET", f"/{thread}/messages?limit=9&after={page['last_id']}")
    assert [one["content"] for one in rest["data"]] == ["Hello from the fake.", "three", "Hello from the fake."]
    latest = ada.ok("GET", f"/{thread}/messages?order=desc&limit=2")
    assert [one["content"] for one in latest["data"]] == ["Hello from the fake.", "three"]
    assert latest["has_more"]
    before = ada.ok("GET", f"/{thread}/messages?order=desc&limit=1&after={latest['last_id']}")
    assert before["data"][0]["role"] == "assistant"


def test_a_question_may_have_parts_and_a_wish(ada: FrontEnd, providers: Fakes) -> None:
    thread = ada.thread()
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
    ]
    ada.say(thread, parts, temperature=0.5, max_tokens=100)
    assert (providers["openai"].last.json["temperature"], sent(providers)) == (0.5, [("user", parts)])
    assert ada.listed(thread)[0] == ("user", parts)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "content"),
        ({"content": ""}, "content"),
        ({"content": 7}, "content"),
        ({"content": [{"type": "text"}]}, "content[0].text"),
        ({"content": "x", "messages": []}, "messages"),
        ({"content": "x", "tools": []}, "tools"),
        ({"content": "x", "temperature": 9}, "temperature"),
        ({"content": "x", "api_base": "http://evil"}, "api_base"),
        ({"content": "x\u0000"}, None),
    ],
)
def test_what_cannot_be_asked_is_refused_and_not_kept(
    body: dict[str, object], param: str | None, ada: FrontEnd
) -> None:
    thread = ada.thread()
    for path in ("", "/stream"):
        assert ada.refused(400, "POST", f"/{thread}/messages{path}", body)["param"] == param
    assert ada.listed(thread) == []


@pytest.mark.parametrize("path", ["", "/stream"])
def test_a_question_that_nobody_was_asked_is_taken_back(path: str, ada: FrontEnd) -> None:
    thread = ada.thread()
    error = ada.refused(404, "POST", f"/{thread}/messages{path}", {"content": "x", "model": "sintra"})
    assert error["code"] == "model_not_found"
    assert ada.listed(thread) == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=9999", "limit=x", "order=up", "after=x", f"after={NOTHING}", "limit=%C2%B2"]
)
def test_a_page_that_cannot_be_is_refused(query: str, ada: FrontEnd) -> None:
    thread = ada.thread()
    assert ada.refused(400, "GET", f"/{thread}/messages?{query}")["param"] == query.partition("=")[0]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "", 405),
        ("DELETE", f"/{NOTHING}/messages", 405),
        ("GET", f"/{NOTHING}/else", 404),
        ("GET", f"/{NOTHING}/messages/{NOTHING}/more/and/more", 404),
        ("GET", "/not-an-id", 404),
        ("GET", f"/{NOTHING}", 404),
        ("POST", f"/{NOTHING}/messages/stream", 404),
        ("POST", f"/{NOTHING}/messages/{NOTHING}/regenerate", 404),
    ],
)
def test_what_is_not_there_is_said(method: str, path: str, status: int, ada: FrontEnd) -> None:
    assert ada.refused(status, method, path, {"content": "x"} if "regenerate" not in path else {})["message"]


# regenerate and edit


def test_an_answer_is_made_anew_in_place_of_it_and_of_what_came_later(ada: FrontEnd, providers: Fakes) -> None:
    thread = ada.thread()
    first = ada.say(thread, "Count.")
    ada.say(thread, "Go on.")
    providers["anthropic"].script(pieces=("Un, deux.",))
    path = f"/{thread}/messages/{first['id']}/regenerate"
    told = ada.ok("POST", path, {"model": "anthropic/claude-sonnet-4-5"})
    assert (told["content"], told["question_id"]) == ("Un, deux.", first["question_id"])
    assert told["id"] != first["id"]
    assert ada.listed(thread) == [("user", "Count."), ("assistant", "Un, deux.")]
    providers["openai"].script(pieces=("One.",))
    streamed = ada.hear(f"/{thread}/messages/{first['question_id']}/regenerate/stream")
    assert streamed.text == "One."  # by the model that was asked first
    assert sent(providers) == [("user", "Count.")]


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.EOF_MID])
def test_an_answer_that_cannot_be_made_anew_stays(fault: Fault, ada: FrontEnd, providers: Fakes) -> None:
    thread = ada.thread()
    first = ada.say(thread, "Count.")
    ada.say(thread, "Go on.")
    before = ada.listed(thread)
    providers["openai"].script(fault=fault)
    ada.refused(502, "POST", f"/{thread}/messages/{first['id']}/regenerate")
    assert ada.listed(thread) == before
    ada.refused(404, "POST", f"/{thread}/messages/{first['id']}/regenerate", {"model": "nobody"})
    assert ada.listed(thread) == before


def test_an_edited_question_forgets_its_answer_and_what_came_later(ada: FrontEnd, providers: Fakes) -> None:
    thread = ada.thread()
    first = ada.say(thread, "Count.")
    ada.say(thread, "Go on.")
    question = f"/{thread}/messages/{first['question_id']}"
    edited = ada.ok("PATCH", question, {"content": "Count to three."})
    assert (edited["content"], edited["id"]) == ("Count to three.", first["question_id"])
    assert edited["edited_at"]
    assert ada.listed(thread) == [("user", "Count to three.")]
    ada.ok("POST", f"{question}/regenerate")
    assert sent(providers) == [("user", "Count to three.")]
    answer = ada.ok("GET", f"/{thread}/messages")["data"][1]["id"]
    assert ada.refused(400, "PATCH", f"/{thread}/messages/{answer}", {"content": "x"})["param"] == "message_id"


def test_what_a_question_put_into_memory_is_forgotten_when_it_is_edited(gateway: Gateway, providers: Fakes) -> None:
    user = User(gateway)
    front = FrontEnd(gateway, user=user.name)
    thread = front.thread()
    front.say(thread, "I have a cat.")
    user.knows("I have a cat.")
    told = front.say(thread, "I have a cat. My favourite tea is Darjeeling.")
    user.knows("My favourite tea is Darjeeling.", "My favourite tea is Darjeeling")
    front.ok("POST", f"/{thread}/messages/{told['question_id']}/regenerate")
    front.ok("PATCH", f"/{thread}/messages/{told['question_id']}", {"content": "I prefer coffee."})
    assert user.texts() == ["I have a cat."]


def test_an_answer_to_words_that_were_edited_meanwhile_is_not_kept(ada: FrontEnd, providers: Fakes) -> None:
    thread = ada.thread()
    providers["openai"].script(delay=0.15)
    with ada.hearing(f"/{thread}/messages/stream", {"content": "Count.", "model": MODEL}) as (stream, events):
        next(events)
        question = ada.ok("GET", f"/{thread}/messages")["data"][0]["id"]
        ada.ok("PATCH", f"/{thread}/messages/{question}", {"content": "Count to three."})
        list(events)
    assert stream.of("done")[0]["stored"] is False
    assert ada.listed(thread) == [("user", "Count to three.")]


def test_the_readmes_threads_work(gateway: Gateway, providers: Fakes) -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    lines = page.partition("## Threads")[2].partition("```sh")[2].partition("```")[0]
    named = {"threads": f"{gateway.origin}/api/threads", "key": f"Authorization: Bearer {gateway.key}"}
    named["user"] = "x-syntra-user: ada@example.com"
    replies = []
    for line in lines.split("\ncurl ")[1:]:
        words = shlex.split(line.partition("   #")[0])
        words = [re.sub(r"\$(\w+)", lambda found: named[found[1]], word) for word in words if word != "-N"]
        headers = dict(words[k + 1].split(": ", 1) for k, word in enumerate(words) if word == "-H")
        body = words[words.index("--json") + 1] if "--json" in words else None
        method = "GET" if body is None else "POST"
        replies.append(httpx.request(method, words[0], headers=headers, content=body, timeout=30))
        assert replies[-1].status_code in (200, 201), replies[-1].text
        named.setdefault("THREAD", replies[0].json()["id"])
    assert "event: done" in replies[2].text
    assert len(replies[3].json()["data"]) == 4
