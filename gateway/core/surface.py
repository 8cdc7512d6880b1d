"""What a text shows on its surface: its words as numbered buckets, and some eighty plain measures. Pure and bounded."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

BUCKETS: Final = 1 << 18
HEAD: Final = 1000  # characters read from the beginning; instructions stand at one end or the other
TAIL: Final = 500  # and from the end
EARLY: Final = 400  # words and marks kept from the beginning of what is read; prose has fewer
LATE: Final = 200  # and from the end

_TOKEN: Final = re.compile(r"[぀-ヿ一-鿿가-힣]|[^\W\d_぀-ヿ一-鿿가-힣]+|\d+|[^\w\s]|_")
_WIDE: Final = re.compile(r"[぀-ヿ一-鿿]")
STEM: Final = 5  # characters; what is longer is also known by its beginning, so that inflected forms meet


def cut(text: str) -> str:
    """The beginning and the end of a long text, which is as much as is ever read."""
    text = text.strip()
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n…\n{text[-TAIL:]}"


def split(text: str) -> list[str]:
    """The words and marks of a text in lower case; a number is a 0, a Chinese character is a word."""
    words = _TOKEN.findall(text.lower())
    if len(words) > EARLY + LATE:
        words = words[:EARLY] + words[-LATE:]
    return ["0" if word[0].isdigit() else word for word in words]


def buckets(text: str, words: Sequence[str]) -> list[int]:
    """The distinct buckets of the words, their neighbours, their stems and the way the text begins."""
    found = {f"{a} {b}" for a, b in pairwise(words)}
    found.update(words)
    found.update([f"{word[:STEM]}-" for word in words if len(word) > STEM])
    if not text.isascii() and _WIDE.search(text):
        found.update(a + b + c for a, b, c in zip(words, words[1:], words[2:], strict=False))
    opening = words[:4]
    found.update(f"^{word}" for word in opening)
    found.update(f"^{' '.join(opening[:length])}" for length in (1, 2, 3))
    # Sorted, so that sums of floats come out the same in every process.
    return sorted({zlib.crc32(feature.encode("utf-8", "surrogatepass")) % BUCKETS for feature in found})


_DIGITS: Final = "0123456789"
# Each mark with the characters of which it needs one: most texts have none, and a look is cheaper than a search.
_MARKS: Final = tuple(
    (frozenset(needs), re.compile(pattern, re.MULTILINE))
    for needs, pattern in (
        ("`~", r"```|~~~"),
        ("`", r"`[^`\n]+`"),
        (";{}", r"[;{}]\s*$"),
        ("\n\t", r"^(?: {4,}|\t)\S"),
        ("(", r"\w\(|\w\.\w+\("),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", r"[a-z][A-Z]|[a-z]_[a-z]"),
        (
            ":;{(",
            r"^[ \t]*(?:import|from|def|class|function|const|let|var|public|private|return|if|for|while)\b.*[:;{(]",
        ),
        ("<", r"</?[a-zA-Z][\w-]{0,20}(?: [^<>]*)?>"),
        ("ET[", r"Error\b|Exception\b|Traceback\b|error\["),
        (".", r"\.(?:py|js|ts|tsx|java|cpp|c|h|cs|go|rs|rb|php|sh|sql|json|ya?ml|html|css|csv|txt|exe|dll)\b"),
        ("=&|>:+</*", r"==|!=|&&|\|\||->|=>|::|\+=|:=|</|//|/\*"),
        ("$#>spdkgc", r"^[ \t]*(?:[$#>]|sudo|npm|pip|docker|kubectl|git|cd|curl)\s"),
        ("/w", r"https?://|www\."),
        ("\\", r"\\(?:frac|int|sum|sqrt|begin|left|mathbb|cdot|le|ge|in|to|lim|alpha|theta|pi)\b"),
        ("$\\", r"\$[^$\n]{1,80}\$|\\\(|\\\["),
        (_DIGITS, r"[=<>]\s?-?\d|\d\s?[=+*/^×÷]\s?\d|[a-z]\^\d"),
        ("(", r"\b[a-z]\([a-z]\)"),
        (_DIGITS, r"\d\s?(?:%|percent|km|cm|mm|kg|g|m/s|hours?|minutes?|days|meters?|miles|dollars|°|Hz|V|ohm)\b"),
        (_DIGITS, r"[$€£]\s?\d|\d\s?(?:€|USD|EUR)"),
        ("?", r"\?\s*$"),
        (":", r":\s*$"),
        ("-*•.)", r"^[ \t]*(?:[-*•]|\d+[.)])\s"),
        (":", r"^[A-Z][\w ]{0,20}: "),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", r"\b[A-Z][a-z]"),
        (_DIGITS, r"\d"),
        ("\n", r"\n[ \t]*\n"),
    )
)
_FOREIGN: Final = tuple(
    re.compile(pattern)
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
COUNTED: Final = len(_MARKS) + len(_FOREIGN) + len(_PLAIN) + len(_THEMES)
MEASURES: Final = 2 * COUNTED + len(_OPENINGS) + 5


def measures(text: str, words: Sequence[str]) -> list[float]:
    """For every mark how often it stands there and how densely, then how the text begins and how long it is."""
    size = len(text)
    there = set(text)
    counts = [0 if there.isdisjoint(needs) else len(mark.findall(text)) for needs, mark in _MARKS]
    counts += [0] * len(_FOREIGN) if text.isascii() else [len(mark.findall(text)) for mark in _FOREIGN]
    counts += map(text.count, _PLAIN)
    themes = [0] * len(_THEMES)
    for word in words:
        theme = _THEME.get(word)
        if theme is not None:
            themes[theme] += 1
    counts += themes
    found = [math.log1p(count) for count in counts]
    found += [min(1.0, count * 20 / (size + 20)) for count in counts]
    opening = [0.0] * len(_OPENINGS)
    if words and words[0] in _OPENING:
        opening[_OPENING[words[0]]] = 1.0
    found += opening
    spaces, lines = text.count(" ") + 1, text.count("\n") + 1
    found += (
        math.log1p(size) / 4,
        math.log1p(spaces) / 3,
        math.log1p(lines) / 2,
        min(1.0, size / spaces / 12),
        float(text[:1].isupper()),
    )
    return found
