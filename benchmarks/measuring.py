"""Measures servers side by side, in short turns, by processor time a request."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles

import orjson

from benchmarks.cases import MakeBody
from benchmarks.processes import STOP_SECONDS, Server, count_used, list_family, read_cpu

CONNECTIONS = 8
SLICES_A_ROUND = 20
NUMBERS_A_PROBE = 10_000_000

ListBackends = Callable[[], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One kind of request to one server; requests take the tokens in turn, those to a server without tokens none.

    `argument` is what the error of its answers names; None where they have no error.
    """

    server: Server
    path: str
    tokens: Sequence[str]
    make_body: MakeBody
    argument: str | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What one round has cost: processor milliseconds a request, requests a second, and latencies in milliseconds."""

    server_cpu: float
    postgres_cpu: float
    rate: float
    p50: float
    p99: float

    @property
    def cpu(self) -> float:
        return self.server_cpu + self.postgres_cpu


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the rounds' ratios, and the least and the largest of them."""

    median: float
    least: float
    most: float


@dataclass(slots=True)
class Load:
    """A probe with the process that sends its requests, and what the current round has cost so far, in seconds."""

    probe: Probe
    process: "subprocess.Popen[bytes]"
    numbers: Iterator[int]
    server_cpu: float = 0.0
    postgres_cpu: float = 0.0
    elapsed: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def send_slice(self, requests: int, backends: Sequence[int]) -> None:
        """Send the next requests, and add what they cost. Raises RuntimeError when one is answered by an error."""
        bodies = [orjson.dumps(self.probe.make_body(next(self.numbers))) for _ in range(requests)]
        server_before, postgres_before = read_cpu(list_family(self.probe.server.pid)), read_cpu(backends)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n".join([b"%d" % requests, *bodies, b""]))
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            outcome = "by an error" if self.probe.argument is None else "without an error"
            raise RuntimeError(f"{self.probe.server.name}{self.probe.path} was answered {outcome}")
        self.server_cpu += count_used(server_before)
        self.postgres_cpu += count_used(postgres_before)
        times = orjson.loads(answer)
        self.elapsed += times["elapsed"]
        self.latencies += times["latencies"]

    def end_round(self) -> Round:
        """What the round has cost; the next one begins at nothing."""
        count = len(self.latencies)
        percentiles = quantiles(self.latencies, n=100, method="inclusive")
        outcome = Round(
            server_cpu=self.server_cpu * 1000 / count,
            postgres_cpu=self.postgres_cpu * 1000 / count,
            rate=count / self.elapsed,
            p50=percentiles[49] * 1000,
            p99=percentiles[98] * 1000,
        )
        self.server_cpu = self.postgres_cpu = self.elapsed = 0.0
        self.latencies = []
        return outcome


def measure_probes(
    probes: Sequence[Probe], requests: int, list_backends: ListBackends, rounds: int
) -> list[list[Round]]:
    """The rounds of each probe, after one that is not counted.

    A round has many turns, in which each probe sends some of its requests, every other turn in the opposite order: so
    what else the machine does meets all of them.
    """
    measured: list[list[Round]] = [[] for _ in probes]
    with ExitStack() as stack:
        loads = [stack.enter_context(run_load(probe, place * NUMBERS_A_PROBE)) for place, probe in enumerate(probes)]
        for number in range(rounds + 1):
            backends = list_backends()
            for turn in range(SLICES_A_ROUND):
                for load in loads if turn % 2 else reversed(loads):
                    load.send_slice(max(1, requests // SLICES_A_ROUND), backends)
            for outcomes, load in zip(measured, loads, strict=True):
                outcome = load.end_round()
                outcomes += [outcome] if number else []
    return measured


@contextmanager
def run_load(probe: Probe, first_number: int) -> Iterator[Load]:
    """A process for the requests of a probe, which are made from the numbers from the first on."""
    headers = [f"Authorization: Bearer {token}\r\n" for token in probe.tokens] or [""]
    expected = "data" if probe.argument is None else "errors"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", str(probe.server.port), probe.path, str(CONNECTIONS), expected],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "BENCHMARK_HEADERS": orjson.dumps(headers).decode()},
    )
    try:
        yield Load(probe, process, iter(range(first_number, first_number + NUMBERS_A_PROBE)))
    finally:
        process.terminate()
        process.wait(timeout=STOP_SECONDS)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def compare_rounds(figures: Iterable[float], others: Iterable[float]) -> Ratio:
    """The ratio of figures to those of the same rounds."""
    ratios = [figure / other for figure, other in zip(figures, others, strict=True)]
    return Ratio(median(ratios), min(ratios), max(ratios))


def summarise(rounds: Sequence[Round]) -> Round:
    """The median of each figure."""
    names = ("server_cpu", "postgres_cpu", "rate", "p50", "p99")
    return Round(**{name: median(getattr(each, name) for each in rounds) for name in names})
