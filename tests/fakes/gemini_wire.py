"""Gemini's wire, strictly: generateContent, streamGenerateContent?alt=sse and batchEmbedContents."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.fakes.gemini_request import camel, check_body
from tests.fakes.provider import Provider
from tests.fakes.script import PROSE, Failure, Frame, Script, Usage, dumps
from tests.fakes.server import Reply, Request
from tests.fakes.shape import Refused, array, integer, mapping, matching, record, refuse, string

STOPS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
ROUTE = re.compile(r"/v1beta/models/([a-zA-Z0-9.-]+):(generateContent|streamGenerateContent|batchEmbedContents)")
EMBEDDING = record(
    {"model": matching(r"models/[a-zA-Z0-9.-]+"), "content": record({"parts": array(record({"text": string}))})},
    {"outputDimensionality": integer(1, 3072)},
)


class Gemini(Provider):
    """generativelanguage.googleapis.com."""

    name = "google"

    @property
    def base_url(self) -> str:
        return self.origin

    # the request

    def check(self, request: Request) -> None:
        self.check_door(request)
        if self.wants_stream(request):
            refuse("alt=sse" in request.query.split("&"), "alt", "this fake streams server-sent events only")
        mapping(request.json, "")
        check_body(camel(request.json))

    def check_door(self, request: Request) -> None:
        route = ROUTE.fullmatch(request.path)
        refuse(route, "url", "Requested entity was not found.", status=404)
        refuse(request.method == "POST", "method", "not found", status=404)
        refuse("key=" not in request.query, "url", "this fake wants no key in a URL: URLs end up in logs")
        refuse("x-goog-api-key" in request.headers, "key", "Method doesn't allow unregistered callers", status=403)
        why = "API key not valid. Please pass a valid API key."
        refuse(request.headers["x-goog-api-key"] == self.key, "key", why, code="API_KEY_INVALID")
        refuse("authorization" not in request.headers, "authorization", "invalid credentials", status=401)

    async def other(self, request: Request, reply: Reply) -> bool:
        if not request.path.endswith(":batchEmbedContents"):
            return False
        self.check_door(request)
        record({"requests": array(EMBEDDING)})(request.json, "")
        vectors = [{"values": [0.5, float(index)]} for index in range(len(request.json["requests"]))]
        await reply.whole(200, dumps({"embeddings": vectors}), *self.json_headers())
        return True

    def wants_stream(self, request: Request) -> bool:
        return request.path.endswith(":streamGenerateContent")

    def model_of(self, request: Request) -> str:
        route = ROUTE.fullmatch(request.path)
        return route[1] if route else ""

    # the answer

    def frames(self, script: Script, body: Any) -> list[Frame]:
        made = [self.frame("reasoning", script, [{"text": piece, "thought": True}]) for piece in script.reasoning]
        if script.tool_calls:
            made.append(self.frame("delta", script, function_calls(script)))
        elif len(script.choices) > 1:
            made += [
                self.frame("delta", script, [{"text": piece}], index)
                for index, pieces in enumerate(script.choices)
                for piece in pieces
            ]
        else:
            made += [self.frame("delta", script, [{"text": piece}]) for piece in script.pieces]
        for index in range(len(script.choices)):
            made.append(self.frame("finish", script, [{"text": ""}], index, STOPS[script.finish_reason]))
        return made

    def text_after_the_end(self, body: Any) -> list[Frame]:
        return [self.frame("delta", Script(), [{"text": "AFTER THE END"}])]

    def frame(self, part: str, script: Script, parts: list[Any], index: int = 0, finish: str | None = None) -> Frame:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
        if finish:
            candidate["finishReason"] = finish
        candidate["index"] = index
        answer = {"candidates": [candidate], **self.tail(script, so_far=finish is None)}
        return Frame(b"data: %b\r\n\r\n" % dumps(answer), part)

    def whole(self, script: Script, body: Any) -> Any:
        thoughts = [{"text": "".join(script.reasoning), "thought": True}] if script.reasoning else []
        candidates = []
        for index, pieces in enumerate(script.choices):
            said = function_calls(script) if script.tool_calls else [{"text": "".join(pieces)}]
            content = {"parts": [*thoughts, *said], "role": "model"}
            candidates.append({"content": content, "finishReason": STOPS[script.finish_reason], "index": index})
        return {"candidates": candidates, **self.tail(script, so_far=False)}

    def tail(self, script: Script, *, so_far: bool) -> dict[str, Any]:
        usage = {"usageMetadata": usage_metadata(script.usage, so_far=so_far)} if script.usage else {}
        return {**usage, "modelVersion": "gemini-2.5-flash", "responseId": "FakeGeminiResponseId00"}

    # the errors

    def failure(self, failure: Failure) -> Any:
        status = STATUSES.get(failure.status, "UNKNOWN")
        error: dict[str, Any] = {"code": failure.status, "message": failure.message, "status": status}
        if failure.code == "API_KEY_INVALID":
            kind = "type.googleapis.com/google.rpc.ErrorInfo"
            error["details"] = [{"@type": kind, "reason": failure.code, "domain": "googleapis.com"}]
        return {"error": error}

    def refused(self, refused: Refused) -> Failure:
        return Failure(refused.status, "", f"{PROSE}: {refused}", refused.code)

    def key_error(self) -> Failure:
        return Failure(401, "", f"Request had invalid authentication credentials: {self.key}")

    def invalid_key(self) -> Failure:
        """What Google really answers to a wrong key: a 400."""
        return Failure(400, "", f"API key not valid. Please pass a valid API key. {PROSE}", "API_KEY_INVALID")

    def inband(self) -> bytes:
        return b"data: %b\r\n\r\n" % dumps(self.failure(Failure(503, "", f"The model is overloaded. {PROSE}")))

    def context_length(self) -> Failure:
        why = "The input token count (1100011) exceeds the maximum number of tokens allowed (1048576)."
        return Failure(400, "", f"{why} {PROSE}")


def function_calls(script: Script) -> list[dict[str, Any]]:
    """Gemini sends arguments whole, as an object."""
    return [{"functionCall": {"name": call.name, "args": json.loads(call.arguments)}} for call in script.tool_calls]


def usage_metadata(usage: Usage, *, so_far: bool) -> dict[str, Any]:
    """Gemini counts thoughts apart from candidates."""
    thoughts = {"thoughtsTokenCount": usage.reasoning} if usage.reasoning else {}
    cached = {"cachedContentTokenCount": usage.cached} if usage.cached else {}
    answer = {} if so_far else {"candidatesTokenCount": usage.completion - usage.reasoning}
    total = usage.prompt + (0 if so_far else usage.completion)
    counts = {"promptTokenCount": usage.prompt, **answer, "totalTokenCount": total, **thoughts, **cached}
    return {**counts, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt}]}
