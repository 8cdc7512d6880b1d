"""Phrases as one automaton over words: no backtracking, and it always knows whether a match is still possible."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

Places = frozenset[int]  # where in the phrases a walk can be
DONE: Final = 0  # the place behind the last word of a phrase
DEAD: Final = 0  # the state that is nowhere

NOTATION: Final = re.compile(r"[()|?]|\{\d+,\d+\}|\$[\w-]+|<[\w-]+>|[^\s()|?{}<>$]+")


class Part(Protocol):
    """A piece of a phrase, which can be put in front of what comes after it."""

    def put(self, book: "Phrasebook", after: Places) -> Places: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """One word of a set."""

    words: frozenset[str]

    def put(self, book: "Phrasebook", after: Places) -> Places:
        return frozenset([book.place(self.words, after)])


@dataclass(frozen=True, slots=True)
class Row:
    """One part after another."""

    parts: tuple[Part, ...]

    def put(self, book: "Phrasebook", after: Places) -> Places:
        for part in reversed(self.parts):
            after = book.put(part, after)
        return after


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of the parts."""

    parts: tuple[Part, ...]

    def put(self, book: "Phrasebook", after: Places) -> Places:
        return frozenset[int]().union(*(book.put(part, after) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Times:
    """The part at least and at most so many times."""

    part: Part
    least: int
    most: int

    def put(self, book: "Phrasebook", after: Places) -> Places:
        places = after
        for turn in range(self.most, 0, -1):
            places = book.put(self.part, places) | (after if turn > self.least else frozenset())
        return places


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
            return Times(part, 0, 1)
        if signs and signs[-1][0] == "{":
            least, most = signs.pop()[1:-1].split(",")
            return Times(part, int(least), int(most))
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
    """All phrases at once: a state is the set of places that the words so far can have led to, found when needed."""

    def __init__(self) -> None:
        self._labels: list[frozenset[str]] = [frozenset()]
        self._after: list[tuple[int, ...]] = [()]  # a fifth of what as many sets would take
        self._numbers: dict[Places, int] = {frozenset(): DEAD}
        self._places: list[Places] = [frozenset()]
        self._moves: list[dict[str, int]] = [{}]
        self._alike: dict[frozenset[str], frozenset[str]] = {}  # words that are equal are there once
        self._hopes: dict[int, frozenset[str]] = {}
        self._put: dict[tuple[int, Places], tuple[Part, Places]] = {}

    def put(self, part: Part, after: Places) -> Places:
        """The same part before the same sequel is there once: phrases share their endings."""
        known = self._put.get((id(part), after))
        if known is None:
            known = self._put[id(part), after] = (part, part.put(self, after))  # holding the part keeps its id its own
        return known[1]

    def place(self, words: frozenset[str], after: Places) -> int:
        self._labels.append(self._alike.setdefault(words, words))
        self._after.append(tuple(after))
        return len(self._labels) - 1

    def learn(self, phrases: Iterable[Part]) -> Places:
        """Where these phrases begin."""
        return frozenset[int]().union(*(self.put(phrase, frozenset([DONE])) for phrase in phrases))

    def close(self) -> None:
        """Nothing more is to be learned: what only learning needs goes."""
        self._put.clear()

    def words(self, places: Places) -> frozenset[str]:
        """What may come next there."""
        return frozenset[str]().union(*(self._labels[place] for place in places))

    def vocabulary(self) -> frozenset[str]:
        return frozenset[str]().union(*self._labels)

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
        led = [self._after[place] for place in here if word in self._labels[place]]
        places = frozenset[int]().union(*led)
        if word == "\n" and DONE not in here:  # a line may break anywhere within a phrase
            places |= here
        self._moves[state][word] = self.state(places)
        return self._moves[state][word]
