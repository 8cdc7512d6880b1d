"""A client's requests, one capability after the other, against the gateway that runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from gateway.core.errors import SyntraError
from gateway.doctor import heard, trouble
from gateway.doctor.asking import Answer, Asking
from gateway.doctor.finding import BAD, GOOD, ODD, Finding
from gateway.doctor.heard import Heard, Unfit
from gateway.doctor.manners import Manner
from gateway.doctor.trouble import Refusal

_UNKNOWN: Final = "no-such-model-of-the-doctor"
_STREAMED: Final[Mapping[str, Callable[[bytes], Heard]]] = {
    "chat": heard.chat,
    "responses": heard.responses,
    "messages": heard.messages,
}
_WHOLE: Final[Mapping[str, Callable[[bytes], Heard]]] = {
    "chat": heard.chat_whole,
    "responses": heard.responses_whole,
    "messages": heard.messages_whole,
}
_ENDS: Final = frozenset({"stop", "tool_calls", "completed", "end_turn", "tool_use"})
_SHORT: Final = frozenset({"length", "incomplete", "max_tokens"})


class Replay:
    """One client's manner, asked for one model."""

    def __init__(self, asking: Asking, manner: Manner, model: str) -> None:
        self._asking = asking
        self._manner = manner
        self._model = model
        self._headers = manner.headers(asking.key.reveal())
        self._answers = manner.answered or manner.dialect

    async def findings(self) -> AsyncIterator[Finding]:
        """A finding for each capability that the client needs, as they are tried."""
        for name, check in self._checks():
            yield await self._tried(name, check)

    def _checks(self) -> list[tuple[str, Callable[[], Awaitable[str]]]]:
        manner = self._manner
        checks: list[tuple[str, Callable[[], Awaitable[str]]]] = []
        if manner.models:
            checks.append(("models are listed", self._models))
        checks.append(("greeting, streamed", self._greeting))
        if manner.whole:
            checks.append(("greeting, without a stream", self._whole))
        if manner.task is not None:
            checks.append(("tools are offered", partial(self._task, manner.task(self._model))))
        if manner.result is not None:
            checks.append(("a tool's result is read", partial(self._result, manner.result(self._model))))
        if manner.task is not None:
            checks.append(("a call comes as it is read", partial(self._call, manner.task(trouble.CALL))))
        checks += [(one.what, partial(self._trouble, one)) for one in trouble.REFUSALS]
        checks += [(what, partial(self._broken, model)) for what, model in trouble.BREAKS]
        checks += [
            ("an unknown model is told as such", self._unknown),
            ("a wrong key is told as such", self._wrong_key),
            ("what is malformed is told as such", self._malformed),
        ]
        return checks

    async def _tried(self, name: str, check: Callable[[], Awaitable[str]]) -> Finding:
        try:
            said = await check()
        except Unfit as unfit:
            return Finding(name, BAD, str(unfit))
        except SyntraError as error:
            return Finding(name, BAD, error.message)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            return Finding(name, BAD, f"the answer is not shaped as the client reads it ({error!r})")
        return Finding(name, ODD if said.startswith("but ") else GOOD, said)

    async def _models(self) -> str:
        query = "?limit=1000" if self._manner.models == "anthropic" else ""
        told = _ok(await self._asking.get(f"/v1/models{query}", self._headers)).json
        names = [one["id"] for one in told["data"]]
        if self._manner.models == "anthropic":
            unseen = [name for name in names if not name.startswith(("claude", "anthropic"))]
            if unseen:
                raise Unfit(f"Claude Code would not list {unseen[0]}")
            names = [name.removeprefix("claude/") for name in names]
        return f"{len(names)} names" if self._model in names else f"but {self._model} is not among the {len(names)}"

    async def _greeting(self) -> str:
        told = await self._streamed(self._manner.greeting(self._model))
        if not told.text.strip():
            raise Unfit("the answer has no text")
        return _shortly(told)

    async def _whole(self) -> str:
        body = {name: value for name, value in self._manner.greeting(self._model).items() if name != "stream_options"}
        answer = _ok(await self._post({**body, "stream": False}))
        told = _WHOLE[self._answers](answer.body)
        if not told.text.strip() or told.usage is None:
            raise Unfit("the answer has no text, or no usage")
        return _shortly(told)

    async def _task(self, body: dict[str, Any]) -> str:
        told = await self._streamed(body)
        for call in told.calls:
            if f'"{call.name}"' not in json.dumps(body["tools"]):
                raise Unfit(f"a tool was called that nobody offered: {call.name}")
            if not isinstance(json.loads(call.arguments or "{}"), dict) or not call.id:
                raise Unfit(f"the call of {call.name} cannot be read")
        if told.calls:
            return f"{told.calls[0].name} was called"
        return "taken, and answered in words" if told.text.strip() else "but the answer is empty"

    async def _call(self, body: dict[str, Any]) -> str:
        said = await self._task(body)
        if not said.endswith("was called"):
            raise Unfit("the call did not come")
        return said

    async def _trouble(self, refusal: Refusal) -> str:
        answer = await self._post(self._manner.greeting(refusal.model))
        said = _refused(answer, *refusal.told[self._answers])
        name, wanted = refusal.header
        found = answer.headers.get(name, "")
        if name and (not found or (wanted and found != wanted)):
            raise Unfit(f"{said}, without {name}: {wanted}".rstrip(": "))
        return f"{said}, {name}: {found}" if name else said

    async def _broken(self, model: str) -> str:
        answer = _answered(await self._post(self._manner.greeting(model)))
        return trouble.BROKEN[self._answers](answer.body)

    async def _result(self, body: dict[str, Any]) -> str:
        told = await self._streamed(body)
        if not told.text.strip() and not told.calls:
            raise Unfit("the answer is empty")
        return _shortly(told)

    async def _unknown(self) -> str:
        answer = await self._post(self._manner.greeting(_UNKNOWN))
        return _refused(answer, 404, "not_found_error" if self._manner.dialect == "messages" else "model_not_found")

    async def _wrong_key(self) -> str:
        headers = self._manner.headers("sk-syn-000000000000-0000000000000000000000000000000000000000")
        answer = await self._asking.post(self._manner.path, headers, self._manner.greeting(self._model))
        wanted = "authentication_error" if self._manner.dialect == "messages" else "invalid_api_key"
        return _refused(answer, 401, wanted)

    async def _malformed(self) -> str:
        body = self._manner.greeting(self._model)
        place = "input" if "input" in body else "messages"
        answer = await self._post({**body, place: 7})
        return _refused(answer, 400, place)

    async def _streamed(self, body: dict[str, Any]) -> Heard:
        answer = _ok(await self._post(body))
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise Unfit("a stream was asked for, and none came")
        told = _STREAMED[self._answers](answer.body)
        if told.ended not in _ENDS | _SHORT:
            raise Unfit(f"the answer ended with {told.ended!r}")
        return told

    async def _post(self, body: object) -> Answer:
        return await self._asking.post(self._manner.path, self._headers, body)


def _answered(answer: Answer) -> Answer:
    if answer.status != 200:
        raise Unfit(f"{answer.status}: {_message(answer)}")
    return answer


def _ok(answer: Answer) -> Answer:
    if _answered(answer).torn:
        raise Unfit("the connection ended inside the answer")
    return answer


def _refused(answer: Answer, status: int, word: str) -> str:
    """An error as clients act on it: the status, and the word that they look for, in the shape that they read."""
    told = answer.json
    error = told.get("error") if isinstance(told, dict) else None
    if answer.status != status or not isinstance(error, dict):
        raise Unfit(f"{answer.status} where the client acts on {status}: {_message(answer)}")
    if word not in json.dumps(error):
        raise Unfit(f"{status} without {word}, on which the client acts")
    return f"{status} {word}"


def _message(answer: Answer) -> str:
    told = answer.json
    error = told.get("error") if isinstance(told, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else answer.body[:200].decode(errors="replace")


def _shortly(told: Heard) -> str:
    text = " ".join(told.text.split())
    said = text if len(text) < 50 else f"{text[:49]}…"
    return f"but it was cut off ({told.ended}): {said}" if told.ended in _SHORT else said or told.ended
