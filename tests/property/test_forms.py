"""Forms: whatever is in the parts, it arrives as it came, but for the model's name."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadRequest
from gateway.core.forms import Part, parse_form

BOUNDARY = b"a-boundary-of-the-clients"
names = st.text(st.characters(codec="ascii", exclude_characters='"\r\n\\', categories=["L", "N", "P"]), max_size=12)
contents = st.binary(max_size=200) | st.sampled_from(
    [b"\r\n", b"--", b"\r\n--", b"\r\n--a-boundary", b"\r\n\r\n", b"\x00"]
)


@st.composite
def parts(draw: st.DrawFn) -> list[Part]:
    made = []
    for name in draw(st.lists(names.map(lambda name: f"field-{name}"), max_size=6)):
        file = draw(st.sampled_from([b"", b'; filename="a.bin"\r\nContent-Type: audio/mpeg']))
        made.append(Part(b'Content-Disposition: form-data; name="%b"%b' % (name.encode(), file), draw(contents)))
    return made


def written(made: list[Part]) -> bytes:
    lines = [b"--%b\r\n%b\r\n\r\n%b\r\n" % (BOUNDARY, part.head, part.content) for part in made]
    return b"%b--%b--\r\n" % (b"".join(lines), BOUNDARY)


@given(parts(), st.booleans())
def test_every_part_arrives_as_it_came_and_only_the_model_is_another(made: list[Part], named: bool) -> None:
    model = Part(b'Content-Disposition: form-data; name="model"', b"openai/whisper-1")
    sent = [*made, model] if named else [*made, Part(b'Content-Disposition: form-data; name="x"', b"")]
    form = parse_form(f"multipart/form-data; boundary={BOUNDARY.decode()}", written(sent))
    assert list(form.parts) == sent
    assert form.text("model") == ("openai/whisper-1" if named else "")
    again = parse_form(form.media_type, form.renamed("whisper-1"))
    assert again.text("model") == "whisper-1"
    assert [part for part in again.parts if part.name != "model"] == [part for part in sent if part.name != "model"]


@given(st.binary(max_size=300))
def test_what_is_no_form_is_refused_and_breaks_nothing(raw: bytes) -> None:
    with suppress(BadRequest):
        assert all(part.name is not None for part in parse_form('multipart/form-data; boundary="b"', raw).parts)
