"""While PostgreSQL is away, a known session goes on, and an unknown one is told 503, never 401."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest

from gateway.core.errors import BadKey, StoreAway
from gateway.core.ids import uuid7
from gateway.stages.people.sessions import Sessions
from gateway.stores import remembered
from tests.fakes.issuer import FakeIssuer
from tests.fakes.people import Lobby, lobby
from tests.fakes.postgres import postgres
from tests.fakes.tenants import PEPPER, set_up

SESSIONS = Sessions(PEPPER.sessions)


async def until_known(here: Lobby, bearer: str, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if not (await here.people.identify(bearer)).degraded:
                return
        except StoreAway:
            assert time.monotonic() < end
        await asyncio.sleep(0.05)


def test_a_known_session_goes_on_and_an_unknown_one_is_not_called_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        with postgres() as engine, FakeIssuer() as fake:
            async with lobby(set_up(engine.database("people")), fake) as here:
                org, known = await here.member("acme", "ada@example.com", "owner")
                _, unknown = await here.member("acme", "eve@example.com")
                token, other = (SESSIONS.make(org, member)[0].reveal() for member in (known, unknown))
                assert not (await here.people.identify(token)).degraded
                engine.kill()
                await asyncio.sleep(1.2)
                for _ in range(20):
                    caller = await here.people.identify(token)
                    assert (caller.role, caller.degraded) == ("owner", ("keys",))
                for bearer in (other, SESSIONS.make(str(UUID(uuid7())), known)[0].reveal()):
                    with pytest.raises(StoreAway) as caught:
                        await here.people.identify(bearer)
                    assert caught.value.status == 503
                with pytest.raises(StoreAway):
                    await here.people.sign_in(fake.token())
                with pytest.raises(BadKey):  # what is forged is known to be, whoever is away
                    await here.people.identify(Sessions(PEPPER.check).make(org, known)[0].reveal())
                monkeypatch.setattr(remembered, "STALE", 0.0)
                with pytest.raises(StoreAway):
                    await here.people.identify(token)
                monkeypatch.undo()
                engine.start()
                for bearer in (token, other):
                    await until_known(here, bearer)

    asyncio.run(run())
