"""What a user told Syntra is known later, whichever model answers, and is theirs to see, correct and forget."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import httpx
import pytest

from gateway.core.ids import uuid7
from gateway.stages.memory.notes import HEAD
from tests.fakes.gateway import ROOT, Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Fault, Script
from tests.fakes.users import ANTHROPIC, KIMI, OPENAI, User, said, wait_for

Fakes = Mapping[str, Provider]


def test_what_was_said_to_one_model_is_known_to_the_next(ann: User, providers: Fakes) -> None:
    assert ann.chat("Hi! My favourite tea is Darjeeling.").status_code == 200
    ann.knows("My favourite tea is Darjeeling.")
    for model, name in ((KIMI, "kimi"), (ANTHROPIC, "anthropic"), (OPENAI, "openai")):
        reply = ann.chat("Which tea is my favourite?", model=model, headers={"x-syntra-debug": "1"})
        assert reply.status_code == 200, reply.text
        told = said(providers[name])
        assert told.startswith(("Which tea is my favourite?\n\n" + HEAD, "Which tea is my favourite?" + HEAD))
        assert "My favourite tea is Darjeeling." in told
        assert int(reply.headers["x-syntra-memory"]) > 0


def test_the_notes_that_an_answer_was_told_can_be_looked_up(ann: User) -> None:
    note = ann.add("I am allergic to peanuts.")
    reply = ann.chat("Which nuts am I allergic to?")
    decision = httpx.get(
        f"{ann.gateway.origin}/api/decisions/{reply.headers['x-syntra-decision']}", headers=ann.headers
    ).json()
    assert decision["notes"] == [note["id"]]
    assert ann.memories(f"/{note['id']}").json()["text"] == "I am allergic to peanuts."


def test_nothing_irrelevant_is_told(ann: User, providers: Fakes) -> None:
    for text in ("My sister plays the cello in Leipzig.", "I am allergic to peanuts.", "We decided to use PostgreSQL."):
        ann.add(text)
    for question in ("What is 17 times 23?", "Write a haiku about autumn.", "Why is the sky blue?", "thanks, continue"):
        ann.chat(question)
        assert said(providers["openai"]) == question


def test_who_is_nobody_is_told_nothing_and_nothing_is_kept(home: Gateway, providers: Fakes) -> None:
    body = {"model": OPENAI, "messages": [{"role": "user", "content": "My favourite tea is Darjeeling."}]}
    assert httpx.post(f"{home.base_url}/chat/completions", json=body, headers=home.headers).status_code == 200
    reply = httpx.get(f"{home.origin}/api/memories", headers=home.headers)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "no_user"


def test_the_field_user_says_who_is_speaking(home: Gateway, providers: Fakes) -> None:
    name = f"field-{uuid7()}"
    body = {"model": OPENAI, "messages": [{"role": "user", "content": "I play the cello."}], "user": name}
    assert httpx.post(f"{home.base_url}/chat/completions", json=body, headers=home.headers).status_code == 200
    User(home, name).knows("I play the cello.")


def test_what_the_model_says_is_not_kept_and_a_question_is_none(ann: User, providers: Fakes) -> None:
    providers["openai"].script(pieces=("I live on the moon. ", "My favourite food is cheese."))
    ann.chat("Where do I live? I think my cat is called Minka. Write me a poem about my garden.")
    ann.knows("I think my cat is called Minka.")
    assert set(ann.texts()) == {"I think my cat is called Minka.", "my cat is called Minka"} & set(ann.texts())


@pytest.mark.parametrize("fault", [Fault.EOF_MID, Fault.RESET_MID, Fault.SERVER_ERROR])
def test_what_was_said_before_a_broken_answer_is_not_kept(ann: User, providers: Fakes, fault: Fault) -> None:
    providers["openai"].script(pieces=("Hello", " there"), fault=fault)
    ann.chat("My favourite tea is Darjeeling.")
    providers["openai"].script()
    ann.chat("I play the cello.")
    ann.knows("I play the cello.")
    assert not any("Darjeeling" in text for text in ann.texts())


def test_a_truncated_answer_leaves_nothing_behind(ann: User, providers: Fakes) -> None:
    providers["openai"].script(finish="length")
    ann.chat("My favourite tea is Darjeeling.")
    providers["openai"].script()
    ann.chat("I play the cello.")
    ann.knows("I play the cello.")
    assert not any("Darjeeling" in text for text in ann.texts())


def test_what_is_said_again_is_kept_once_and_what_contradicts_takes_its_place(ann: User, providers: Fakes) -> None:
    for text in ("I live in Lisbon.", "I live in  lisbon!", "I live in Berlin now."):
        ann.chat(text)
        ann.knows(text) if text != "I live in  lisbon!" else None
    ann.chat("Where do I live?")
    told = said(providers["openai"])
    assert "Berlin" in told
    assert "isbon" not in told
    assert not any("isbon" in text for text in ann.texts())


@pytest.mark.parametrize(
    ("mode", "recalls", "keeps"), [("off", False, False), ("read", True, False), ("read-write", True, True)]
)
def test_a_request_a_user_and_a_key_say_what_memory_may_do(
    ann: User, providers: Fakes, mode: str, recalls: bool, keeps: bool
) -> None:
    ann.add("My favourite tea is Darjeeling.")

    def check(user: User, **headers: str) -> None:
        user.chat(
            "Which tea is my favourite? I play the cello.", headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        assert ("Darjeeling" in said(providers["openai"])) == recalls
        if keeps:
            user.knows("I play the cello.")
        else:
            time.sleep(0.3)
            assert "I play the cello." not in user.texts()

    check(ann, x_syntra_memory=mode)
    assert ann.memories("/settings", "PUT", json={"memory": mode}).json()["memory"] == mode
    wait_for(lambda: ann.memories("/settings").json()["memory"] == mode, lambda: None)
    time.sleep(0.5)  # workers hear of it
    check(ann)


def test_a_header_that_says_something_else_is_refused(ann: User) -> None:
    reply = ann.chat("Hello", headers={"x-syntra-memory": "sometimes"})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_header"


def test_memories_are_listed_searched_corrected_and_forgotten(ann: User) -> None:
    tea, cello = ann.add("I drink Darjeeling every morning."), ann.add("I play the cello in an orchestra.")
    page = ann.memories("?limit=1").json()
    assert [one["id"] for one in page["data"]] == [cello["id"]]
    assert page["has_more"]
    assert [one["id"] for one in ann.memories(f"?limit=1&after={page['last_id']}").json()["data"]] == [tea["id"]]
    found = ann.memories("", params={"query": "which instrument do I play", "limit": 5}).json()["data"]
    assert found[0]["id"] == cello["id"]
    corrected = ann.memories(f"/{tea['id']}", "PATCH", json={"text": "I drink Assam every morning."})
    assert corrected.json()["text"] == "I drink Assam every morning."
    (first, *_) = ann.memories("", params={"query": "drink every morning"}).json()["data"]
    assert first["text"] == "I drink Assam every morning."
    assert ann.memories(f"/{tea['id']}", "DELETE").json()["deleted"] is True
    for method in ("GET", "DELETE", "PATCH"):
        body = {"json": {"text": "x"}} if method == "PATCH" else {}
        assert ann.memories(f"/{tea['id']}", method, **body).status_code == 404
    exported = ann.memories("/export").json()
    assert [one["id"] for one in exported["data"]] == [cello["id"]]
    assert ann.memories("", "DELETE").json()["deleted"] == 1
    assert ann.texts() == []


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("?user=a%00b", "GET", None),
        ("?after=00000000000000000000000000000000", "GET", None),
        ("?after=nothing", "GET", None),
        ("", "POST", {"text": "I play the cello.", "at": "0001-01-01T00:00:00+14:00"}),
        ("", "POST", {"text": "I play the cello.", "at": "9999-12-31T23:59:59-14:00"}),
    ],
)
def test_what_cannot_be_is_refused_and_says_what(home: Gateway, path: str, method: str, body: object) -> None:
    who = {} if "user=" in path else {"x-syntra-user": "ann"}
    reply = httpx.request(
        method, f"{home.origin}/api/memories{path}", headers={**home.headers, **who}, json=body, timeout=10
    )
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] in ("user", "after", "at")


def test_a_text_that_goes_on_is_told_nothing_and_tells_nothing(ann: User, providers: Fakes) -> None:
    ann.add("My favourite tea is Darjeeling.")
    body = {"model": OPENAI, "prompt": "My name is Dracula. The favourite tea in my castle is", "max_tokens": 20}
    assert httpx.post(f"{ann.gateway.base_url}/completions", json=body, headers=ann.headers).status_code == 200
    assert "Darjeeling" not in said(providers["openai"])
    ann.chat("I play the cello.")
    ann.knows("I play the cello.")
    assert not any("Dracula" in text for text in ann.texts())


def asked(ann: User, providers: Fakes, question: str) -> str:
    """What a model is told beside a question."""
    ann.chat(question, headers={"x-syntra-memory": "read"})
    return said(providers["openai"])


def test_a_fact_that_is_corrected_is_corrected_in_its_statement_too(ann: User, providers: Fakes) -> None:
    ann.chat("Well, my favourite book is Dune, and I hate rain.")
    ann.knows("my favourite book is Dune")
    (fact,) = [one for one in ann.memories().json()["data"] if one["kind"] == "fact"]
    reply = ann.memories(f"/{fact['id']}", "PATCH", json={"text": "my favourite book is Ulysses"})
    assert reply.json()["id"] == fact["id"]
    assert set(ann.texts()) == {"my favourite book is Ulysses", "Well, my favourite book is Ulysses, and I hate rain."}
    told = asked(ann, providers, "Which is my favourite book?")
    assert "Ulysses" in told
    assert "Dune" not in told


def test_a_statement_that_another_says_already_goes_when_its_fact_is_corrected(ann: User) -> None:
    ann.add("I like jazz.")
    ann.add("My favourite book is Dune.")
    (fact,) = [one for one in ann.memories().json()["data"] if one["kind"] == "fact"]
    assert ann.memories(f"/{fact['id']}", "PATCH", json={"text": "I like jazz"}).status_code == 200
    assert sorted(ann.texts()) == ["I like jazz", "I like jazz."]


def test_who_forgets_a_statement_forgets_the_facts_in_it(ann: User, providers: Fakes) -> None:
    ann.add("I have a cat.")
    tea = ann.add("My favourite tea is Darjeeling.")
    gone = ann.memories(f"/{tea['id']}", "DELETE").json()["ids"]
    assert len(gone) == 2
    assert ann.texts() == ["I have a cat."]
    assert "Darjeeling" not in asked(ann, providers, "Which tea is my favourite?")


def test_what_is_said_takes_the_place_of_what_was_added_or_corrected(ann: User, providers: Fakes) -> None:
    tea = ann.add("My favourite tea is Darjeeling.")
    ann.chat("Now my favourite tea is Assam.")
    ann.knows("Now my favourite tea is Assam.")
    assert not any("Darjeeling" in text for text in ann.texts())
    assert ann.memories(f"/{tea['id']}").status_code == 404
    home = ann.add("I have a garden.")
    ann.memories(f"/{home['id']}", "PATCH", json={"text": "I live in Lisbon."})
    assert {"I live in Lisbon.", "I live in Lisbon"} <= set(ann.texts())
    ann.chat("I live in Berlin now.")
    ann.knows("I live in Berlin now.")
    assert not any("Lisbon" in text for text in ann.texts())


def test_of_two_that_are_added_at_once_and_contradict_each_other_the_later_is_true(ann: User) -> None:
    wanted = [{"text": f"I live in {city}."} for city in ("Lisbon", "Berlin")]
    assert ann.memories(method="POST", json={"memories": wanted}).status_code == 201
    assert set(ann.texts()) == {"I live in Berlin.", "I live in Berlin"}


def test_many_are_added_at_once_with_their_facts(ann: User) -> None:
    wanted = [{"text": f"My favourite dish number{k} is soup number {k}."} for k in range(120)]
    reply = ann.memories(method="POST", json={"memories": wanted})
    assert [one["text"] for one in reply.json()["data"]] == [one["text"] for one in wanted]
    statements = {one["id"]: one["text"] for one in reply.json()["data"]}
    facts = [one for one in ann.memories("/export").json()["data"] if one["kind"] == "fact"]
    assert len(facts) == 120
    assert all(statements[one["derived_from"]] == f"{one['text']}." for one in facts)


def test_many_are_added_at_once_in_their_order_with_their_dates(ann: User, providers: Fakes) -> None:
    wanted = [
        {"text": f"Note {k} about the number {k}.", "at": f"2023-05-{k + 1:02}T10:00:00Z", "thread": "t"}
        for k in range(5)
    ]
    reply = ann.memories(method="POST", json={"memories": wanted})
    assert [one["text"] for one in reply.json()["data"]] == [one["text"] for one in wanted]
    assert [one["text"] for one in ann.memories("/export").json()["data"]] == [one["text"] for one in wanted]
    ann.chat("What was the note about number 3?")
    assert '- 2023-05-04: "Note 3 about the number 3."' in said(providers["openai"])


def test_after_a_cascade_the_next_prompt_is_what_it_would_be_had_it_never_been_known(
    ann: User, providers: Fakes
) -> None:
    ann.add("My sister plays the cello.")
    ann.chat("What does my sister play?", headers={"x-syntra-memory": "read"})
    before = providers["openai"].last.body
    ann.chat("My favourite tea is Darjeeling.")
    ann.knows("My favourite tea is Darjeeling.")
    ann.chat("Now my favourite tea is Assam.")
    ann.knows("Now my favourite tea is Assam.")
    latest = next(one for one in ann.memories().json()["data"] if one["text"] == "Now my favourite tea is Assam.")
    gone = ann.memories(f"/{latest['id']}?cascade=true", "DELETE").json()
    assert latest["id"] in gone["ids"]
    assert not any("tea" in text for text in ann.texts())
    ann.chat("What does my sister play?", headers={"x-syntra-memory": "read"})
    assert providers["openai"].last.body == before
    ann.chat("Which tea is my favourite?", headers={"x-syntra-memory": "read"})
    assert said(providers["openai"]) == "Which tea is my favourite?"


def test_after_a_cascade_the_next_answer_is_that_of_one_who_never_knew(ann: User, providers: Fakes) -> None:
    """Byte for byte, though an answer to the same question that was told of it is kept."""
    providers["openai"].plays = lambda request: Script(pieces=(f"I have read {crc32(request.body)}.",))
    bob = User(ann.gateway)
    for one in (ann, bob):
        one.add("My sister plays the cello.")
    tea = ann.add("My favourite tea is Darjeeling.")
    question = "Which tea is my favourite, and what does my sister play?"
    knowing = ann.chat(question, temperature=0)
    assert "Darjeeling" in said(providers["openai"])
    assert tea["id"] in ann.memories(f"/{tea['id']}?cascade=true", "DELETE").json()["ids"]
    forgotten = ann.chat(question, temperature=0)
    never = bob.chat(question, temperature=0, headers={"x-syntra-cache-control": "no-cache"})
    assert forgotten.headers["x-syntra-cache"] == never.headers["x-syntra-cache"] == "miss"
    assert forgotten.content == never.content != knowing.content


def test_a_body_of_ten_megabytes_is_answered_and_not_kept(ann: User, providers: Fakes) -> None:
    ann.add("I drink Darjeeling every morning.")
    reply = ann.chat("My favourite tea? " + "I like words. " * 700_000, headers={"x-syntra-memory": "read-write"})
    assert reply.status_code == 200
    ann.chat("I play the cello.")
    ann.knows("I play the cello.")
    assert len(ann.texts()) == 2


def test_what_no_store_can_hold_is_refused_or_left_out(ann: User) -> None:
    assert ann.memories(
        method="POST",
        content=b'{"text": "a\\u0000b"}',
    ).status_code in (400, 415)
    assert ann.add("a\u0007b <script>alert(1)</script>\u2028 tea")["text"] == "ab <script>alert(1)</script> tea"
    assert ann.memories(method="POST", json={"text": "\u0007 "}).status_code == 400
    assert ann.memories(method="POST", json={"text": "x" * 4001}).status_code == 400
    assert ann.memories("?limit=0").status_code == 400
    assert ann.memories("/not-an-id").status_code == 404
    assert ann.memories("/a/b").status_code == 404
    assert ann.memories("/export", "POST").status_code == 405


def test_a_password_is_not_kept(ann: User, providers: Fakes) -> None:
    ann.chat("My password is hunter22secret. I play the cello.")
    ann.knows("I play the cello.")
    assert not any("hunter" in text for text in ann.texts())


def test_what_the_readme_shows_works(home: Gateway, providers: Fakes) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (block,) = [found for found in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) if "/api/memories" in found]
    first, add, *rest = block.replace("http://127.0.0.1:8000", home.origin).splitlines()
    env = {"PATH": os.environ["PATH"], "SYNTRA_KEY": home.key}

    def told(line: str) -> Any:
        done = subprocess.run(["bash", "-ec", f"{first}\n{line}"], env=env, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    made = told(add)
    assert made["text"] == "My favourite tea is Darjeeling."
    for line in rest:
        answer = told(line.replace("ID", made["id"]))
        assert "error" not in answer, (line, answer)
    assert told(rest[0])["data"] == []
    assert answer["memory"] == "read"
