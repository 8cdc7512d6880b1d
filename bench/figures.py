"""The figures: each is made here, with the bar that it has to reach."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.processes import Running
from bench.stand import CHAT, MESSAGES, Reading, Stand

MEGA = 1e6
KILO = 1e3
_NOISE = 0.05  # share of the gateway's core that others may take before a figure says little


class Bar(NamedTuple):
    """What a figure must reach."""

    limit: float
    unit: str = ""
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the value reaches it."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}{self.unit and ' ' + self.unit}"


@dataclass(frozen=True)
class Figure:
    """One figure; `value` is what the bar is about: a ratio, what Syntra adds, or what it takes."""

    name: str
    what: str
    raw: str
    syntra: str
    value: float
    bar: Bar | None  # None where it is told for comparison
    command: str
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether it reaches its bar."""
        return self.bar is None or self.bar.met(self.value)


class Beside(NamedTuple):
    """The same load straight at the upstream and through the gateway, in turn."""

    raw: list[Reading]
    syntra: list[Reading]

    def mean(self, name: str) -> tuple[float, float]:
        """The means of both sides."""
        return statistics.fmean(r[name] for r in self.raw), statistics.fmean(r[name] for r in self.syntra)

    def note(self, name: str) -> str:
        """How far the raw upstream's own readings lie apart, and who else was there."""
        return f"raw spread {spread([r[name] for r in self.raw]):.0%}, {others(self.syntra)}"


def spread(values: Sequence[float]) -> float:
    """The distance between the ends as a share of the mean."""
    return (max(values) - min(values)) / statistics.fmean(values)


def others(readings: Sequence[Reading]) -> str:
    """How much of the gateway's core went to somebody else."""
    share = max(reading.get("others", 0.0) for reading in readings)
    return f"others {share:.0%}" + (": NOISY" if share > _NOISE else "")


def beside(stand: Stand, connections: int, body: str) -> Beside:
    """Raw, gateway, raw, and so on."""
    gateway = stand.gateway()
    found = Beside([stand.load(stand.raw, connections, body)], [])
    for _ in range(stand.plan.rounds):
        found.syntra.append(stand.load(gateway, connections, body))
        found.raw.append(stand.load(stand.raw, connections, body))
    return found


def load_command(stand: Stand, connections: int, body: str) -> str:
    return stand.command(
        f"bench/bin/load $SYNTRA{CHAT} {connections} {stand.plan.seconds:g} bench/bodies/{body}.json $KEY"
    )


def requests(stand: Stand) -> list[Figure]:
    """Requests without stream."""
    return [_rate(stand, "requests", "requests without stream, 32 connections", "chat", "rps", 0.30)]


def stream_lines(stand: Stand) -> list[Figure]:
    """Lines of streams on the OpenAI wire."""
    return [_rate(stand, "stream-lines", "stream lines, 32 connections", "stream", "lines/s", 0.50)]


def kept_answers(stand: Stand) -> list[Figure]:
    """Answers from the cache: how many, and how soon."""
    rate = _rate(stand, "kept-answers", "answers that were kept, 32 connections", "kept", "rps", 0.30)
    alone = [stand.load(stand.gateway(), 1, "kept") for _ in range(stand.plan.rounds)]
    took = statistics.fmean(reading["total_ms.p50"] for reading in alone)
    what, command = "an answer that was kept, whole, one connection, p50", load_command(stand, 1, "kept")
    bar = Bar(1.0, "ms")
    return [rate, Figure("kept-answer-p50", what, "", f"{took:.2f} ms", took, bar, command, others(alone))]


def _rate(stand: Stand, name: str, what: str, body: str, unit: str, limit: float) -> Figure:
    """A share of the raw upstream's rate."""
    found = beside(stand, 32, body)
    raw, syntra = found.mean(unit)
    bar = Bar(limit, at_least=True)
    command = load_command(stand, 32, body)
    return Figure(name, what, f"{raw:,.0f}/s", f"{syntra:,.0f}/s", syntra / raw, bar, command, found.note(unit))


def anthropic_lines(stand: Stand) -> list[Figure]:
    """Lines of streams that the provider sends on Anthropic's wire, beside the raw upstream on either wire."""
    gateway = stand.gateway()
    openai = [stand.load(stand.raw, 32, "stream")]
    anthropic = [stand.load(stand.raw, 32, "anthropic", MESSAGES)]
    syntra = []
    for _ in range(stand.plan.rounds):
        syntra.append(stand.load(gateway, 32, "anthropic"))
        openai.append(stand.load(stand.raw, 32, "stream"))
        anthropic.append(stand.load(stand.raw, 32, "anthropic", MESSAGES))
    command, figures = load_command(stand, 32, "anthropic"), []
    for name, wire, raw, bar in (
        ("anthropic-lines", "OpenAI", openai, Bar(0.20, at_least=True)),
        ("anthropic-lines-same-wire", "Anthropic", anthropic, None),
    ):
        found = Beside(raw, syntra)
        line, rate = found.mean("lines/s")
        what = f"Anthropic-wire stream lines; raw: {wire} wire"
        note = found.note("lines/s")
        figures.append(Figure(name, what, f"{line:,.0f}/s", f"{rate:,.0f}/s", rate / line, bar, command, note))
    return figures


def first_byte(stand: Stand) -> list[Figure]:
    """What the gateway adds to the first byte of a stream when it has nothing else to do."""
    found = beside(stand, 1, "stream")
    figures = []
    for percentile, limit in (("p50", 1.2), ("p99", 3.0)):
        raw, syntra = found.mean(f"first_ms.{percentile}")
        what = f"added to the first byte, one connection, {percentile}"
        bar = Bar(limit, "ms")
        command = load_command(stand, 1, "stream")
        name = f"first-byte-{percentile}"
        figures.append(
            Figure(name, what, f"{raw:.2f} ms", f"{syntra:.2f} ms", syntra - raw, bar, command, others(found.syntra))
        )
    return figures


def open_streams(stand: Stand) -> list[Figure]:
    """Lateness and memory of many open streams."""
    gateway, streams = stand.gateway(), stand.plan.streams
    model = f"d0-n{stand.plan.stream_chunks}-i100-t1"
    stand.load(gateway, 32, "stream")  # so that what every process grows by once is not counted as the streams'
    raw, _ = stand.streams(stand.raw, model)
    before = gateway.running.resident()
    syntra, most = stand.streams(gateway, f"openai/{model}")
    command = stand.command(f"bench/bin/streams $SYNTRA{CHAT} $KEY openai/{model} {streams}")
    figures = []
    for kind, meaning in (("late", "after it was sent"), ("gap", "over 100 ms after the last")):
        was, took = raw[f"{kind}_ms.p99"], syntra[f"{kind}_ms.p99"]
        what = f"{streams:,} open streams: chunk {meaning}, p99"
        tail = (
            ", ".join(f"{p} {syntra[f'{kind}_ms.{p}']:.1f} ms" for p in ("p50", "max"))
            + f", CPU {syntra.get('own', 0):.0%}, {others([syntra])}"
        )
        name = f"open-streams-{kind}"
        figures.append(Figure(name, what, f"{was:.1f} ms", f"{took:.1f} ms", took, Bar(50, "ms"), command, tail))
    grown = (most - before) / streams / KILO
    what = f"{streams:,} open streams: memory of each"
    note = f"{before / MEGA:.0f} MB before, at most {most / MEGA:.0f} MB"
    figures.append(Figure("open-streams-memory", what, "", f"{grown:.1f} KB", grown, Bar(60, "KB"), command, note))
    return figures


def memory(stand: Stand) -> list[Figure]:
    """Resident memory without LiteLLM, after the start and after load."""
    with stand.new_gateway("openai", ("OPENAI",)) as gateway:
        fresh = _memory(gateway.running)
        for body in ("chat", "stream"):
            stand.load(gateway, 32, body)
        used = _memory(gateway.running)
    command = "VmRSS of `syntra serve` and its worker, without a key for a translated provider"
    return [
        Figure(name, f"resident memory {when}", "", f"{rss:.0f} MB", rss, Bar(160, "MB"), command, f"PSS {pss:.0f} MB")
        for name, when, (rss, pss) in (
            ("memory-start", "after the first request", fresh),
            ("memory-load", "after load", used),
        )
    ]


def _memory(running: Running) -> tuple[float, float]:
    return running.resident() / MEGA, running.proportional() / MEGA


def start(stand: Stand) -> list[Figure]:
    """From `serve` on a data directory that exists to the first answered chat request."""
    times = []
    for number in range(stand.plan.starts + 1):
        with stand.new_gateway("openai", ("OPENAI",)) as gateway:
            if number:  # the first one makes the data directory
                times.append(gateway.started)
    median = statistics.median(times)
    command = stand.command("python -m gateway serve --data-dir $DATA", gateway_core=True)
    note = ", ".join(f"{seconds:.2f}" for seconds in times)
    what = "start to first answer, existing data directory"
    return [Figure("start", what, "", f"{median:.2f} s", median, Bar(3, "s"), command, note)]


def sanitizer(stand: Stand) -> list[Figure]:
    """The sanitizer alone."""
    stand.say("sanitizer: prose in chunks of one to five words")
    cost = float(stand.python("-m", "bench.sanitizer"))
    command = stand.command("python -m bench.sanitizer", gateway_core=True)
    return [Figure("sanitizer", "sanitizer, one chunk", "", f"{cost:.2f} µs", cost, Bar(6, "µs"), command)]


def recall(stand: Stand) -> list[Figure]:
    """What memory adds to an answer, and how fast it fills, with many memories in the store."""
    stand.say("recall: a hundred thousand memories are kept, then asked for")
    found = json.loads(stand.python("-m", "bench.memory", "--json"))
    many = f"{found['memories']:,} memories in the store"
    command = stand.command("python -m bench.memory", gateway_core=True)
    took = f"processor {found['cpu']:.2f} ms; of who has 20,000"
    rate, late = found["kept"], found["kept_late"]
    return [
        Figure(
            f"recall-{percentile}",
            f"a recall, {many}, {percentile}",
            "",
            f"{found[percentile]:.2f} ms",
            found[percentile],
            Bar(limit, "ms"),
            command,
            f"{took}: {found[f'many_{percentile}']:.2f} ms",
        )
        for percentile, limit in (("p50", 3.0), ("p95", 10.0))
    ] + [
        Figure(
            "remember",
            "memories kept",
            "",
            f"{rate:,.0f}/s",
            rate,
            Bar(1000, "/s", at_least=True),
            command,
            f"processor {found['kept_cpu']:.0f} µs each",
        ),
        Figure(
            "remember-loop",
            "longest work without a break meanwhile",
            "",
            f"{late:.1f} ms",
            late,
            Bar(5, "ms"),
            command,
            f"in recalls {found['late']:.1f} ms",
        ),
    ]


FIGURES: dict[str, Callable[[Stand], list[Figure]]] = {
    "requests": requests,
    "stream-lines": stream_lines,
    "kept-answers": kept_answers,
    "anthropic-lines": anthropic_lines,
    "first-byte": first_byte,
    "open-streams": open_streams,
    "memory": memory,
    "start": start,
    "sanitizer": sanitizer,
    "recall": recall,
}
