"""The vault: providers' keys as they lie in the database, sealed with a master key that is not there.

XChaCha20-Poly1305 with a random nonce. Organisation, credential and provider are bound to what is sealed, so a row
that is moved or relabelled does not open. There is a ring of master keys (ENCRYPTION_KEY, newest first): the first
seals, all open, and `syntra key rotate` seals anew what an older one has sealed.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from nacl.exceptions import CryptoError
from nacl.secret import Aead

from gateway.core.secret import Secret

_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")
_BASE64: Final = re.compile(r"[0-9A-Za-z+/_-]{43}=?")
_VERSION: Final = b"\x01"
_SHORTEST: Final = Aead.NONCE_SIZE + Aead.MACBYTES
_ID_BYTES: Final = 6
_PURPOSE: Final = b"syntra-master"
_PLAIN: Final = str.maketrans("-_", "+/")
_FORM: Final = (
    "Write 32 random bytes in base64 or hex, like the output of `openssl rand -base64 32`; "
    "several are separated by commas, the newest first."
)


class MasterError(ValueError):
    """An ENCRYPTION_KEY that cannot be used; the words never quote it."""


class Unsealable(Exception):
    """What is sealed does not open: it was changed, or belongs elsewhere, or its master is not here."""


def masters(setting: Secret) -> list[Secret]:
    """The master keys in ENCRYPTION_KEY, newest first. Raises MasterError where there is none."""
    found = [Secret(part.strip()) for part in setting.reveal().split(",") if part.strip()]
    if not found:
        raise MasterError(f"ENCRYPTION_KEY holds no key. {_FORM}")
    return found


class Vault:
    """Seals and opens with a ring of master keys, newest first. Raises MasterError for a key of another form."""

    def __init__(self, ring: Sequence[Secret]) -> None:
        if not ring:
            raise MasterError(f"ENCRYPTION_KEY holds no key. {_FORM}")
        keys = [_decoded(master, place) for place, master in enumerate(ring, 1)]
        self._ring = {_id(key): Aead(key) for key in keys}

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Vault is not pickled")

    @property
    def masters(self) -> tuple[str, ...]:
        """The ids of the master keys, newest first."""
        return tuple(self._ring)

    @property
    def newest(self) -> str:
        """The id of the master key that seals."""
        return next(iter(self._ring))

    def seal(self, organisation: str, credential_id: str, provider: str, secret: Secret) -> tuple[bytes, str]:
        """The secret sealed with the newest master key, and that key's id."""
        bound = _bound(organisation, credential_id, provider)
        text = secret.reveal().encode("utf-8", "surrogatepass")
        return _VERSION + bytes(self._ring[self.newest].encrypt(text, bound)), self.newest

    def open(self, organisation: str, credential_id: str, provider: str, sealed: bytes, master: str) -> Secret:
        """The secret in `sealed`. Raises Unsealable."""
        box = self._ring.get(master)
        if box is None:
            raise Unsealable(f"ENCRYPTION_KEY lacks the master key {master[:40]!r} that has sealed this provider key")
        if sealed[:1] != _VERSION:
            raise Unsealable("this provider key was sealed by another version of Syntra")
        bound = _bound(organisation, credential_id, provider)
        try:
            text = box.decrypt(sealed[1:].ljust(_SHORTEST, b"\0"), bound)  # what is too short for a seal is none
        except CryptoError:
            raise Unsealable("this provider key does not open: it has been changed or belongs elsewhere") from None
        return Secret(text.decode("utf-8", "surrogatepass"))


def _decoded(master: Secret, place: int) -> bytes:
    text = master.reveal().strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if _BASE64.fullmatch(text):
        return base64.b64decode(text.rstrip("=").translate(_PLAIN) + "=")
    raise MasterError(f"Key {place} of ENCRYPTION_KEY is not one of 32 bytes. {_FORM}")


def _id(key: bytes) -> str:
    """What tells masters apart and tells nothing about them."""
    return hashlib.blake2b(key=key, person=_PURPOSE, digest_size=_ID_BYTES).hexdigest()


def _bound(organisation: str, credential_id: str, provider: str) -> bytes:
    """What is bound to a secret: ids in one form, for PostgreSQL writes a UUID with dashes and we without.

    The provider stands last, so that no two meanings have the same bytes.
    """
    return f"syntra/v1/credential|{UUID(organisation)}|{UUID(credential_id)}|{provider}".encode()
