"""The parts that decide, without the parts that call: for commands that explain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rich_click as click

from gateway import settings
from gateway.core import chat
from gateway.core.caller import Caller
from gateway.core.errors import SyntraError
from gateway.core.health import Health
from gateway.core.pace import Lengths, Pace
from gateway.pipeline import Wishes, plan
from gateway.records.decision import NO_PLAN, explained
from gateway.rules import Rules
from gateway.settings import SettingsError
from gateway.upstream import prices, providers
from gateway.upstream.names import SYNTRA
from gateway.upstream.providers import ProvidersError
from policies.documents import DocumentError

CALLER = Caller("local", "local", "command line")


class Offline:
    """Explains where requests would go."""

    def __init__(self, rules: Rules, policy: str | None) -> None:
        self.assumed = rules.assumed
        self._rules = rules
        self._policy = policy

    async def explain(self, body: bytes) -> dict[str, Any]:
        """Facts and plan of a chat request; with `error` where nobody can serve it. Raises SyntraError."""
        request = chat.parse(body)
        facts, route = await plan(
            self._rules.reader, self._rules.rehearsed, CALLER, request, Wishes(policy=self._policy)
        )
        document = {"document": self._rules.library.version}
        if isinstance(route, SyntraError):
            return explained(facts, NO_PLAN, []) | document | {"error": route.message}
        return explained(facts, route.plan, route.searching) | document

    async def close(self) -> None:
        """Give back what was taken."""
        await self._rules.tokenizer.close()


def offline(environ: Mapping[str, str], policy: str | None) -> Offline:
    """The parts for this environment; what is wrong with it is told as the command line tells things."""
    try:
        chosen = settings.read(environ)
        live = list(providers.configured(environ, chosen.providers))
        known = prices.load(live, known=providers.NAMES)
        rules = Rules(chosen.policies_path, live, known, Health(), Pace(), Lengths(), reads=chosen.reads_prompts)
        if policy is not None:
            rules.policy.names.meaning(CALLER.organisation, SYNTRA, policy)
    except (SettingsError, ProvidersError, DocumentError) as error:
        raise click.ClickException(str(error)) from None
    except SyntraError as error:
        raise click.ClickException(error.message) from None
    return Offline(rules, policy)
