"""Lazy fixtures: fake providers and gateway processes, started once and only when a test asks for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.engines import (  # the fixtures among them are used by being there
    PostgresEngine,
    ValkeyEngine,
    database,  # noqa: F401
    postgres_engine,  # noqa: F401
    valkey_engine,  # noqa: F401
    valkey_server,  # noqa: F401
    vectors_socket,  # noqa: F401
)
from tests.fakes.gateway import KINDS, Gateway, provider_env, running, serving
from tests.fakes.provider import Provider

StartGateway = Callable[..., Gateway]

# The same examples for everybody, so that a run that failed fails again; `--hypothesis-profile=search` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("same")


@pytest.fixture(scope="session")
def fakes() -> Iterator[Mapping[str, Provider]]:
    """The six providers, by name."""
    with ExitStack() as stack:
        yield {kind.name: stack.enter_context(kind()) for kind in KINDS}


@pytest.fixture
def providers(fakes: Mapping[str, Provider]) -> Iterator[Mapping[str, Provider]]:
    """The six providers, with nothing said yet; a fake that broke by itself fails the test."""
    for fake in fakes.values():
        fake.reset()
    yield fakes
    for fake in fakes.values():
        assert fake.failures == [], fake.name
        fake.reset()


@pytest.fixture(scope="session")
def new_stores(
    postgres_engine: PostgresEngine,  # noqa: F811  # that is how fixtures are asked for
    valkey_server: ValkeyEngine,  # noqa: F811
    vectors_socket: str,  # noqa: F811
) -> Iterator[Callable[[], dict[str, str]]]:
    """Makes the variables of stores that nobody else has: a database, a number of the Valkey, and the vectors."""
    with ExitStack() as stack:
        numbers = itertools.count(1)

        def new() -> dict[str, str]:
            database = stack.enter_context(postgres_engine.database())
            valkey = valkey_server.numbered(next(numbers))
            return {"DATABASE_URL": database, "VALKEY_URL": valkey, "SYNTRA_VECTORS_SOCKET": vectors_socket}

        yield new


@pytest.fixture(scope="session")
def gateway(
    fakes: Mapping[str, Provider],
    new_stores: Callable[[], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """One gateway with all six keys."""
    with serving(tmp_path_factory.mktemp("gateway"), {**provider_env(fakes), **new_stores()}) as started:
        yield started


@pytest.fixture(scope="module")
def start_gateway(
    fakes: Mapping[str, Provider],
    new_stores: Callable[[], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[StartGateway]:
    """Starts another gateway: `start_gateway("openai", "--workers", "2", SYNTRA_IDLE_SECONDS="1")`."""
    with ExitStack() as stack:

        def start(names: str, *arguments: str, **env: str) -> Gateway:
            chosen = {name: fakes[name] for name in names.split()}
            folder: Path = tmp_path_factory.mktemp("gateway")
            stores = new_stores()
            started = stack.enter_context(serving(folder, {**provider_env(chosen), **stores, **env}, *arguments))
            started.stores = stores
            return started

        yield start


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for gateway in running:
        gateway.seen = gateway.log.stat().st_size


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Puts what the gateways said during a failed test beside the failure."""
    report = yield
    if report.failed:  # type: ignore[attr-defined]
        for gateway in running:
            said = gateway.log.read_bytes()[gateway.seen :].decode(errors="replace")
            report.sections.append((f"gateway on port {gateway.port}", said or "(silent)"))  # type: ignore[attr-defined]
    return report
