"""docs/a-week.md, done line by line over the fakes of three providers: the page and the product cannot part."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zlib import crc32

import httpx
import pytest

from gateway.stages.memory.notes import HEAD
from tests.conftest import StartGateway
from tests.fakes.gateway import PINS, ROOT, Gateway
from tests.fakes.provider import Provider
from tests.fakes.script import Script
from tests.fakes.server import Request
from tests.fakes.threads import FrontEnd
from tests.fakes.users import User, wait_for
from tests.fakes.vectors import Engine

Fakes = Mapping[str, Provider]
PAGE: Final = ROOT / "docs" / "a-week.md"
MODELS: Final = {pin.provider: pin.model for pin in PINS}
BEGAN: Final = datetime.now(UTC).date().isoformat()
LINE: Final = re.compile(r"- (\d{4}-\d\d-\d\d): (\".*\")")
WHO: Final = r"(?P<who>[A-Z][a-z]+)"


def lines() -> list[str]:
    """The steps of the page, in their order."""
    return [
        line
        for block in re.findall(r"```talk\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        for line in block.split("\n")
        if line
    ]


def prompt(request: Request) -> str:
    """All that the provider got to read, in its own form."""
    return json.dumps(request.json, ensure_ascii=False)


def notes(request: Request) -> list[str]:
    """The notes in a prompt, each a line `date text`; what was said in this run was said today."""
    last = request.json["messages"][-1]["content"]
    text = last if isinstance(last, str) else "\n".join(part.get("text", "") for part in last)
    told = text.partition(HEAD)[2]
    return [f"{'today' if day >= BEGAN else day} {json.loads(quoted)}" for day, quoted in LINE.findall(told)]


class Week:
    """What has happened so far, and what each kind of line does."""

    def __init__(self, gateway: Gateway, fakes: Fakes, engine: Engine) -> None:
        self.gateway, self.fakes, self.engine = gateway, fakes, engine
        self.people: dict[str, User] = {}
        self.speaker = ""
        self.reply: httpx.Response
        self.asked: Request
        self.left: list[str] = []  # notes of the last answer that no line has named yet
        self.thread = ""
        self.used: set[str] = set()
        for fake in fakes.values():
            fake.plays = echo

    def do(self, line: str) -> None:
        """Do one line, or check it; what no line has named of the answer before must be nothing."""
        for pattern, act in self.lines.items():
            if found := re.fullmatch(pattern, line):
                if act is not Week.told:
                    assert self.left == [], f"told, and not on the page, before: {line}"
                self.used.add(pattern)
                act(self, **found.groupdict())
                return
        pytest.fail(f"nobody knows what this line means: {line}")

    def user(self, who: str) -> User:
        self.speaker = who
        return self.people.setdefault(who, User(self.gateway))

    def says(self, who: str, name: str, text: str, mode: str | None = None) -> None:
        before = len(self.fakes[name].requests)
        headers = {"x-syntra-memory": mode} if mode else None
        self.reply = self.user(who).chat(text, model=MODELS[name], headers=headers)
        assert self.reply.status_code == 200, self.reply.text
        self.heard(name, before)

    def heard(self, name: str, before: int) -> None:
        """What the provider read; a note that no `told` line names fails the next line."""
        assert len(self.fakes[name].requests) > before
        self.asked = self.fakes[name].last
        self.left = notes(self.asked)

    def told(self, note: str) -> None:
        if note == "nothing":
            assert self.left == []
            return
        assert note in self.left, (note, self.left)
        self.left.remove(note)

    def kept(self, text: str) -> None:
        self.people[self.speaker].knows(text)

    def not_kept(self, text: str) -> None:
        assert text not in self.people[self.speaker].texts()

    def receipt(self, text: str) -> None:
        url = f"{self.gateway.origin}/api/decisions/{self.reply.headers['x-syntra-decision']}"
        user = self.people[self.speaker]
        named = httpx.get(url, headers=user.headers).json()["notes"]
        assert [user.memories(f"/{one}").json()["text"] for one in named] == [text]

    def degraded(self, what: str) -> None:
        assert self.reply.headers["x-syntra-degraded"] == what
        assert self.left == []

    def remembers(self, who: str, day: str, text: str) -> None:
        self.user(who).add(text, at=f"{day}T10:00:00Z")

    def found(self, who: str, text: str) -> str:
        return next(str(one["id"]) for one in self.user(who).memories().json()["data"] if one["text"] == text)

    def corrects(self, who: str, text: str, other: str) -> None:
        reply = self.user(who).memories(f"/{self.found(who, text)}", "PATCH", json={"text": other})
        assert reply.json()["text"] == other

    def forgets(self, who: str, text: str) -> None:
        if text == "everything":
            assert self.user(who).memories("", "DELETE").json()["deleted"] > 0
            assert self.user(who).texts() == []
            return
        assert self.user(who).memories(f"/{self.found(who, text)}?cascade=true", "DELETE").status_code == 200

    def chooses(self, who: str, mode: str) -> None:
        reply = self.user(who).memories("/settings", "PUT", json={"memory": mode})
        assert reply.json()["memory"] == mode

    def cannot_see(self, who: str, text: str) -> None:
        foreign = self.found("Ann", text)
        for method in ("GET", "DELETE"):
            assert self.user(who).memories(f"/{foreign}", method).status_code == 404
        assert text not in self.user(who).texts()

    def opens(self, who: str, title: str) -> None:
        self.front = FrontEnd(self.gateway, user=self.user(who).name)
        self.thread = self.front.thread(title=title)

    def says_in_thread(self, who: str, name: str, text: str) -> None:
        self.speaker = who
        before = len(self.fakes[name].requests)
        self.front.say(self.thread, text, MODELS[name])
        self.heard(name, before)
        assert text in prompt(self.asked)  # never another's words in place of the user's

    def thread_has(self, count: str) -> None:
        assert len(self.front.listed(self.thread)) == int(count)

    def qdrant(self, state: str) -> None:
        if state == "down":
            self.engine.end()
        else:
            self.engine.start()

    def will_be_told(self, who: str, text: str) -> None:
        """In a while: whoever keeps the vectors in step hears that Qdrant is back."""

        def asked() -> bool:
            self.says(who, "openai", text)
            told, self.left = bool(self.left), []
            return told

        wait_for(asked, lambda: prompt(self.asked), seconds=60)

    def answered_alike(self, who: str, other: str, text: str) -> None:
        bodies, answers = [], []
        for one in (who, other):
            self.says(one, "openai", text)
            bodies.append(self.asked.body)
            answers.append(self.reply.content)
        assert bodies[0] == bodies[1]
        assert answers[0] == answers[1]
        self.left = []

    lines: Final[Mapping[str, Callable[..., None]]] = {
        rf"{WHO}, to (?P<name>\w+)(?:, memory (?P<mode>\S+))?: (?P<text>.+)": says,
        rf"{WHO}, in the thread, to (?P<name>\w+): (?P<text>.+)": says_in_thread,
        rf"{WHO} remembers, said on (?P<day>\S+): (?P<text>.+)": remembers,
        rf"{WHO} corrects: (?P<text>.+) -> (?P<other>.+)": corrects,
        rf"{WHO} forgets(?:, with what came of it)?: (?P<text>.+)": forgets,
        rf"{WHO} chooses: (?P<mode>\S+)": chooses,
        rf"{WHO} cannot see: (?P<text>.+)": cannot_see,
        rf"{WHO} opens a thread: (?P<title>.+)": opens,
        rf"{WHO} will be told, asking: (?P<text>.+)": will_be_told,
        rf"{WHO} is answered as (?P<other>\w+) is, asking: (?P<text>.+)": answered_alike,
        r"Qdrant is: (?P<state>up|down)": qdrant,
        r"the thread has: (?P<count>\d+) messages": thread_has,
        r"told: (?P<note>.+)": told,
        r"kept: (?P<text>.+)": kept,
        r"not kept: (?P<text>.+)": not_kept,
        r"receipt: (?P<text>.+)": receipt,
        r"degraded: (?P<what>.+)": degraded,
    }


def echo(request: Request) -> Script:
    """An answer that depends on every byte of the prompt, so that equal answers mean equal prompts."""
    return Script(pieces=(f"I have read {crc32(request.body)}.",))


@pytest.fixture
def week(start_gateway: StartGateway, providers: Fakes) -> Iterator[Week]:
    with TemporaryDirectory(prefix="syntra-week-") as home:
        engine = Engine(Path(home))
        engine.start()
        try:
            yield Week(start_gateway("openai anthropic kimi", SYNTRA_VECTORS_SOCKET=engine.socket), providers, engine)
        finally:
            engine.end()


def test_the_week_goes_as_the_page_says(week: Week) -> None:
    for line in lines():
        week.do(line)
    assert week.left == []
    assert week.used == set(week.lines)  # a page that told less would prove less
