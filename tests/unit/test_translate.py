"""The promises of the translation that golden files do not show: quiet, honest about losses, never a crash."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chat import ChatRequest, parse
from gateway.core.errors import BadRequest, UpstreamBusy, UpstreamError
from gateway.core.events import Chunk
from gateway.core.secret import Secret
from gateway.upstream.dialect import Outbound, Provider
from gateway.upstream.translate import Translated, names

WIRES = ("anthropic", "gemini", "groq", "cohere", "mistral")


def a_request(**fields) -> ChatRequest:
    plain = {"model": "any", "messages": [{"role": "user", "content": "Ahoy"}]}
    return parse(json.dumps(plain | fields).encode())


def encode(wire: str, model: str = "some-model", base_url: str = "https://upstream.example", **fields) -> Outbound:
    dialect = Translated(wire)
    return dialect.encode(Provider(wire, base_url, Secret("s3cret"), dialect), model, a_request(**fields))


def encode_or_refuse(wire: str, **fields) -> Outbound | BadRequest:
    try:
        return encode(wire, **fields)
    except BadRequest as error:
        return error


def user(*parts) -> list[dict]:
    return [{"role": "user", "content": list(parts)}]


def run_alone(code: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done


# quiet

SPY = """
import sys
dials = []
def spy(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        dials.append((event, args))
sys.addaudithook(spy)
"""

EVERY_PROVIDER = f"""{SPY}
import json
from gateway.core.chat import parse
from gateway.core.errors import SyntraError
from gateway.core.secret import Secret
from gateway.upstream.dialect import Provider
from gateway.upstream.translate import Translated, load, names
load()
picture = {{"type": "image_url", "image_url": {{"url": "https://pictures.example/a.png"}}}}
file = {{"type": "file", "file": {{"file_id": "https://files.example/a"}}}}
request = parse(json.dumps({{"model": "m", "stream": True, "reasoning_effort": "low", "messages": [
    {{"role": "user", "content": [{{"type": "text", "text": "a"}}, picture, file]}}]}}).encode())
for name in sorted(names()):
    dialect = Translated(name)
    try:
        outbound = dialect.encode(Provider(name, "", Secret("s3cret"), dialect), "some/model", request)
        assert "s3cret" not in outbound.url, name
        assert any("s3cret" in value for _, value in outbound.headers), name
        assert name == "openai" or "api.openai.com" not in outbound.url, name
        dialect.decoder("some/model", request)
    except SyntraError as error:
        assert error.status == 400, name
assert not dials, dials
"""


def test_importing_the_module_does_not_import_litellm():
    run_alone("import sys, gateway.upstream.translate as t; t.names(); assert 'litellm' not in sys.modules")


def test_garbage_is_collected_again_when_litellm_is_there():
    run_alone("import gc; from gateway.upstream.translate import load; load(); assert gc.isenabled()")


def test_no_provider_dials_or_prints_while_it_translates():
    done = run_alone(EVERY_PROVIDER)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_dotenv_file_is_not_read(tmp_path):
    (tmp_path / ".env").write_text("FROM_DOTENV=yes\n")
    run_alone(f"""
import os
from gateway.upstream.translate import load
os.chdir({str(tmp_path)!r})
load()
assert "FROM_DOTENV" not in os.environ
""")


def test_the_names_are_those_that_work():
    assert {"anthropic", "gemini", "groq", "cohere", "mistral", "deepseek", "together_ai"} <= names()
    assert not {"bedrock", "vertex_ai", "azure", "sagemaker", "github_copilot", "watsonx"} & names()


# honest


def test_unknown_and_unsupported_fields_are_named():
    outbound = encode("anthropic", "claude-sonnet-4-5", seed=1, frequency_penalty=0.5, mystery={"a": 1}, stream=True)
    assert set(outbound.dropped) == {"seed", "frequency_penalty", "mystery"}
    body = json.loads(outbound.body)
    assert not {"seed", "frequency_penalty", "mystery"} & body.keys()


def test_what_changes_nothing_is_not_named():
    harmless = {"n": 1, "store": False, "parallel_tool_calls": True, "user": None, "response_format": {"type": "text"}}
    for wire in ("anthropic", "gemini"):
        outbound = encode(wire, stream=True, stream_options={"include_usage": True}, **harmless)
        assert outbound.dropped == ()


@pytest.mark.parametrize("name", ["bedrock", "vertex_ai", "azure", "no_such_provider", "aiml"])
def test_an_unfit_provider_is_a_clear_error(name):
    with pytest.raises(BadRequest) as caught:
        encode(name)
    assert caught.value.code == "unsupported_provider"
    assert name in caught.value.message
    with pytest.raises(BadRequest):
        Translated(name).decoder("m", a_request())


def test_without_an_address_the_key_goes_nowhere():
    with pytest.raises(BadRequest) as caught:
        encode("hosted_vllm", base_url="")
    assert caught.value.code == "unsupported_provider"


@pytest.mark.parametrize(
    "model", ["http://evil.example/x", "../../v1/files", "a?key=1", "a#b", "a b", "", "a//b", "a/../b"]
)
@pytest.mark.parametrize("wire", ["anthropic", "gemini", "groq"])
def test_a_model_chooses_no_address(wire, model):
    with pytest.raises(BadRequest) as caught:
        encode(wire, model)
    assert caught.value.param == "model"


def test_base_urls_of_anthropic_and_gemini_are_origins():
    assert encode("anthropic", base_url="http://127.0.0.1:9/").url == "http://127.0.0.1:9/v1/messages"
    whole = encode("gemini", "gemini-2.5-pro", base_url="http://127.0.0.1:9")
    assert whole.url == "http://127.0.0.1:9/v1beta/models/gemini-2.5-pro:generateContent"
    stream = encode("gemini", "gemini-2.5-pro", base_url="http://127.0.0.1:9", stream=True)
    assert stream.url == "http://127.0.0.1:9/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    assert dict(stream.headers)["x-goog-api-key"] == "s3cret"
    assert Translated("gemini").home() == "https://generativelanguage.googleapis.com"


def test_the_same_request_gives_the_same_bytes():
    cached = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    for wire in WIRES:
        assert encode(wire, messages=user(cached)) == encode(wire, messages=user(cached))


# the caller's mistakes are 400


@pytest.mark.parametrize("wire", ["anthropic", "gemini"])
@pytest.mark.parametrize("other", [{"type": "web_search"}, {"type": "custom", "custom": {"name": "g"}}])
def test_a_tool_that_is_no_function_is_left_out_and_named(wire, other):
    function = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    said = encode(wire, tools=[other, function], tool_choice={"type": other["type"]})
    assert said.dropped == (f"tools.{other['type']}",)
    assert (b'"f"' in said.body, b'"g"' in said.body) == (True, False)
    alone = encode(wire, tools=[other], tool_choice="required")
    assert alone.dropped == (f"tools.{other['type']}",)
    assert b"tool" not in alone.body


@pytest.mark.parametrize("wire", ["anthropic", "gemini"])
def test_a_part_that_nobody_knows_is_left_out_and_named(wire):
    said = encode(wire, messages=user({"type": "weird", "x": 1}, {"type": "text", "text": "Ahoy"}))
    assert said.dropped == ("content.weird",)
    assert b"weird" not in said.body
    assert isinstance(encode_or_refuse(wire, messages=user({"type": "weird", "x": 1})), BadRequest)


def test_a_place_is_told_as_the_client_counts():
    request = a_request(
        messages=user(
            {"type": "text", "text": "Ahoy"}, {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}}
        )
    )
    dialect = Translated("anthropic")
    with pytest.raises(BadRequest) as caught:
        dialect.encode(
            Provider("anthropic", "https://upstream.example", Secret("s3cret"), dialect),
            "some-model",
            request.with_system("Our own words."),
        )
    assert caught.value.param == "messages[0].content[1].input_audio"


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "http://10.0.0.1/a.png"}}, "messages[0].content[0].image_url"),
        ({"type": "image_url", "image_url": {"url": "gs://bucket/a"}}, "messages[0].content[0].image_url"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "messages[0].content[0].image_url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,raw"}}, "messages[0].content[0].image_url"),
        ({"type": "file", "file": {"file_data": "http://10.0.0.1/"}}, "messages[0].content[0].file.file_data"),
        ({"type": "file", "file": {"file_id": "http://10.0.0.1/"}}, "messages[0].content[0].file.file_id"),
        ({"type": "file", "file": {}}, "messages[0].content[0].file"),
        ({"type": "hologram"}, "messages[0].content[0].hologram"),
    ],
)
@pytest.mark.parametrize("wire", ["anthropic", "gemini"])
def test_content_that_cannot_be_told_names_its_place(wire, part, param):
    with pytest.raises(BadRequest) as caught:
        encode(wire, messages=user(part))
    assert caught.value.param == param


ODD_FIELDS = [
    {"tools": [{"type": "web_search"}]},
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
    {
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}},
            }
        ]
    },
    {"tool_choice": {"type": "function"}, "tools": [{"type": "function", "function": {"name": "f"}}]},
    {"tool_choice": "sometimes"},
    {"reasoning_effort": "heroic"},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": 5}}},
    {"response_format": {"type": "poem"}},
    {"thinking": "yes"},
    {"top_k": "many"},
    {"messages": [{"role": "tool", "tool_call_id": "x", "content": "stray"}]},
    {"messages": [{"role": "assistant", "content": None}]},
    {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {}}]}]},
    {"messages": [{"role": "user", "content": []}]},
    {"messages": [{"role": "system", "content": "only"}]},
    {"messages": [{"role": "function", "name": "f", "content": "x"}]},
    {"messages": user({"type": "image_url", "image_url": {"url": "data:image/png;base64,@@@@"}})},
    {"messages": user({"type": "input_audio", "input_audio": {"data": "!", "format": "/"}})},
    {"modalities": ["smell"], "audio": {"voice": "x"}},
    {"web_search_options": {}},
]


@pytest.mark.parametrize("fields", ODD_FIELDS, ids=lambda fields: json.dumps(fields)[:60])
@pytest.mark.parametrize("wire", WIRES)
def test_odd_requests_are_said_or_refused(wire, fields):
    outcome = encode_or_refuse(wire, **fields)
    assert "litellm" not in getattr(outcome, "message", "").lower()
    assert isinstance(outcome, BadRequest) or json.loads(outcome.body)


@pytest.mark.parametrize("wire", WIRES)
def test_deep_nesting_is_no_crash(wire):
    schema: dict = {"type": "string"}
    for _ in range(90):
        schema = {"type": "object", "properties": {"a": schema}}
    outcome = encode_or_refuse(wire, tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}])
    assert isinstance(outcome, Outbound | BadRequest)


def test_exceptions_of_the_library_do_not_come_through():
    with pytest.raises(BadRequest) as caught:
        encode("anthropic", "claude-sonnet-4-5", reasoning_effort="heroic")
    assert caught.value.param == "reasoning_effort"
    assert caught.value.__cause__ is None
    assert "heroic" not in caught.value.message


# answers


@pytest.mark.parametrize("wire", ["anthropic", "gemini"])
def test_line_separators_inside_text_survive(wire):
    text = "a\u2028b\u2029c\u0085d"
    event = {
        "anthropic": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        "gemini": {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}]},
    }[wire]
    (chunk,) = Translated(wire).decoder("m", a_request()).frame(json.dumps(event, ensure_ascii=False).encode())
    assert chunk.choices[0].delta.content == text


ANTHROPIC_DELTAS = [
    {"type": "text_delta", "text": "x"},
    {"type": "thinking_delta", "thinking": "x"},
    {"type": "input_json_delta", "partial_json": "{}"},
    {"type": "input_json_delta", "partial_json": ""},
]
BLOCKS = [
    {"type": "text", "text": ""},
    {"type": "thinking", "thinking": ""},
    {"type": "tool_use", "id": "t", "name": "f", "input": {}},
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block["type"])
@pytest.mark.parametrize("delta", ANTHROPIC_DELTAS, ids=lambda delta: json.dumps(delta)[:40])
def test_the_short_way_says_what_the_long_way_says(block, delta):
    """An unknown field sends an event through LiteLLM's parser; the chunks must be the same."""
    events = [
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
    ]
    short, long = (Translated("anthropic").decoder("m", a_request()) for _ in range(2))
    for event in events:
        got = short.frame(json.dumps(event).encode())
        wanted = long.frame(json.dumps(event | {"unheard_of": 1}).encode())
        assert msgspec.json.encode([one.choices for one in got]) == msgspec.json.encode([one.choices for one in wanted])


def test_an_error_in_band_is_told_in_our_words():
    decoder = Translated("anthropic").decoder("m", a_request())
    raw = b'{"type":"error","error":{"type":"rate_limit_error","message":"org acct_9f3 is over"}}'
    with pytest.raises(UpstreamBusy) as caught:
        decoder.frame(raw)
    assert "acct_9f3" not in caught.value.message


def test_a_fault_is_told_by_its_status():
    dialect = Translated("gemini")
    provider = Provider("google", "", Secret("k"), dialect)
    assert dialect.fault(provider, 429, {"retry-after": "7"}, b"").headers == [(b"retry-after", b"7")]


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                """type index delta text error content_block id name input message usage stop_reason candidates content parts
            finishReason functionCall args usageMetadata promptFeedback choices finish_reason tool_calls""".split()
            ),
            inner
            | st.sampled_from(
                ["message_start", "content_block_start", "content_block_delta", "text_delta", "message_delta"]
            ),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(tree=TREES, wire=st.sampled_from(WIRES), whole=st.booleans())
def test_no_event_does_anything_but_chunks_or_an_upstream_error(tree, wire, whole):
    decoder = Translated(wire).decoder("m", a_request())
    try:
        chunks = (decoder.whole if whole else decoder.frame)(json.dumps(tree).encode())
    except UpstreamError:
        return
    assert all(isinstance(chunk, Chunk) for chunk in (*chunks, *decoder.finish()))


def test_two_answers_at_once_do_not_mix():
    """Each answer has a parser of its own, so threads and interleavings are alike."""
    call = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    }
    seen: list[list[object]] = []

    def read() -> None:
        decoder = Translated("anthropic").decoder("m", a_request())
        chunks = [decoder.frame(json.dumps(call).encode()) for _ in range(3)]
        seen.append([chunk.choices[0].delta.tool_calls[0].index for (chunk,) in chunks])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[0, 1, 2]] * 4
