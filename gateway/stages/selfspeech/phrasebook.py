"""Phrases as one automaton over words: no backtracking, and it always knows whether a match is still possible."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

Places = frozenset[int]  # where in the phrases a walk can be
DONE: Final = 0  # the place behind the last word of a phrase
DEAD: Final = 0  # the state that is nowhere
_END: Final = frozenset([DONE])

NOTATION: Final = re.compile(r"[()|?]|\{\d+,\d+\}|\$[\w-]+|<[\w-]+>|[^\s()|?{}<>$]+")


class Part(Protocol):
    """A piece of a phrase."""

    def opens(self, book: "Phrasebook", then: "Rest | None") -> Places:
        """The places of its first words, where this comes behind it."""

    def parts_of(self) -> "tuple[Part, ...]":
        """What it is made of."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One word of a set."""

    words: frozenset[str]

    def opens(self, book: "Phrasebook", then: "Rest | None") -> Places:
        return frozenset([book.place(self.words, then)])

    def parts_of(self) -> tuple[Part, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Row:
    """One part after another."""

    parts: tuple[Part, ...]

    def opens(self, book: "Phrasebook", then: "Rest | None") -> Places:
        for part in reversed(self.parts):
            then = book.rest(part, then)
        return book.begins(then)

    def parts_of(self) -> tuple[Part, ...]:
        return self.parts


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of the parts."""

    parts: tuple[Part, ...]

    def opens(self, book: "Phrasebook", then: "Rest | None") -> Places:
        return frozenset[int]().union(*(part.opens(book, then) for part in self.parts))

    def parts_of(self) -> tuple[Part, ...]:
        return self.parts


@dataclass(frozen=True, slots=True)
class Maybe:
    """The part, or nothing."""

    part: Part

    def opens(self, book: "Phrasebook", then: "Rest | None") -> Places:
        return self.part.opens(book, then) | book.begins(then)

    def parts_of(self) -> tuple[Part, ...]:
        return (self.part,)


def times(part: Part, least: int, most: int) -> Part:
    """The part at least and at most so many times."""
    more: tuple[Part, ...] = ()
    for _ in range(most - least):
        more = (Maybe(Row((part, *more))),)
    return Row((part,) * least + more)


@dataclass(slots=True, eq=False)
class Rest:
    """What is still to come in a phrase: a part, and what comes behind it."""

    part: Part
    then: "Rest | None"
    places: Places | None = None  # where it begins, once somebody has come here


class Reader:
    """The notation of `selfspeech`, read into parts."""

    def __init__(self, kinds: Mapping[str, frozenset[str]], macros: Mapping[str, str], words: re.Pattern[str]) -> None:
        self._kinds = kinds
        self._macros = macros
        self._words = words
        self._read: dict[str, Part] = {}
        self._capitals: dict[str, frozenset[str]] = {}  # a word in small letters is met with capitals, too
        for word in words.findall(" ".join(macros.values())):
            if word != word.lower():
                self._capitals[word.lower()] = self._capitals.get(word.lower(), frozenset()) | {word}

    def phrase(self, text: str) -> Part:
        signs = NOTATION.findall(text)[::-1]
        part = self._choice(signs)
        if signs or text.count("(") != text.count(")"):
            raise ValueError(f"brackets do not match: {text}")
        return part

    def _choice(self, signs: list[str]) -> Part:
        options = [self._row(signs)]
        while signs and signs[-1] == "|":
            signs.pop()
            options.append(self._row(signs))
        single = [option.words for option in options if isinstance(option, Kind)]
        others = [option for option in options if not isinstance(option, Kind)]
        together: list[Part] = [Kind(frozenset().union(*single))] if single else []
        return (together + others)[0] if len(together + others) == 1 else Choice((*together, *others))

    def _row(self, signs: list[str]) -> Part:
        parts: list[Part] = []
        while signs and signs[-1] not in "|)":
            parts.append(self._part(signs))
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def _part(self, signs: list[str]) -> Part:
        part = self._atom(signs)
        if signs and signs[-1] == "?":
            signs.pop()
            return Maybe(part)
        if signs and signs[-1][0] == "{":
            least, most = signs.pop()[1:-1].split(",")
            return times(part, int(least), int(most))
        return part

    def _atom(self, signs: list[str]) -> Part:
        sign = signs.pop()
        if sign == "(":
            part = self._choice(signs)
            signs.pop()
            return part
        if sign[0] == "$":
            if sign not in self._read:
                self._read[sign] = self.phrase(self._macros[sign[1:]])
            return self._read[sign]
        if sign[0] == "<":
            return Kind(self._kinds.get(sign[1:-1], frozenset([sign])))
        words = [Kind(frozenset([word]) | self._capitals.get(word, frozenset())) for word in self._words.findall(sign)]
        return words[0] if len(words) == 1 else Row(tuple(words))


@cache
def _beginnings(words: frozenset[str]) -> frozenset[str]:
    kinds = {word for word in words if word[0] == "<"}
    return frozenset(kinds | {word[:end].lower() for word in words - kinds for end in range(1, len(word) + 1)})


class Phrasebook:
    """All phrases at once: a state is the set of places that the words so far can have led to, found when needed.

    So is what follows a place: few of the phrases are ever begun, and all of them written out would be 30,000 places.
    """

    def __init__(self) -> None:
        self._labels: list[frozenset[str]] = [frozenset()]
        self._rests: list[Rest | None] = [None]
        self._numbers: dict[Places, int] = {frozenset(): DEAD}
        self._places: list[Places] = [frozenset()]
        self._moves: list[dict[str, int]] = [{}]
        self._hopes: dict[int, frozenset[str]] = {}
        self._there: dict[tuple[frozenset[str], Rest | None], int] = {}
        self._parts: dict[tuple[int, Rest | None], Rest] = {}
        self._known: dict[int, Part] = {}  # by their ids, which the parts keep their own

    def rest(self, part: Part, then: Rest | None) -> Rest:
        """The same part before the same sequel is there once: phrases share their endings."""
        found = self._parts.get((id(part), then))
        if found is None:
            found = self._parts[id(part), then] = Rest(part, then)  # holding the part keeps its id its own
        return found

    def begins(self, rest: Rest | None) -> Places:
        """The places of the first words of a rest; behind the last word there is nothing more to come."""
        if rest is None:
            return _END
        if rest.places is None:
            rest.places = rest.part.opens(self, rest.then)
        return rest.places

    def place(self, words: frozenset[str], then: Rest | None) -> int:
        found = self._there.get((words, then))
        if found is None:
            found = self._there[words, then] = len(self._labels)
            self._labels.append(words)
            self._rests.append(then)
        return found

    def learn(self, phrases: Iterable[Part]) -> Places:
        """Where these phrases begin."""
        new = list(phrases)
        begun = frozenset[int]().union(*(part.opens(self, None) for part in new))
        while new:
            part = new.pop()
            if id(part) not in self._known:
                self._known[id(part)] = part
                new += part.parts_of()
        return begun

    def words(self, places: Places) -> frozenset[str]:
        """What may come next there."""
        return frozenset[str]().union(*(self._labels[place] for place in places))

    def vocabulary(self) -> frozenset[str]:
        """Every word of every phrase."""
        return frozenset[str]().union(*(part.words for part in self._known.values() if isinstance(part, Kind)))

    def openers(self, state: int) -> frozenset[str]:
        """The words that lead on from a state."""
        return self.words(self._places[state])

    def state(self, places: Places) -> int:
        if places not in self._numbers:
            self._numbers[places] = len(self._places)
            self._places.append(places)
            self._moves.append({})
        return self._numbers[places]

    def step(self, state: int, word: str) -> int:
        """The state after one more word; DEAD when no phrase goes on like that."""
        following = self._moves[state].get(word)
        return self._explore(state, word) if following is None else following

    def done(self, state: int) -> bool:
        return DONE in self._places[state]

    def ended(self, state: int) -> bool:
        """Whether nothing can follow."""
        return self._places[state] <= {DONE}

    def hopes(self, state: int) -> frozenset[str]:
        """What the words that lead on begin with, in small letters, and the kinds of words that lead on."""
        if state not in self._hopes:
            self._hopes[state] = frozenset().union(*(_beginnings(self._labels[place]) for place in self._places[state]))
        return self._hopes[state]

    def _explore(self, state: int, word: str) -> int:
        here = self._places[state]
        led = [self.begins(self._rests[place]) for place in here if word in self._labels[place]]
        places = frozenset[int]().union(*led)
        if word == "\n" and DONE not in here:  # a line may break anywhere within a phrase
            places |= here
        self._moves[state][word] = self.state(places)
        return self._moves[state][word]
