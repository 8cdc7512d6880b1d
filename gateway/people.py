"""People with sessions, who are loaded when the first of them comes: jwt and cryptography are 9 MB."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Final

from gateway.core.apikey import Pepper
from gateway.core.caller import Caller
from gateway.settings import Settings
from gateway.stores.memberships import Memberships
from gateway.upstream.wire import Wire

if TYPE_CHECKING:
    from gateway.stages.people import People

_STAGE: Final = "gateway.stages.people"
_ISSUER: Final = "gateway.stages.people.issuer"


class PeopleLater:
    """Stands for the stage until it is needed, and passes on to it what is heard."""

    def __init__(self, chosen: Settings, pepper: Pepper, memberships: Memberships, wire: Wire) -> None:
        self._chosen = chosen
        self._pepper = pepper
        self._memberships = memberships
        self._wire = wire
        self._people: People | None = None
        self._loading = asyncio.Lock()

    async def get(self) -> People:
        """The stage."""
        async with self._loading:
            if self._people is None:
                stage = await asyncio.to_thread(importlib.import_module, _STAGE)
                issuers = importlib.import_module(_ISSUER)
                chosen, issuer = self._chosen, None
                if chosen.oidc_issuer:
                    issuer = issuers.Issuer(self._wire, chosen.oidc_issuer, chosen.oidc_audience, chosen.oidc_jwks_url)
                made: People = stage.People(self._pepper, self._memberships, issuer, persona=chosen.persona)
                self._people = made
            return self._people

    async def identify(self, bearer: str) -> Caller:
        """The member behind a session; raises BadKey or StoreAway."""
        return await (self._people or await self.get()).identify(bearer)

    def heard(self, organisation: str) -> None:
        """Something of an organisation has changed."""
        if self._people is not None:
            self._people.heard(organisation)

    def deaf(self) -> None:
        """Changes are not heard of for the moment."""
        if self._people is not None:
            self._people.deaf()
