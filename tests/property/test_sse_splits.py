"""Server-sent events mean the same however the bytes are cut."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.upstream.sse import FRAME_LIMIT, Frames
from tests.laps import laps

BOM = b"\xef\xbb\xbf"


def events(raw: bytes) -> list[bytes]:
    """WHATWG HTML 9.2.6, read literally: the data of every event that a stream dispatches."""
    found: list[bytes] = []
    data: list[bytes] = []
    *lines, _ = re.split(rb"\r\n|\n|\r", raw.removeprefix(BOM))
    for line in lines:
        if not line:
            if b"\n".join(data):
                found.append(b"\n".join(data))
            data = []
        else:
            name, _, value = line.partition(b":")
            if name == b"data":
                data.append(value.removeprefix(b" "))
    return found


def read(blocks: list[bytes], limit: int = FRAME_LIMIT) -> tuple[list[bytes], bool]:
    """The events that came before the end or the failure, and whether it failed."""
    frames = Frames(limit)
    found: list[bytes] = []
    for block in blocks:
        found += frames.feed(block)
        if frames.failure is not None:
            return found, True
    return found, False


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({min(k, len(raw)) for k in at})
    return [raw[a:b] for a, b in zip([0, *edges], [*edges, len(raw)], strict=True)]


pieces = st.sampled_from(
    [
        b"\n",
        b"\n",
        b"\r\n",
        b"\r",
        b"\n\n",
        b"\r\n\r\n",
        b"data: ",
        b"data:",
        b"data",
        b"database: x",
        b": comment",
        b"event: ping",
        b"id: 1",
        b"retry: 5",
        b"[DONE]",
        b'{"a":"b"}',
        "\u2028 \u2029 \x85 é 🙂".encode(),
        BOM,
        b":",
        b" ",
        b"",
        b"\x00",
        b"\x0b\x0c\x1c",
    ]
)
streams = st.lists(pieces, max_size=14).map(b"".join) | st.tuples(
    st.sampled_from([b"", BOM]), st.lists(pieces, max_size=10).map(b"".join)
).map(b"".join)
cuts = st.lists(st.integers(0, 60), max_size=12)


@settings(max_examples=500, deadline=None)
@given(streams, cuts)
@example(b"data: a\r\n\n", [8, 9])
@example(b"data: a\r\n\ndata: b\n\n", [8, 9])
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", list(range(20)))
@example(BOM + b"data: a\n\n", [1, 2, 3])
@example(b"\xefdata: a\n\n", [1])
def test_any_way_of_cutting_gives_the_events_of_the_standard(raw: bytes, at: list[int]) -> None:
    # A CR may be half of a CRLF: what stands behind the last one is told with the next byte.
    whole = raw + b": end\n"
    assert read([*cut(raw, at), b": end\n"]) == (events(whole), False)


@settings(max_examples=200, deadline=None)
@given(streams)
def test_byte_by_byte_gives_the_events_of_the_standard(raw: bytes) -> None:
    whole = raw + b": end\n"
    assert read([bytes([byte]) for byte in whole]) == (events(whole), False)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=5),
    cuts,
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_text_comes_out_as_it_went_in(texts: list[str], at: list[int], end: str) -> None:
    raw = "".join(f"data: {json.dumps({'t': text}, ensure_ascii=False)}{end}{end}" for text in texts).encode()
    found, failed = read([*cut(raw, at), b"\n"])
    assert not failed
    assert [json.loads(data)["t"] for data in found] == texts


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_no_other_character_ends_a_line(mark: str, end: bytes) -> None:
    raw = b"data: a" + mark.encode() + b"b" + end
    for at in range(len(raw)):
        assert read(cut(raw, [at])) == ([f"a{mark}b".encode()], False)


@dataclass(frozen=True)
class Frame:
    """A frame near the limit (20 bytes), and whether it is too large."""

    name: str
    raw: bytes
    too_large: bool

    def __str__(self) -> str:
        return self.name


LIMIT = 20
NEAR = (
    Frame("data of the limit", b"data: " + b"x" * LIMIT + b"\n\n", too_large=False),
    Frame("data over the limit", b"data: " + b"x" * (LIMIT + 1) + b"\n\n", too_large=True),
    Frame("far over the limit", b"data: " + b"x" * (9 * LIMIT) + b"\n\n", too_large=True),
    Frame("a line that never ends", b"data: " + b"x" * (9 * LIMIT), too_large=True),
    Frame("many lines", b"data: x\n" * LIMIT + b"\n", too_large=True),
    Frame("small ones, many", b"data: x\n\n" * LIMIT, too_large=False),
)


@pytest.mark.parametrize("frame", NEAR, ids=str)
def test_a_giant_frame_fails_whatever_way_it_comes(frame: Frame) -> None:
    outcomes = {
        read(cut(frame.raw, list(range(step, len(frame.raw), step))), LIMIT)[1] for step in (1, 2, 3, 7, 11, 50, 10_000)
    }
    assert outcomes == {frame.too_large}


def test_what_came_before_a_giant_frame_is_told_whatever_way_it_comes() -> None:
    for raw in (b"data: good\n\ndata: " + b"x" * 50 + b"\n\n", b"data: good\n\ndata: " + b"x" * 50):
        for step in (1, 5, 12, 30, 10_000):
            assert read(cut(raw, list(range(step, len(raw), step))), LIMIT) == ([b"good"], True)


def test_the_limit_is_one_mebibyte() -> None:
    assert read([b"data: " + b"x" * (1024 * 1024 - 100) + b"\n\n"])[1] is False
    assert read([b"data: " + b"x" * (1024 * 1024 + 1) + b"\n\n"])[1] is True
    assert read([b"data: "] + [b"x" * 65536] * 17)[1] is True


def test_a_large_frame_in_small_blocks_is_read_in_reasonable_time() -> None:
    raw = b"data: " + b"x" * 1_000_000 + b"\n\n"
    blocks = cut(raw, list(range(0, len(raw), 1400)))
    for lap in laps(within=0.02):
        with lap:
            found, failed = read(blocks)
        assert not failed
        assert [len(data) for data in found] == [1_000_000]


def test_a_provider_that_only_comments_is_seen_to_be_alive() -> None:
    frames = Frames()
    assert frames.feed(b": ping\n\n") == []
    assert frames.seen == 1
    assert frames.feed(b"event: ping\n\n: x\n\n") == []
    assert frames.seen == 3


def test_what_follows_the_last_event_is_known() -> None:
    frames = Frames()
    assert frames.feed(b"data: a\n\ndata: {half") == [b"a"]
    assert frames.rest == b"data: {half"
    assert frames.feed(b"}\n\n") == [b"{half}"]
    assert frames.rest == b""
