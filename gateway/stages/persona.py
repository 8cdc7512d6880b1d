"""Gives the prompt the organisation's voice."""

from __future__ import annotations

from gateway.core.caller import Caller
from gateway.core.chat import ChatRequest
from policies.documents import Persona as Document


class Persona:
    """Puts the persona first in the prompt, in bytes that only a new version of the document changes."""

    def __init__(self, document: Document) -> None:
        self.take(document)

    def take(self, document: Document) -> None:
        """Use this document from the next request on."""
        self._document = document
        self._text = document.text.strip()
        self.name = document.name

    def apply(self, caller: Caller, request: ChatRequest, *, wanted: bool | None) -> ChatRequest:
        """The request with the persona before the client's own system prompt, where it belongs.

        `wanted` is the request's own word (`x-syntra-persona`); without one the key decides, and then the document
        leaves out answers that programs read.
        """
        if wanted is None:
            wanted = caller.persona and self._suits(request)
        return request.with_system(self._text) if wanted else request

    def _suits(self, request: ChatRequest) -> bool:
        body = request.body
        if (body.tools or body.functions) and not self._document.with_tools:
            return False
        return not body.wants_json or self._document.with_json
