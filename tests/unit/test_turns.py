"""What choosing a model costs a user who has just asked something."""

from __future__ import annotations

import asyncio
import statistics

from bench import turns
from tests.laps import laps


def test_a_new_user_turn_is_read_and_planned_in_little_more_than_half_a_millisecond() -> None:
    texts = turns.prompts(None)[: turns.WARM + 300]
    for lap in laps(within=0.6e-3):
        lap.took = statistics.median(cpu for _, cpu in asyncio.run(turns.costs(texts)))
