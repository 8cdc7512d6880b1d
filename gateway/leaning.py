"""A follow-up made self-contained by the cheapest model, in time or not at all.

Only for those who read what is asked: the intent, the recall of memories, what is looked for. Who answers gets the
user's own words.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from itertools import islice
from typing import Final

from gateway import aside
from gateway.aside import Ask
from gateway.core.chat import ChatRequest, Message
from gateway.core.errors import SyntraError
from gateway.core.rewrite import TURNS, leans, taken_from
from gateway.stores.breaker import Respite

log = logging.getLogger("syntra")

SECONDS: Final = 0.8  # that a follow-up waits for the model; then the rules have it
_TOKENS: Final = 120
_READ: Final = 600  # characters of each message before that the model is shown
_MESSAGES: Final = 8
_REMEMBERED: Final = 2000  # turns; the steps of a tool loop find what the turn was made of
_ASKS: Final = (
    "The last line of the conversation that is quoted below is what its user says now. Write it again so that it can "
    "be understood without the conversation: put what it leaves out or points to in its place, in the user's own words "
    "and language, and change nothing else. Write that one line alone. Do not answer it."
)


class Leaning:
    """Asks the model where a turn leans, and remembers what it made of it."""

    def __init__(self) -> None:
        self._made: OrderedDict[bytes, str] = OrderedDict()
        self._respite = Respite("The model that completes follow-ups")

    async def words(self, ask: Ask, whose: Sequence[str], request: ChatRequest) -> str | None:
        """The user's last words made self-contained; None where they stand alone, or nothing came in time.

        `whose` words they are: what was made of them is for nobody else's.
        """
        messages = request.body.messages
        said = [message.text().strip() for message in islice(_users(messages), TURNS)][::-1]
        if not leans(said):
            return None
        key = _key(*whose, _quoted(messages[: _last(messages) + 1]))
        known = self._made.get(key)
        if known is not None or messages[-1].role != "user":
            return known or None
        began = time.monotonic()
        if not self._respite.allows(began):
            return None
        try:
            async with asyncio.timeout(SECONDS):
                found = await aside.words(ask, _ASKS, _quoted(messages), _TOKENS)
        except TimeoutError:
            self._respite.failed(time.monotonic(), began)
            return None
        except SyntraError as error:
            self._respite.failed(time.monotonic(), began)
            log.debug("a follow-up was left to the rules: %s", error)
            return None
        self._respite.succeeded()
        talk = [message.text()[:_READ] for message in messages]
        made = found if taken_from(found, said[-1], talk) else ""
        self._made[key] = made
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        return made or None


def _key(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _last(messages: Sequence[Message]) -> int:
    """Where the user has spoken last; the steps of a tool loop stand behind that."""
    return max(at for at, message in enumerate(messages) if message.role == "user")


def _users(messages: Sequence[Message]) -> list[Message]:
    """What the user has said, the latest first."""
    return [message for message in reversed(messages) if message.role == "user"]


def _quoted(messages: Sequence[Message]) -> str:
    talk = [message for message in messages if message.role in ("user", "assistant") and message.text().strip()]
    return "\n".join(f"{message.role}: {' '.join(message.text()[:_READ].split())}" for message in talk[-_MESSAGES:])
