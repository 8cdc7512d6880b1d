"""What can be asked: what a document says of a model over what the map has of it."""

from __future__ import annotations

import pytest

from gateway.upstream import prices
from gateway.upstream.offers import catalogued, offer, offers
from gateway.upstream.providers import NAMES
from policies.documents import Model, Models, Price
from tests.fakes.library import shipped


def can(**said: list[str]) -> str:
    entry = Model("local/llama", {}, "a server of ours", **said)  # type: ignore[arg-type]
    return " ".join(sorted(offer(entry, None).abilities))


def test_a_list_of_abilities_takes_a_temperature_and_can_be_made_to_call_its_tools() -> None:
    assert can(abilities=["tools"]) == "forced_tools sampling tools"
    assert can(abilities=["vision"]) == "sampling vision"
    assert can(abilities=["tools"], lacks=["sampling"]) == "forced_tools tools"
    assert can(abilities=["tools"], lacks=["forced_tools"]) == "sampling tools"
    assert can(abilities=["tools"], lacks=["tools"]) == "sampling"


@pytest.mark.parametrize("model", ["openai/gpt-4.1-mini", "openai/gpt-6-luna"])
def test_a_model_takes_the_same_wherever_it_is_asked(model: str) -> None:
    on_offer = {one.name: one for one in offers(shipped().models, prices.load(NAMES), NAMES)}
    there, here = on_offer[model].abilities, on_offer[f"openrouter/{model}"].abilities
    assert ("sampling" in there) == ("sampling" in here) == (model == "openai/gpt-4.1-mini")


def test_every_shipped_model_that_has_tools_and_stands_in_no_map_can_be_made_to_call_them() -> None:
    known = prices.load(NAMES)
    own = [one for one in offers(shipped().models, known, NAMES) if known.get(one.name) is None]
    assert len(own) == 4
    assert all("forced_tools" in one.abilities for one in own)


def test_what_is_no_chat_is_not_on_offer_for_having_a_price() -> None:
    free = Price(input=0, output=0)
    entries = [Model(name, {}, "a server of ours", price=free) for name in ("local/bge-m3", "local/llama")]
    entries.append(Model("openai/text-embedding-3-large", {}, "our own contract", price=free))
    catalogue = Models(1, entries, embeddings=["local/bge-m3"])
    known = prices.load(["openai", "local"])
    known.take(catalogued(catalogue, known))
    assert [one.name for one in offers(catalogue, known, ["openai", "local"])] == ["local/llama"]
    priced = known.get("local/bge-m3")
    assert priced is not None
    assert priced.price is not None  # for who bills
