"""How carefully follow-ups are made self-contained: `python -m tests.quality.rewrite PATH [PATH]`.

The first file is a jsonl of {history, question, rewrite}: of the words that are added, how many are in the rewrite of
people. The second, of {text}, has prompts that stand alone: each is asked after two others of the same file that have
nothing to do with it.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.core.rewrite import self_contained

_WORD = re.compile(r"[a-z0-9]+")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word != "s"]


def stem(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def added(path: Path) -> Iterator[str]:
    made = right = exact = count = leaning = 0
    alone = untouched = 0
    found = rows(path)
    began = time.perf_counter()
    rewritten = [self_contained([*row["history"], row["question"]]) for row in found]
    took = time.perf_counter() - began
    for row, ours in zip(found, rewritten, strict=True):
        stands = words(row["question"]) == words(row["rewrite"])
        leaning += not stands
        alone += stands
        untouched += stands and ours is None
        if ours is None:
            continue
        made += 1
        new = [word for word in words(ours) if word not in words(row["question"])]
        wanted = set(words(row["rewrite"]))
        count += len(new)
        exact += sum(word in wanted for word in new)
        right += sum(stem(word) in set(map(stem, wanted)) for word in new)
    yield f"{made} of {leaning} follow-ups that lean were rewritten, {1e6 * took / len(found):.0f} us each"
    yield f"added words that are right: {right / count:.3f} of {count} ({exact / count:.3f} letter by letter)"
    yield f"left alone of those that people left alone: {untouched} of {alone}"


def left_alone(path: Path) -> Iterator[str]:
    texts = [row["text"] for row in rows(path)]
    touched = []
    for place, text in enumerate(texts):
        before = [texts[place - 7], texts[place - 3]]
        if (ours := self_contained([*before, text])) is not None:
            touched.append((text, ours))
    yield f"left alone of prompts that stand alone: {1 - len(touched) / len(texts):.4f} of {len(texts)}"
    for text, ours in touched[:20]:
        yield f"    {text!r} -> {ours!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("follow_ups", type=Path)
    parser.add_argument("alone", type=Path, nargs="*")
    asked = parser.parse_args()
    for line in added(asked.follow_ups):
        print(line)
    for path in asked.alone:
        for line in left_alone(path):
            print(line)


if __name__ == "__main__":
    main()
