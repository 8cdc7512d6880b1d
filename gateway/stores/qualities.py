"""Expects how well each model will answer a prompt, by what `syntra policy fit` learned: numpy alone, no waiting.

Two estimates of the same prompt are mixed. The broad one is the mean score of what lies around it in meaning; far
from everything it is every model's mean. The precise one is a ridge regression on landmarks (a Gaussian process seen
through them) and on words; it is right about the kinds of prompts that it knows and worse than nothing about others.
So a second output of the same regression says how surely the prompt is of a known kind, and that decides how much each
one counts.
"""

from __future__ import annotations

import math
import zlib
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from gateway.core import surface
from gateway.stores.buckets import BUCKETS
from gateway.stores.classifier import Sight, look
from gateway.stores.embedding import Encoder, Floats
from policies.quality import Packed, Quality, QualityError

BREADTH: Final = 16.0  # how fast the broad estimate forgets what is further off; 12 to 32 measure the same
FAR: Final = 0.2  # the likeness of meaning at which the surroundings count as much as the mean of everything
CLIP: Final = 3.0  # standard deviations; what lies further out says no more
WIDE: Final = math.sqrt(2)  # the vector's part of a point, beside measures whose parts sum to about one
_PROBE: Final = "Sort these 3 numbers, please:\n- 42\n- x = 7\n```py\nprint(1)\n```"


class Expected(Struct, frozen=True):
    """Each model's expected quality 0..1, and how near the prompt is to what is known, 0..1."""

    qualities: dict[str, float]
    nearness: float


def see(encoder: Encoder, text: str) -> Sight:
    """A prompt as it is seen when qualities are fitted, and must be seen when they are expected."""
    return look(encoder, surface.cut(text))


def measured(sight: Sight) -> Floats:
    """The measures of the surface."""
    return sight.dense[-surface.MEASURES :]


def eye(encoder: Encoder) -> str:
    """A name that changes when the embedding, the measures or the buckets do."""
    sight = see(encoder, _PROBE)
    # Coarsely rounded: another machine may sum floats in another order.
    felt = np.rint(np.concatenate((sight.vector, measured(sight))) * 16).astype("<i2")
    seen = felt.tobytes() + sight.buckets.astype("<i8").tobytes()
    return f"{len(sight.vector)}+{surface.MEASURES}-{zlib.crc32(seen):08x}"


class Lens:
    """What the regression sees of a prompt: how near each landmark is, and the weight of each known word."""

    def __init__(
        self,
        centre: Floats,
        spread: Floats,
        points: Floats,
        buckets: NDArray[np.int64],
        found: NDArray[np.int64],
        prompts: int,
    ) -> None:
        self._centre, self._spread = centre, spread
        self._dimensions = points.shape[1] - len(centre)
        self._meaning = np.ascontiguousarray(points[:, : self._dimensions])
        self._shape = np.ascontiguousarray(points[:, self._dimensions :])
        self._sizes = (points * points).sum(1)
        # The last bucket is of no word; what was not found is as rare as can be, and takes its part of the length.
        self._buckets = np.append(buckets, BUCKETS)
        self._rarity = np.log((1 + prompts) / (1 + np.append(found, 1))).astype(np.float32)

    def point(self, sight: Sight) -> Floats:
        """The prompt among the landmarks: its meaning, then the shape of its surface."""
        scaled = np.clip((measured(sight) - self._centre) * self._spread, -CLIP, CLIP)
        return np.concatenate((sight.vector * np.float32(WIDE), scaled / np.float32(math.sqrt(len(scaled)))))

    def around(self, sight: Sight) -> tuple[Floats, Floats]:
        """For each landmark how near it is, in meaning and shape, and how much it weighs in the broad estimate."""
        point = self.point(sight)
        meaning = self._meaning @ point[: self._dimensions]
        together = meaning + self._shape @ point[self._dimensions :]
        near: Floats = np.exp(np.minimum(0, 2 * together - self._sizes - point @ point))
        # Both carry WIDE, so half of it is the prompt times the mean of the landmark's prompts.
        return near, np.exp(np.float32(BREADTH / 2) * meaning)

    def words(self, sight: Sight) -> tuple[NDArray[np.int64], Floats]:
        """The known words by their places, and their weights: the rarer the heavier, of length one with the unknown."""
        places = np.searchsorted(self._buckets, sight.buckets)
        hit = self._buckets[places] == sight.buckets
        weights = self._rarity[np.where(hit, places, -1)]
        length = math.sqrt(float(weights @ weights)) or 1.0
        return places[hit], weights[hit] / np.float32(length)


def require_usable(section: Quality) -> None:
    """Raise QualityError, which begins with the key, where a section is broken or of another gateway's making."""
    Qualities(section, Encoder.load())


class Qualities:
    """From a sight of a prompt to what can be expected of each model; raises QualityError for a broken section."""

    def __init__(self, section: Quality, encoder: Encoder) -> None:
        if section.eye != (ours := eye(encoder)):
            raise QualityError(
                f"quality.eye: fitted with {section.eye!r}, but this gateway sees with {ours!r}: fit it anew"
            )
        if not section.known > section.unknown:
            raise QualityError(f"quality.known: {section.known} is not above quality.unknown, {section.unknown}")
        self._names = [model.name for model in section.models]
        self._means = np.array([model.score for model in section.models], np.float32)
        self._unknown, self._known = section.unknown, section.known
        numbers = Numbers.unpack(section.packed, len(self._names), encoder.dimensions)
        self._lens = numbers.lens(section.prompts)
        self._counts = numbers.counts.astype(np.float32)
        if not self._counts.sum() > 0:
            raise QualityError("quality.packed.counts: no prompt at any landmark")
        self._mean_pull = self._counts.sum() * np.float32(math.exp(BREADTH * FAR))
        self._scores, self._near = numbers.scores, numbers.near
        self._words = numbers.words * numbers.grain

    def expected(self, sight: Sight) -> Expected:
        """What to expect for this prompt; unless it is of a known kind, what its wide surroundings say."""
        near, wide = self._lens.around(sight)
        pull = self._counts * wide
        # Without the mean's own weight the least far of what is far would decide alone.
        broad = (pull @ self._scores + self._mean_pull * self._means) / (pull.sum() + self._mean_pull)
        places, weights = self._lens.words(sight)
        found = near @ self._near + weights @ self._words[places]
        models = len(self._names)
        likeness = float(found[models:].max())
        nearness = min(1.0, max(0.0, (likeness - self._unknown) / (self._known - self._unknown)))
        precise = self._means + found[:models]
        mixed = np.clip(broad + np.float32(nearness) * (precise - broad), 0, 1)
        return Expected(dict(zip(self._names, mixed.tolist(), strict=True)), nearness)


class Numbers(Struct, frozen=True):
    """The fitted numbers: what describes the landmarks, then the weights of landmarks and words for each output."""

    centre: Floats
    spread: Floats
    step: Floats
    points: NDArray[np.int8]
    counts: NDArray[np.int32]
    scores: Floats
    near: Floats
    buckets: NDArray[np.int64]
    found: NDArray[np.int64]
    grain: Floats
    words: NDArray[np.int8]

    def lens(self, prompts: int) -> Lens:
        """What sees prompts as these numbers need them."""
        points = self.points * self.step[:, None]
        return Lens(self.centre, self.spread, points, self.buckets, self.found, prompts)

    def pack(self) -> Packed:
        """The numbers as a document keeps them."""
        return Packed(
            **{name: np.ascontiguousarray(getattr(self, name), kind).tobytes() for name, kind in _KINDS.items()}
        )

    @classmethod
    def unpack(cls, packed: Packed, models: int, dimensions: int) -> Numbers:
        """The numbers of a document, for so many models; raises QualityError where a length is wrong."""
        landmarks = len(packed.step) // 4
        known = len(packed.buckets) // 4
        outputs = len(packed.grain) // 4
        shapes = {
            "centre": (surface.MEASURES,),
            "spread": (surface.MEASURES,),
            "step": (max(1, landmarks),),
            "points": (landmarks, dimensions + surface.MEASURES),
            "counts": (landmarks,),
            "scores": (landmarks, models),
            "near": (landmarks, outputs),
            "buckets": (known,),
            "found": (known,),
            "grain": (max(models + 1, outputs),),
            "words": (known, outputs),
        }
        numbers = cls(**{name: _read(name, getattr(packed, name), shape) for name, shape in shapes.items()})
        if not (np.diff(numbers.buckets) > 0).all():
            raise QualityError("quality.packed.buckets: not in ascending order")
        return numbers


_KINDS: Final = {
    "centre": "<f4",
    "spread": "<f4",
    "step": "<f4",
    "points": "<i1",
    "counts": "<i4",
    "scores": "<f4",
    "near": "<f4",
    "buckets": "<u4",
    "found": "<u4",
    "grain": "<f4",
    "words": "<i1",
}


def _read(name: str, packed: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
    """The numbers under this key, in the type that is computed with."""
    kind = np.dtype(_KINDS[name])
    wanted = math.prod(shape) * kind.itemsize
    if len(packed) != wanted:
        told = " × ".join(map(str, shape))
        raise QualityError(f"quality.packed.{name}: {len(packed)} bytes instead of {wanted} ({told} × {kind.itemsize})")
    numbers = np.frombuffer(packed, kind).reshape(shape)
    if kind.kind == "f" and not np.isfinite(numbers).all():
        raise QualityError(f"quality.packed.{name}: holds a number that is not finite")
    return numbers.astype({"f": np.float32, "u": np.int64}.get(kind.kind, kind.newbyteorder("=")))
