"""What an answer has used: as its provider counts it, or by an estimate of ours."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Struct

from gateway.core.chat import ChatRequest
from gateway.core.errors import UpstreamError
from gateway.core.events import Chunk, Usage, decode_usage, encode_usage
from gateway.core.shape import Shape
from gateway.core.tokens import estimate, estimate_prompt
from gateway.upstream.dialect import Decoder

NO_END: Final = "no end"  # a finish reason, but no terminal event
NO_USAGE: Final = "no usage"  # no count, or none that can be believed
OTHER_MODEL: Final = "other model"  # than the one that was asked
ODD: Final = (NO_END, NO_USAGE, OTHER_MODEL)


class Counted(Struct, frozen=True):
    """The tokens of an answer; `estimated` where they are our count and not the provider's."""

    usage: Usage
    estimated: bool
    odd: tuple[str, ...] = ()  # what the provider did otherwise than its wire has it, and was forgiven


class Count:
    """The tokens of one answer: the provider's own count, or an estimate where it has none that can be believed."""

    def __init__(self, request: ChatRequest, decoder: Decoder, shape: Shape) -> None:
        self.decoder = decoder
        self.shape = shape
        self._request = request
        self._final: Counted | None = None

    def close(self) -> Chunk:
        """The answer is whole: its last chunk, with the usage."""
        told = self._told()
        odd = () if self.decoder.ended else (NO_END,)
        if told is not None:
            self._final = Counted(told[1], estimated=False, odd=odd)
            return told[0]
        self._final = msgspec.structs.replace(self._estimate(None), odd=(*odd, NO_USAGE))
        return Chunk(usage=encode_usage(self._final.usage))

    def counted(self) -> Counted:
        """What is known by now; of an answer that is not whole, what it came to."""
        if self._final is not None:
            return self._final
        told = self._told()
        return self._estimate(None if told is None else told[1])

    def _told(self) -> tuple[Chunk, Usage] | None:
        """The provider's count, as far as it has told any that can be believed."""
        try:
            for chunk in self.decoder.finish():
                if chunk.usage is not UNSET and (usage := decode_usage(chunk.usage)) is not None:
                    return chunk, usage
        except UpstreamError:  # the answer was cut inside what would have told it
            return None
        return None

    def _estimate(self, told: Usage | None) -> Counted:
        """By the characters; where a provider has counted the prompt before it began to answer, that is right."""
        said = estimate(self.shape.characters)
        if told is None:
            read = estimate_prompt(self._request)
            return Counted(Usage(read, said, read + said), estimated=True)
        read, said = told.prompt_tokens, max(said, told.completion_tokens)
        return Counted(Usage(read, said, read + said, told.prompt_tokens_details), estimated=True)
