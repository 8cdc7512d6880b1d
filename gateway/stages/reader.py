"""Reads a request once: what is asked, how hard and long it is, what it needs, whether it is a step in a tool loop."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gateway.core.chat import ChatRequest, Message
from gateway.core.conversations import CACHE_SECONDS, Conversations, Turn
from gateway.core.pace import Lengths
from gateway.core.reading import Reading
from gateway.core.rewrite import LONGEST, leant
from gateway.core.tokens import estimate, prompt
from gateway.stores.classifier import Classifier
from gateway.stores.expectation import Expectation
from gateway.stores.tokenizer import Tokenizer
from policies.documents import Intent, Intents
from policies.facts import Facts

REMEMBERED: Final = 10_000  # readings, some 300 bytes each
NEAR: Final = 0.6  # of a window: from here to as far beyond it, the estimate is worth an exact count
ANY_LENGTH: Final = (100, 800)  # tokens of an answer to a prompt that was not read
UNREAD: Final = Reading(intent="unread", confidence=0.0, complexity=0.5, fresh=0.0, language="und")
SURE: Final = 0.8  # a short turn that is read less surely is read with the turn before it, ...
SHORT: Final = 60  # characters
CURT: Final = 24  # ... and one as short as this, like "the second one", always, unless it is small talk
_TALK: Final = "social_chat"
_EDGE: Final = 1500  # characters at either end that tell two texts apart; the classifier reads no more
_PART_NEEDS: Final = {"image_url": "vision", "input_audio": "audio", "file": "files"}
_SEARCH_TOOLS: Final = frozenset({"web_search", "web_search_preview", "web_search_20250305"})


class Limits(Struct, frozen=True):
    """What the request itself limits."""

    cost: int | None = None  # picodollars
    ttft_ms: float | None = None


class Asked(Struct, frozen=True):
    """What is known of a request beside its body."""

    conversation: bytes
    policy: str = ""  # that will choose
    windows: Sequence[int] = ()  # of the models that may answer, tokens
    limits: Limits = Limits()
    words: str | None = None  # the user's last ones made self-contained, where somebody has done so


class Reader:
    """From requests to facts. A user's turn is classified once; the steps of its tool loop find the same reading."""

    def __init__(
        self,
        classifier: Classifier | None,
        intents: Intents,
        lengths: Lengths,
        tokenizer: Tokenizer,
        *,
        rewrites: bool = True,
    ) -> None:
        self._rewrites = rewrites
        self._lengths = lengths
        self._tokenizer = tokenizer
        self._conversations = Conversations()
        self.take(classifier, intents, {})

    def take(self, classifier: Classifier | None, intents: Intents, expectations: Mapping[str, Expectation]) -> None:
        """Use these from the next request on and forget what was read; without a classifier nothing is read.

        `expectations` are those of the policies that were fitted, by name.
        """
        self._expectations = expectations
        self._classifier = classifier
        self._intents: Mapping[str, Intent] = intents.intent
        self._readings: OrderedDict[tuple[int, str, str], Reading] = OrderedDict()

    async def facts(self, request: ChatRequest, asked: Asked, now: float) -> Facts:
        """The facts of one request."""
        body = request.body
        text, reading, leans = self._reading(body.messages, asked.words)
        expectation = self._expectations.get(asked.policy)
        texts, attached = prompt(request)
        tokens, exact = estimate(sum(map(len, texts))) + attached, False
        if any(tokens * NEAR < window < tokens / NEAR for window in asked.windows):
            counted = await self._tokenizer.count(texts)
            tokens, exact = (tokens, False) if counted is None else (counted + attached, True)
        last = self._conversations.last(asked.conversation)
        most = body.max_completion_tokens or body.max_tokens or 0
        expected = self._expected(reading)
        return Facts(
            intent=reading.intent,
            confidence=reading.confidence,
            complexity=reading.complexity,
            fresh=reading.fresh,
            language=reading.language,
            leans=leans,
            tokens=tokens,
            exact=exact,
            output_tokens=min(expected, most) if most else expected,
            most_output=most,
            choices=body.n or 1,
            ceiling=request.lenient,
            needs=tuple(sorted(_needs(request))),
            turn=_turn(body.messages),
            warm=last.model if last else "",
            warm_tokens=min(tokens, last.tokens) if last and now - last.at < CACHE_SECONDS else 0,
            max_cost=asked.limits.cost,
            max_ttft_ms=asked.limits.ttft_ms,
            qualities=None if expectation is None else expectation.of(text),
        )

    async def count(self, request: ChatRequest) -> int:
        """The tokens of a prompt: counted, or estimated where that took too long."""
        texts, attached = prompt(request)
        counted = await self._tokenizer.count(texts)
        return attached + (estimate(sum(map(len, texts))) if counted is None else counted)

    def self_contained(self, request: ChatRequest) -> str | None:
        """The user's last words with what they lean on; None where they stand alone."""
        return leant(request.body.messages) if self._rewrites else None

    def answered(self, key: bytes, turn: Turn) -> None:
        """Remember who answered a conversation."""
        self._conversations.answered(key, turn)

    def _reading(self, messages: Sequence[Message], words: str | None) -> tuple[str, Reading, bool]:
        """The last user turn with what it leans on, its reading, and whether it leans.

        One that is short and says little alone is read together with the one before.
        """
        texts = (text for message in reversed(messages) if message.role == "user" and (text := message.text().strip()))
        if self._classifier is None:
            return "", UNREAD, False
        text = next(texts, "")
        whole = words or (leant(messages) if self._rewrites and len(text) <= LONGEST else None)
        text = whole or text
        reading = self._remembered(self._classifier, text)
        alone = len(text) > SHORT or (reading.confidence >= SURE and (len(text) > CURT or reading.intent == _TALK))
        if not alone and (before := next(texts, "")):
            text = f"{before}\n{text}"
            reading = self._remembered(self._classifier, text)
        return text, reading, whole is not None

    def _remembered(self, classifier: Classifier, text: str) -> Reading:
        """The reading of a text, from memory where it was read before."""
        key = (len(text), text[:_EDGE], text[-_EDGE:])
        found = self._readings.get(key)
        if found is None:
            found = self._readings[key] = classifier.read(text)
            if len(self._readings) > REMEMBERED:
                self._readings.popitem(last=False)
        return found

    def _expected(self, reading: Reading) -> int:
        """Tokens of an answer, learned; the document's own guess until then."""
        said = self._intents.get(reading.intent)
        low, high = said.output_tokens if said is not None else ANY_LENGTH
        return round(self._lengths.expected(reading.intent, low + (high - low) * reading.complexity))


def _turn(messages: Sequence[Message]) -> str:
    """Whose turn was last: a tool's too where only what its result has shown, as a user's without words, follows it."""
    for message in reversed(messages):
        if message.role in ("tool", "function"):
            return "tool"
        if message.role != "user" or message.text().strip():
            break
    return "user"


def _needs(request: ChatRequest) -> Iterator[str]:
    """What the answering model must be able to do."""
    body = request.body
    tools = body.tools or ()
    if body.web_search_options is not None or any(tool.type in _SEARCH_TOOLS for tool in tools):
        yield "search"
    if body.functions or any(tool.type not in _SEARCH_TOOLS for tool in tools):
        yield "tools"
    if body.tool_choice == "required" or isinstance(body.tool_choice, dict):
        yield "forced_tools"
    if body.wants_json:
        yield "json"
    parts = {part.type for message in body.messages if isinstance(message.content, list) for part in message.content}
    yield from (_PART_NEEDS[kind] for kind in parts & _PART_NEEDS.keys())
