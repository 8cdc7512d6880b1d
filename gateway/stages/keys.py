"""Who is asking: from the bearer to a caller."""

from __future__ import annotations

import hashlib
import hmac

from gateway.core.caller import Caller
from gateway.core.errors import BadKey
from gateway.core.secret import Secret


class Keys:
    """Knows the one key of this data directory; compares digests, so that neither length nor content leaks in time."""

    def __init__(self, key: Secret, *, persona: bool) -> None:
        self._digest = _digest(key.reveal())
        self._caller = Caller("local", "local", key.reveal().split("-")[2], persona=persona)

    def identify(self, bearer: str | None) -> Caller:
        """The caller behind a bearer; raises BadKey."""
        if not bearer:
            raise BadKey(
                "You did not provide an API key. Send it as `Authorization: Bearer …`; "
                "the key is in the file `key` of Syntra's data directory and in the banner at start."
            )
        if not hmac.compare_digest(_digest(bearer), self._digest):
            raise BadKey("The API key is not known here. The key is in the file `key` of Syntra's data directory.")
        return self._caller


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()
