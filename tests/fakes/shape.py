"""A dozen words for saying what a request must look like; the fakes' strictness is written in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

Check = Callable[[Any, str], None]


class Refused(Exception):
    """The provider says no: where, why, and with which status."""

    def __init__(self, where: str, why: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(f"{where}: {why}")
        self.where, self.why, self.status, self.code = where, why, status, code


def refuse(unless: object, where: str, why: str, **more: Any) -> None:
    if not unless:
        raise Refused(where, why, **more)


def string(value: Any, at: str) -> None:
    refuse(isinstance(value, str), at, f"expected a string, got {type(value).__name__}", code="invalid_type")


def filled(value: Any, at: str) -> None:
    string(value, at)
    refuse(value, at, "must not be empty")


def boolean(value: Any, at: str) -> None:
    refuse(isinstance(value, bool), at, f"expected a boolean, got {type(value).__name__}", code="invalid_type")


def anything(value: Any, at: str) -> None:
    """Nothing is asked of it."""


def null(value: Any, at: str) -> None:
    refuse(value is None, at, "expected null", code="invalid_type")


def mapping(value: Any, at: str) -> None:
    refuse(isinstance(value, dict), at, f"expected an object, got {type(value).__name__}", code="invalid_type")


def integer(low: int, high: int) -> Check:
    def check(value: Any, at: str) -> None:
        good = isinstance(value, int) and not isinstance(value, bool)
        refuse(good, at, f"expected an integer, got {type(value).__name__}", code="invalid_type")
        refuse(low <= value <= high, at, f"expected a value between {low} and {high}")

    return check


def number(low: float, high: float) -> Check:
    def check(value: Any, at: str) -> None:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        refuse(good, at, f"expected a number, got {type(value).__name__}", code="invalid_type")
        refuse(low <= value <= high, at, f"expected a value between {low} and {high}")

    return check


def one_of(*words: str) -> Check:
    def check(value: Any, at: str) -> None:
        refuse(value in words, at, f"{value!r} is not one of {', '.join(words)}")

    return check


def matching(pattern: str) -> Check:
    def check(value: Any, at: str) -> None:
        string(value, at)
        refuse(re.fullmatch(pattern, value), at, f"String should match pattern '{pattern}'")

    return check


def array(of: Check, low: int = 0, high: int = 1_000_000) -> Check:
    def check(value: Any, at: str) -> None:
        refuse(isinstance(value, list), at, f"expected an array, got {type(value).__name__}", code="invalid_type")
        refuse(low <= len(value) <= high, at, f"expected between {low} and {high} items, got {len(value)}")
        for index, item in enumerate(value):
            of(item, f"{at}[{index}]")

    return check


def table(of: Check, most: int = 1_000_000) -> Check:
    def check(value: Any, at: str) -> None:
        mapping(value, at)
        refuse(len(value) <= most, at, f"at most {most} entries")
        for key, item in value.items():
            of(item, f"{at}.{key}")

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None, *, closed: bool = True) -> Check:
    """An object with these fields and, when closed, no others."""
    known = {**required, **(optional or {})}

    def check(value: Any, at: str) -> None:
        mapping(value, at)
        dot = f"{at}." if at else ""
        for name in required:
            refuse(name in value, f"{dot}{name}", "missing required parameter", code="missing_required_parameter")
        for name, item in value.items():
            if name in known:
                known[name](item, f"{dot}{name}")
            elif closed:
                raise Refused(f"{dot}{name}", f"Unknown parameter: '{dot}{name}'.", code="unknown_parameter")

    return check


def either(*checks: Check) -> Check:
    """The first check that agrees wins; the last one's objection is the one that is told."""

    def check(value: Any, at: str) -> None:
        for option in checks[:-1]:
            with suppress(Refused):
                return option(value, at)
        return checks[-1](value, at)

    return check


def maybe(check: Check) -> Check:
    return either(null, check)


def by_type(key: str, kinds: Mapping[str, Check]) -> Check:
    """An object whose `key` says which of the shapes it has."""

    def check(value: Any, at: str) -> None:
        mapping(value, at)
        refuse(value.get(key) in kinds, f"{at}.{key}", f"{value.get(key)!r} is not one of {', '.join(kinds)}")
        kinds[value[key]](value, at)

    return check
