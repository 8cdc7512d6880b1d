"""What limits cost a request: `python -m bench.limits`, on a quiet machine.

One worker over a Valkey of its own on the same machine. `alone`: one request after the other, as a single client sees
it; `crowd`: 64 at a time, where settles travel together. CPU is this process's, without Valkey's.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from gateway.core.caller import Caller
from gateway.core.ids import uuid7
from gateway.core.limits import Limits
from gateway.core.money import Picodollars, picodollars
from gateway.stages.admission import Admission
from gateway.stores.limits import SharedLimits
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.fakes.valkey import Engine

_MANY = 10**9
_REQUESTS = Limits(requests_per_minute=_MANY, requests_per_day=_MANY)
_ALL = Limits(_MANY, _MANY, _MANY, _MANY, 10_000, 1e6, 1e6)
_CALLERS = {
    "no limits": Caller("acme-id", "acme", "k1"),
    "requests of the organisation": Caller("acme-id", "acme", "k2", limits=_REQUESTS),
    "a budget of the organisation": Caller("acme-id", "acme", "k3", limits=Limits(usd_per_month=1e6)),
    "every limit there is, of both": Caller("acme-id", "acme", "k4", limits=_ALL, key_limits=_ALL),
}
_COST = picodollars(0.001)
_ALONE, _CROWD, _AT_A_TIME = 5_000, 20_000, 64


async def main(url: str) -> None:
    """One line for each caller."""
    print(f"{'':32}{'alone p50':>11}{'p99':>8}{'CPU':>8}{'crowd CPU':>11}{'Valkey':>8}   µs a request")
    async with Valkey(place(url)) as valkey:
        admission = Admission(SharedLimits(valkey))
        await admission.start()
        for name, caller in _CALLERS.items():
            await _alone(admission, caller, 500)
            waits, alone = await _alone(admission, caller, _ALONE)
            crowd, engine = await _crowd(admission, caller, valkey)
            cells = (statistics.median(waits), statistics.quantiles(waits, n=100)[98], alone, crowd, engine)
            widths = (11, 8, 8, 11, 8)
            print(
                f"{name:32}" + "".join(f"{cell * 1e6:>{width}.1f}" for cell, width in zip(cells, widths, strict=True))
            )
        await admission.close()


async def _alone(admission: Admission, caller: Caller, count: int) -> tuple[list[float], float]:
    """How long each waited to be let in, and the CPU of one, its end and its headers counted in."""
    waits, busy = [], time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        admitted = await admission.admit(caller, uuid7(), 1000, _COST)
        waits.append(time.perf_counter() - began)
        _ = admitted.headers
        admitted.settle(900, Picodollars(_COST - 7))
        await asyncio.sleep(0)
    return waits, (time.process_time() - busy) / count


async def _crowd(admission: Admission, caller: Caller, valkey: Valkey) -> tuple[float, float]:
    """The CPU of one of many, ours and Valkey's."""

    async def client(count: int) -> None:
        await _alone(admission, caller, count)

    busy, engine = time.process_time(), await _cpu(valkey)
    await asyncio.gather(*(client(_CROWD // _AT_A_TIME) for _ in range(_AT_A_TIME)))
    await asyncio.sleep(0.05)
    return (time.process_time() - busy) / _CROWD, (await _cpu(valkey) - engine) / _CROWD


async def _cpu(valkey: Valkey) -> float:
    told = dict(line.split(":", 1) for line in (await valkey.run("INFO", "cpu")).decode().split("\r\n") if ":" in line)
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home, Engine(Path(home)) as engine:
        uvloop.run(main(engine.url))
