"""Virtual keys, `sk-syn-<public>-<secret>`: found by the public part, known by a keyed digest of the secret."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

from msgspec import Struct

from gateway.core.secret import Secret

PREFIX: Final = "sk-syn-"
_PUBLIC_BYTES: Final = 6
_SECRET_BYTES: Final = 24
_FORM: Final = re.compile(r"sk-syn-([0-9a-z]{8,32})-([0-9a-z]{32,64})")


class ApiKey(Struct, frozen=True):
    """A key in its two parts."""

    public: str
    secret: Secret

    def reveal(self) -> str:
        """The whole key, for the one who is given it."""
        return f"{PREFIX}{self.public}-{self.secret.reveal()}"


def make() -> ApiKey:
    """A new key; 192 random bits need no slow hash."""
    return ApiKey(secrets.token_hex(_PUBLIC_BYTES), Secret(secrets.token_hex(_SECRET_BYTES)))


def parse(text: str) -> ApiKey | None:
    """The key in a bearer, or None where it has not the form of one."""
    match = _FORM.fullmatch(text)
    return ApiKey(match[1], Secret(match[2])) if match else None


class Pepper:
    """What keys are digested with, so that a stolen table of digests is of no use without SECRET_KEY."""

    def __init__(self, secret_key: Secret) -> None:
        self._pepper = _derived(secret_key, b"syntra-keys")
        self._check = _derived(secret_key, b"syntra-check")
        self._sessions = _derived(secret_key, b"syntra-session")
        self._thoughts = _derived(secret_key, b"syntra-thoughts")
        self._twins = _derived(secret_key, b"syntra-twins")
        self._answers = _derived(secret_key, b"syntra-answers")

    def digest(self, key: ApiKey) -> bytes:
        """What is stored of a key's secret, and compared."""
        return hashlib.blake2b(key.secret.reveal().encode(), key=self._pepper, digest_size=32).digest()

    def of(self, bearer: str) -> bytes:
        """What a bearer is remembered by: all of it, so that two never meet."""
        return hashlib.blake2b(bearer.encode("utf-8", "surrogatepass"), key=self._pepper, digest_size=32).digest()

    @property
    def check(self) -> bytes:
        """What a database keeps, to tell whether a gateway has its SECRET_KEY."""
        return self._check

    @property
    def sessions(self) -> bytes:
        """What sessions are signed with."""
        return self._sessions

    @property
    def thoughts(self) -> bytes:
        """What is sealed with that clients keep for a provider."""
        return self._thoughts

    @property
    def twins(self) -> bytes:
        """What is sealed with that is kept for who asks again."""
        return self._twins

    @property
    def answers(self) -> bytes:
        """What answers are sealed with that are kept for a while."""
        return self._answers


def _derived(secret_key: Secret, purpose: bytes) -> bytes:
    return hashlib.blake2b(secret_key.reveal().encode(), person=purpose, digest_size=32).digest()
