"""A chat request: what is understood, what is carried, what is refused and where."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from gateway.core.chat import KNOWN_FIELDS, ChatBody, ChatRequest, parse
from gateway.core.errors import BadRequest

HELLO = {"role": "user", "content": "Hello"}


def request(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    return parse(json.dumps({"model": "m", "messages": messages or [HELLO], **fields}).encode())


def refusal(raw: bytes) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        parse(raw)
    return caught.value


@dataclass(frozen=True)
class Good:
    """A field that OpenAI documents, and a value that a client sends."""

    field: str
    value: Any

    def __str__(self) -> str:
        return f"{self.field}={json.dumps(self.value)[:40]}"


GOOD = (
    Good("stream", False),
    Good("stream", None),
    Good("stream_options", None),
    Good("n", 1),
    Good("n", 128),
    Good("max_tokens", 1),
    Good("max_completion_tokens", 100_000),
    Good("temperature", 0),
    Good("temperature", 2.0),
    Good("temperature", 1),
    Good("top_p", 0.1),
    Good("frequency_penalty", -2),
    Good("presence_penalty", 2),
    Good("logit_bias", {"50256": -100}),
    Good("logprobs", True),
    Good("top_logprobs", 20),
    Good("stop", "\n"),
    Good("stop", ["a", "b"]),
    Good("stop", None),
    Good("seed", -(2**63)),
    Good("seed", 2**63 - 1),
    Good("tools", [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}]),
    Good("tools", [{"type": "custom", "custom": {"name": "c"}}]),
    Good("tools", []),
    Good("tool_choice", "auto"),
    Good("tool_choice", {"type": "function", "function": {"name": "f"}}),
    Good("parallel_tool_calls", False),
    Good("functions", [{"name": "f"}]),
    Good("function_call", {"name": "f"}),
    Good("response_format", {"type": "json_object"}),
    Good("response_format", {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}),
    Good("reasoning_effort", "minimal"),
    Good("verbosity", "low"),
    Good("modalities", ["text", "audio"]),
    Good("audio", {"voice": "alloy", "format": "wav"}),
    Good("prediction", {"type": "content", "content": "x"}),
    Good("web_search_options", {}),
    Good("service_tier", "flex"),
    Good("store", True),
    Good("metadata", {"a": "b"}),
    Good("user", "u"),
    Good("prompt_cache_key", "k"),
    Good("safety_identifier", "s"),
)


@pytest.mark.parametrize("good", GOOD, ids=str)
def test_every_documented_field_is_taken_and_kept_byte_for_byte(good: Good) -> None:
    parsed = request(**{good.field: good.value})
    assert bytes(parsed.fields[good.field]) == json.dumps(good.value).encode()
    assert good.field in KNOWN_FIELDS


def test_every_field_that_is_read_has_a_case_here() -> None:
    assert {good.field for good in GOOD} == KNOWN_FIELDS - {"model", "messages"}


def test_what_is_not_known_is_carried() -> None:
    parsed = request(top_k=5, min_p=0.1, chat_template_kwargs={"enable_thinking": False})
    assert list(parsed.fields)[-3:] == ["top_k", "min_p", "chat_template_kwargs"]
    assert bytes(parsed.fields["chat_template_kwargs"]) == b'{"enable_thinking": false}'


def test_odd_bytes_of_a_message_are_kept() -> None:
    message = b'{ "content":"\\u00e9 \xc3\xa9  1.0e0", "x_new":[1.00, {}],"role":"user" }'
    parsed = parse(b'{"messages":[%b],"model":"m"}' % message)
    assert [bytes(raw) for raw in parsed.messages] == [message]
    assert parsed.body.messages[0].content == "é é  1.0e0"


@dataclass(frozen=True)
class Part:
    """A message that a client may send, and the text that is in it."""

    message: dict[str, Any]
    text: str = ""


@pytest.mark.parametrize(
    "part",
    [
        Part({"role": "system", "content": "s"}, "s"),
        Part({"role": "developer", "content": "d"}, "d"),
        Part({"role": "user", "content": ""}),
        Part({"role": "user", "content": []}),
        Part({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        Part({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}),
        Part({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]}),
        Part({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}),
        Part({"role": "user", "content": [{"type": "of_tomorrow", "payload": 1}]}),
        Part({"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}),
        Part({"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{not json"}}]}),
        Part({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}),
        Part({"role": "assistant"}),
        Part({"role": "assistant", "content": "a", "reasoning_content": "r", "name": "n"}, "a"),
        Part({"role": "tool", "tool_call_id": "1", "content": "t"}, "t"),
        Part({"role": "function", "name": "f", "content": None}),
    ],
    ids=lambda part: json.dumps(part.message)[:60],
)
def test_every_kind_of_message_is_taken(part: Part) -> None:
    assert request(part.message).body.messages[0].text() == part.text


def test_the_users_words_are_all_of_theirs_and_nobody_elses() -> None:
    parsed = request(
        {"role": "system", "content": "no"},
        HELLO,
        {"role": "assistant", "content": "no"},
        {"role": "user", "content": "b"},
    )
    assert parsed.users_words() == "Hello\nb"


@dataclass(frozen=True)
class Bad:
    """A request that is refused, and where it is wrong."""

    raw: bytes
    param: str | None
    code: str | None

    def __str__(self) -> str:
        return repr(self.raw[:70])


def with_field(text: str) -> bytes:
    return f'{{"model":"m","messages":[{{"role":"user","content":"x"}}],{text}}}'.encode()


def with_message(text: str) -> bytes:
    return f'{{"model":"m","messages":[{{"role":"user","content":"x"}},{text}]}}'.encode()


MISSING, INVALID, FORBIDDEN = "missing_required_parameter", "invalid_value", "forbidden_parameter"

BAD = (
    Bad(b"", None, None),
    Bad(b"{", None, None),
    Bad(b"nope", None, None),
    Bad(b"[]", None, INVALID),
    Bad(b"null", None, INVALID),
    Bad(b'"text"', None, INVALID),
    Bad(b"{}", "model", MISSING),
    Bad(b'{"model":"m"}', "messages", MISSING),
    Bad(b'{"messages":[]}', "model", MISSING),
    Bad(b'{"model":null,"messages":[]}', "model", INVALID),
    Bad(b'{"model":"m","messages":[]}', "messages", INVALID),
    Bad(b'{"model":"m","messages":null}', "messages", INVALID),
    Bad(b'{"model":"m","messages":{}}', "messages", INVALID),
    Bad(b'{"model":"m","messages":["x"]}', "messages[0]", INVALID),
    Bad(with_message('{"content":"x"}'), "messages[1].role", MISSING),
    Bad(with_message('{"role":"robot","content":"x"}'), "messages[1].role", INVALID),
    Bad(with_message('{"role":"user","content":5}'), "messages[1].content", INVALID),
    Bad(with_message('{"role":"user"}'), "messages[1].content", MISSING),
    Bad(with_message('{"role":"user","content":null}'), "messages[1].content", MISSING),
    Bad(with_message('{"role":"system","content":null}'), "messages[1].content", MISSING),
    Bad(with_message('{"role":"tool","content":"x"}'), "messages[1].tool_call_id", MISSING),
    Bad(with_message('{"role":"user","content":[{"text":"x"}]}'), "messages[1].content[0].type", MISSING),
    Bad(with_message('{"role":"user","content":[{"type":"text"}]}'), "messages[1].content[0].text", MISSING),
    Bad(
        with_message('{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url"}]}'),
        "messages[1].content[1].image_url",
        MISSING,
    ),
    Bad(
        with_message('{"role":"user","content":[{"type":"image_url","image_url":"http://x"}]}'),
        "messages[1].content[0].image_url",
        INVALID,
    ),
    Bad(
        with_message('{"role":"user","content":[{"type":"image_url","image_url":{}}]}'),
        "messages[1].content[0].image_url.url",
        MISSING,
    ),
    Bad(with_message('{"role":"user","content":[{"type":"file"}]}'), "messages[1].content[0].file", MISSING),
    Bad(with_message('{"role":"assistant","tool_calls":[{}]}'), "messages[1].tool_calls[0].id", MISSING),
    Bad(
        with_message('{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":{}}}]}'),
        "messages[1].tool_calls[0].function.arguments",
        INVALID,
    ),
    Bad(with_field('"temperature":3'), "temperature", INVALID),
    Bad(with_field('"temperature":"1"'), "temperature", INVALID),
    Bad(with_field('"temperature":1e999'), "temperature", INVALID),
    Bad(with_field('"temperature":true'), "temperature", INVALID),
    Bad(with_field('"n":0'), "n", INVALID),
    Bad(with_field('"n":1.5'), "n", INVALID),
    Bad(with_field('"n":129'), "n", INVALID),
    Bad(with_field('"max_tokens":0'), "max_tokens", INVALID),
    Bad(with_field(f'"max_tokens":{10**18}'), "max_tokens", INVALID),
    Bad(with_field(f'"seed":{"9" * 5000}'), "seed", INVALID),
    Bad(with_field('"stop":[1]'), "stop[0]", INVALID),
    Bad(with_field('"stream":"yes"'), "stream", INVALID),
    Bad(with_field('"stream_options":{"include_usage":true}'), "stream_options", INVALID),
    Bad(with_field('"stream":true,"stream_options":{"include_usage":1}'), "stream_options.include_usage", INVALID),
    Bad(with_field('"tools":[{"type":"function"}]'), "tools[0].function", MISSING),
    Bad(with_field('"tools":[{"function":{"name":"f"}}]'), "tools[0].type", MISSING),
    Bad(with_field('"tools":[{"type":"function","function":{}}]'), "tools[0].function.name", MISSING),
    Bad(with_field('"tool_choice":5'), "tool_choice", INVALID),
    Bad(with_field('"response_format":{"type":"json_schema"}'), "response_format.json_schema", MISSING),
    Bad(with_field('"response_format":"json"'), "response_format", INVALID),
    Bad(with_field('"api_base":"http://x"'), "api_base", FORBIDDEN),
    Bad(with_field('"zz":"\\u0000"'), None, None),
    Bad(with_field('"zz":"\\\\\\u0000"'), None, None),
    Bad(with_field('"zz":"\x00"'), None, None),
    Bad(with_field('"zz":"\\ud800"'), None, None),
    Bad(with_field('"zz":"\\ud800 and more"'), None, None),
    Bad(with_field('"zz":"\\udc00\\ud800"'), None, None),
    Bad(with_message('{"role":"user","content":"\\udfff"}'), None, None),
    Bad(with_field('"zz":"\\x"'), None, None),
    Bad(with_field('"zz":NaN'), None, None),
    Bad(with_field('"zz":01'), None, None),
    Bad(with_field('"zz":1,'), None, None),
    Bad(with_field('"zz":1') + b"{}", None, None),
    Bad(with_field('"zz":"Z"').replace(b"Z", b"\xff"), None, None),
    Bad(with_field('"zz":"Z"').replace(b"Z", b"\xed\xa0\x80"), None, None),
    Bad(with_field('"zz":"Z"').replace(b"Z", b"\xc0\x80"), None, None),
    Bad(b"\xef\xbb\xbf" + with_field('"zz":1'), None, None),
    Bad(b"[" * 100_000, None, INVALID),
    Bad(with_field(f'"zz":{"[" * 100_000}{"]" * 100_000}'), None, None),
    Bad(with_field('"zz":' + '{"a":' * 100_000 + "1" + "}" * 100_000), None, None),
)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_what_is_wrong_is_refused_and_told_where(bad: Bad) -> None:
    error = refusal(bad.raw)
    assert (error.status, error.param, error.code) == (400, bad.param, bad.code)
    assert error.message
    assert len(error.message) < 500


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert request(zz="\\u0000").body.model == "m"


def test_a_long_run_of_backslashes_is_read_in_linear_time() -> None:
    with pytest.raises(BadRequest):
        parse(with_field('"zz":"' + "\\\\" * 500_000 + '\\u0000"'))


FORBIDDEN_NAMES = """api_base apiBase API-BASE base_url baseURL api_key apiKey api_version host endpoint url proxy extra_headers
    extra-headers headers extra_body extra_query custom_llm_provider model_list deployment_id organization mock_response
    ssl_verify authorization aws_access_key_id aws_region_name azure_ad_token vertex_project vertex_credentials
    litellm_params litellm_metadata watsonx_url""".split()


@pytest.mark.parametrize("name", FORBIDDEN_NAMES)
def test_no_request_chooses_a_host_or_a_credential(name: str) -> None:
    error = refusal(with_field(f'"{name}":"x"'))
    assert (error.param, error.code) == (name, "forbidden_parameter")


def test_a_forbidden_name_is_seen_through_its_escapes() -> None:
    assert refusal(with_field('"\\u0061pi_b\\u0061se":"x"')).code == "forbidden_parameter"


@dataclass(frozen=True)
class Voice:
    """A client's first message, and what stands first when a persona speaks before it."""

    name: str
    messages: tuple[bytes, ...]
    first: bytes
    kept: int  # how many of the client's messages stay behind the first, byte for byte

    def __str__(self) -> str:
        return self.name


USER = b'{"role":"user", "content" : "\\u00e9 1.0"}'


@pytest.mark.parametrize(
    "voice",
    [
        Voice("no system prompt", (USER,), b'{"role":"system","content":"P"}', 1),
        Voice(
            "a text",
            (b'{"x":1.00,"role":"system","content":"Be \\u0062rief."}', USER),
            b'{"x":1.00,"role":"system","content":"P\\n\\nBe brief."}',
            1,
        ),
        Voice(
            "a developer's text",
            (b'{"role":"developer","content":"D","name":"n"}', USER),
            b'{"role":"developer","content":"P\\n\\nD","name":"n"}',
            1,
        ),
        Voice(
            "parts",
            (b'{"role":"system","content":[{"type":"text", "text":"S", "cache_control":{"type":"ephemeral"}}]}', USER),
            b'{"role":"system","content":[{"type":"text","text":"P"},'
            b'{"type":"text", "text":"S", "cache_control":{"type":"ephemeral"}}]}',
            1,
        ),
        Voice(
            "a system prompt that comes later",
            (USER, b'{"role":"system","content":"S"}'),
            b'{"role":"system","content":"P"}',
            2,
        ),
    ],
    ids=str,
)
def test_a_voice_is_put_first_and_the_clients_words_stay(voice: Voice) -> None:
    before = parse(b'{"model":"m","messages":[%b]}' % b",".join(voice.messages))
    after = before.with_system("P")
    assert bytes(after.messages[0]) == voice.first
    assert [bytes(raw) for raw in after.messages[1:]] == list(voice.messages[len(voice.messages) - voice.kept :])
    assert after.body.messages[0].text().startswith("P")
    assert [bytes(raw) for raw in before.messages] == list(voice.messages)
    assert msgspec.json.decode(b"[%b]" % b",".join(map(bytes, after.messages)), type=list[Any])[0]["role"] in (
        "system",
        "developer",
    )
    reread = parse(b'{"model":"m","messages":[%b]}' % b",".join(map(bytes, after.messages)))
    assert reread.body == after.body  # what is read and what is sent say the same


def test_only_programs_want_json() -> None:
    assert not request().body.wants_json
    assert not request(response_format={"type": "text"}).body.wants_json
    assert request(response_format={"type": "json_object"}).body.wants_json


def test_a_body_with_ten_thousand_messages_is_read() -> None:
    assert len(request(*[HELLO] * 10_000).messages) == 10_000


def test_the_last_of_two_fields_of_one_name_counts_everywhere() -> None:
    parsed = parse(with_field('"model":"z"'))
    assert (parsed.body.model, bytes(parsed.fields["model"])) == ("z", b'"z"')


def test_no_field_is_read_under_another_name() -> None:
    assert ChatBody.__struct_fields__ == ChatBody.__struct_encode_fields__
