"""The documents: what each kind of file in this folder may say. `reading.py` reads them, `library.py` checks them.

Each file says its kind in its first key. Names of models are always whole, `provider/model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from policies.quality import Quality

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0, le=1e9)]
Weight = Annotated[float, Meta(ge=0, le=100)]
Range = tuple[Share, Share]  # at complexity 0 and at complexity 1; what lies between is on the line between them
FullName = Annotated[str, Meta(pattern="^[^/]+/.+$")]
Pattern = Annotated[str, Meta(min_length=1)]  # a whole name, or one with * in it
# "sampling" is to take temperature and its like, "forced_tools" to be made to call a tool. A list of abilities means
# these two as well, which nearly every model can do, unless `lacks` says otherwise.
Ability = Literal["tools", "forced_tools", "vision", "json", "search", "audio", "files", "sampling"]

HOSTED = ("embeddings", "images", "speech", "transcription", "moderation", "rerank")  # what is no chat


# For what a request moves on to the next model, beside failures: the first finds the prompt too long, its provider's
# rules forbid an answer, or it is later than it usually is and the next one is asked beside it.
CONTEXT_LENGTH: Final = "context_length"
CONTENT_POLICY: Final = "content_policy"
LATENESS: Final = "lateness"
Move = Literal["context_length", "content_policy", "lateness"]


class DocumentError(Exception):
    """Documents that cannot be used; the message has a line for each mistake: file, line, key, what is wrong."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


class Persona(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="persona"):
    """Who answers: `text` stands first in the prompt, byte for byte the same until `version` changes."""

    version: int
    name: str
    text: str
    with_json: bool = False
    with_tools: bool = False


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars for a million tokens, and for a request; each overrides what LiteLLM's map says."""

    input: Annotated[float, Meta(ge=0)] | None = None
    cached_input: Annotated[float, Meta(ge=0)] | None = None
    output: Annotated[float, Meta(ge=0)] | None = None
    request: Annotated[float, Meta(ge=0)] | None = None


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One model of the catalogue; what is left out of abilities, price and window is taken from LiteLLM's map."""

    name: FullName
    quality: dict[str, Range]  # by intent; "default" for intents that are not named
    source: Annotated[str, Meta(min_length=10)]  # where the qualities come from
    abilities: list[Ability] | None = None  # and "sampling" and "forced_tools"
    lacks: list[Ability] = []  # taken away from these, or from what the map says
    adds: list[Ability] = []  # and added to it
    price: Price | None = None
    window: Annotated[int, Meta(gt=0)] | None = None  # tokens of prompt and answer
    most_output: Annotated[int, Meta(gt=0)] | None = None
    reasoning: Annotated[int, Meta(ge=0)] = 0  # tokens it thinks at complexity 1 before it answers, as a start
    ttft_ms: Positive = 800.0  # until measured
    tokens_per_s: Positive = 80.0  # until measured


class Tempo(Struct, frozen=True, forbid_unknown_fields=True):
    """How fast a provider is asked with one key, by all workers together; 0 is no limit."""

    rps: Annotated[float, Meta(ge=0, le=1e6)] = 0.0  # requests a second
    burst: Annotated[int, Meta(ge=0, le=1_000_000)] = 0  # that may come at once; 0 for what comes in one second
    concurrency: Annotated[int, Meta(ge=0, le=1_000_000)] = 0  # that may run at once
    wait: Annotated[float, Meta(ge=0, le=60)] = 2.0  # seconds that a request waits for its turn

    @property
    def whole_burst(self) -> float:
        """The burst, at least one request."""
        return max(1.0, self.burst or self.rps)


class Models(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="models"):
    """The catalogue: every model that Syntra may choose, and who does what is no chat, first choice first."""

    version: int
    model: list[Model]
    embeddings: list[FullName]
    pace: dict[str, Tempo] = {}  # by provider, for each of its keys; OPENAI_RPS and its like go before it
    images: list[FullName] = []
    speech: list[FullName] = []
    transcription: list[FullName] = []
    moderation: list[FullName] = []
    rerank: list[FullName] = []

    @property
    def hosts(self) -> dict[str, list[FullName]]:
        """Those who do what is no chat, by what it is."""
        return {kind: getattr(self, kind) for kind in HOSTED}

    @property
    def chat(self) -> list[Model]:
        """Those who chat: an embedder may stand in the catalogue for its price."""
        hosts = {name for names in self.hosts.values() for name in names}
        return [entry for entry in self.model if entry.name not in hosts]


class Intent(Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of prompt: what it is, how long its answers are until that is learned, and examples if it is your own."""

    about: str
    output_tokens: tuple[Annotated[int, Meta(gt=0)], Annotated[int, Meta(gt=0)]]  # at complexity 0 and at 1
    examples: list[str] = []


class Intents(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="intents"):
    """The five intents that are told apart out of the box, and any that you add by giving examples."""

    version: int
    intent: dict[str, Intent]


class Weights(Struct, frozen=True, forbid_unknown_fields=True):
    """What each term of the score weighs; the formula is in `policies/engine.py`."""

    shortfall: Weight  # for each point of quality that lacks to be good enough
    surplus: Weight  # for each point above good enough
    cost: Weight
    ttft: Weight
    duration: Weight
    crowding: Weight  # for a prompt that fills the window
    stay: Weight  # for the model that answered this conversation before
    search: Weight  # for a model that searches the web, when fresh facts are asked for


class Half(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a term reaches one half of its weight."""

    cost_usd: Positive
    ttft_ms: Positive
    duration_ms: Positive


class Routing(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="routing"):
    """A routing policy: from what is asked to which models are asked, in which order."""

    version: int
    about: str
    weights: Weights
    half: Half
    enough: dict[str, Range]  # the quality that is good enough, by intent; "default" for the rest
    models: list[Pattern] = field(default_factory=lambda: ["*"])  # who may be chosen
    fresh_from: Share = 0.6  # need for fresh facts from which on searching counts
    attempts: Annotated[int, Meta(ge=1, le=10)] = 3  # how many are asked at most: primary, backup, default
    default: list[FullName] = []  # the end of the chain
    after_first_word: Literal["error", "continue"] = "error"  # what becomes of a text whose provider breaks off
    moves: list[Move] = []  # for what the next is asked, beside failures
    fallback: str = ""  # the policy that decides where no model of this one can
    memory_tokens: Annotated[int, Meta(ge=0, le=100_000)] = 600  # of notes from memory at most; 0 for none
    # Tokens of a prompt from which on older turns become a summary; where it is not said, when no window holds them.
    summarise_from: Annotated[int, Meta(ge=1000)] | None = None
    quality: Quality | None = None  # written by `syntra policy fit`


class Sharing(Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests of one person, or of one key that is nobody's, may have the same answer."""

    joins_s: Annotated[float, Meta(ge=0, le=60)] = 5.0  # how long after its start others may join a call; 0: never
    kept_s: Annotated[float, Meta(ge=0, le=30 * 86_400)] = 300.0  # how long answers without chance are kept; 0: not
    most_kept: Annotated[int, Meta(ge=0, le=16 * 1024 * 1024)] = 1024 * 1024  # bytes of one, as its provider sent it
    near: Annotated[float, Meta(ge=0.9, le=1)] | None = None  # the least likeness of a question that asks the same
    random: bool = False  # also those that ask for chance: a temperature above 0 without a seed, several choices
    acting: bool = False  # also those whose provider does more than answer: it runs tools, or stores


class Organisation(Struct, frozen=True, forbid_unknown_fields=True):
    """What one organisation may use and what names mean to it."""

    models: list[Pattern] = field(default_factory=lambda: ["*"])  # who may be asked, pinned or chosen
    policy: str = "balanced"  # what `syntra` means
    policies: list[str] | None = None  # which policies it may name; all if not said
    aliases: dict[str, str] = {}  # a name of its own to a model or to a policy's name
    sharing: Sharing = Sharing()


class Organisations(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="organisations"):
    """By name; "default" for every organisation that is not named."""

    version: int
    organisation: dict[str, Organisation]


Document = Persona | Models | Intents | Routing | Organisations
