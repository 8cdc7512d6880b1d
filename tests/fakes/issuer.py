"""A small real identity provider: an HTTP server with keys, discovery, rotation, and every lie that one could tell."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.fakes.server import Reply, Request, Server

AUDIENCE = "syntra-tests"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/keys"
JSON = ("content-type", "application/json")

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_RSA = [rsa.generate_private_key(65537, 2048) for _ in range(2)]  # they take long to make


def _make(algorithm: str, number: int) -> Key:
    if algorithm == "RS256":
        return _RSA[number % len(_RSA)]
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()


def jwk(key: Key, **more: Any) -> dict[str, Any]:
    """A key as it is published."""
    kind = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm: Any = next((a for k, a in kind.items() if isinstance(key, k)), OKPAlgorithm)
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), **more}


class FakeIssuer:
    """Use as a context manager; `token()` gives one that is in order, unless it is told to lie."""

    def __init__(self) -> None:
        self.server = Server(self._answer)
        self.keys: dict[str, tuple[str, Key]] = {}  # by kid: those that sign
        self.published: list[dict[str, Any]] = []
        self.lie = ""
        self.elsewhere = ""  # where a redirect leads
        for algorithm in ("RS256", "ES256", "EdDSA"):
            self.add(algorithm)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *how: object) -> None:
        self.server.__exit__(*how)

    @property
    def url(self) -> str:
        return self.server.origin

    @property
    def fetched(self) -> int:
        return sum(request.path == JWKS for request in self.server.requests)

    def add(self, algorithm: str) -> str:
        """A new key, published; its id."""
        kid = f"{algorithm}-{len(self.keys)}"
        key = _make(algorithm, len(self.keys))
        self.keys[kid] = algorithm, key
        self.published.append(jwk(key, kid=kid, alg=algorithm, use="sig"))
        return kid

    def withdraw(self, kid: str) -> None:
        self.published = [one for one in self.published if one.get("kid") != kid]

    def public_pem(self, kid: str) -> bytes:
        public = self.keys[kid][1].public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Claims that are in order; None takes one away."""
        now = int(time.time())
        whole = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "user-4711",
            "iat": now,
            "exp": now + 3600,
            "email": "ada@example.com",
            "email_verified": True,
            **changed,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def token(self, kid: str = "RS256-0", header: dict[str, Any] | None = None, **changed: Any) -> str:
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**changed), key, algorithm, headers={"kid": kid, **(header or {})})

    async def _answer(self, request: Request, reply: Reply) -> None:
        if request.method != "GET":
            await reply.whole(405, b"{}", JSON)
        elif self.lie == "silence":
            await reply.silence()
        elif self.lie == "failure":
            await reply.whole(500, b'{"keys": []}', JSON)
        elif self.lie == "redirect":
            await reply.whole(302, b"", ("location", self.elsewhere))
        elif request.path == DISCOVERY:
            await self._discovery(reply)
        elif request.path == JWKS:
            await self._jwks(reply)
        else:
            await reply.whole(404, b"{}", JSON)

    async def _discovery(self, reply: Reply) -> None:
        told = {"issuer": self.url, "jwks_uri": self.url + JWKS, "token_endpoint": self.url + "/token"}
        if self.lie == "another issuer":
            told["issuer"] = "https://accounts.example.com"
        if self.lie == "keys elsewhere":
            told["jwks_uri"] = self.elsewhere
        if self.lie == "no URL":
            told["jwks_uri"] = "file:///etc/passwd"
        await reply.whole(200, json.dumps(told).encode(), JSON)

    async def _jwks(self, reply: Reply) -> None:
        body = json.dumps({"keys": self.published}).encode()
        if self.lie == "no keys":
            body = b'{"keys": []}'
        elif self.lie == "HTML":
            body = b"<html>maintenance</html>"
        elif self.lie == "another form":
            body = b'{"keys": {"a": 1}}'
        elif self.lie == "deep":
            body = b'{"keys": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        elif self.lie == "many keys":
            body = json.dumps({"keys": self.published * 50}).encode()
        if self.lie == "encoded":
            await reply.whole(200, body, JSON, ("content-encoding", "gzip"))
        elif self.lie == "huge":
            await self._huge(reply)
        elif self.lie == "cut":
            await reply.head(200, [JSON], length=len(body))
            await reply.raw(body[:-1])
            await reply.cut()
        elif self.lie == "drip":
            await reply.head(200, [JSON])
            await self._drip(reply)
        else:
            await reply.whole(200, body, JSON)

    async def _huge(self, reply: Reply) -> None:
        await reply.head(200, [JSON])
        await reply.chunk(b'{"keys": [')
        for _ in range(1000):
            await reply.chunk(b" " * 10_000)
        await reply.chunk(b"]}")
        await reply.end()

    async def _drip(self, reply: Reply) -> None:
        while True:
            await reply.chunk(b" ")
            await asyncio.sleep(0.05)
