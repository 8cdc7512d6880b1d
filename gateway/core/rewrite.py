"""A follow-up that leans on the conversation, made self-contained: "How long do they live?" names the tiger sharks.

For reading, recalling, searching and matching alone; what a model is asked are the user's own words. The rules are
careful rather than clever: a topic counts only while it is fresh, a pronoun only where nothing before it in the text
could be meant, and in doubt nothing is changed. English alone; docs/adr/0032-follow-ups.md has the figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from msgspec import Struct, field

from gateway.core.chat import Message
from gateway.core.noting import own_words
from gateway.core.stems import COMMON

LONGEST: Final = 160  # characters of a text that may lean; longer ones say what they are about
TURNS: Final = 8  # user turns that are gone through
_WORDS: Final = 18
_TOPIC: Final = 4  # words of a topic
_HALVES: Final = 6  # words of the turn before that half a question is completed with
_FRESH: Final = 2  # turns since a topic was last meant, ...
_NEWS: Final = 2  # ... and words that came up meanwhile and may be the topic now

# Words that are no topic: of the grammar, of asking, and what everything has.
_PLAIN: Final = frozenset(
    """a an the this that these those and or but nor so if then than as at by for from in into of on onto off over
    under to up down out with without about above after again against all also am any are aren't around be
    because been before being below between both can can't cannot could did didn't do does doesn't doing don't
    done each either else even ever every few get gets getting give given go goes going gonna got had has have
    having he her here hers him his how i i'd i'll i'm i've is isn't it it's its itself just let let's like lot
    lots make makes making many may maybe me might mine more most much must my near need needed needs neither no
    not now ok okay one ones only other others our ours own per please quite rather really same shall she should
    since some something still such take takes tell thanks thank that's their theirs them themselves there they
    they're thing things though through thus too us use used uses using very via want wanted wants was wasn't
    way ways we well were weren't what what's whats when where where's which while who who's whom whose why will
    within won't would wow yes yet you your yours interesting know known knows find found look looks looking see
    seen say said says think thought mean means meant called happen happened happens happening start started
    starts begin began work works worked working become became come comes came keep kept show shows shown help
    helps helped cause causes caused affect affects affected treat treated tend told describe explain list
    include including important main major different difference differences popular common typical famous best
    good better bad big biggest first second last new old long interested possible example examples type types
    kind kinds sort part parts number fact facts information info role reason reasons effect effects impact cost
    costs pros cons compare compared compares differ differs learn learned choose buy buying sell selling pay
    paid play plays played live lived lives die died dies write wrote written made win won lost lose try tried
    eat eaten drink grow grows grew change changed changes increase increased decrease create created develop
    developed build built produce produced provide provides prevent prevents discovered discover invent invented
    invention founded born visit travel stay feel leave left stop stopped stopping avoid reduce improve run
    running ran move moved require required years year time times day days today ago people person someone
    somebody anyone everybody recent recently currently often usually always never actually generally originally
    successful expensive cheap dangerous safe serious effective significant similar related likely necessary
    available history origin origins definition meaning symptoms signs benefits risks advantages disadvantages
    who're what're how's tall high deep far fast heavy hot cold wide large small strong hard early late""".split()
)
_HIS: Final = frozenset({"he", "him", "his"})
_HER: Final = frozenset({"she", "her"})
_PLURAL: Final = frozenset({"they", "them", "their"})
_OWNING: Final = frozenset({"its", "their", "his", "her"})
_PRONOUNS: Final = frozenset({"it", "its"}) | _PLURAL | _HIS | _HER
_AUXILIARY: Final = frozenset("does do did is are was were can could has have had will would should".split())

_TOKEN: Final = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*|[^\w\s]")
_WORD: Final = re.compile(r"[a-z0-9]+")
_POINTS: Final = re.compile(
    r"\b(?:it|it['’]s|its|they|them|their|he|she|his|her|him|this|that|these|those|ones?|others?)\b", re.IGNORECASE
)
_DUMMY: Final = re.compile(  # an "it" that stands for nothing
    r"\b(?:is|was|does|did|will|would|can|could|should|has|may|might) it (?:\w+ )?(?:possible|true|better|safe|ok|okay"
    r"|legal|necessary|important|worth|take|rain|snow|cost|hard|easy|difficult|bad|good|normal|healthy|like to)\b"
    r"|\b(?:is|was) it (?!related|similar|close|compared|linked)\w+ to \w|\btake it easy\b|\bit time (?:to|for)\b"
    r"|\bit mean to\b|\bit (?:is|was|'s|would be|take[sn]?|took|rain|snow)|\bit's\b",
    re.IGNORECASE,
)
_SIGHS: Final = r"ok(?:ay)?|wow|interesting|great|thanks?|no|yes|hmm|so|and|but|also|that['’]s [\w ]+|oh|cool|nice"
_INTRODUCES: Final = re.compile(
    rf"^(?:(?:{_SIGHS})[,.!]?\s+)*(?:what(?:['’]s| is| are| was| were)\s+|who(?:['’]s| is| are| was| were)\s+"
    r"|(?:can you |could you |please )*(?:tell me|talk)\s+(?:more\s+|something\s+|a bit\s+)?about\s+"
    r"|(?:what|how)\s+about\s+(?:for\s+)?|describe\s+|explain\s+"
    r"|i(?:['’]d| would)? (?:like|want) to (?:learn|know|hear) (?:more )?about\s+"
    r"|(?:can|could|may) i have (?:some )?information (?:on|about)\s+|what do you know about\s+|what does\s+)(.+)$",
    re.IGNORECASE,
)
_ENDS: Final = re.compile(  # where what was introduced is over
    r"\s+(?:in particular|like|that|which|who|when|where|while|because|if|and how|and why|and what|mean|meant|work"
    r"|works|do|eat|cost|such|known|used|called|made|needed|required)\b",
    re.IGNORECASE,
)
_JOINT: Final = re.compile(
    r"\s+(?:of|on|for|in|at|from|to|between|about|with|by|as|during|versus|vs)\s+", re.IGNORECASE
)
_DEFINITE: Final = re.compile(r"\s*(?:the|some|any|other|more|your|my)\s", re.IGNORECASE)
_BEFORE: Final = re.compile(
    r"^(?:a|an|the|some|any|your|my|other|different|main|most|of|more|well-known|popular|common|important|famous)\s+",
    re.IGNORECASE,
)
_HALF: Final = re.compile(  # a question without its middle
    r"^(?:(?:and|but|what about|how about)\s+(?:in|for|on|at|during|with|without|from|after|before|by|near)\b[^?.!]*"
    r"|(?:and |but )?(?:why|how|where|when|since when|until when|how much|how many|how long|how often|how come|how so"
    r"|why not))\s*[?.!]*$",
    re.IGNORECASE,
)
_ABROAD: Final = re.compile(  # the same elsewhere, and a question of one word
    r"^¿?(?:(?:und|aber|was ist mit|wie ist es|et|mais|y|pero|e|ma|mas|en|maar|och|и|а|но|ve|peki)\s[^?.!]+\?"
    r"|(?:warum|wieso|wann|wo|wie|pourquoi|quand|où|comment|por qué|cuándo|dónde|cómo|perché|quando|dove|come|por quê"
    r"|porquê|onde|como|waarom|wanneer|waar|почему|когда|где|как|neden|niçin|nerede)\s*\?)$"
    r"|^(?:那|那么|还有|而)[^。？！]{1,12}呢?[？?]$|^(?:为什么|為什麼|なぜ|どうして|왜)[？?]?$|^[^。？！\s]{1,10}は[？?]$",
    re.IGNORECASE,
)
_ANY_WORD: Final = re.compile(r"[^\W_]+")
_STEM: Final = 5  # letters of a word that tell it from others
_INVENTED: Final = 1  # words that a model may bring in that nobody has said
_CODE: Final = re.compile(r"[`{}=;<>|\\]")
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+")


def self_contained(turns: Sequence[str]) -> str | None:
    """The last of a user's turns with what it leans on in it; None where it stands alone or nothing is certain."""
    if len(turns) < 2 or len(turns[-1]) > LONGEST or "\n" in turns[-1].strip() or not _may_lean(turns[-1]):
        return None
    talk = _Talk()
    for turn in turns[-TURNS:-1]:
        talk.hear(turn if len(turn) <= LONGEST else "")
    return talk.hear(turns[-1])


def leant(messages: Sequence[Message]) -> str | None:
    """The last that the user says in a conversation, made self-contained; None where it stands alone."""
    said = (text for message in reversed(messages) if message.role == "user" and (text := own_words(message)))
    return self_contained([*islice(said, TURNS)][::-1])


def _may_lean(text: str) -> bool:
    return _pronoun(text) is not None or _HALF.match(text.strip()) is not None


def leans(turns: Sequence[str]) -> bool:
    """Whether the last of a user's turns may lean on those before: it points to something, or is half a question.

    In English by the rules above, elsewhere by the words that half a question begins with.
    """
    if len(turns) < 2 or not turns[-1] or len(turns[-1]) > LONGEST or "\n" in turns[-1] or _CODE.search(turns[-1]):
        return False
    text = turns[-1]
    if _pronoun(text) is not None:
        return not _DUMMY.search(text)
    return _HALF.match(text) is not None or (_ABROAD.match(text) is not None and len(text.split()) <= _HALVES)


def taken_from(made: str, said: str, talk: Sequence[str]) -> bool:
    """Whether a model has only completed what was said: most of its words are still there, the new ones were said."""
    if not made or "\n" in made or len(made) > 2 * LONGEST:
        return False
    mine, now = _telling(said), _telling(made)
    heard = frozenset().union(*map(_telling, talk))
    return 2 * len(mine & now) >= len(mine) and len(now - mine - heard) <= _INVENTED and bool(now - mine)


def _telling(text: str) -> frozenset[str]:
    """The words that say what a text is about, each without its last letters, which a sentence may change."""
    words = (word for word in _ANY_WORD.findall(text.lower()) if word not in _PLAIN and word not in COMMON)
    return frozenset(word[:_STEM] for word in words)


class _Topic(Struct):
    """What is talked about, and when it was last meant."""

    words: str
    at: int
    person: bool = False  # who was asked for
    gender: frozenset[str] = frozenset()  # the pronouns that it has been meant by

    @property
    def plural(self) -> bool:
        return _plural(self.words)

    @property
    def name(self) -> bool:
        return all(word[:1].isupper() for word in self.words.split())


class _Talk(Struct):
    """A conversation that is gone through, turn by turn."""

    topics: list[_Topic] = field(default_factory=list)  # the one last meant at the end
    heard: list[frozenset[str]] = field(default_factory=list)
    last: str = ""  # the turn before, made self-contained

    def hear(self, text: str) -> str | None:
        """Take a turn in; the turn made self-contained, or None where it stands alone."""
        at = len(self.heard)
        known = frozenset().union(*self.heard)
        self.heard.append(frozenset(_WORD.findall(text.lower())))
        whole = self._whole(text, at)
        if whole is None:
            words = _introduced(text, known) or ("" if self.topics else _longest(text))
            if words:
                self._mean(_Topic(words, at, person=text.lower().lstrip().startswith("who")), at)
        self.last = whole or text
        return whole

    def _whole(self, text: str, at: int) -> str | None:
        pronoun = _pronoun(text)
        if pronoun is not None and not _DUMMY.search(text):
            topic = self._meant(pronoun, at)
            if topic is not None:
                topic.gender |= frozenset({pronoun}) & (_HIS | _HER)
                self._mean(topic, at)
                word = f"{topic.words}'s" if pronoun in _OWNING else topic.words
                place = re.search(rf"\b{pronoun}\b", text, re.IGNORECASE)
                return None if place is None else f"{text[: place.start()]}{word}{text[place.end() :]}"
        elif pronoun is None and _HALF.match(text.strip()):
            words = [word for run in _runs(self.last) for word in run]
            if 0 < len(words) <= _HALVES and not _POINTS.search(self.last):
                for topic in self.topics[-1:]:
                    self._mean(topic, at)
                return f"{text.rstrip(' ?.!')} ({' '.join(words)})?"
        return None

    def _meant(self, pronoun: str, at: int) -> _Topic | None:
        """The topic that a pronoun stands for, if it is fresh."""
        topic = next((one for one in reversed(self.topics[-3:]) if _agrees(one, pronoun)), None)
        if topic is None or at - topic.at > _FRESH:
            return None
        news = [
            word
            for turn in range(topic.at + 1, at)
            for word in self.heard[turn].difference(*self.heard[:turn])
            if word not in _PLAIN and not word.endswith(("ed", "ly", "ing"))
        ]
        return topic if len(news) <= _NEWS else None

    def _mean(self, topic: _Topic, at: int) -> None:
        topic.at = at
        self.topics = [*(one for one in self.topics if one.words != topic.words), topic]


def _agrees(topic: _Topic, pronoun: str) -> bool:
    """Whether a pronoun can stand for a topic: people are he or she, and never both."""
    people = _HIS if pronoun in _HIS else _HER if pronoun in _HER else None
    if people is not None:
        return topic.name and 2 <= len(topic.words.split()) <= 3 and not topic.plural and topic.gender <= people
    if pronoun in _PLURAL:
        return topic.plural or not topic.name
    return not topic.plural and not topic.gender and not topic.person


def _pronoun(text: str) -> str | None:
    """The one pronoun of a text that nothing before it in the text can be meant by."""
    words: list[str] = [word.lower().replace("’", "'") for word in _TOKEN.findall(text)]
    found = {word for word in words if word in _PRONOUNS}
    if len(found) != 1 or len(words) > _WORDS:
        return None
    for word in words:
        if word in _PRONOUNS:
            return word
        if word[0].isalpha() and word.removesuffix("'s") not in _PLAIN and not word.endswith(("ly", "ed", "ing")):
            return None
    return None


def _introduced(text: str, known: frozenset[str]) -> str:
    """What a text makes its topic, by the way in which it asks; empty where that is not certain."""
    if _POINTS.search(text):
        return ""
    match = _INTRODUCES.match(_SENTENCE.split(text.strip())[-1])
    if match is not None and (words := _asked_about(match[1])):
        return words
    names = _names(text)
    again = next((name for name, before in names if before in _AUXILIARY and known & set(name.lower().split())), "")
    return again or next((name for name, before in names if before in _AUXILIARY), "")


def _asked_about(rest: str) -> str:
    """The head of what follows "What is" and its like; of "the role of slavery" nothing, which is a side of a topic."""
    rest = re.split(r"['’]s\s", _ENDS.split(rest, maxsplit=1)[0])[0]
    parts = _JOINT.split(rest)
    if len(parts) > 1:
        return ""
    words = _bare(rest)
    if not words or len(words.split()) > _TOPIC or any(word.lower() in _PLAIN for word in words.split()):
        return ""
    return words if not _DEFINITE.match(rest) or words[:1].isupper() else ""


def _names(text: str) -> list[tuple[str, str]]:
    """Capitalised runs that do not begin a sentence, each with the word before it."""
    found: list[tuple[str, str]] = []
    run: list[str] = []
    start = before = ""
    words = text.split()
    for place, raw in enumerate(words):
        word = re.sub(r"['’]s$", "", raw.strip("?.!,\"'():;"))
        first = place == 0 or words[place - 1][-1] in ".?!"
        named = word[:1].isupper() and len(word) > 1 and word.lower() not in _PLAIN and not first
        if named:
            start = start if run else before
            run.append(word)
        if run and (not named or raw[-1] in "?.!,:;" or word != raw.strip("?.!,\"'():;")):
            found.append((" ".join(run), start))
            run = []
        before = before if word.lower() in ("the", "a", "an") else word.lower()
    return [*found, (" ".join(run), start)] if run else found


def _longest(text: str) -> str:
    """The longest run of words that may be a topic, for a conversation's beginning."""
    runs = [] if _POINTS.search(text) else _runs(text)
    longest = max(runs, key=len, default=[])
    chosen = longest if len(longest) > 1 or not runs else runs[-1]
    return " ".join(chosen) if len(chosen) <= _TOPIC else ""


def _runs(text: str) -> list[list[str]]:
    """Neighbouring words that may be a topic; none in code."""
    runs: list[list[str]] = [[]]
    for word in () if _CODE.search(text) else _TOKEN.findall(text):
        plain = word.lower().replace("’", "'").removesuffix("'s")
        if word[0].isdigit() or (len(word) > 1 and word[0].isalpha() and plain not in _PLAIN):
            runs[-1].append(re.sub(r"['’]s$", "", word))
        else:
            runs.append([])
    return [run for run in runs if not all(word.isdigit() for word in run)]


def _bare(words: str) -> str:
    """Words without articles and their like in front."""
    words = words.strip(" ?.!,\"'")
    while (less := _BEFORE.sub("", words)) != words:
        words = less
    return words


def _plural(words: str) -> bool:
    last = words.lower().split()[-1]
    return last.endswith("s") and not last.endswith(("ss", "us", "is"))
