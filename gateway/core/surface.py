"""What a text shows on its surface: some hundred plain measures of its marks and words. Pure and bounded."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

HEAD: Final = 1000  # characters read from the beginning; instructions stand at one end or the other
TAIL: Final = 500  # and from the end


def cut(text: str) -> str:
    """The beginning and the end of a long text, which is as much as is ever read."""
    text = text.strip()
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n…\n{text[-TAIL:]}"


_DIGIT: Final = re.compile(r"[0-9]")
_CAPITAL: Final = re.compile(
    r"[A-Z](?:(?<=[a-z][A-Z])|(?<!\w[A-Z])([a-z]))"
)  # inside a word, or before its second letter
_NUMBER: Final = "0"  # stands for any number among what a mark needs
# Each mark with the words, marks or pieces of which it needs one, where a look at them is cheaper than the search. A
# search is quick where all that it looks for begins with one character, or else with one of few: so lines are found by
# the line feed before them, and what comes before a bracket, a capital or a sign is looked up behind it.
_MARKS: Final = tuple(
    (frozenset(needs.split(" ")) if needs else None, re.compile(pattern, re.MULTILINE).findall)
    for needs, pattern in (
        ("` ~", r"```|~~~"),
        ("`", r"`[^`\n]+`"),
        ("; { }", r"[;{}]\s*$"),
        ("\n", r"\n(?: {4,}|\t)\S"),
        ("(", r"\((?<=\w\()"),
        ("_", r"_(?<=[a-z]_)[a-z]"),
        (
            ": ; { (",
            r"\n[ \t]*(?:import|from|def|class|function|const|let|var|public|private|return|if|for|while)\b.*[:;{(]",
        ),
        ("<", r"</?[a-zA-Z][\w-]{0,20}(?: [^<>]*)?>"),
        ("rror xception raceback", r"Error\b|Exception\b|Traceback\b|error\["),
        (
            "py js ts tsx java cpp c h cs go rs rb php sh sql json yaml yml html css csv txt exe dll",
            r"\.(?:py|js|ts|tsx|java|cpp|c|h|cs|go|rs|rb|php|sh|sql|json|ya?ml|html|css|csv|txt|exe|dll)\b",
        ),
        ("= & | > :: /", r"==|!=|&&|\|\||->|=>|::|\+=|:=|</|//|/\*"),
        (
            "$ # > sudo npm pip docker kubectl git cd curl",
            r"\n[ \t]*(?:[$#>]|sudo|npm|pip|docker|kubectl|git|cd|curl)(?=\s)",
        ),
        ("/ www", r"https?://|www\."),
        ("\\", r"\\(?:frac|int|sum|sqrt|begin|left|mathbb|cdot|le|ge|in|to|lim|alpha|theta|pi)\b"),
        ("$ \\", r"\$[^$\n]{1,80}\$|\\\(|\\\["),
        (
            "= < > + * / ^ × ÷",
            r"[=<>0-9^](?:(?<=[=<>])\s?-?[0-9]|(?<=[0-9])\s?[=+*/^×÷]\s?[0-9]|(?<=[a-z]\^)[0-9])",
        ),
        ("(", r"\((?<=\b[a-z]\()[a-z]\)"),
        (
            "0",
            r"[0-9]\s?(?:%|percent|km|cm|mm|kg|g|m/s|hours?|minutes?|days|meters?|miles|dollars|°|Hz|V|ohm)\b",
        ),
        ("$ € £ USD EUR", r"[0-9$€£](?:(?<=[0-9])\s?(?:€|USD|EUR)|(?<=[$€£])\s?[0-9])"),
        ("?", r"\?\s*$"),
        (":", r":\s*$"),
        ("", r"\n[ \t]*(?:[-*•]|\d+[.)])(?=\s)"),
        (":", r"\n[A-Z][\w ]{0,20}: "),
        ("\n", r"\n[ \t]*\n"),
    )
)
_PIECES: Final = ("\n", "rror", "xception", "raceback", "::", "USD", "EUR")
_BEYOND: Final = re.compile(r"[^\x00-\x7f]+")
_FOREIGN: Final = tuple(
    re.compile(pattern).findall
    for pattern in (
        r"[∑∫√≤≥≠∈∀∃→∞±×÷∂πθλμσΩ²³]",
        r"[\U0001F300-\U0001FAFF☀-➿]",
        r"[一-鿿]",
        r"[぀-ヿ]",
        r"[а-яА-ЯёЁ]",
        r"[가-힣]",
        r"[ăâđêôơưạ-ỹ]",
        r"[äöüßéèêàçñáíóúãõ¿¡]",
        r"[“”«»„]",
    )
)
_PLAIN: Final = ("?", "!", '"', "'")
_THEMES: Final = (
    "prove proof show calculate compute solve evaluate derive probability equation integral many much total",
    "write rewrite compose draft paraphrase proofread summarize summarise translate rephrase edit",
    "story poem essay email letter scene dialogue character novel song lyrics script chapter blog article fictional",
    "code function program python javascript java api sql regex class compile server database bug app",
    "you your u",
    "i my me we our",
    "he she his her him they their",
    "act pretend imagine roleplay role",
)
_OPENINGS: Final = (
    "what who when where why which how is are does do can should was did",
    "write create generate make give list provide draft compose design come tell continue rewrite",
    "hi hello hey hallo hola bonjour привет good thanks",
    "you act imagine pretend",
)
_THEME: Final = {word: at for at, theme in enumerate(_THEMES) for word in theme.split()}
_OPENING: Final = {word: at for at, opening in enumerate(_OPENINGS) for word in opening.split()}
COUNTED: Final = 3 + len(_MARKS) + len(_FOREIGN) + len(_PLAIN) + len(_THEMES)
MEASURES: Final = 2 * COUNTED + len(_OPENINGS) + 5


def measures(text: str, words: Sequence[str]) -> list[float]:
    """For every mark how often it stands there and how densely, then how the text begins and how long it is."""
    size, lines, capitals = len(text), f"\n{text}", _CAPITAL.findall(text)
    counts = [len(_DIGIT.findall(text)), capitals.count(""), len(capitals)]
    there = set(words).union([piece for piece in _PIECES if piece in text], (_NUMBER,) if counts[0] else ())
    counts += [0 if needs is not None and needs.isdisjoint(there) else len(find(lines)) for needs, find in _MARKS]
    foreign = "" if text.isascii() else "".join(_BEYOND.findall(text))
    counts += [len(find(foreign)) for find in _FOREIGN] if foreign else [0] * len(_FOREIGN)
    counts += map(text.count, _PLAIN)
    themes = list(map(_THEME.__getitem__, filter(_THEME.__contains__, words)))
    counts += map(themes.count, range(len(_THEMES)))
    found = [0.0] * (2 * COUNTED)
    for at, count in enumerate(counts):
        if count:
            found[at] = math.log1p(count)
            found[at + COUNTED] = min(1.0, count * 20 / (size + 20))
    opening = _OPENING.get(words[0]) if words else None
    found += [float(at == opening) for at in range(len(_OPENINGS))]
    spaces = text.count(" ") + 1
    found += (
        math.log1p(size) / 4,
        math.log1p(spaces) / 3,
        math.log1p(text.count("\n") + 1) / 2,
        min(1.0, size / spaces / 12),
        float(text[:1].isupper()),
    )
    return found
