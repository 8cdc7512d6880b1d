"""No two requests that differ in anything have the same key, wherever the one's parts end and the next ones begin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.dialect import Outbound
from gateway.upstream.share import Circle, digest

words = st.text('a:/ "\\,[]', max_size=4)
circles = st.builds(Circle, words, words)
headers = st.lists(st.tuples(words, words), max_size=3)
requests = st.builds(Outbound, words, headers, st.binary(max_size=4))


@given(circles, requests, words, circles, requests, words)
def test_keys_are_the_same_for_the_same_alone(
    one: Circle, said: Outbound, more: str, other: Circle, also: Outbound, other_more: str
) -> None:
    alike = (one.organisation, one.scope, said, more) == (other.organisation, other.scope, also, other_more)
    assert (digest(one, said, more) == digest(other, also, other_more)) == alike


@given(circles, requests, words)
def test_a_key_changes_with_whose_it_is(circle: Circle, said: Outbound, name: str) -> None:
    key = digest(circle, said)
    assert key != digest(Circle(circle.organisation + "x", circle.scope), said)
    assert key != digest(Circle(circle.organisation, circle.scope + "x"), said)
    assert key != digest(Circle(circle.organisation + circle.scope + "x", ""), said)
    assert key != digest(circle, Outbound(said.url + "x", said.headers, said.body))
    assert key != digest(circle, Outbound(said.url, [*said.headers, (name, "x")], said.body))
