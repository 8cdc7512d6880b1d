"""Long lists in pages, as OpenAI pages its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Struct

T = TypeVar("T")
R = TypeVar("R")

MOST: Final = 1000

Limit = Annotated[int, QueryParameter(ge=1, le=MOST, description="How many at most.")]
After = Annotated[
    str,
    QueryParameter(
        description="The `last_id` of the page before.",
        examples=[Example(value="0199f0c1-b2a4-7d3e-8f60-718293a4b5c6")],
    ),
]


class Page(Struct, Generic[T], frozen=True):
    """Part of a list; the next part is asked for with `after=<last_id>`."""

    data: Sequence[T]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: Literal["list"] = "list"


class Deleted(Struct, frozen=True):
    """What was deleted."""

    id: str
    object: str
    deleted: bool = True


def page(found: Sequence[R], limit: int, shown: Callable[[R], T], named: Callable[[T], Any]) -> Page[T]:
    """A page of the rows that were found when one more than `limit` was looked for."""
    data = [shown(row) for row in found[:limit]]
    return Page(
        data,
        first_id=str(named(data[0])) if data else None,
        last_id=str(named(data[-1])) if data else None,
        has_more=len(found) > limit,
    )
