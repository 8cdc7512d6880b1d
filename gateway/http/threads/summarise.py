"""A thread's beginning in a model's words: made after an answer, for the next ones, by the cheapest model there is.

Only where the thread had to be shortened, and only of what was left out. Until there is one, or where no model has a
key, the summary is made of the conversation's own sentences.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from gateway import aside
from gateway.core.context import Shortened
from gateway.core.errors import SyntraError
from gateway.core.summary import shown
from gateway.http.threads.run import Run
from gateway.pipeline import beside
from gateway.stores.breaker import Unavailable

log = logging.getLogger("syntra")

_SECONDS: Final = 60.0
_TOKENS: Final = 1000  # of a summary
_READ: Final = 200_000  # characters of what is summarised, the latest
_ASKS: Final = (
    "Summarise the conversation that is quoted below for somebody who goes on with it. Keep what the user said about "
    "themselves, wants and has decided, and every name, number and date that may be needed again. Write short plain "
    "sentences, at most 500 words, in the language of the conversation, and nothing else."
)


async def summarise(run: Run) -> None:
    """Have a summary made of what was left out of this answer's conversation, if there is none yet, and keep it."""
    order, context = run.order, run.context
    known = order.wishes.summary
    if context is None or run.error is not None or (known is not None and known.messages == context.summarised):
        return
    turn = order.asked.before[context.summarised - 1].turn
    try:
        if await order.shelf.summary_to(order.asked.thread) == turn:  # made while this answer was
            return
        ask = partial(beside, order.services, order.caller, aside.SUMMARY, _SECONDS)
        text = await aside.words(ask, _ASKS, _quoted(run, context), _TOKENS)
        if text:
            await order.shelf.summarised(order.asked, turn, text)
    except (SyntraError, Unavailable) as error:
        log.info("a thread was not summarised: %s", error)


def _quoted(run: Run, context: Shortened) -> str:
    """The summary so far and what came after it."""
    asked, known = run.order.asked, run.order.wishes.summary
    begin = known.messages if known is not None and known.messages < context.summarised else 0
    messages = run.order.request.body.messages[begin : context.summarised]
    quoted = "\n".join(shown(message) for message in messages)[-_READ:]
    return f"(So far: {asked.summary})\n{quoted}" if begin else quoted
