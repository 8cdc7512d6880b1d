"""Where a dial may go: to a configured provider, at a public address that was resolved here, and nowhere else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from gateway.core.errors import UpstreamUnreachable
from gateway.upstream.egress import Egress, Origin, is_public, split

PUBLIC = """8.8.8.8 1.1.1.1 104.18.6.192 172.15.255.255 172.32.0.1 100.63.255.255 100.128.0.1 169.253.0.1 192.167.255.255
    2606:4700::6812:6c0 2a00:1450:4001:80b::200a ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1""".split()

PRIVATE = {
    "loopback": "127.0.0.1 127.255.255.254 ::1",
    "private networks": "10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1 fc00::1 fd12:3456::1",
    "carrier-grade NAT": "100.64.0.1 100.127.255.255",
    "link-local": "169.254.0.1 fe80::1 fe80::1%eth0 febf::1",
    "metadata": "169.254.169.254 169.254.170.2 fd00:ec2::254 100.100.100.200",
    "this network": "0.0.0.0 0.1.2.3 ::",
    "multicast and broadcast": "224.0.0.1 239.255.255.255 255.255.255.255 ff02::1 ff0e::1",
    "reserved": "240.0.0.1 192.0.0.1 192.0.0.8 198.18.0.1 198.19.255.255",
    "documentation": "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1",
    "mapped": "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:7f00:1",
    "NAT64": "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::10.0.0.1",
    "NAT64 of one network": "64:ff9b:1::7f00:1 64:ff9b:1::a9fe:a9fe",
    "6to4": "2002:7f00:1:: 2002:a9fe:a9fe::1 2002:0a00:0001::",
    "Teredo": "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "compatible": "::127.0.0.1 ::10.0.0.1 ::a9fe:a9fe",
    "translated": "::ffff:0:127.0.0.1",
    "site-local": "fec0::1",
    "discard and segment routing": "100::1 5f00::1",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_dialled(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address", [pytest.param(a, id=f"{kind} {a}") for kind, group in PRIVATE.items() for a in group.split()]
)
def test_an_address_that_is_not_public_may_not(address: str) -> None:
    assert not is_public(address)


@dataclass(frozen=True)
class Form:
    """An URL, what it means, and the Host header that says so."""

    url: str
    origin: Origin
    path: str
    authority: str

    def __str__(self) -> str:
        return self.url


@pytest.mark.parametrize(
    "form",
    [
        Form("https://api.openai.com/v1", Origin("https", "api.openai.com", 443), "/v1", "api.openai.com"),
        Form("https://api.openai.com", Origin("https", "api.openai.com", 443), "/", "api.openai.com"),
        Form("HTTPS://API.OpenAI.com:443/V1", Origin("https", "api.openai.com", 443), "/V1", "api.openai.com"),
        Form("http://localhost:11434/v1", Origin("http", "localhost", 11434), "/v1", "localhost:11434"),
        Form("http://h:80/", Origin("http", "h", 80), "/", "h"),
        Form("http://h:443/", Origin("http", "h", 443), "/", "h:443"),
        Form("http://[::1]:8080/x?y=1&z", Origin("http", "::1", 8080), "/x?y=1&z", "[::1]:8080"),
        Form("https://h/a%20b/..", Origin("https", "h", 443), "/a%20b/..", "h"),
        Form("https://h?k=v", Origin("https", "h", 443), "/?k=v", "h"),
    ],
    ids=str,
)
def test_an_url_means_what_it_says(form: Form) -> None:
    origin, path = split(form.url)
    assert (origin, path) == (form.origin, form.path)
    assert origin.authority == form.authority


@pytest.mark.parametrize(
    "url",
    [
        *"""ftp://h/ file:///etc/passwd gopher://h //h/v1 h/v1 https:// https:///v1 http://user@h/ http://user:pass@h/ http://@h/\n    http://h/#x http://h:99999/ http://h:x/ http://[::1/ unix:/x javascript:x https://bücher.example/v1 http://h/é""".split(),
        "",
        "http://h/a b",
        "http://h a/v1",
        "http://h/\x00",
        "http://h\x7f/v1",
    ],
)
def test_what_is_no_plain_url_is_refused_before_anything_is_dialled(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        split(url)


def addresses(base_url: str, url: str | None = None, *, private: bool = False) -> list[str]:
    return asyncio.run(Egress([base_url], private=private).addresses(split(url or base_url)[0]))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/v1",
        "http://api.acme.test/v1",
        "https://api.acme.test:8443/v1",
        "https://api.acme.test.evil.test/v1",
        "https://acme.test/v1",
        "https://api.acme.test./v1",
        "https://127.0.0.1/v1",
    ],
)
def test_only_the_host_scheme_and_port_of_a_provider_may_be_dialled(url: str) -> None:
    for private in (True, False):
        with pytest.raises(UpstreamUnreachable) as caught:
            addresses("https://api.acme.test/v1", url, private=private)
        assert "not the host of a configured provider" in caught.value.message


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "10.1.2.3",
        "169.254.169.254",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
    ],
)
def test_a_private_address_is_dialled_only_where_that_is_allowed(host: str) -> None:
    url = f"http://{host}:9/v1"
    with pytest.raises(UpstreamUnreachable) as caught:
        addresses(url)
    assert "private address" in caught.value.message or "resolved" in caught.value.message
    assert "SYNTRA_ALLOW_PRIVATE_UPSTREAMS" in caught.value.message or "resolved" in caught.value.message


def test_a_public_address_needs_no_leave() -> None:
    assert addresses("https://8.8.8.8/v1") == ["8.8.8.8"]


def test_a_private_address_is_given_where_it_is_allowed() -> None:
    assert addresses("http://127.0.0.1:9/v1", private=True) == ["127.0.0.1"]


def test_a_name_that_does_not_resolve_is_an_unreachable_provider() -> None:
    with pytest.raises(UpstreamUnreachable):
        addresses("https://no-such-host.invalid/v1", private=True)


@pytest.mark.parametrize("host", [f"{'a' * 70}.test", "a..b"])
def test_a_name_that_no_resolver_takes_is_no_url(host: str) -> None:
    with pytest.raises(ValueError, match="not a host name"):
        split(f"https://{host}/v1")
