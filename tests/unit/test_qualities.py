"""What is promised about qualities that are fitted on graded answers."""

import random
import tomllib
from functools import cache
from itertools import product

import msgspec
import numpy as np
import pytest
from msgspec import structs

from gateway.stores.embedding import Encoder
from gateway.stores.fitting import fit
from gateway.stores.outcomes import ListPrice, Outcome, outcomes, prices
from gateway.stores.qualities import Qualities, see
from policies.quality import Quality, QualityError, render

PRICES = {"small": ListPrice(0.1, 0.4), "large": ListPrice(2.0, 8.0)}
SUMS = [f"What is {a} plus {b}? Show how you add." for a, b in product(range(12, 20), range(31, 37))]
CITIES = "Lima Oslo Cairo Quito Rome Bern Riga Baku Doha Kyiv Dakar Seoul".split()
TRAVEL = [f"Suggest {what} for a weekend in {city}." for city in CITIES for what in ("a walk", "a museum", "dishes")]
ODD = ["", " ", "\x00", "🦉" * 50, "ש" * 4000, "a" * 5000, "\n\n\n", "\ud800", "0 " * 900, "—"]


@cache
def encoder() -> Encoder:
    return Encoder.load()


def rows() -> list[Outcome]:
    """The small model cannot add, the large one knows nothing of travelling."""
    return [Outcome(text, {"small": 0.1, "large": 0.9}, "sums") for text in SUMS] + [
        Outcome(text, {"small": 0.8, "large": 0.3}, "travel") for text in TRAVEL
    ]


@cache
def section() -> Quality:
    return fit(rows(), PRICES, encoder())


def expected(quality: Quality, text: str):
    return Qualities(quality, encoder()).expected(see(encoder(), text))


def parsed(text: str) -> Quality:
    return msgspec.convert(tomllib.loads(text)["quality"], Quality)


def test_a_prompt_of_a_known_kind_is_expected_to_go_as_that_kind_went():
    sums, travel = expected(section(), "What is 14 plus 77? Show how you add."), expected(section(), TRAVEL[3])
    assert sums.qualities["large"] > sums.qualities["small"] + 0.4
    assert travel.qualities["small"] > travel.qualities["large"] + 0.2
    assert min(sums.nearness, travel.nearness) > 0.8


@pytest.mark.parametrize("text", ["Переведи договор аренды", "SELECT name FROM users;", "Zzyzx qwrtp"])
def test_far_from_everything_each_model_is_expected_at_about_its_mean(text):
    found = expected(section(), text)
    assert found.nearness < 0.2
    for model in section().models:
        assert found.qualities[model.name] == pytest.approx(model.score, abs=0.15)


def test_nothing_at_all_is_far():
    found = expected(section(), "")
    assert found.nearness < 0.2
    for model in section().models:
        assert found.qualities[model.name] == pytest.approx(model.score, abs=0.03)


@pytest.mark.parametrize("text", ODD)
def test_whatever_the_text_is_a_quality_lies_between_0_and_1(text):
    found = expected(section(), text)
    assert found.qualities.keys() == PRICES.keys()
    assert all(0 <= one <= 1 for one in (*found.qualities.values(), found.nearness))


def test_the_same_outcomes_give_the_same_bytes_in_whatever_order_they_come():
    shuffled = random.Random(3).sample(rows(), len(rows()))
    assert render(fit(shuffled, PRICES, encoder())) == render(section())


def test_a_section_survives_its_document():
    text = render(section())
    assert parsed(text) == section()
    assert max(map(len, text.splitlines())) <= 200
    assert expected(parsed(text), SUMS[0]) == expected(section(), SUMS[0])


def test_names_may_hold_any_character():
    awkward = 'a "b"\\c\n\x7fü = [1]'
    found = fit([Outcome(text, {awkward: 0.5}, awkward) for text in SUMS], {awkward: ListPrice(0, 0)}, encoder())
    assert parsed(render(found)) == found


def test_no_prompt_is_in_the_document():
    text = render(section()).lower()
    assert not any(word in text for word in ("weekend", "museum", "show how", "seoul", "dakar"))


def test_a_person_can_read_how_good_each_model_was_at_each_kind():
    kinds = {kind.name: kind for kind in section().kinds}
    assert (kinds["sums"].prompts, kinds["sums"].scores) == (len(SUMS), {"large": 0.9, "small": 0.1})
    models = {model.name: model for model in section().models}
    assert (models["large"].prompts, models["large"].output_usd_per_million) == (len(SUMS) + len(TRAVEL), 8.0)


def test_outcomes_without_tasks_are_told_apart_by_what_they_are_like():
    quality = fit([Outcome(row.prompt, row.scores) for row in rows()], PRICES, encoder())
    assert all(kind.name.startswith("cluster ") for kind in quality.kinds)
    assert sum(kind.prompts for kind in quality.kinds) == len(rows())
    assert expected(quality, SUMS[5]).qualities["large"] > expected(quality, SUMS[5]).qualities["small"]


def test_a_grade_that_is_missing_is_no_bad_grade():
    kept = [
        Outcome(row.prompt, row.scores if at % 3 else {"small": row.scores["small"]}, row.task)
        for at, row in enumerate(rows())
    ]
    quality = fit(kept, PRICES, encoder())
    found = expected(quality, "What is 14 plus 77? Show how you add.")
    assert found.qualities["large"] > 0.7
    assert {model.name: model.prompts for model in quality.models}["large"] == sum(len(row.scores) == 2 for row in kept)


@pytest.mark.parametrize("text", [*ODD[:3], SUMS[0], "Something else entirely"])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_few_outcomes_give_what_they_can(count, text):
    found = expected(fit(rows()[:count], PRICES, encoder()), text)
    assert found.qualities["large"] == pytest.approx(0.9, abs=1e-3)


def test_scores_that_are_all_the_same_are_expected_everywhere():
    quality = fit([Outcome(row.prompt, {"small": 0.4}, row.task) for row in rows()], PRICES, encoder())
    for text in (*ODD, SUMS[0], TRAVEL[0]):
        assert expected(quality, text).qualities["small"] == pytest.approx(0.4, abs=1e-3)


def test_prompts_of_which_nothing_can_be_seen_are_no_obstacle():
    quality = fit([Outcome("", {"small": 0.2}), Outcome("", {"small": 0.6})], PRICES, encoder())
    assert expected(quality, "anything").qualities["small"] == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize("name", structs.asdict(section().packed))
def test_numbers_of_a_wrong_length_are_refused_by_their_key(name):
    packed = getattr(section().packed, name)
    cut = structs.replace(section(), packed=structs.replace(section().packed, **{name: packed[:-1]}))
    with pytest.raises(QualityError, match=r"quality\.packed\.\w+: \d+ bytes instead of \d+"):
        Qualities(cut, encoder())


def test_numbers_that_are_none_are_refused():
    near = np.frombuffer(section().packed.near, "<f4").copy()
    near[3] = np.nan
    broken = structs.replace(section(), packed=structs.replace(section().packed, near=near.tobytes()))
    with pytest.raises(QualityError, match=r"quality\.packed\.near: .*not finite"):
        Qualities(broken, encoder())


def test_a_section_that_was_seen_with_other_eyes_is_refused():
    with pytest.raises(QualityError, match=r"quality\.eye: fitted with '256\+1-0'.*fit it anew"):
        Qualities(structs.replace(section(), eye="256+1-0"), encoder())


def test_a_reach_that_makes_no_sense_is_refused():
    with pytest.raises(QualityError, match=r"quality\.known"):
        Qualities(structs.replace(section(), unknown=0.7, known=0.7), encoder())


def test_a_key_that_nobody_knows_is_refused():
    with pytest.raises(msgspec.ValidationError, match="colour"):
        parsed(render(section()).replace("prompts =", "colour = 1\nprompts =", 1))


@pytest.mark.parametrize("graded", [[], [Outcome("hello", {})]])
def test_nothing_is_learned_from_nothing(graded):
    with pytest.raises(QualityError, match="no outcomes"):
        fit(graded, PRICES, encoder())


def test_a_model_without_a_price_is_named():
    with pytest.raises(QualityError, match="no price for medium"):
        fit([Outcome("hello", {"medium": 1.0, "small": 0.5})], PRICES, encoder())


def test_files_are_read_and_a_wrong_line_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"task": "t", "prompt": "a\u2028b", "scores": {"small": 1}}\n\n{"prompt": "c", "scores": {"small": 2}}\n'
    )
    with pytest.raises(QualityError, match=r"rows\.jsonl:3: .*<= 1"):
        outcomes(path)
    path.write_text('{"task": "t", "prompt": "a\u2028b", "scores": {"small": 1}}\n')
    assert outcomes(path) == [Outcome("a\u2028b", {"small": 1.0}, "t")]
    path.write_text('{"small": {"input_usd_per_million": 0.1, "output_usd_per_million": 0.4, "more": 1}}')
    assert prices(path) == {"small": PRICES["small"]}
    with pytest.raises(QualityError, match="No such file"):
        prices(tmp_path / "none.json")
