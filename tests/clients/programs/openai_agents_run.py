"""The OpenAI Agents SDK: `openai_agents_run.py chat|responses MODEL PROMPT greeting|task`."""

import asyncio
import sys
from pathlib import Path

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

set_tracing_disabled(disabled=True)
surface, model, prompt, task = sys.argv[1:5]


@function_tool
def read_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()


kind = OpenAIResponsesModel if surface == "responses" else OpenAIChatCompletionsModel
agent = Agent(name="reader", tools=[read_file], model=kind(model=model, openai_client=AsyncOpenAI()))


async def main():
    streamed = Runner.run_streamed(agent, prompt)
    async for _ in streamed.stream_events():
        continue
    print(streamed.final_output)
    if task == "greeting":
        print((await Runner.run(agent, prompt)).final_output)


asyncio.run(main())
