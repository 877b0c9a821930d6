"""Measures servers side by side: rounds of each in turn, by processor time a request."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import orjson

from benchmarks.cases import MakeBody
from benchmarks.processes import Server, list_family, read_cpu

CONNECTIONS = 8
LOAD_SECONDS = 600
NUMBERS_A_PROBE = 10_000_000

ListBackends = Callable[[], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One kind of request to one server; `token` is empty where it asks for none."""

    server: Server
    path: str
    token: str
    make_body: MakeBody


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


def measure_probes(
    probes: Sequence[Probe], requests: int, list_backends: ListBackends, rounds: int
) -> list[list[Round]]:
    """The rounds of each probe: each round has all of them in turn, every other one in the opposite order.

    The first round is not counted.
    """
    measured: list[list[Round]] = [[] for _ in probes]
    for number in range(rounds + 1):
        places = list(enumerate(probes))
        for place, probe in places if number % 2 else reversed(places):
            start = place * NUMBERS_A_PROBE + number * requests
            outcome = run_round(probe, range(start, start + requests), list_backends)
            measured[place] += [outcome] if number else []
    return measured


def run_round(probe: Probe, numbers: Sequence[int], list_backends: ListBackends) -> Round:
    server = probe.server
    bodies = b"\n".join(orjson.dumps(probe.make_body(each)) for each in numbers)
    header = f"Authorization: Bearer {probe.token}\r\n" if probe.token else ""
    server_before, postgres_before = read_cpu(list_family(server.pid)), read_cpu(list_backends())
    load = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", str(server.port), probe.path, str(CONNECTIONS)],
        input=bodies,
        capture_output=True,
        check=False,
        env={**os.environ, "BENCHMARK_HEADERS": header},
        timeout=LOAD_SECONDS,
    )
    if load.returncode:
        raise RuntimeError(load.stderr.decode())
    times: dict[str, Any] = orjson.loads(load.stdout)
    return Round(
        server_cpu=(read_cpu(list_family(server.pid)) - server_before) * 1000 / len(numbers),
        postgres_cpu=(read_cpu(list_backends()) - postgres_before) * 1000 / len(numbers),
        rate=len(numbers) / times["elapsed"],
        p50=times["p50"],
        p99=times["p99"],
    )


def compare_rounds(figures: Sequence[float], others: Sequence[float]) -> Ratio:
    """The ratio of figures to those of the same rounds."""
    ratios = [figure / other for figure, other in zip(figures, others, strict=True)]
    return Ratio(median(ratios), min(ratios), max(ratios))


def summarise(rounds: Sequence[Round]) -> Round:
    """The median of each figure."""
    names = ("server_cpu", "postgres_cpu", "rate", "p50", "p99")
    return Round(**{name: median(getattr(each, name) for each in rounds) for name in names})
