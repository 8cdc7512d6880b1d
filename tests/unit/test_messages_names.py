"""Lists of models page by page, in Anthropic's shape."""

from __future__ import annotations

from gateway.dialects.messages import names

KNOWN = ["syntra", "claude-x", "openai/a", "anthropic/b", "kimi/c"]
IDS = ["claude/syntra", "claude-x", "claude/openai/a", "anthropic/b", "claude/kimi/c"]


def ids(page: dict[str, object]) -> list[str]:
    data = page["data"]
    assert isinstance(data, list)
    return [model["id"] for model in data]


def test_a_list_is_told_page_by_page() -> None:
    first = names.page(KNOWN, limit=2)
    assert (ids(first), first["has_more"], first["first_id"], first["last_id"]) == (IDS[:2], True, IDS[0], IDS[1])
    second = names.page(KNOWN, after=IDS[1], limit=2)
    assert (ids(second), second["has_more"]) == (IDS[2:4], True)
    third = names.page(KNOWN, after=IDS[3], limit=2)
    assert (ids(third), third["has_more"]) == (IDS[4:], False)
    assert ids(names.page(KNOWN, after=IDS[4])) == []


def test_backwards_too() -> None:
    before = names.page(KNOWN, before=IDS[3], limit=2)
    assert (ids(before), before["has_more"]) == (IDS[1:3], True)
    assert ids(names.page(KNOWN, before=IDS[0])) == []
    assert ids(names.page(KNOWN, after="nobody", limit=1)) == IDS[:1]
