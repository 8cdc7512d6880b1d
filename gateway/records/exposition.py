"""The page of metrics: every worker's counts added up, those of workers that are gone with them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics

_GONE = "gone"  # stands where a worker's process id does
_KINDS = ("counter", "histogram")  # what outlives its worker

# These have no types of their own.
_file: Callable[[str], Any] = MmapedDict
_entries: Callable[[str], Iterator[tuple[str, float, float, int]]] = MmapedDict.read_all_values_from_file
_collect: Callable[[CollectorRegistry, str], object] = MultiProcessCollector
_open_metrics: Callable[[CollectorRegistry], bytes] = generate_open_metrics


def page(own: CollectorRegistry, folder: Path | None, accept: str) -> tuple[str, bytes]:
    """The media type and text of everybody's counts, as `accept` has it; of `own` where there is no folder. Blocks."""
    if folder is None:
        return _encoded(own, accept)
    with _alone(folder):
        _bury(folder)
        everybody = CollectorRegistry()
        _collect(everybody, str(folder))
        return _encoded(everybody, accept)


def _encoded(registry: CollectorRegistry, accept: str) -> tuple[str, bytes]:
    if "application/openmetrics-text" in accept:
        return OPEN_METRICS, _open_metrics(registry)
    return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One worker at a time reads the files: what one adds up and removes, another must not miss."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _bury(folder: Path) -> None:
    """Forget what dead workers said of their present, add up what they have counted: their files would never end."""
    for path in sorted(folder.glob("*_*.db")):
        kind, _, process = path.stem.rpartition("_")
        if process != _GONE and not _alive(int(process)):
            if kind in _KINDS and path.stat().st_size:  # none yet: it died while it made it
                _add(path, folder / f"{kind}_{_GONE}.db")
            path.unlink()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody's
        return True
    return True


def _add(path: Path, to: Path) -> None:
    total = _file(str(to))
    try:
        for key, value, _, _ in _entries(str(path)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    finally:
        total.close()
