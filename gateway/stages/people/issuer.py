"""An identity provider that speaks OpenID Connect, and what its tokens prove."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

import jwt
from msgspec import Struct

from gateway.core.errors import BadKey, Forbidden
from gateway.stages.people.keyset import KeySet
from gateway.stages.people.tokens import header
from gateway.upstream.download import download
from gateway.upstream.wire import Wire

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
SKEW: Final = 60  # s by which the issuer's clock and ours may differ
_MOST_BYTES: Final = 256 * 1024  # of a document of the issuer's
_REQUIRED: Final = ["iss", "aud", "exp", "iat", "sub"]
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,255}")

_REASONS: Final[tuple[tuple[type[jwt.PyJWTError], str], ...]] = (
    (jwt.ExpiredSignatureError, "it has expired"),
    (jwt.ImmatureSignatureError, "it is not valid yet"),
    (jwt.InvalidAudienceError, "it is meant for another audience than OIDC_AUDIENCE"),
    (jwt.InvalidIssuerError, "it is of another issuer than OIDC_ISSUER"),
    (jwt.MissingRequiredClaimError, "a claim is missing: iss, aud, exp, iat and sub must be there"),
    (jwt.InvalidSignatureError, "its signature does not hold"),
)


class Person(Struct, frozen=True):
    """Who somebody has proved to be."""

    subject: str
    email: str


class Issuer:
    """Verifies the identity tokens of one issuer, for one audience."""

    def __init__(self, wire: Wire, issuer: str, audience: str, jwks_url: str = "") -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = KeySet(partial(download, wire, most=_MOST_BYTES), issuer, jwks_url)

    async def verify(self, token: str) -> Person:
        """Whose token it is. Raises BadKey, Forbidden where it proves nobody's address, StoreAway without any keys."""
        seen = header(token)
        if seen is None:
            raise _refused("it is no signed token")
        if seen.alg not in ALGORITHMS:
            raise _refused(f"it is not signed with one of {', '.join(ALGORITHMS)}")
        if seen.typ.lower() != "jwt" or seen.crit is not None:
            raise _refused("it is a token of another kind")
        key = await self._keys.find(seen.kid, seen.alg)
        if key is None:
            raise _refused("it is signed with a key that its issuer does not publish")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=SKEW,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError as error:
            raise _refused(next((said for kind, said in _REASONS if isinstance(error, kind)), "it is broken")) from None
        return _person(claims)


def _person(claims: dict[str, Any]) -> Person:
    email = claims.get("email")
    if not isinstance(email, str) or not _EMAIL.fullmatch(email):
        raise Forbidden("The identity token has no e-mail address in its claim `email`.", code="email_missing")
    if str(claims.get("email_verified", True)).lower() != "true":  # some write it as a string
        raise Forbidden("The e-mail address in the identity token is not verified.", code="email_not_verified")
    # The database compares in lower case. What Unicode's lower case changes beyond ASCII may become another's address.
    plain = "".join(mark.lower() if mark.isascii() else mark for mark in email)
    if plain != email.lower():
        raise Forbidden("The e-mail address in the identity token has capitals beyond ASCII.", code="email_unusual")
    return Person(claims["sub"], plain)


def _refused(why: str) -> BadKey:
    return BadKey(f"The identity token is not accepted: {why}.", param="token", code="invalid_token")
