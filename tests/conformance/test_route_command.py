"""`syntra route` and `syntra policy`, as people and scripts use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from policies.library import HERE
from tests.fakes.gateway import ROOT
from tests.fakes.ports import free_port


def syntra(*arguments: str, data: Path, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    base = {
        "PATH": os.environ["PATH"],
        "HOME": str(data),
        "LANG": "C.UTF-8",
        "SYNTRA_DATA_DIR": str(data),
        "COLUMNS": "110",
    }
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT,
        env={**base, **env},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_route_is_a_table_that_says_why(tmp_path: Path) -> None:
    told = syntra("route", "prove that sqrt 2 is irrational", data=tmp_path)
    assert told.returncode == 0
    for said in ("reasoning_math", "complexity", "balanced", "best score", "backup", "default", "good enough", "USD"):
        assert said in told.stdout
    assert told.stdout.count("good enough (0.") > 20
    assert "No provider key is set" in told.stderr


def test_with_a_key_only_its_models_are_thought_of(tmp_path: Path) -> None:
    told = syntra("route", "hello", "--json", data=tmp_path, KIMI_API_KEY="k")
    found = json.loads(told.stdout)
    assert {one["model"].partition("/")[0] for one in found["candidates"]} == {"kimi"}
    assert told.stderr == ""


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_many_prompts_are_answered_line_by_line(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    asked = [
        {"text": "hi there"},
        {"messages": [{"role": "user", "content": "read the file"}], "tools": [tool]},
        {"text": "raw \u2028 separator"},
    ]
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in asked) + "\n\n", "utf-8")
    for told in (
        syntra("route", "--jsonl", str(file), data=tmp_path),
        syntra("route", "--jsonl", "-", data=tmp_path, stdin=file.read_text("utf-8")),
    ):
        assert told.returncode == 0
        found = rows(told.stdout)
        assert [one["intent"] for one in found[:1]] == ["social_chat"]
        assert found[1]["needs"] == ["tools"]
        assert len(found) == 3
        for one in found:
            assert {"intent", "confidence", "complexity", "fresh", "needs", "tokens", "plan"} <= set(one)
            for taken in one["plan"]:
                assert set(taken) == {"model", "score", "cost_usd", "ttft_ms", "reasons"}


def test_a_bad_line_is_told_in_its_place_and_the_others_are_answered(tmp_path: Path) -> None:
    lines = ['{"text": "hi"}', "{half", "[1]", '{"messages": []}', '{"text": 5}', '{"text": "hello"}']
    told = syntra("route", "--jsonl", "-", data=tmp_path, stdin="\n".join(lines))
    found = rows(told.stdout)
    assert [("error" in one) for one in found] == [False, True, True, True, True, False]
    assert all(f"line {number}" in found[number - 1]["error"] for number in (2, 3, 4, 5))
    assert told.returncode == 1
    assert "4 of the lines" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["route"], "Give one prompt"),
        (["route", "hi", "--jsonl", "-"], "Give one prompt"),
        (["route", "hi", "--policy", "thrifty"], "There is no policy 'thrifty'"),
        (["route", "--jsonl", "/no/such/file"], "No such file"),
        (["policy", "show", "thrifty"], "There is no policy 'thrifty'"),
        (["policy", "fit", "--outcomes", "/no/such", "--prices", "/no/such"], "No such file"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(arguments: list[str], said: str, tmp_path: Path) -> None:
    told = syntra(*arguments, data=tmp_path)
    assert told.returncode != 0
    assert said in " ".join(told.stderr.replace("│", " ").split())
    assert "Traceback" not in told.stderr


def test_a_document_is_checked_by_line(tmp_path: Path) -> None:
    good = tmp_path / "mine.toml"
    good.write_text((HERE / "cheap.toml").read_text())
    assert syntra("policy", "check", str(good), data=tmp_path).returncode == 0
    bad = tmp_path / "bad.toml"
    bad.write_text(good.read_text().replace("cost = 4", "costs = 4").replace("version = 1", 'version = "one"'))
    told = syntra("policy", "check", str(bad), data=tmp_path)
    assert told.returncode == 1
    assert "bad.toml:3: version" in told.stderr
    assert "weights.costs" in told.stderr
    assert "did you mean 'cost'?" in told.stderr


def test_policies_can_be_looked_at_the_users_own_too(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "mine.toml").write_text((HERE / "cheap.toml").read_text())
    listed = syntra("policy", "show", data=tmp_path).stdout
    assert {"syntra-cheap", "syntra-fast", "syntra-best", "syntra-mine"} <= set(listed.split())
    assert "shortfall" in syntra("policy", "show", "mine", data=tmp_path).stdout
    assert "perplexity/sonar" in syntra("policy", "show", "models", data=tmp_path).stdout
    routed = syntra("route", "hi", "--policy", "mine", "--json", data=tmp_path)
    assert json.loads(routed.stdout)["policy"] == "mine"


def test_bad_documents_stop_a_start_and_say_where(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "mine.toml").write_text('kind = "routing"\nversion = 1\n')
    told = syntra("serve", "--port", str(free_port()), data=tmp_path)
    assert told.returncode != 0
    assert "mine.toml" in told.stderr
    assert "Traceback" not in told.stderr


def test_qualities_are_fitted_into_a_policy_that_then_decides(tmp_path: Path) -> None:
    models = {"gpt-4o-mini": 0.3, "gpt-4.1": 0.9}
    outcomes = tmp_path / "outcomes.jsonl"
    texts = [f"Solve the equation {n} x + {n % 7} = {n * 3} and explain every step" for n in range(60)]
    texts += [f"Say good morning to colleague number {n}" for n in range(60)]
    outcomes.write_text(
        "\n".join(
            json.dumps(
                {
                    "task": text.split()[0],
                    "prompt": text,
                    "scores": models if text[:3] == "Sol" else dict.fromkeys(models, 1.0),
                }
            )
            for text in texts
        )
    )
    price = {name: {"input_usd_per_million": 1.0, "output_usd_per_million": 1.0} for name in models}
    (tmp_path / "prices.json").write_text(json.dumps(price))
    (tmp_path / "policies").mkdir()
    mine = tmp_path / "policies" / "mine.toml"
    mine.write_text((HERE / "balanced.toml").read_text())
    for _ in range(2):  # a second fit takes the place of the first
        told = syntra(
            "policy",
            "fit",
            "--outcomes",
            str(outcomes),
            "--prices",
            str(tmp_path / "prices.json"),
            "--out",
            str(mine),
            data=tmp_path,
        )
        assert told.returncode == 0, told.stderr
        assert syntra("policy", "check", str(mine), data=tmp_path).returncode == 0
    assert mine.read_text().count("[quality]") == 1
    (other := tmp_path / "other.toml").write_text(mine.read_text().replace("\neye = ", '\neye = "odd" # '))
    told = syntra("policy", "check", str(other), data=tmp_path)
    assert told.returncode == 1
    assert "other.toml:" in told.stderr
    assert "quality.eye: fitted with 'odd'" in told.stderr
    assert "colleague" not in mine.read_text()
    routed = syntra(
        "route",
        "Solve the equation 5 x + 3 = 9 and explain every step",
        "--policy",
        "mine",
        "--json",
        data=tmp_path,
        OPENAI_API_KEY="k",
    )
    found = {one["model"]: one["quality"] for one in json.loads(routed.stdout)["candidates"]}
    assert found["openai/gpt-4.1"] > 0.75
    assert found["openai/gpt-4o-mini"] < 0.5
