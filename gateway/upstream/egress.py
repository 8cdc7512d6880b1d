"""Where a dial may go: the hosts of the catalogue, at public addresses that were resolved here.

The guard stands at the dial, not at a route, so no way around it can be forgotten (CVE-2024-6587, CVE-2025-66405). The
address that was checked is the address that is dialled, so a name that answers differently a second later (DNS
rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import re
import socket
from urllib.parse import urlsplit

from msgspec import Struct

from gateway.core.errors import UpstreamUnreachable

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST6 = ipaddress.ip_network("2000::/3")  # all that has been given out; the rest is special in one way or another
_DOCUMENTATION6 = ipaddress.ip_network("3fff::/20")
_PROTOCOLS4 = ipaddress.ip_network("192.0.0.0/24")
_HOST = re.compile(r"[a-z0-9._:-]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(Struct, frozen=True):
    """Scheme, host and port: what connections are kept for."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The Host header's value."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


@functools.lru_cache(maxsize=4096)
def split(url: str) -> tuple[Origin, str]:
    """An URL as its origin and its path with query; raises ValueError for what is not plain http(s)."""
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError(f"not a plain http or https URL: {parts.scheme}://{parts.hostname}")
    if not _HOST.fullmatch(parts.hostname) or any(
        not 0 < len(label) < 64 for label in parts.hostname.removesuffix(".").split(".")
    ):
        raise ValueError(f"not a host name: {parts.hostname!r}")
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    if not path.isascii() or any(mark <= " " for mark in path):
        raise ValueError("the URL's path has characters that do not belong there")
    return Origin(parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme]), path


class Egress:
    """Decides about every dial; `private` allows loopback and private networks, for local providers and tests."""

    def __init__(self, base_urls: list[str], *, private: bool) -> None:
        self._origins = {split(url)[0] for url in base_urls}
        self._private = private

    def admit(self, origin: Origin) -> None:
        """Refuse every origin that is not a configured provider's."""
        if origin not in self._origins:
            raise UpstreamUnreachable(f"{origin.host} is not the host of a configured provider.")

    async def addresses(self, origin: Origin) -> list[str]:
        """The addresses that may be dialled for this origin, best first."""
        self.admit(origin)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        except OSError:
            raise UpstreamUnreachable(f"The name {origin.host} could not be resolved.") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._private and not all(map(is_public, addresses)):
            raise UpstreamUnreachable(
                f"{origin.host} resolves to a private address; set SYNTRA_ALLOW_PRIVATE_UPSTREAMS=1 to allow that."
            )
        return addresses


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, also when it hides inside an IPv6 one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        return ip in _UNICAST6 and ip not in _DOCUMENTATION6 and ip.is_global
    return ip not in _PROTOCOLS4 and ip.is_global and not ip.is_multicast
