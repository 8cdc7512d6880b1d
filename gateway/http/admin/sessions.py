"""`POST /api/sessions`: an identity token in, a session out; the only route that asks for no key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

import msgspec
from msgspec import Struct

from gateway.core.chat import check_text, decode
from gateway.core.errors import BadKey, WrongMethod
from gateway.core.telling import as_chat
from gateway.http.intake import Head
from gateway.http.lounge import Lounge
from gateway.http.visit import JSON, Visit

if TYPE_CHECKING:  # jwt and cryptography, which the first person loads
    from litestar.types import HTTPScope, Receive, Scope, Send

    from gateway.stages.people import People

PATH: Final = "/api/sessions"
SURFACE: Final = "sessions"


class Proof(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody signs in with."""

    token: str = ""  # an identity token of OIDC_ISSUER
    organisation: str = ""  # name or id; needed by who belongs to several


_proof = msgspec.json.Decoder(Proof)


class SignIn:
    """Gives sessions to people; `people` loads what that takes when the first of them comes."""

    def __init__(
        self,
        people: Callable[[], Awaitable[People]],
        lounge: Lounge,
        ended: Callable[[str, Visit], None],
        *,
        body_seconds: float,
    ) -> None:
        self._people = people
        self._lounge = lounge
        self._ended = ended
        self._body_seconds = body_seconds

    async def application(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The route."""
        visit = Visit(cast("HTTPScope", scope), receive, send, self._lounge, as_chat)
        visit.about.surface = SURFACE
        await visit.run(self._serve)
        self._ended(SURFACE, visit)

    async def _serve(self, visit: Visit, head: Head) -> None:
        if visit.method != "POST":
            raise WrongMethod(f"This URL takes POST, not {visit.method}.", "POST")
        body = await visit.body(head, self._body_seconds)
        check_text(body)
        proof = decode(_proof, body)
        if not proof.token:
            raise BadKey("Send the identity token of the person who signs in as `token`.", param="token")
        people = await self._people()
        signed_in = await people.sign_in(proof.token, proof.organisation)
        told = {
            "object": "session",
            "token": signed_in.token.reveal(),
            "expires_at": signed_in.expires_at,
            "organisation": signed_in.membership.name,
            "organisation_id": signed_in.membership.organisation,
            "role": signed_in.membership.role,
        }
        await visit.whole(200, (JSON,), msgspec.json.encode(told))
