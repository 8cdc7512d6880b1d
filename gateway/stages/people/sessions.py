"""Sessions: a JWT (HS256) that this installation signs for half an hour, with a key that follows from SECRET_KEY."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import jwt
from msgspec import Struct

from gateway.core.errors import BadKey
from gateway.core.secret import Secret
from gateway.stages.people.tokens import header

LASTS: Final = timedelta(minutes=30)
_ALGORITHM: Final = "HS256"
_ISSUER: Final = "syntra"
_AUDIENCE: Final = "syntra"
_REQUIRED: Final = ["iss", "aud", "sub", "org", "exp"]

_EXPIRED: Final = "The session has expired; sign in again with POST /api/sessions."
_FORGED: Final = "This is neither a key nor a session of this Syntra."
_FOREIGN: Final = (
    "This is somebody else's token. An identity token is not a key: exchange it for a session with POST /api/sessions."
)


class Session(Struct, frozen=True):
    """Whose session it is; what they may do is not in it."""

    organisation: str  # its id
    member: str  # the member's id


class Sessions:
    """Makes sessions and reads them; a session that was altered, or has ended, is none."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, organisation: str, member: str) -> tuple[Secret, datetime]:
        """A token, and when it ends."""
        now = datetime.now(UTC).replace(microsecond=0)
        claims = {"iss": _ISSUER, "aud": _AUDIENCE, "sub": member, "org": organisation, "iat": now, "exp": now + LASTS}
        return Secret(jwt.encode(claims, self._key, _ALGORITHM)), now + LASTS

    def read(self, bearer: str) -> Session:
        """The session in a bearer; raises BadKey."""
        seen = header(bearer)
        if seen is None:
            raise BadKey(_FORGED)
        if seen.alg != _ALGORITHM:
            raise BadKey(_FOREIGN)
        try:
            claims = jwt.decode(
                bearer,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                options={"require": _REQUIRED, "strict_aud": True, "verify_iat": False},  # clocks may differ a little
            )
        except jwt.ExpiredSignatureError:
            raise BadKey(_EXPIRED) from None
        except jwt.PyJWTError:
            raise BadKey(_FORGED) from None
        return Session(claims["org"], claims["sub"])
