"""What limits cost a request: `python -m bench.limits`, on a quiet machine; needs Go.

First a worker's own part, over a Valkey of its own on the same machine. `alone`: one request after the other, as a
single client sees it; `crowd`: 64 at a time, where settles travel together. CPU is this process's, without Valkey's.

Then what a client sees, through a whole gateway on the stand of bench/README.md: the same load with a key without
limits and with keys that have some, turn by turn, so that the machine's moods meet all alike. `more` is the median of
what the turns differ in, `at best` the difference between the quietest turns of each; CPU is that of
the gateway and the engines that it started, on a busy machine the one to trust. A crowd is 32 connections.
"""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
import statistics
import tempfile
import time
from pathlib import Path

import msgspec
import uvloop

from bench import stand
from bench.processes import cores
from bench.stand import Gateway, Plan, Stand
from gateway.core.caller import Caller
from gateway.core.ids import uuid7
from gateway.core.limits import Limits
from gateway.core.money import Picodollars, picodollars
from gateway.stages.admission import Admission
from gateway.stores.limits import SharedLimits
from gateway.stores.valkey import Valkey
from gateway.stores.valkey_place import place
from tests.fakes.limits import nothing_spent
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
_PRICED = """
[[model]]
name = "openai/d0-n20"
abilities = []
window = 100_000
price = { input = 0.1, output = 0.4 }
ttft_ms = 100
tokens_per_s = 100
source = "the fake provider of this bench"
quality.default = [0.1, 0.1]
"""
_COST = picodollars(0.001)
_ALONE, _CROWD, _AT_A_TIME = 5_000, 20_000, 64
_ROUNDS, _SECONDS, _CONNECTIONS = 8, 2.0, 32


def through(folder: Path) -> None:
    """What a client sees: one line for each key."""
    stand.build()
    policies = folder / "one" / "policies"
    policies.mkdir(parents=True)
    shipped = (stand.ROOT / "policies" / "models.toml").read_text("utf-8")
    (policies / "models.toml").write_text(shipped + _PRICED, "utf-8")  # a budget is for what has a price
    with (
        Stand(folder, Plan(seconds=_SECONDS), cores(), lambda _: None) as here,
        here.new_gateway("one", ("OPENAI",)) as at,
    ):
        keys = _keys(at)
        waits: dict[str, list[float]] = {name: [] for name in keys}
        costs: dict[str, list[float]] = {name: [] for name in keys}
        rates: dict[str, list[float]] = {name: [] for name in keys}
        for turn in range(_ROUNDS):
            for name in list(keys)[:: 1 if turn % 2 else -1]:
                target = dataclasses.replace(at, key=keys[name])
                found = here.load(target, 1, "chat")
                waits[name].append(found["total_ms.p50"])
                costs[name].append(1000 * found.get("own", 0.0) / found["rps"])
                rates[name].append(here.load(target, _CONNECTIONS, "chat")["rps"])
    heads = f"{'alone p50':>11}{'more':>8}{'at best':>9}{'CPU':>8}"
    print(f"\n{'through a gateway, ms':32}{heads}{'requests/s of a crowd':>24}")
    bare = waits["no limits"]
    for name, seen in waits.items():
        more = statistics.median(one - other for one, other in zip(seen, bare, strict=True))
        cells = (statistics.median(seen), more, min(seen) - min(bare), statistics.median(costs[name]))
        told = "".join(f"{cell:>{width}.2f}" for cell, width in zip(cells, (11, 8, 9, 8), strict=True))
        print(f"{name:32}{told}{statistics.median(rates[name]):>24.0f}")


def _keys(at: Gateway) -> dict[str, str]:
    """Keys of one gateway: without limits, with those of requests, with all that there are on key and organisation."""

    def made(path: str, key: str, body: object) -> str:
        connection = http.client.HTTPConnection(at.url.removeprefix("http://"), timeout=30)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 201:
            raise stand.StandError(f"{path}: {reply.status} {text[:500]!r}")
        connection.close()
        return str(json.loads(text)["key"])

    some, everything = msgspec.to_builtins(_REQUESTS), msgspec.to_builtins(_ALL)
    owner = made("/api/orgs", at.key, {"name": "limited", "limits": everything})
    return {
        "no limits": at.key,
        "requests of the key": made("/api/orgs/local/keys", at.key, {"name": "some", "limits": some}),
        "every limit there is, of both": made("/api/orgs/limited/keys", owner, {"name": "all", "limits": everything}),
    }


async def inside(url: str) -> None:
    """What a worker has to do: one line for each caller."""
    print(f"{'':32}{'alone p50':>11}{'p99':>8}{'CPU':>8}{'crowd CPU':>11}{'Valkey':>8}   µs a request")
    async with Valkey(place(url)) as valkey:
        admission = Admission(SharedLimits(valkey), spent=nothing_spent)
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
        uvloop.run(inside(engine.url))
    with tempfile.TemporaryDirectory() as home:
        through(Path(home))
