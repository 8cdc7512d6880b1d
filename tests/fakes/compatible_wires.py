"""The three that say they are OpenAI-compatible, and where they are not: Perplexity, Kimi, OpenRouter."""

from __future__ import annotations

from typing import Any

from tests.fakes.openai_request import MESSAGES, REASONING_MESSAGES, check_alternation, check_body
from tests.fakes.openai_wire import CREATED, OpenAI
from tests.fakes.script import PROSE, Failure, Frame, Script, Usage, dumps
from tests.fakes.server import Reply, Request
from tests.fakes.shape import Refused, mapping, refuse

NO_DEVELOPER = {role: check for role, check in MESSAGES.items() if role != "developer"}
CITATIONS = ["https://example.org/one", "https://example.org/two"]
RESULTS = [{"title": "One", "url": CITATIONS[0], "date": "2026-01-02"}]


class Perplexity(OpenAI):
    """api.perplexity.ai: no /v1, strict turns, no tools, usage and citations in every chunk."""

    name = "perplexity"
    speaks_responses = False
    prefix = ""
    completion_id = "7ba2c2b5-fake-4d0a-8a57-5b1f0a1c9d11"

    def check_chat(self, body: Any) -> None:
        known = {"search_domain_filter", "search_mode", "search_recency_filter", "top_k", "return_images"}
        mapping(body, "")
        check_body(body, frozenset(known | set(body)), NO_DEVELOPER)
        refuse("tools" not in body, "tools", "Tool calling is not supported for this model.")
        refuse(body.get("n") in {None, 1}, "n", "only one choice")
        kind = (body.get("response_format") or {}).get("type", "text")
        refuse(kind in {"text", "json_schema", "regex"}, "response_format.type", f"{kind!r} is not supported")
        check_alternation(body["messages"])

    async def other(self, request: Request, reply: Reply) -> bool:
        return False

    def frames(self, script: Script, body: Any) -> list[Frame]:
        made, said = [], ""
        for piece in script.pieces:
            said += piece
            made.append(self.turn(script, body, piece, said, None))
        made.append(self.turn(script, body, "", said, script.finish_reason))
        return [*made, Frame(b"data: [DONE]\n\n", "done")]

    def turn(self, script: Script, body: Any, piece: str, said: str, finish: str | None) -> Frame:
        message = {"role": "assistant", "content": said}
        delta = {"role": "assistant", "content": piece}
        choice = {"index": 0, "finish_reason": finish, "message": message, "delta": delta}
        head = {"id": self.completion_id, "model": body["model"], "created": CREATED}
        usage = {"usage": self.usage(script.usage)} if script.usage is not None else {}
        kind = {"object": "chat.completion.chunk", "citations": CITATIONS, "search_results": RESULTS}
        chunk = {**head, **usage, **kind, "choices": [choice]}
        return Frame(b"data: %b\r\n\r\n" % dumps(chunk), "finish" if finish else "delta")

    def whole(self, script: Script, body: Any) -> Any:
        answer = super().whole(script, body)
        return {**answer, "citations": CITATIONS, "search_results": RESULTS}

    def usage(self, usage: Usage) -> dict[str, Any]:
        total = usage.prompt + usage.completion
        cost = {"input_tokens_cost": 0.0, "output_tokens_cost": 0.0, "request_cost": 0.005, "total_cost": 0.005}
        counts = {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion, "total_tokens": total}
        return {**counts, "search_context_size": "low", "cost": cost}

    def failure(self, failure: Failure) -> Any:
        return {"error": {"message": failure.message, "type": failure.kind, "code": failure.status}}

    def context_length(self) -> Failure:
        why = "Prompt exceeds the maximum context length: 130000 tokens > 127072 maximum"
        return Failure(400, "bad_request", f"{why}. {PROSE}")


class Kimi(OpenAI):
    """api.moonshot.ai/v1: no developer role, max_tokens only, usage inside the last choice."""

    name = "kimi"
    speaks_responses = False
    completion_id = "chatcmpl-fake0kimi"

    def check_chat(self, body: Any) -> None:
        mapping(body, "")
        refuse("max_completion_tokens" not in body, "max_completion_tokens", "unknown field; use max_tokens")
        roles = {role: check for role, check in REASONING_MESSAGES.items() if role != "developer"}
        check_body(body, frozenset(body), roles)

    def frames(self, script: Script, body: Any) -> list[Frame]:
        plain = {**body, "stream_options": None}
        made = [self.chunk(plain, [self.with_usage(choice, script)], part) for part, choice in self.interleaved(script)]
        return [*made, Frame(b"data: [DONE]\n\n", "done")]

    def with_usage(self, choice: dict[str, Any], script: Script) -> dict[str, Any]:
        if choice["finish_reason"] is None or script.usage is None:
            return choice
        return {**choice, "usage": self.usage(script.usage)}

    def usage(self, usage: Usage) -> dict[str, Any]:
        total = usage.prompt + usage.completion
        counts = {"prompt_tokens": usage.prompt, "completion_tokens": usage.completion, "total_tokens": total}
        return {**counts, "cached_tokens": usage.cached, "prompt_tokens_details": {"cached_tokens": usage.cached}}

    def failure(self, failure: Failure) -> Any:
        return {"error": {"message": failure.message, "type": failure.kind}}

    def context_length(self) -> Failure:
        why = "Invalid request: Your request exceeded model token limit: 131072 (requested: 140002)"
        return Failure(400, "invalid_request_error", f"{why}. {PROSE}")


class OpenRouter(OpenAI):
    """openrouter.ai/api/v1: comments while it thinks, its own fields everywhere, errors inside chunks."""

    name = "openrouter"
    speaks_responses = False
    prefix = "/api/v1"
    completion_id = "gen-1790000000-FakeRouter"

    def check_chat(self, body: Any) -> None:
        mapping(body, "")
        refuse("/" in str(body.get("model")), "model", f"{body.get('model')} is not a valid model ID")
        check_body(body, frozenset(body), REASONING_MESSAGES)

    def frames(self, script: Script, body: Any) -> list[Frame]:
        made = [Frame(b": OPENROUTER PROCESSING\n\n", "open")]
        for part, choice in self.interleaved(script):
            delta = {"role": "assistant", "content": "", **choice["delta"]}
            native = {"native_finish_reason": choice["finish_reason"]}
            made.append(self.chunk(body, [{**choice, "delta": delta, **native}], part))
        if script.usage is not None:
            last = {"role": "assistant", "content": ""}
            choice = {"index": 0, "delta": last, "finish_reason": None, "native_finish_reason": None, "logprobs": None}
            made.append(self.chunk(body, [choice], "usage", usage=self.usage(script.usage)))
        return [*made, Frame(b"data: [DONE]\n\n", "done")]

    def chunk(self, body: Any, choices: list[Any], part: str, **more: Any) -> Frame:
        head = {"id": self.completion_id, "provider": "Fake Cloud", "model": body["model"]}
        chunk = {**head, "object": "chat.completion.chunk", "created": CREATED, "choices": choices, **more}
        return Frame(b"data: %b\n\n" % dumps(chunk), part)

    def reasoning(self, piece: str, step: int) -> dict[str, Any]:
        detail = {"type": "reasoning.text", "text": piece, "format": "unknown", "index": 0}
        return {"reasoning": piece, "reasoning_details": [detail]}

    def whole(self, script: Script, body: Any) -> Any:
        answer = super().whole(script, body)
        return {**answer, "provider": "Fake Cloud"}

    def inband(self) -> bytes:
        """As OpenRouter documents it: a chunk with an error and a choice that ends in error."""
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": "error"}
        head = {"id": self.completion_id, "object": "chat.completion.chunk", "created": CREATED, "model": "x/y"}
        chunk = {**head, "provider": "Fake Cloud", "error": {"code": 502, "message": PROSE}, "choices": [choice]}
        return b"data: %b\n\n" % dumps(chunk)

    def failure(self, failure: Failure) -> Any:
        metadata = {"provider_name": "Fake Cloud", "raw": failure.message}
        return {
            "error": {"message": failure.message, "code": failure.status, "metadata": metadata},
            "user_id": "user_1",
        }

    def refused(self, refused: Refused) -> Failure:
        return Failure(refused.status, "invalid_request_error", f"{PROSE}: {refused}")

    def context_length(self) -> Failure:
        why = "This endpoint's maximum context length is 128000 tokens. However, you requested about 140002 tokens."
        return Failure(400, "invalid_request_error", f"{why} {PROSE}")
