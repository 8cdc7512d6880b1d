"""A deploy: a second gateway on the same stores takes over while the first one drains. Row P1 of the fault table."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping

import httpx
import psycopg

from tests.conftest import StartGateway
from tests.fakes.caller import Told, ask, stream
from tests.fakes.gateway import OPENAI, Gateway
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for

PIECES = tuple(f"piece{k} " for k in range(15))


class Balancer:
    """What stands in front of two gateways: who is not there or says that it is leaving is not asked."""

    def __init__(self, *gateways: Gateway) -> None:
        self.gateways = gateways
        self.answered: Counter[int] = Counter()  # by the gateway's number
        self.lost: list[str] = []

    def ask(self) -> None:
        refused: Counter[str] = Counter()
        for number, gateway in enumerate(self.gateways):
            try:
                told = ask(gateway, OPENAI.model, max_tokens=5)
            except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError) as error:
                refused[type(error).__name__] += 1  # no byte of an answer came
                continue
            if told.status == 503 and told.json["error"]["code"] == "draining":
                refused["draining"] += 1
                continue
            if told.status != 200 or told.torn:
                self.lost.append(f"{told.status} {told.body!r}")
            self.answered[number] += 1
            return
        self.lost.append(f"nobody answered: {refused}")


def ready(gateway: Gateway) -> int:
    return httpx.get(f"{gateway.origin}/health/ready").status_code


def test_a_deploy_loses_no_stream_and_no_request(
    start_gateway: StartGateway, providers: Mapping[str, Provider]
) -> None:
    first = start_gateway("openai", SYNTRA_DRAIN_SECONDS="10")
    second = start_gateway("openai", "--data-dir", str(first.data), **first.stores)
    second.data = first.data
    fake = providers["openai"]
    fake.script(pieces=PIECES, delay=0.1)
    told: list[Told] = []
    streams = [
        threading.Thread(target=lambda: told.append(stream(first, OPENAI.model, temperature=1))) for _ in range(6)
    ]
    for one in streams:
        one.start()
    wait_for(lambda: len(fake.requests) == 6)
    time.sleep(0.3)  # each has its words by now
    fake.script()
    balancer = Balancer(first, second)
    for _ in range(5):
        balancer.ask()
    assert ready(first) == 200
    first.terminate()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        balancer.ask()
    for one in streams:
        one.join(20)
    assert [(one.said(), one.finishes(), one.done) for one in told] == [("".join(PIECES), ["stop"], True)] * 6
    assert balancer.lost == []
    assert balancer.answered[0] >= 5
    assert balancer.answered[1] >= 5  # with the same key, the same limits, the same ledger
    assert first.process.wait(10) == 0
    assert ready(second) == 200
    with psycopg.connect(first.stores["DATABASE_URL"], autocommit=True) as connection:
        query = (
            "select count(*), count(distinct request_id) from syntra.ledger where attempt = 0 and status = 'answered'"
        )
        expected = (6 + balancer.answered.total(),) * 2
        wait_for(lambda: connection.execute(query).fetchone() == expected)
