"""The world outside as a worker meets it: which providers there are, where they are, and the one wire to them all."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.settings import Settings
from gateway.upstream import prices, providers
from gateway.upstream.answer import Remote
from gateway.upstream.counter import Counter
from gateway.upstream.egress import Egress
from gateway.upstream.embed import Embedder
from gateway.upstream.hosted import Host
from gateway.upstream.share import Sharing
from gateway.upstream.wire import Wire


class Outside:
    """Providers, prices and the wire; nothing is dialled before somebody is asked."""

    def __init__(self, chosen: Settings, environ: Mapping[str, str]) -> None:
        self.live = providers.configured(environ, chosen.providers)
        self.tempos = providers.tempos(environ, self.live)
        self.places = providers.Places(environ, self.live)
        self.prices = prices.load(list(self.live), known=providers.NAMES)
        issuers = [url for url in (chosen.oidc_issuer, chosen.oidc_jwks_url) if url]
        egress = Egress([*(one.base_url for one in self.places), *issuers], private=chosen.allow_private)
        self.wire = Wire(egress, chosen.patience, ca_bundle=chosen.ca_bundle, proxy=chosen.outbound_proxy)
        self.sharing = Sharing()
        self.upstream = providers.Upstream(self.places, Remote(self.wire, chosen.patience, self.sharing))
        self.embedder = Embedder(self.wire, chosen.patience, self.places)
        self.host = Host(self.wire, chosen.patience, self.places)
        self.counter = Counter(self.wire, self.places)

    def close(self) -> None:
        """Cut every connection."""
        self.wire.close()
