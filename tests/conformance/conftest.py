"""Users of a gateway of their own, and a front end at the one for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.fakes.gateway import Gateway, provider_env, serving
from tests.fakes.provider import Provider
from tests.fakes.threads import FrontEnd
from tests.fakes.users import User

Fakes = Mapping[str, Provider]


@pytest.fixture(scope="session")
def home(
    fakes: Fakes, new_stores: Callable[[], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway whose users are remembered, with three providers."""
    chosen = {name: fakes[name] for name in ("openai", "kimi", "anthropic")}
    with serving(tmp_path_factory.mktemp("gateway"), {**provider_env(chosen), **new_stores()}) as started:
        yield started


@pytest.fixture
def ann(home: Gateway, providers: Fakes) -> Iterator[User]:
    return User(home)


@pytest.fixture
def ada(gateway: Gateway, providers: Fakes) -> FrontEnd:
    return FrontEnd(gateway, user="ada@example.com")
