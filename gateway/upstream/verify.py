"""Whether a provider takes a key: it is asked for one token, since not every wire can be asked for less."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.core import chat
from gateway.core.caller import Credential
from gateway.core.deadline import Deadline
from gateway.core.errors import BadRequest, UpstreamBusy, UpstreamCredential, UpstreamRejected, UpstreamSpent
from gateway.core.secret import Secret
from gateway.upstream.answer import Sent
from gateway.upstream.prices import Prices
from gateway.upstream.providers import Candidate, Upstream

_SECONDS = 15.0
_DEAR = 10**15  # picodollars; a model without a price comes last
_ASKED = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}


class Verify:
    """Asks the provider's cheapest model of the catalogue; `models` names all that are in it."""

    def __init__(self, upstream: Upstream, prices: Prices, models: Callable[[], Sequence[str]]) -> None:
        self._upstream = upstream
        self._prices = prices
        self._models = models

    async def verify(self, provider: str, secret: Secret) -> bool:
        """Whether the key is taken; raises UpstreamError where that cannot be told, BadRequest if it has no model."""
        models = [name for name in self._models() if name.startswith(f"{provider}/")]
        if not models:
            raise BadRequest(f"The catalogue has no model of {provider} to try a key with.", param="provider")
        cheapest = min(models, key=self._cost)
        candidate = Candidate(provider, cheapest.partition("/")[2], credential="verified")
        request = chat.parse(msgspec.json.encode({"model": candidate.model, **_ASKED}))
        try:
            opened = await self._upstream.ask(
                candidate, {provider: Credential("verified", secret)}, request, Deadline(_SECONDS), Sent()
            )
        except (UpstreamRejected, UpstreamBusy, UpstreamSpent):  # it knows the key, and found something else to say
            return True
        except UpstreamCredential:
            return False
        opened.close()
        return True

    def _cost(self, model: str) -> int:
        known = self._prices.get(model)
        return known.price.of(10, 1) if known is not None and known.price is not None else _DEAR
