"""The shipped documents, with what a test wants otherwise."""

from __future__ import annotations

from functools import cache

import msgspec

from policies.checks import Nameable
from policies.documents import Organisation, Organisations
from policies.library import HERE, Library


@cache
def shipped() -> Library:
    return Library.load([HERE], Nameable(lambda _: True))


def with_organisations(**organisations: Organisation) -> Library:
    return msgspec.structs.replace(shipped(), organisations=Organisations(1, organisations))
