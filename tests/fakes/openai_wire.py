"""OpenAI's wire, strictly: /chat/completions, /responses, /embeddings, /models."""

from __future__ import annotations

import base64
import struct
from typing import Any

from tests.fakes import hosted
from tests.fakes import openai_responses as responses
from tests.fakes.openai_request import check_body
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Failure, Frame, Script, Usage, dumps
from tests.fakes.server import Reply, Request
from tests.fakes.shape import Refused, array, either, filled, integer, one_of, record, refuse, string

CREATED = 1_790_000_000
EMBEDDING = [0.25, -0.5, 0.125]


class OpenAI(Provider):
    """api.openai.com."""

    name = "openai"
    prefix = "/v1"
    completion_id = "chatcmpl-Fake0000000000000000000000"
    speaks_responses = True

    def __init__(self, key: str | None = None) -> None:
        super().__init__(key)
        self.extra_fields: frozenset[str] = frozenset()  # fields that OpenAI will have next month

    @property
    def base_url(self) -> str:
        return f"{self.origin}{self.prefix}"

    # the request

    def check(self, request: Request) -> None:
        if self.speaks_responses and request.path == f"{self.prefix}/responses":
            self.check_door(request, "POST", "/responses")
            responses.check(request.json)
            return
        self.check_door(request, "POST", "/chat/completions")
        self.check_chat(request.json)

    def check_chat(self, body: Any) -> None:
        check_body(body, self.extra_fields)

    def check_door(self, request: Request, method: str, path: str) -> None:
        at, asked = f"{self.prefix}{path}", f"{request.method} {request.path}"
        refuse(request.path == at, "url", f"Invalid URL ({asked})", status=404)
        refuse(request.method == method, "method", f"Not allowed to {request.method} on {at}", status=405)
        sent = request.headers.get("authorization", "")
        refuse(sent, "authorization", "You didn't provide an API key.", status=401)
        right = sent == f"Bearer {self.key}"
        refuse(right, "authorization", f"Incorrect API key provided: {sent}.", status=401, code="invalid_api_key")
        if method == "POST" and not hosted.is_form(request):
            kind = request.headers.get("content-type", "").partition(";")[0]
            refuse(kind == "application/json", "content-type", f"Unsupported content type: '{kind}'.")

    async def other(self, request: Request, reply: Reply) -> bool:
        if request.path == f"{self.prefix}/embeddings":
            self.check_door(request, "POST", "/embeddings")
            await reply.whole(200, dumps(embeddings(request.json)), *self.json_headers())
            return True
        if request.path == f"{self.prefix}/models":
            self.check_door(request, "GET", "/models")
            model = {"id": "gpt-4o-mini", "object": "model", "created": CREATED, "owned_by": self.name}
            await reply.whole(200, dumps({"object": "list", "data": [model]}), *self.json_headers())
            return True
        path = request.path.removeprefix(self.prefix)
        if path in hosted.PATHS:
            self.check_door(request, "POST", path)
            await hosted.serve(path, request, reply, cut=self.says.fault is not None)
            return True
        return False

    # the answer

    def frames(self, script: Script, body: Any) -> list[Frame]:
        if "input" in body:
            return responses.frames(script, body)
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        made = [self.chunk(body, [choice], part) for part, choice in self.interleaved(script)]
        if asked and script.usage is not None:
            made.append(self.chunk(body, [], "usage", usage=self.usage(script.usage)))
        return [*made, Frame(b"data: [DONE]\n\n", "done")]

    def chunk(self, body: Any, choices: list[Any], part: str, **more: Any) -> Frame:
        asked = bool((body.get("stream_options") or {}).get("include_usage"))
        head = {"id": self.completion_id, "object": "chat.completion.chunk", "created": CREATED}
        stamp = {"model": body["model"], "service_tier": "default", "system_fingerprint": "fp_fake0openai"}
        usage = {"usage": None} if asked else {}
        chunk = {**head, **stamp, "choices": choices, **usage, "obfuscation": "aGV", **more}
        return Frame(b"data: %b\n\n" % dumps(chunk), part)

    def interleaved(self, script: Script) -> list[tuple[str, Any]]:
        """The chunks of every choice, dealt out in turn as OpenAI does for n > 1."""
        runs = [self.choice(script, index) for index in range(len(script.choices))]
        longest = max(len(run) for run in runs)
        return [run[step] for step in range(longest) for run in runs if step < len(run)]

    def choice(self, script: Script, index: int) -> list[tuple[str, Any]]:
        def one(part: str, delta: Any, **more: Any) -> tuple[str, Any]:
            return part, {"index": index, "delta": delta, "logprobs": None, "finish_reason": None, **more}

        made = [one("open", self.opening(script))]
        if index == 0:
            made += [one("reasoning", self.reasoning(piece, step)) for step, piece in enumerate(script.reasoning)]
        if script.refusal is not None and index == 0:
            made += [one("delta", {"refusal": word}) for word in (script.refusal[:3], script.refusal[3:])]
        elif not (script.tool_calls and index == 0):
            for piece in script.choices[index]:
                made.append(one("delta", {"content": piece}, logprobs=logprobs([piece]) if script.logprobs else None))
        if index == 0:
            made += [one("delta", {"tool_calls": [delta]}) for delta in tool_deltas(script)]
        made.append(one("finish", {}, finish_reason=script.finish_reason))
        return made

    def opening(self, script: Script) -> dict[str, Any]:
        content = None if script.tool_calls or script.refusal is not None else ""
        return {"role": "assistant", "content": content, "refusal": None}

    def reasoning(self, piece: str, step: int) -> dict[str, Any]:
        """OpenAI's chat wire hides reasoning; its compatible servers (vLLM, DeepSeek, Kimi) call it this."""
        return {"reasoning_content": piece}

    def whole(self, script: Script, body: Any) -> Any:
        if "input" in body:
            return responses.whole(script, body)
        choices = []
        for index, pieces in enumerate(script.choices):
            message: dict[str, Any] = {"role": "assistant", "content": "".join(pieces), "refusal": None}
            message["annotations"] = []
            if index == 0 and script.tool_calls:
                message |= {"content": None, "tool_calls": [tool_call(call) for call in script.tool_calls]}
            if index == 0 and script.refusal is not None:
                message |= {"content": None, "refusal": script.refusal}
            if index == 0 and script.reasoning:
                message |= self.reasoning("".join(script.reasoning), 0)
            told = logprobs(list(pieces)) if script.logprobs else None
            choices.append(
                {"index": index, "message": message, "logprobs": told, "finish_reason": script.finish_reason}
            )
        usage = {"usage": self.usage(script.usage)} if script.usage is not None else {}
        head = {"id": self.completion_id, "object": "chat.completion", "created": CREATED, "model": body["model"]}
        return {**head, "choices": choices, **usage, "service_tier": "default", "system_fingerprint": "fp_fake0openai"}

    def usage(self, usage: Usage) -> dict[str, Any]:
        return {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
            "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": usage.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    # the errors

    def failure(self, failure: Failure) -> Any:
        words = {"message": failure.message, "type": failure.kind, "param": failure.param, "code": failure.code}
        return {"error": words}

    def refused(self, refused: Refused) -> Failure:
        return Failure(refused.status, "invalid_request_error", f"{PROSE}: {refused}", refused.code, refused.where)

    def inband(self) -> bytes:
        words = {"message": PROSE, "type": "server_error", "param": None, "code": None}
        return b"data: %b\n\n" % dumps({"error": words})

    def context_length(self) -> Failure:
        why = "This model's maximum context length is 128000 tokens. However, your messages resulted in 150011 tokens."
        return Failure(400, "invalid_request_error", f"{why} {PROSE}", "context_length_exceeded", "messages")


def tool_call(call: Any) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def tool_deltas(script: Script) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for index, call in enumerate(script.tool_calls):
        start = {"index": index, "id": call.id, "type": "function"}
        made.append({**start, "function": {"name": call.name, "arguments": ""}})
        made += [{"index": index, "function": {"arguments": piece}} for piece in call.pieces]
    return made


def logprobs(pieces: list[str]) -> dict[str, Any]:
    def one(token: str) -> dict[str, Any]:
        word = {"token": token, "logprob": -0.125, "bytes": list(token.encode())}
        return {**word, "top_logprobs": [word]}

    return {"content": [one(piece) for piece in pieces], "refusal": None}


def embeddings(body: Any) -> dict[str, Any]:
    tokens = array(integer(0, 300_000), 1)
    texts = either(filled, tokens, array(filled, 1, 2048), array(tokens, 1, 2048))
    more = {"encoding_format": one_of("float", "base64"), "dimensions": integer(1, 4096), "user": string}
    record({"input": texts, "model": filled}, more)(body, "")
    batch = isinstance(body["input"], list) and not isinstance(body["input"][0], int)
    packed = base64.b64encode(struct.pack("<3f", *EMBEDDING)).decode()
    vector = packed if body.get("encoding_format") == "base64" else EMBEDDING
    count = len(body["input"]) if batch else 1
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    usage = {"prompt_tokens": 4 * count, "total_tokens": 4 * count}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}
