"""LangChain: `langchain_chat.py chat|responses MODEL PROMPT greeting|task`."""

import sys
from pathlib import Path

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def read_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()


surface, model, prompt, task = sys.argv[1:5]
chat = ChatOpenAI(model=model, use_responses_api=surface == "responses")
messages = [HumanMessage(prompt)]
while True:
    whole = None
    for chunk in chat.bind_tools([read_file]).stream(messages):
        print(chunk.text, end="")
        whole = chunk if whole is None else whole + chunk
    if not whole.tool_calls:
        break
    messages.append(whole)
    read = [ToolMessage(read_file.invoke(call["args"]), tool_call_id=call["id"]) for call in whole.tool_calls]
    messages.extend(read)
if task == "greeting":
    print(f"\n{chat.invoke(prompt).text}")
