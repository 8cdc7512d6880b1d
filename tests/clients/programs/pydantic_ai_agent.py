"""Pydantic AI: `pydantic_ai_agent.py chat|responses MODEL PROMPT greeting|task`."""

import asyncio
import sys
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

surface, model, prompt, task = sys.argv[1:5]
kind = OpenAIResponsesModel if surface == "responses" else OpenAIChatModel
agent = Agent(kind(model))


@agent.tool_plain
def read_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()


async def main():
    async with agent.run_stream(prompt) as stream:
        async for piece in stream.stream_text(delta=True):
            print(piece, end="")
    if task == "greeting":
        print(f"\n{(await agent.run(prompt)).output}")


asyncio.run(main())
