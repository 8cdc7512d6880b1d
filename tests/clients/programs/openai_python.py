"""The OpenAI SDK for Python: `openai_python.py chat|responses MODEL PROMPT [FOLDER]`."""

import json
import sys
from pathlib import Path

from openai import OpenAI

PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
READ = {"name": "read_file", "description": "Read a file", "parameters": PARAMETERS}
client = OpenAI()


def chat(model, prompt):
    messages = [{"role": "user", "content": prompt}]
    while True:
        with client.chat.completions.stream(
            model=model, messages=messages, tools=[{"type": "function", "function": READ}]
        ) as stream:
            for event in stream:
                if event.type == "content.delta":
                    print(event.delta, end="")
            message = stream.get_final_completion().choices[0].message
        if not message.tool_calls:
            assert message.content
            return
        messages.append(message)
        for call in message.tool_calls:
            read = Path(json.loads(call.function.arguments)["path"]).read_text()
            messages.append({"role": "tool", "tool_call_id": call.id, "content": read})


def responses(model, prompt):
    given, before = [{"role": "user", "content": prompt}], None
    while True:
        with client.responses.stream(
            model=model, input=given, tools=[{"type": "function", "strict": False, **READ}], previous_response_id=before
        ) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    print(event.delta, end="")
            final = stream.get_final_response()
        calls = [item for item in final.output if item.type == "function_call"]
        if not calls:
            assert final.output_text
            return
        before, given = final.id, []
        for call in calls:
            read = Path(json.loads(call.arguments)["path"]).read_text()
            given.append({"type": "function_call_output", "call_id": call.call_id, "output": read})


def whole(surface, model, prompt):
    """The same greeting without a stream, and the list of models."""
    if surface == "chat":
        reply = client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}])
        assert reply.usage.total_tokens
        text = reply.choices[0].message.content
    else:
        reply = client.responses.create(model=model, input=prompt)
        assert reply.usage.total_tokens
        text = reply.output_text
    assert model in {one.id for one in client.models.list()}
    print(f"\n{text}")


surface, model, prompt, task = sys.argv[1:5]
{"chat": chat, "responses": responses}[surface](model, prompt)
if task == "greeting":
    whole(surface, model, prompt)
