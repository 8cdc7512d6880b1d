"""Everything that can go wrong, as one tree.

SyntraError
├── BadRequest                     400  the caller's own mistake, `param` says where
│   ├── ContextTooLong             400  context_length_exceeded
│   ├── BodyTooSlow                408
│   ├── BodyTooLarge               413
│   ├── WrongMediaType             415
│   ├── UnknownRoute               404
│   ├── UnknownModel               404  model_not_found, with near names
│   ├── UnknownPolicy              400  unknown_policy, with those that there are
│   ├── Unknown                    404  there is no such thing of this organisation's, or not for this caller
│   ├── StreamGone                 410  what the client has not seen of a stream is not held any more
│   ├── Conflict                   409  it stands against something that is there
│   ├── TwinDiffers                422  this Idempotency-Key has been used for another request
│   ├── NothingFits                400  no candidate can serve it, with each one's reason
│   ├── NotAllowed                 403  the organisation or the key may not use this model
│   └── Forbidden                  403  the key is not for this
├── AllCooling                     429  every candidate rests; says how long
├── RateLimited                    429  a limit of the key or its organisation; says how long
├── BudgetSpent                    402  insufficient_quota, and no retry helps
├── WrongMethod                    405
├── BadKey                         401  invalid_api_key
├── Draining                       503  this process is going away
├── Overloaded                     503  this process has more to do than it can
├── StoreAway                      503  a store that this needs does not answer; never a 401
├── Internal                       500  our own defect
└── UpstreamError                       a provider's doing, told in our words
    ├── UpstreamRejected           4xx  the provider finds the request itself wrong
    │   ├── UpstreamUnknownModel   404  it has no such model, or not for our key; another may be asked
    │   └── UpstreamUnwilling      400  content_policy_violation: it will not answer this, another may
    ├── UpstreamBusy               429  with the provider's Retry-After
    │   └── Paced                  429  our own pace for it is used up; it was not asked
    ├── UpstreamCredential         502  our key for it is bad; never a 401 to the caller
    │   └── UpstreamSpent          402  insufficient_quota: what our key may spend there is spent
    ├── UpstreamFailed             502  it answered with a failure
    │   └── UpstreamOverloaded     502  it has more to do than it can
    ├── UpstreamUnreachable        502  no connection, or not to an address that may be dialled
    ├── UpstreamSilent             504  a deadline passed
    └── UpstreamBroken             502  cut, half a frame, not what was promised
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

_NO_RETRY = (b"x-should-retry", b"false")
_LONG = 60  # s; who is told to wait longer hangs on it, or asks all the same


class SyntraError(Exception):
    """A failure that knows how it is told: status, type, code and our own words."""

    status: int = 500
    type: str = "server_error"
    code: str | None = None
    retryable: ClassVar[bool] = False  # may another candidate be tried for it?
    recorded: ClassVar[bool] = True  # is a request that nobody was asked for recorded when it ends so?
    told: Sequence[tuple[bytes, bytes]] = ()  # reply headers about the request that failed
    retry_after: int = 0  # whole seconds after which it may have passed; 0 where nobody knows
    final: bool = False  # whether asking again cannot help, which no status tells all clients
    limits: Sequence[tuple[bytes, bytes]] = ()  # headers, x-ratelimit-…
    considered: object = None  # where nobody could serve: the Route without candidates

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code
        if retry_after is not None:
            self.retry_after = retry_after

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Reply headers that belong to this error: when to ask again, and whether that is too far away to wait for."""
        wait = [(b"retry-after", str(self.retry_after).encode())] if self.retry_after else []
        return [*wait, *([_NO_RETRY] if self.final or self.retry_after > _LONG else ()), *self.limits]

    @property
    def kind(self) -> str:
        """One word for records and metrics: a mistake of the client's that has no code of its own is none of ours."""
        return self.code or self.type

    def body(self) -> bytes:
        """OpenAI's error object as JSON."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": error})


class BadRequest(SyntraError):
    """The request cannot be served as it stands."""

    status = 400
    type = "invalid_request_error"


class ContextTooLong(BadRequest):
    """The prompt does not fit the model's window; the counts are 0 where nobody told them."""

    code = "context_length_exceeded"

    def __init__(self, message: str, *, tokens: int = 0, most: int = 0, answer: int = 0) -> None:
        super().__init__(message)
        self.tokens = tokens  # of prompt and answer together
        self.most = most
        self.answer = answer  # those of them that the request set apart for the answer


class BodyTooSlow(BadRequest):
    """The body did not arrive in time."""

    status = 408


class BodyTooLarge(BadRequest):
    """The body is over the limit."""

    status = 413


class WrongMediaType(BadRequest):
    """The body is not JSON."""

    status = 415


class UnknownRoute(BadRequest):
    """Nothing is served at this path."""

    status = 404
    code = "unknown_url"


class UnknownModel(BadRequest):
    """No model goes by this name."""

    status = 404
    code = "model_not_found"

    def __init__(self, name: str, near: list[str]) -> None:
        hint = f" Did you mean {' or '.join(near)}?" if near else " GET /v1/models lists what there is."
        super().__init__(f"The model '{name}' does not exist or no key is set for its provider.{hint}", param="model")


class UnknownPolicy(BadRequest):
    """No policy goes by this name."""

    code = "unknown_policy"

    def __init__(self, name: str, known: list[str], *, param: str = "model") -> None:
        super().__init__(f"There is no policy '{name}'. There are {', '.join(known)}.", param=param)


class Unknown(BadRequest):
    """There is no such thing of the caller's organisation; of another's one learns no more."""

    status = 404
    code = "not_found"


class StreamGone(BadRequest):
    """What came after the last event that the client has seen is not held any more."""

    status = 410
    code = "stream_gone"


class Conflict(BadRequest):
    """What is asked for stands against something that is there."""

    status = 409
    code = "conflict"


class TwinDiffers(BadRequest):
    """The Idempotency-Key has been used for another request."""

    status = 422
    type = "idempotency_error"
    code = "idempotency_key_reused"


class NothingFits(BadRequest):
    """No candidate can serve the request; the message tells each one's reason."""

    code = "no_candidate"


class NotAllowed(BadRequest):
    """The organisation or the key may not use this model."""

    status = 403
    code = "model_not_allowed"


class Forbidden(BadRequest):
    """The key is valid, but not for this."""

    status = 403
    code = "not_allowed"


class WrongMethod(SyntraError):
    """The path is served, but not with this method."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"allow", self.allowed.encode())]


class BadKey(SyntraError):
    """No key, or one that we do not know."""

    status = 401
    type = "invalid_request_error"  # as OpenAI types it; clients match on the code
    code = "invalid_api_key"


class AllCooling(SyntraError):
    """Every candidate rests after its provider's refusal."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class RateLimited(SyntraError):
    """A limit of the key or its organisation is reached: of `requests` or `tokens`, by which OpenAI types it."""

    status = 429
    code = "rate_limit_exceeded"  # clients match on it, and codex on the words
    recorded = False  # whoever hammers against a limit must not fill the ledger

    def __init__(
        self, message: str, *, type_: str, retry_after: int | None, limits: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.type = type_
        self.limits = limits
        self.final = not retry_after  # there is none where waiting would not help


class BudgetSpent(SyntraError):
    """The budget of the key or of its organisation is spent; 402 is what makes most clients stop."""

    status = 402
    type = "insufficient_quota"
    code = "insufficient_quota"
    recorded = False  # whoever hammers against a limit must not fill the ledger
    final = True

    def __init__(self, message: str, *, limits: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.limits = limits


class Draining(SyntraError):
    """The process is shutting down and takes no new work."""

    status = 503
    code = "draining"
    retry_after = 1


class Overloaded(SyntraError):
    """The process has more to do than it can, and takes nothing more until it has caught up."""

    status = 503
    code = "overloaded"
    retry_after = 1


class StoreAway(SyntraError):
    """A store that the request cannot do without does not answer now."""

    status = 503
    code = "store_unavailable"
    recorded = False
    retry_after = 2


class Internal(SyntraError):
    """A defect of ours; the log has the rest under the request id."""

    code = "internal_error"


class UpstreamError(SyntraError):
    """A provider's failure; `provider` is for the log, the message never quotes the provider."""

    status = 502
    code = "upstream_error"
    retryable = True

    def __init__(
        self, message: str, *, provider: str = "", code: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.provider = provider


class UpstreamRejected(UpstreamError):
    """The provider finds the request itself wrong; another would most likely too."""

    type = "invalid_request_error"
    code = "upstream_rejected"
    retryable = False
    words = ""  # of the provider's own, where they are known to be harmless and its own clients act on them

    def __init__(self, message: str, *, status: int = 400, provider: str = "", code: str | None = None) -> None:
        super().__init__(message, provider=provider, code=code)
        self.status = status


class UpstreamUnknownModel(UpstreamRejected):
    """The provider has no such model, or not for our key: that is about the candidate, not about the request."""

    code = "model_not_found"
    retryable = True


class UpstreamUnwilling(UpstreamRejected):
    """The provider's rules forbid it to answer; another provider's may not, where the policy says that it is asked."""

    code = "content_policy_violation"


class UpstreamBusy(UpstreamError):
    """The provider's own rate limit."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class Paced(UpstreamBusy):
    """The pace that is kept towards a provider lets nobody else through for now; the provider was not asked."""

    @property
    def kind(self) -> str:
        return "paced"


class UpstreamCredential(UpstreamError):
    """The provider does not take our key; it is typed as what clients do not ask again after."""

    type = "invalid_request_error"
    code = "upstream_credential"
    final = True


class UpstreamSpent(UpstreamCredential):
    """What our key may spend at the provider is spent; the provider may call that a rate limit, which passes."""

    status = 402
    type = "insufficient_quota"
    code = "insufficient_quota"


class UpstreamFailed(UpstreamError):
    """The provider answered with a failure of its own."""


class UpstreamOverloaded(UpstreamFailed):
    """The provider has more to do than it can; `retry_after` where it says for how long."""


class UpstreamUnreachable(UpstreamError):
    """No connection could be made."""

    code = "upstream_unreachable"


class UpstreamSilent(UpstreamError):
    """A connection, first event, idle or total deadline passed."""

    status = 504
    code = "upstream_timeout"


class UpstreamBroken(UpstreamError):
    """The reply was cut or is not what its head promised."""

    code = "upstream_broken"
