"""The form that every answer has, whatever its provider sent: opened, complete, and ended once.

Real clients were watched on answers that break it: without a finish reason some ask again without end, others show
half an answer as whole; a role that comes twice is joined to "assistantassistant"; a tool call without an index is
lost.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from gateway.core.conversations import CALLS
from gateway.core.errors import UpstreamBroken
from gateway.core.events import Choice, Chunk, Delta, Text

_BY_ITSELF = CALLS | {"stop"}  # and not at a limit or by a filter


class _Track(Struct):
    """What is known of one choice so far."""

    finished: bool = False
    calls: int = 0


class Shape:
    """Brings the chunks of one answer into form; `expected` is the number of choices that were asked for.

    An answer that was not `streamed` needs no chunk that opens a choice: it is folded again, or was whole all along.
    """

    def __init__(self, expected: int = 1, *, streamed: bool = True) -> None:
        self._expected = expected
        self._streamed = streamed
        self._tracks: dict[int, _Track] = {}
        self._open = 0
        self.well = True  # no choice has ended but by itself
        self.characters = 0  # of text, thoughts and arguments, for an estimate where the provider does not count

    def form(self, chunk: Chunk) -> Sequence[Chunk]:
        """The chunk in form, preceded by the roles of the choices that it opens; nothing if it has nothing to say."""
        if type(chunk) is Text:
            choice = chunk.choices[0]
            track = self._tracks.get(choice.index)
            if track is not None and not track.finished:
                delta = choice.delta
                delta.role = None
                self.characters += len(delta.content)
                return (chunk,)
        opening: list[Choice] = []
        kept = [choice for choice in chunk.choices if self._take(choice, opening)]
        if not kept:
            return ()
        chunk.choices = kept
        return (Chunk(choices=opening), chunk) if opening else (chunk,)

    def _take(self, choice: Choice, opening: list[Choice]) -> bool:
        """Bring one choice into form; what comes for it after its end is dropped."""
        track = self._tracks.get(choice.index)
        if track is None:
            track = self._begin(choice, opening)
        elif choice.delta.role is not None:
            choice.delta.role = None
        if track.finished:
            return False
        if choice.delta.tool_calls:
            self._number(track, choice.delta)
        for text in (choice.delta.content, choice.delta.reasoning_content, choice.delta.refusal):
            if text is not None:
                self.characters += len(text)
        if not choice.finish_reason:
            choice.finish_reason = None  # some servers write "" for it in every chunk
        else:
            track.finished = True
            self.well = self.well and choice.finish_reason in _BY_ITSELF
            self._open -= 1
        return True

    def _begin(self, choice: Choice, opening: list[Choice]) -> _Track:
        """A choice's first chunk names the role and brings no text yet, as OpenAI's does."""
        track = self._tracks[choice.index] = _Track()
        self._open += 1
        delta = choice.delta
        if not self._streamed:
            return track
        if delta.role is None or delta.content or delta.tool_calls or delta.reasoning_content or choice.finish_reason:
            delta.role = None
            opening.append(Choice(choice.index, Delta(role="assistant", content="")))
        return track

    def _number(self, track: _Track, delta: Delta) -> None:
        """Give every piece of a tool call the integer index that clients join the pieces by."""
        for piece in delta.tool_calls or ():
            if not isinstance(piece.index, int):
                # Without an index a piece with an id begins a call and one without continues the last.
                piece.index = track.calls if piece.id or not track.calls else track.calls - 1
            track.calls = max(track.calls, piece.index + 1)
            if piece.function is not None and piece.function.arguments:
                self.characters += len(piece.function.arguments)

    @property
    def complete(self) -> bool:
        """Whether every choice that was asked for has been opened and finished."""
        return not self._open and len(self._tracks) >= self._expected

    def close(self, *, terminal: bool) -> None:
        """The answer is over; raises UpstreamBroken when it is not whole.

        With the wire's own `terminal` event a provider may give fewer choices than were asked for, but none half.
        """
        if self.complete or (terminal and self._tracks and not self._open):
            return
        raise UpstreamBroken("The provider's answer ended before it was complete.")
