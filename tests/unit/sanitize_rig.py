"""What the sanitizer's tests share: a whole text cleaned, and what a leak is."""

from dataclasses import dataclass

from gateway.stages.sanitize import Sanitizer


def clean(text: str, quoted: str = "", name: str = "Syntra") -> str:
    sanitizer = Sanitizer(name, quoted)
    return sanitizer.feed(text) + sanitizer.finish()


@dataclass(frozen=True)
class Leak:
    """What a model said of itself, and what the user reads."""

    said: str
    read: str
