"""A process that keeps requests until it is killed, and tells of each as soon as the loop has had its next turn.

Run as: python -m tests.ledger.worker CONNINFO FOLDER ORGANISATION
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from gateway.stores import postgres_place
from tests.ledger.rig import keep, ledger_at


async def main(database: str, folder: str, organisation: str) -> None:
    async with ledger_at(postgres_place.place(database), Path(folder)) as ledger:
        while True:
            kept = [keep(ledger, organisation, attempts=2) for _ in range(5)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            sys.stdout.write("".join(f"{one}\n" for one in kept))
            sys.stdout.flush()
            await asyncio.sleep(0.002)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
