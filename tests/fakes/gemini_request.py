"""What Gemini accepts in a generateContent request: protobuf's JSON, unknown names refused."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.shape import (
    Check,
    anything,
    array,
    boolean,
    either,
    filled,
    integer,
    mapping,
    matching,
    number,
    one_of,
    record,
    refuse,
    string,
    table,
)

TYPES = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL", "TYPE_UNSPECIFIED")
COUNT = either(integer(0, 2**31), matching(r"\d+"))
DATA_FIELDS = {"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode"}
NAME = matching(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")


def schema(value: Any, at: str) -> None:
    """Google's Schema message: a part of OpenAPI 3, and nothing of JSON Schema beyond it."""
    SCHEMA(value, at)
    kind = str(value.get("type", "OBJECT")).upper()
    refuse(kind in TYPES, f"{at}.type", f"Invalid value {value.get('type')!r}")
    refuse(kind != "ARRAY" or "items" in value, f"{at}.items", "missing field.")
    refuse("enum" not in value or kind == "STRING", f"{at}.enum", "only allowed for STRING type")
    refuse(value.get("properties") != {}, f"{at}.properties", "should be non-empty for OBJECT type")
    lost = [name for name in value.get("required", ()) if name not in value.get("properties", {})]
    refuse(not lost, f"{at}.required", f"property is not defined: {lost}")


SCHEMA = record(
    {},
    {
        **dict.fromkeys(("type", "format", "title", "description", "pattern"), string),
        **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), COUNT),
        **dict.fromkeys(("minimum", "maximum"), number(-1e300, 1e300)),
        **dict.fromkeys(("example", "default"), anything),
        **dict.fromkeys(("enum", "required", "propertyOrdering"), array(string)),
        "nullable": boolean,
        "items": schema,
        "properties": table(schema),
        "anyOf": array(schema, 1),
    },
)
FUNCTION = record(
    {"name": NAME},
    {
        "description": string,
        "parameters": schema,
        "parametersJsonSchema": mapping,
        "response": schema,
        "responseJsonSchema": mapping,
        "behavior": string,
    },
)
TOOL = record(
    {},
    {
        "functionDeclarations": array(FUNCTION),
        **dict.fromkeys(("googleSearch", "googleSearchRetrieval", "urlContext", "codeExecution"), mapping),
    },
)
BLOB = record(
    {"mimeType": matching(r"[\w.+-]+/[\w.+-]+"), "data": matching(r"[A-Za-z0-9+/_=-]+")}, {"displayName": string}
)
FILE = record({"fileUri": filled}, {"mimeType": string, "displayName": string})
PART = record(
    {},
    {
        "text": string,
        "thought": boolean,
        "thoughtSignature": matching(r"[A-Za-z0-9+/_=-]*"),
        "inlineData": BLOB,
        "fileData": FILE,
        "functionCall": record({"name": NAME}, {"args": mapping, "id": string}),
        "functionResponse": record({"name": NAME, "response": mapping}, {"id": string, "parts": array(mapping)}),
        "mediaResolution": anything,
        "videoMetadata": mapping,
    },
)
CONTENT = record({"parts": array(PART, 1)}, {"role": one_of("user", "model", "function")})
SYSTEM = record({"parts": array(record({"text": filled}), 1)}, {"role": string})
CALLING = record({}, {"mode": one_of("AUTO", "ANY", "NONE", "VALIDATED"), "allowedFunctionNames": array(NAME)})
GENERATION = record(
    {},
    {
        "stopSequences": array(string, 0, 5),
        "responseMimeType": one_of("text/plain", "application/json", "text/x.enum"),
        "responseSchema": schema,
        "responseJsonSchema": mapping,
        "responseModalities": array(one_of("TEXT", "IMAGE", "AUDIO")),
        "candidateCount": integer(1, 8),
        "maxOutputTokens": integer(1, 2**31 - 1),
        "temperature": number(0, 2),
        "topP": number(0, 1),
        "topK": number(1, 1000),
        "seed": integer(-(2**31), 2**31 - 1),
        "presencePenalty": number(-2, 2),
        "frequencyPenalty": number(-2, 2),
        "responseLogprobs": boolean,
        "logprobs": integer(0, 20),
        "thinkingConfig": record(
            {}, {"includeThoughts": boolean, "thinkingBudget": integer(-1, 65_536), "thinkingLevel": string}
        ),
        "speechConfig": mapping,
        "imageConfig": mapping,
        "mediaResolution": string,
    },
)
REQUEST: Check = record(
    {"contents": array(CONTENT, 1)},
    {
        "systemInstruction": SYSTEM,
        "tools": array(TOOL),
        "toolConfig": record({}, {"functionCallingConfig": CALLING, "retrievalConfig": mapping}),
        "safetySettings": array(record({"category": string, "threshold": string})),
        "generationConfig": GENERATION,
        "cachedContent": string,
        "serviceTier": string,
    },
)
FREE = {"args", "response", "properties", "parametersJsonSchema", "responseJsonSchema", "example", "default"}


def camel(value: Any, parent: str = "") -> Any:
    """Protobuf's JSON reader takes a field by its camelCase name or by its snake_case one; user data is left alone."""
    if isinstance(value, list):
        return [camel(item, parent) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, item in value.items():
        name = key if parent in FREE else re.sub(r"_([a-z])", lambda found: found[1].upper(), key)
        if name in FREE - {"properties"} and parent not in FREE:
            made[name] = item
        else:
            made[name] = camel(item, "" if parent == "properties" else name)
    return made


def check_body(body: dict[str, Any]) -> None:
    """Google's own strictness, on the camelCase reading of the body."""
    REQUEST(body, "")
    for index, content in enumerate(body["contents"]):
        for place, part in enumerate(content["parts"]):
            at = f"contents[{index}].parts[{place}]"
            refuse(len(DATA_FIELDS & part.keys()) == 1, f"{at}.data", "required oneof field 'data' must have one field")
    check_turns(body["contents"])
    config = body.get("generationConfig", {})
    shaped = "responseSchema" in config or "responseJsonSchema" in config
    wants = config.get("responseMimeType") == "application/json"
    refuse(not shaped or wants, "generation_config.response_schema", "only allowed with application/json")
    names = [item["name"] for tool in body.get("tools", ()) for item in tool.get("functionDeclarations", ())]
    refuse(len(set(names)) == len(names), "tools", "Duplicate function declaration found")
    allowed = body.get("toolConfig", {}).get("functionCallingConfig", {}).get("allowedFunctionNames", ())
    refuse(set(allowed) <= set(names), "tool_config", "allowed_function_names must be declared functions")


def check_turns(contents: list[dict[str, Any]]) -> None:
    """A call follows a user's turn; as many answers as calls follow it at once, under the same names."""
    waiting: list[str] = []
    before = None
    for index, content in enumerate(contents):
        at = f"contents[{index}]"
        role = content.get("role", "user")
        called = [part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part]
        answered = [part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part]
        why = "the number of function response parts is equal to the number of function call parts of the call turn"
        refuse(sorted(answered) == sorted(waiting), at, f"Please ensure that {why}.")
        refuse(not called or role == "model", at, "function calls belong to the model")
        refuse(not answered or role != "model", at, "function responses do not belong to the model")
        why = "Please ensure that function call turn comes immediately after a user or function response turn."
        refuse(not called or before in {"user", "function"}, at, why)
        waiting, before = called, role
    refuse(not waiting, "contents", "function calls without function responses")
