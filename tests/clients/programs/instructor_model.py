"""Instructor: `instructor_model.py tools|json MODEL PROMPT greeting|task`: an object, by a call or by a schema."""

import sys

import instructor
from openai import OpenAI
from pydantic import BaseModel


class PartialAnswer(BaseModel):  # a stream's would be called so in any case
    """What was said."""

    said: str


way, model, prompt, task = sys.argv[1:5]
mode = {"tools": instructor.Mode.TOOLS, "json": instructor.Mode.JSON_SCHEMA}[way]
client = instructor.from_openai(OpenAI(), mode=mode)
asked = {
    "model": model,
    "response_model": PartialAnswer,
    "messages": [{"role": "user", "content": prompt}],
    "max_retries": 0,
}
print(client.create(**asked).said)
*_, last = client.create_partial(**asked)
print(last.said)
