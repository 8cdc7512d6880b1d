"""The administrative API is described from a file, and loaded by nobody who only serves."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from gateway.http.admin import openapi
from gateway.http.docs import ADMINISTRATION
from tests.fakes.gateway import ROOT

_HEAVY = ("sqlmodel", "sqlalchemy", "pydantic", "gateway.http.admin.application")


def test_the_file_is_what_the_routes_say() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        openapi.write()
    assert ADMINISTRATION.read_bytes() == openapi.text(), "UPDATE_GOLDEN=1 writes it anew; then read the diff"


def test_every_operation_says_what_it_does_who_may_and_how_it_fails() -> None:
    told = msgspec.json.decode(ADMINISTRATION.read_bytes())
    for path, item in told["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            assert "Takes the role" in operation["description"], where
            assert operation["security"] == [{"key": []}], where
            assert {"4XX", "5XX"} <= set(operation["responses"]), where
            assert "x-org-id" in {parameter["name"] for parameter in operation["parameters"]}, where
            if "requestBody" in operation:
                assert operation["requestBody"]["content"]["application/json"]["schema"]["examples"], where
    assert "gateway" not in ADMINISTRATION.read_text("utf-8")


def test_every_example_is_one_of_what_it_shows() -> None:
    for example in openapi.EXAMPLES:
        assert msgspec.convert(msgspec.to_builtins(example), type(example)) == example


def test_a_start_loads_none_of_it() -> None:
    script = f"import sys, gateway.app; print([name for name in {_HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
