"""A process that asks for admission as a worker does: `python -m tests.fakes.admitting URL` with JSON on stdin.

`hold`: so many requests are let in and never end; their ids are said, and then the process waits to be killed.
`spend`: so many clients ask at the same time, each until it was let in once or is told 402; what they spent is said.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

import uvloop

from gateway.core.caller import Caller
from gateway.core.errors import BudgetSpent, RateLimited
from gateway.core.ids import uuid7
from gateway.core.limits import Limits
from gateway.core.money import Picodollars, picodollars
from gateway.stages.admission import Admission
from gateway.stores import valkey as valkey_module
from gateway.stores.limits import SharedLimits
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place

valkey_module.DEADLINE = 5.0  # who is let in is the question here; a busy machine shall not make it one of slowness


async def main(url: str, asked: dict[str, Any]) -> None:
    caller = Caller("acme-id", "acme", "k1", limits=Limits(**asked["limits"]))
    async with Valkey(place(url)) as valkey:
        while valkey.state != "ok":  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.01)
        admission = Admission(SharedLimits(valkey, lease_seconds=asked.get("lease_seconds", 60.0)))
        await admission.start()
        if asked["what"] == "hold":
            held = [await admission.admit(caller, uuid7(), 10, picodollars(0.01)) for _ in range(asked["count"])]
            print(len(held), flush=True)
            await asyncio.sleep(60)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        spent = await asyncio.gather(*(one(admission, caller, asked) for _ in range(asked["count"])))
        await admission.close()
        print(json.dumps({"spent": spent}), flush=True)


async def one(admission: Admission, caller: Caller, asked: dict[str, Any]) -> list[int]:
    """What one client has spent, in picodollars, until it is told that nothing is left."""
    spent: list[int] = []
    while True:
        try:
            admitted = await admission.admit(caller, uuid7(), 10, picodollars(asked["estimate"]))
        except BudgetSpent:
            return spent
        except RateLimited:
            if not asked["patient"]:
                return spent
            await asyncio.sleep(random.uniform(0.01, 0.05))
            continue
        assert admitted.degraded == ()
        cost = Picodollars(picodollars(random.uniform(*asked["real"])))
        spent.append(cost)
        await asyncio.sleep(random.uniform(0.0, asked["seconds"]))
        admitted.settle(10, cost)
        if not asked["patient"]:
            return spent


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], json.loads(sys.stdin.readline())))
