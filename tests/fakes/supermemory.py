"""SuperMemory's API, strictly as its client speaks it: documents in namespaces, searched by what their words mean."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final
from urllib.parse import unquote

from tests.fakes.embeddings import MEANS
from tests.fakes.server import Reply, Request, Server

KEY: Final = "sm_test_5f0e8d1c2b3a4958"
_PATH: Final = re.compile(r"/(?:v5/)?ns/([^/]+)/(document|search)")
_WORD: Final = re.compile(r"[a-z]{3,}")


class Supermemory(Server):
    """What is told of is kept; `extra` is found by everybody in every namespace, as a store that mixes things up."""

    def __init__(self) -> None:
        super().__init__(self._handle)
        self.kept: dict[str, dict[str, dict[str, Any]]] = {}
        self.extra: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.broken: tuple[int, bytes] | None = None

    @property
    def texts(self) -> list[str]:
        return sorted(document["content"] for documents in self.kept.values() for document in documents.values())

    async def _handle(self, request: Request, reply: Reply) -> None:
        await asyncio.sleep(self.seconds)
        if self.broken is not None:
            await reply.whole(*self.broken, ("content-type", "application/json"))
            return
        assert request.headers.get("authorization") == f"Bearer {KEY}", request.headers
        found = _PATH.fullmatch(request.path)
        assert found is not None, request.path
        namespace, what = unquote(found[1]), found[2]
        body = json.loads(request.body)
        status, answer = self._answer(request.method, namespace, what, body)
        await reply.whole(status, json.dumps(answer).encode(), ("content-type", "application/json"))

    def _answer(self, method: str, namespace: str, what: str, body: Any) -> tuple[int, Any]:
        documents = self.kept.get(namespace)
        if (method, what) == ("POST", "document"):
            assert body["content"]
            assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", body["date"])
            documents = self.kept.setdefault(namespace, {})
            assert body["id"] not in documents, "to add to a document would keep what it said before"
            documents[body["id"]] = body
            return 202, {"id": body["id"], "status": "queued"}
        if documents is None and not self.extra:
            return 404, {"error": {"code": "not_found", "message": "Namespace not found"}}
        if (method, what) == ("DELETE", "document"):
            assert documents is not None
            gone = [one for one in body["ids"] if documents.pop(one, None) is not None]
            errors = [{"id": one, "error": "Document not found"} for one in body["ids"] if one not in gone]
            return 200, {"count": len(gone), "errors": errors}
        assert (method, what) == ("POST", "search")
        asked = _meant(body["query"])
        results = list(self.extra)
        for document in (documents or {}).values():
            likeness = len(asked & _meant(document["content"])) / max(1, len(asked))
            if likeness >= body["threshold"]:
                results.append(result(document["id"], document["content"], document["metadata"], likeness))
        return 200, {"results": results[: body["limit"]], "searchTime": 3.0}


def result(name: str, text: str, metadata: dict[str, str], similarity: float) -> dict[str, Any]:
    """One thing that was found, as the API has it."""
    return {
        "id": f"mem_{name}",
        "memory": f"The user says: {text}",
        "metadata": metadata,
        "similarity": similarity,
        "isLatest": True,
        "isInference": False,
        "system": {"updatedAt": "2026-11-26T00:00:00Z", "createdAt": "2026-11-26T00:00:00Z"},
    }


def _meant(text: str) -> set[str]:
    return {MEANS.get(word, word) for word in _WORD.findall(text.lower())} - {"the", "and", "which", "what", "you"}
