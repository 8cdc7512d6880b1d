"""What the sanitizer costs a chunk: `python -m bench.sanitizer` prints microseconds, the median of the rounds."""

from __future__ import annotations

import random
import statistics
import time

from gateway.stages.sanitize import Sanitizer

ROUNDS = 15
PROSE = """\
Sure! Here is how I would plan the move. The flat has four rooms, and most of what is in them can be packed a week \
before; only the kitchen has to wait until the last evening. Start with the books, because they are heavy and because \
nobody misses them for a few days. Small boxes are better than large ones: a large box of books cannot be carried by \
one person, and its bottom may give way on the stairs.

Next come the clothes. Leave out what you need for five days, and hang the rest in tall boxes, which most companies \
lend for nothing. I'd label every box on two sides with the room it goes to, not with what is in it. It's faster for \
the people who carry, and you will not remember the contents anyway.

A few things are easy to forget:

- **The meters.** Take a photograph of each of them on the day you hand over the keys.
- **The post office.** Forwarding takes about a week to begin, so ask for it early.
- **The lift.** In many houses it must be reserved; call the caretaker and ask what the rules are.
- **The cat.** Keep her in one quiet room with the door closed, and move her last.

If the new place is more than 300 km away, a fixed price is usually cheaper than an hourly one. As a rule, companies \
charge from 25 to 40 euros an hour for each person, and a van costs about 90 a day. For a flat of 70 square metres you \
can expect three people and six hours, so between 450 and 720 euros plus the van. You can save a third of that when \
friends help, but then somebody has to be responsible for insurance: ask what happens if a wardrobe is dropped.

Here is a little script that adds up the volume of a list of boxes:

```python
def volume(boxes: list[tuple[float, float, float]]) -> float:
    return sum(width * depth * height for width, depth, height in boxes)
```

Call `volume([(0.4, 0.3, 0.3)] * 60)` and you get 2.16 cubic metres, which fits into a small van with room to spare. \
I hope this helps. Would you like me to turn it into a list with dates, or shall we look at the costs in more detail? \
"As soon as possible" is a fine answer too; we can begin with whatever worries you most.
"""


def cut(text: str, seed: int = 7) -> list[str]:
    """Chunks of one to five words, as providers send them: each word with the space before it."""
    draw = random.Random(seed)  # noqa: S311  # the same cuts every time
    words = text.replace(" ", "\0 ").split("\0")
    chunks = []
    while words:
        count = draw.randint(1, 5)
        chunks.append("".join(words[:count]))
        words = words[count:]
    return chunks


def microseconds(rounds: int = ROUNDS) -> float:
    """The cost of one chunk."""
    chunks = cut(PROSE)
    costs = []
    for _ in range(rounds + 1):  # the first one fills the caches
        sanitizer = Sanitizer()
        began = time.perf_counter()
        kept = [sanitizer.feed(chunk) for chunk in chunks]
        kept.append(sanitizer.finish())
        costs.append((time.perf_counter() - began) / len(chunks) * 1e6)
        if "".join(kept) != PROSE:
            raise AssertionError("the sanitizer changed ordinary prose")
    return statistics.median(costs[1:])


if __name__ == "__main__":
    print(f"{microseconds():.3f}")
