"""What a provider wants to see again of its thinking, as its client keeps it: sealed, for one organisation."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import Aead

_SHORTEST: Final = Aead.NONCE_SIZE + Aead.MACBYTES


class Thoughts:
    """Seals and opens for one organisation; what another's gateway or organisation has sealed does not open."""

    def __init__(self, key: bytes, organisation: str) -> None:
        self._box = Aead(key)
        self._bound = f"syntra/v1/thoughts|{organisation}".encode()

    def seal(self, plain: bytes) -> str:
        """The bytes, sealed, as text."""
        return base64.urlsafe_b64encode(bytes(self._box.encrypt(plain, self._bound))).decode()

    def open(self, sealed: str) -> bytes | None:
        """The bytes again, None where they were not sealed here."""
        try:
            return self._box.decrypt(base64.urlsafe_b64decode(sealed).ljust(_SHORTEST, b"\0"), self._bound)
        except (CryptoError, binascii.Error, ValueError):
            return None
