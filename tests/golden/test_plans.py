"""A page of example prompts and where each policy sends them, to be read: does each choice make sense?

After a deliberate change, `UPDATE_GOLDEN=1 make test` writes `plans.txt` anew, and its diff is read like code.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.core import chat
from gateway.core.caller import Caller
from gateway.core.errors import SyntraError
from gateway.core.health import Health
from gateway.core.pace import Lengths, Pace
from gateway.pipeline import Wishes, plan
from gateway.rules import Rules
from gateway.stores import tokenizer
from gateway.upstream import prices
from gateway.upstream.providers import NAMES

PAGE = Path(__file__).with_name("plans.txt")
POLICIES = ("balanced", "cheap", "fast", "best")
TOOL = {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object", "properties": {}}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
LONG = "The harbour master wrote down every ship that came in, its cargo, and what the captain had to say about it. "


def user(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


EXAMPLES: dict[str, dict[str, Any]] = {
    "a greeting": user("hi there, how are you today?"),
    "a thank-you": user("Thanks, that helped a lot!"),
    "a simple fact": user("What is the capital of Australia?"),
    "an explanation": user("Explain in a few paragraphs how vaccines train the immune system."),
    "today's news": user("What were the results of yesterday's football matches in the Bundesliga?"),
    "a price of today": user("What is the price of Bitcoin right now?"),
    "a one-liner in Python": user("How do I reverse a list in Python?"),
    "a bug": user("Why does this crash?\n\ndef f(n):\n    return f(n - 1) + f(n - 2)\n\nprint(f(10))\nRecursionError"),
    "a hard piece of code": user(
        "Design and implement a lock-free, bounded multi-producer multi-consumer queue in C++20 with proofs of its memory "
        "ordering, tests for linearizability under contention, and a benchmark. Requirements: no allocation after "
        "construction, must support move-only types, must not suffer from ABA, and must degrade gracefully under "
        "oversubscription. Then explain each fence, and refactor it into a wait-free single-producer variant."
    ),
    "a translation": user("Translate into French: The meeting has been moved to Thursday at ten."),
    "an e-mail": user("Write a polite e-mail to my landlord asking for the broken heating to be repaired this week."),
    "a story": user("Write a short story of about 800 words about a lighthouse keeper who collects lost letters."),
    "arithmetic": user("A shirt costs 40 euros and is reduced by 15 %. What does it cost now?"),
    "a proof": user("Prove that the square root of 2 is irrational."),
    "a hard proof": user(
        "Let G be a finite group in which every proper subgroup is abelian. Prove that G is solvable. Derive every lemma "
        "that you use, analyze the minimal counterexample, and show where simplicity would fail; then prove or disprove "
        "the theorem for locally finite groups."
    ),
    "German small talk": user("Na, alles klar bei dir?"),
    "a question in Japanese": user("日本で一番高い山は何ですか。"),
    "work with a tool": user("Read config.yaml and tell me which port the service listens on.", tools=[TOOL]),
    "a tool that must be called": user("Read config.yaml.", tools=[TOOL], tool_choice="required"),
    "JSON for a program": user("Name three rivers of Europe.", response_format={"type": "json_object"}),
    "a picture": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is in this picture?"}, PICTURE]}]
    },
    "a search that is asked for": user("Who won the election?", web_search_options={}),
    "200,000 tokens": user(LONG * 7500 + "\n\nWhich ship came in most often?"),
    "2,000,000 tokens": user(LONG * 75_000 + "\n\nWhich ship came in most often?"),
    "a short answer to a question of ours": {
        "messages": [
            {"role": "user", "content": "Write a binary search in Rust that works on any slice."},
            {"role": "assistant", "content": "Shall it return the first match or any?"},
            {"role": "user", "content": "the first"},
        ]
    },
}


async def lines(rules: Rules) -> AsyncIterator[str]:
    caller = Caller("local", "local", "golden")
    for title, fields in EXAMPLES.items():
        request = chat.parse(json.dumps({"model": "syntra", **fields}).encode())
        for policy in POLICIES:
            facts, route = await plan(rules.reader, rules.policy, caller, request, Wishes(policy=policy))
            if policy == POLICIES[0]:
                needs = f", needs {' and '.join(facts.needs)}" if facts.needs else ""
                size = f"{facts.tokens:,} tokens in, {facts.output_tokens:,} out"
                yield f"{title}: {facts.intent} {facts.confidence:.2f}, complexity {facts.complexity:.2f}, "
                yield f"    fresh {facts.fresh:.2f}, {size}{needs}"
            chain = "nobody" if isinstance(route, SyntraError) else " > ".join(one.name for one in route.candidates)
            yield f"    {policy:9} {chain}"
        yield ""


async def page() -> str:
    rules = Rules(None, NAMES, prices.load(NAMES), Health(), Pace(), Lengths(), reads=True)
    try:
        return "\n".join([line.rstrip(" ") async for line in lines(rules)])
    finally:
        await rules.tokenizer.close()


def test_every_example_goes_where_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "PATIENCE", 60.0)  # the page is of what is chosen, not of how busy the machine is
    found = asyncio.run(page())
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(found, "utf-8")
    assert found == PAGE.read_text("utf-8")
