"""Measures a case: rounds on the service and on the hand-written endpoint in turn, by processor time a request."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import orjson

from benchmarks.cases import Case
from benchmarks.processes import Server, read_cpu

CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Round:
    """What one round has cost: processor milliseconds a request, requests a second, and latencies in milliseconds."""

    server_cpu: float
    postgres_cpu: float
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Line:
    """A case's figures: the medians over the rounds."""

    case: Case
    service: Round
    plain: Round

    @property
    def ratio(self) -> float:
        """Server processor time of the service, as a multiple of the hand-written endpoint's."""
        return self.service.server_cpu / self.plain.server_cpu


def measure_case(
    case: Case, service: Server, plain: Server, token: str, list_backends: Callable[[], Sequence[int]], rounds: int
) -> Line:
    """Run the rounds of both in turn, after one of each that is not counted."""
    measured: dict[str, list[Round]] = {service.name: [], plain.name: []}
    for number in range(rounds + 1):
        offset = number * case.requests
        numbers = range(offset, offset + case.requests)
        sides = ((service, "/graphql", case.make_operation, token), (plain, case.path, case.make_plain, ""))
        for server, path, make, header in sides if number % 2 else reversed(sides):
            bodies = b"\n".join(orjson.dumps(make(each)) for each in numbers)
            outcome = run_round(server, path, bodies, case.requests, header, list_backends)
            measured[server.name] += [outcome] if number else []
    return Line(case, summarise(measured[service.name]), summarise(measured[plain.name]))


def run_round(
    server: Server, path: str, bodies: bytes, requests: int, token: str, list_backends: Callable[[], Sequence[int]]
) -> Round:
    header = f"Authorization: Bearer {token}\r\n" if token else ""
    backends = list_backends()
    server_before, postgres_before = read_cpu([server.pid]), read_cpu(backends)
    load = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", str(server.port), path, str(CONNECTIONS)],
        input=bodies,
        capture_output=True,
        check=False,
        env={**os.environ, "BENCHMARK_HEADERS": header},
        timeout=600,
    )
    if load.returncode:
        raise RuntimeError(load.stderr.decode())
    times: dict[str, Any] = orjson.loads(load.stdout)
    return Round(
        server_cpu=(read_cpu([server.pid]) - server_before) * 1000 / requests,
        postgres_cpu=(read_cpu(list_backends()) - postgres_before) * 1000 / requests,
        rate=requests / times["elapsed"],
        p50=times["p50"],
        p99=times["p99"],
    )


def summarise(rounds: Sequence[Round]) -> Round:
    names = ("server_cpu", "postgres_cpu", "rate", "p50", "p99")
    return Round(**{name: median(getattr(each, name) for each in rounds) for name in names})
