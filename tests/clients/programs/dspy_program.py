"""DSPy: `dspy_program.py chat|responses MODEL PROMPT greeting|task`: a question and an answer, and a loop with a tool."""

import os
import sys
from pathlib import Path

import dspy


def read_file(path: str) -> str:
    """Read a file."""
    return Path(path).read_text()


surface, model, prompt, task = sys.argv[1:5]
where = {"api_base": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"]}
dspy.configure(lm=dspy.LM(f"openai/{model}", model_type=surface, cache=False, num_retries=0, **where))
if task == "task":
    print(dspy.ReAct("question -> answer", tools=[read_file], max_iters=3)(question=prompt).answer)
else:
    for _ in range(2):
        print(dspy.Predict("question -> answer")(question=prompt).answer)
