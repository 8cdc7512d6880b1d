"""Smolagents: `smolagents_code.py chat MODEL PROMPT greeting|task`: an agent that writes code."""

import os
import sys
from pathlib import Path

from smolagents import CodeAgent, OpenAIModel, tool


@tool
def read_file(path: str) -> str:
    """Read a file.

    Args:
        path: Where it lies.
    """
    return Path(path).read_text()


_, model, prompt, task = sys.argv[1:5]
where = {"api_base": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"]}
for streams in (False, True) if task == "greeting" else (True,):
    agent = CodeAgent(tools=[read_file], model=OpenAIModel(model, **where), max_steps=2, stream_outputs=streams)
    print("ANSWER", agent.run(prompt))
