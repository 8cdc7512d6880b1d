"""People: who signs in with their organisation's own identity provider, and works with a session from then on.

An identity token (OIDC) is exchanged once for a session of half an hour. A session names a member and says nothing of
what they may do: the row of the member does, so who is removed or demoted feels it within two seconds. It is loaded
when the first person comes; nothing else imports jwt or cryptography.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from msgspec import Struct, structs

from gateway.core.apikey import Pepper
from gateway.core.caller import Caller
from gateway.core.errors import BadKey, BadRequest, Forbidden, StoreAway, UnknownRoute
from gateway.core.secret import Secret
from gateway.stages.people.issuer import Issuer
from gateway.stages.people.members import Members
from gateway.stages.people.sessions import Sessions
from gateway.stores.breaker import Unavailable
from gateway.stores.memberships import Membership, Memberships

_AWAY: Final = "The store of members does not answer, so this session could not be looked up. Please try again."
_GONE: Final = "The session's owner is not a member of its organisation any more."
_NOBODY: Final = "You are not a member of an organisation here{}. Ask one of its administrators to add {}."


class SignedIn(Struct, frozen=True):
    """A new session, for the one who has signed in."""

    token: Secret
    expires_at: datetime
    membership: Membership


class People:
    """Knows people by their sessions, and gives sessions to who can prove who they are."""

    def __init__(
        self, pepper: Pepper, memberships: Memberships, issuer: Issuer | None, *, persona: bool = True
    ) -> None:
        self._sessions = Sessions(pepper.sessions)
        self._memberships = memberships
        self._members = Members(memberships)
        self._issuer = issuer
        self._persona = persona
        self.heard = self._members.heard
        self.deaf = self._members.deaf

    async def identify(self, bearer: str) -> Caller:
        """The member behind a session; raises BadKey, or StoreAway where that cannot be told."""
        session = self._sessions.read(bearer)
        try:
            caller = await self._members.find(session.organisation, session.member)
        except Unavailable:
            raise StoreAway(_AWAY) from None
        if caller is None:
            raise BadKey(_GONE)
        return caller if self._persona else structs.replace(caller, persona=False)

    async def sign_in(self, token: str, organisation: str = "") -> SignedIn:
        """A session for the owner of an identity token, in the organisation of this name or id, or in their only one.

        Raises BadKey for a token that proves nothing, Forbidden for somebody who is no member, BadRequest where there
        is more than one organisation to choose from.
        """
        if self._issuer is None:
            raise UnknownRoute("Nobody can sign in here: OIDC_ISSUER and OIDC_AUDIENCE are not set.")
        person = await self._issuer.verify(token)
        try:
            found = await self._memberships.of(person.email)
        except Unavailable:
            raise StoreAway("The store of members does not answer. Please try again.") from None
        one = _chosen(found, organisation, person.email)
        session, expires_at = self._sessions.make(one.organisation, one.id)
        return SignedIn(session, expires_at, one)


def _chosen(found: list[Membership], organisation: str, email: str) -> Membership:
    if organisation:
        found = [one for one in found if organisation in (one.organisation, one.name)]
    if not found:
        raise Forbidden(_NOBODY.format(f" called '{organisation[:64]}'" if organisation else "", email))
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise BadRequest(
            f"You are a member of {names}. Say in `organisation` for which of them.",
            param="organisation",
            code="organisation_required",
        )
    return found[0]
