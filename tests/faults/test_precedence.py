"""In a worker that serves, Granian's threads do not interrupt the loop's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import StartGateway
from tests.fakes.caller import ask
from tests.fakes.gateway import OPENAI
from tests.fakes.provider import Provider
from tests.fakes.server import wait_for
from tests.faults.test_shutdown import workers


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux's scheduler")
def test_granians_threads_wait_for_the_loop(start_gateway: StartGateway, providers: Mapping[str, Provider]) -> None:
    gateway = start_gateway("openai")
    assert ask(gateway, OPENAI.model).status == 200
    (worker,) = workers(gateway)

    def others() -> set[int]:
        threads = [int(thread.name) for thread in Path(f"/proc/{worker}/task").iterdir()]
        return {os.sched_getscheduler(thread) for thread in threads if thread != worker}

    assert wait_for(lambda: others() == {os.SCHED_BATCH})
    assert os.sched_getscheduler(worker) == os.SCHED_OTHER
    assert ask(gateway, OPENAI.model).status == 200
