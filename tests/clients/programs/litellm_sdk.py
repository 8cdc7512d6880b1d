"""LiteLLM as a library: `litellm_sdk.py chat|responses|messages MODEL PROMPT greeting|task`."""

import asyncio
import json
import os
import sys
from pathlib import Path

import litellm

surface, model, prompt, task = sys.argv[1:5]
PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READ = {"name": "read_file", "description": "Read a file", "parameters": PARAMETERS}
WHERE = {"api_base": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"]}


def chat():
    messages = [{"role": "user", "content": prompt}]
    while True:
        tools = [{"type": "function", "function": READ}]
        stream = litellm.completion(f"openai/{model}", messages=messages, tools=tools, stream=True, **WHERE)
        message = litellm.stream_chunk_builder(list(stream), messages=messages).choices[0].message
        print(message.content or "")
        if not message.tool_calls:
            break
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            read = Path(json.loads(call.function.arguments)["path"]).read_text()
            messages.append({"role": "tool", "tool_call_id": call.id, "content": read})
    if task == "greeting":
        print(litellm.completion(f"openai/{model}", messages=messages, **WHERE).choices[0].message.content)


def responses():
    given = [{"role": "user", "content": prompt}]
    while True:
        tools = [{"type": "function", **READ}]
        reply = litellm.responses(model=f"openai/{model}", input=given, tools=tools, **WHERE)
        calls = [item for item in reply.output if item.type == "function_call"]
        if not calls:
            print(reply.output_text)
            break
        for call in calls:
            given.append({"type": "function_call", **{k: getattr(call, k) for k in ("call_id", "name", "arguments")}})
            read = Path(json.loads(call.arguments)["path"]).read_text()
            given.append({"type": "function_call_output", "call_id": call.call_id, "output": read})
    if task == "greeting":
        stream = litellm.responses(model=f"openai/{model}", input=given, stream=True, **WHERE)
        print("".join(event.delta for event in stream if event.type == "response.output_text.delta"))


def opened(arguments):
    return Path(arguments["path"]).read_text()


async def messages():
    talk = [{"role": "user", "content": prompt}]
    where = {"api_base": os.environ["OPENAI_BASE_URL"].removesuffix("/v1"), "api_key": os.environ["OPENAI_API_KEY"]}
    tools = [{"name": "read_file", "description": "Read a file", "input_schema": PARAMETERS}]
    while True:
        reply = await litellm.anthropic.messages.acreate(
            model=f"anthropic/{model}", max_tokens=500, messages=talk, tools=tools, **where
        )
        print("".join(block["text"] for block in reply["content"] if block["type"] == "text"))
        used = [block for block in reply["content"] if block["type"] == "tool_use"]
        if not used:
            break
        talk.append({"role": "assistant", "content": reply["content"]})
        read = opened(used[0]["input"])
        talk.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": used[0]["id"], "content": read}]}
        )
    if task == "greeting":  # a stream of its own would want its proxy installed
        reply = await litellm.anthropic.messages.acreate(
            model=f"anthropic/{model}", max_tokens=500, messages=talk, **where
        )
        print(reply["content"][0]["text"])


if surface == "messages":
    asyncio.run(messages())
else:
    {"chat": chat, "responses": responses}[surface]()
