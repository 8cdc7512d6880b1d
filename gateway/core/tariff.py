"""What is paid for that is not chat: images, sounds, searches; by the token or by the piece."""

from __future__ import annotations

from msgspec import Struct

from gateway.core.money import Picodollars


class Consumed(Struct, frozen=True):
    """What one call has used; `input` counts the tokens of images and sounds that were sent."""

    input: int = 0
    output: int = 0
    input_media: int = 0
    images: int = 0
    seconds: float = 0.0
    characters: int = 0
    queries: int = 0


class Tariff(Struct, frozen=True):
    """Picodollars for a token, or for a piece where nobody counts tokens; what is 0 is not charged for."""

    input: Picodollars = Picodollars(0)
    output: Picodollars = Picodollars(0)
    input_media: Picodollars = Picodollars(0)  # a token of an image or a sound
    image: Picodollars = Picodollars(0)
    second: Picodollars = Picodollars(0)
    character: Picodollars = Picodollars(0)
    query: Picodollars = Picodollars(0)

    def of(self, used: Consumed) -> Picodollars:
        """The cost of a call: of its tokens if it has told any, else of its pieces."""
        media = min(used.input_media, used.input)
        total = (used.input - media) * self.input + media * (self.input_media or self.input) + used.output * self.output
        if not total:
            total = used.images * self.image + round(used.seconds * self.second) + used.characters * self.character
        return Picodollars(total + used.queries * self.query)
