"""How well self-references are told from talk about providers: `python -m tests.quality.persona PATH`.

PATH is a jsonl of {text, prompt, leak}; a row counts as flagged when its text comes out changed.
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from gateway.stages.sanitize import Sanitizer

CHUNK: Final = 12  # characters; about what a provider sends at once


class Row(NamedTuple):
    """One sentence of an answer, the prompt before it, and whether it gives a provider away."""

    text: str
    prompt: str
    leak: bool


def rows(path: Path) -> Iterator[Row]:
    """The rows of a jsonl file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        yield Row(entry["text"], entry.get("prompt", ""), bool(entry["leak"]))


def clean(text: str, quoted: str = "") -> str:
    """The whole text at once."""
    sanitizer = Sanitizer(quoted=quoted)
    return sanitizer.feed(text) + sanitizer.finish()


def microseconds_per_chunk(texts: Iterable[str]) -> float:
    """What one piece of a stream costs, on average: the best of a few rounds."""
    pieces = [[text[at : at + CHUNK] for at in range(0, len(text), CHUNK)] for text in texts]
    best = float("inf")
    for _ in range(5):  # the first round also fills the automaton
        begin = time.process_time()
        for stream in pieces:
            sanitizer = Sanitizer()
            for piece in stream:
                sanitizer.feed(piece)
            sanitizer.finish()
        best = min(best, time.process_time() - begin)
    return best * 1e6 / max(1, sum(map(len, pieces)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--sentences", type=Path, help="ordinary sentences, one a line: which of them are changed?")
    parser.add_argument("--show", action="store_true", help="print what was missed and what was wrongly changed")
    args = parser.parse_args()

    table = list(rows(args.path))
    flagged = [clean(row.text, row.prompt) != row.text for row in table]
    right = sum(flag and row.leak for flag, row in zip(flagged, table, strict=True))
    leaks, kept = sum(row.leak for row in table), sum(not row.leak for row in table)
    print(f"rows {len(table)}, leaks {leaks}")
    print(f"recall {right / max(1, leaks):.4f}")
    print(f"precision {right / max(1, sum(flagged)):.4f}")
    print(f"false edits {(sum(flagged) - right) / max(1, kept):.4%}")
    print(f"microseconds per chunk {microseconds_per_chunk(row.text for row in table):.2f}")
    if args.show:
        for flag, row in zip(flagged, table, strict=True):
            if flag != row.leak:
                print("missed " if row.leak else "changed", row.text[:300], "->", clean(row.text, row.prompt)[:300])
    if args.sentences:
        lines = args.sentences.read_text(encoding="utf-8").splitlines()
        changed = [line for line in lines if clean(line) != line]
        print(f"ordinary sentences changed {len(changed)} of {len(lines)} ({len(changed) / max(1, len(lines)):.4%})")
        if args.show:
            print("\n".join(f"{line[:200]} -> {clean(line)[:200]}" for line in changed))


if __name__ == "__main__":
    main()
