"""The gateway that runs: whether it does, how it says that it is, and whether it knows our key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway import __version__
from gateway.core.errors import SyntraError
from gateway.doctor.asking import Asking
from gateway.doctor.finding import BAD, GOOD, ODD, Finding


async def findings(asking: Asking) -> list[Finding]:
    """How it is; one that does not run is no fault of the installation."""
    try:
        health = await asking.get("/health", {})
    except SyntraError:
        return [Finding("gateway", ODD, f"nobody answers at {asking.origin}", "Start it: make run.")]
    told = health.json
    if health.status != 200 or not isinstance(told, dict) or "version" not in told:
        return [Finding("gateway", BAD, f"something else answers at {asking.origin}", "Choose another PORT.")]
    found = list(_told(asking.origin, told))
    if asking.key:
        found.append(await _key(asking))
    return found


def _told(origin: str, told: Mapping[str, Any]) -> Iterator[Finding]:
    if told["version"] == __version__:
        yield Finding("gateway", GOOD if told["status"] == "ok" else ODD, f"{told['status']} at {origin}")
    else:
        yield Finding("gateway", ODD, f"runs version {told['version']}, and this is {__version__}", "Start it anew.")
    if error := told.get("policies", {}).get("error"):
        yield Finding("documents in force", BAD, str(error), "Until it is mended, the last good documents serve.")
    for name, state in told.get("stores", {}).items():
        if state != "ok":
            yield Finding(f"its {name}", BAD, f"is {state}", "The log says since when; see above whether it answers.")
    for one in told.get("cooling", ()):
        yield Finding(one["model"], ODD, f"rests after {one['reason']}, for {one['seconds']:.0f} s")


async def _key(asking: Asking) -> Finding:
    headers = {"authorization": f"Bearer {asking.key.reveal()}"}
    answer = await asking.get("/v1/models", headers)
    if answer.status == 200:
        return Finding("its key", GOOD, f"is known, and lists {len(answer.json['data'])} models")
    mend = "Another data directory serves there: name it with --data-dir, or set SYNTRA_KEY."
    return Finding(
        "its key", BAD, f"{answer.status}: the gateway does not take it", mend if answer.status == 401 else ""
    )
