"""The run: database and servers started, each group's answers compared, and its rounds measured."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import click

from app.settings import Settings
from app.web.tokens import issue_token
from benchmarks.cases import Case, DeepCase, list_cases, list_deep_cases, reference_case
from benchmarks.data import SITES, Sample, fill_database
from benchmarks.measuring import Probe, Ratio, Round, compare_rounds, measure_probes
from benchmarks.processes import HAND_WRITTEN, SERVICE, Server, run_server
from benchmarks.transfer import TransferLine, measure_transfer
from benchmarks.verifying import verify_answers

SECRET = "the secret of the benchmarks, which guards nothing"  # noqa: S105
SCOPES = ("SCOPE.DC-BOOKINGS.MANAGE-BOOKINGS",)
# Whoever works for a request, and nobody who tidies up behind all of them.
BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE backend_type IN ('client backend', 'io worker', 'walwriter') AND pid <> pg_backend_pid()
"""
GRAPHQL_PATH = "/graphql"
DEEP, REFERENCE, TRANSFER = "deep", "reference", "transfer"
GROUPS = (
    *("page", "page-100", "page-100-literals", DEEP, "in", "record", "summary", "entities", "entities-1000", "bulk"),
    *(REFERENCE, TRANSFER),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A case's rounds on the service and on the hand-written endpoint."""

    case: Case
    service: Sequence[Round]
    plain: Sequence[Round]

    @property
    def ratio(self) -> Ratio:
        """Server processor time of the service, as a multiple of the hand-written endpoint's."""
        return compare_rounds([each.server_cpu for each in self.service], [each.server_cpu for each in self.plain])


@dataclass(frozen=True, slots=True)
class DeepLine:
    """The first page and a deep one of an order."""

    order: str
    first: Line
    deep: Line

    @property
    def ratio(self) -> Ratio:
        """Processor time of server and Postgres for the service's deep page, as a multiple of that for its first."""
        return compare_rounds([each.cpu for each in self.deep.service], [each.cpu for each in self.first.service])

    @property
    def plain_ratio(self) -> Ratio:
        return compare_rounds([each.cpu for each in self.deep.plain], [each.cpu for each in self.first.plain])


@dataclass(frozen=True, slots=True)
class Results:
    """What a run has measured; nothing of a group that was not asked for."""

    sample: Sample
    lines: Sequence[Line]
    deep_lines: Sequence[DeepLine]
    transfer: Sequence[TransferLine]


@dataclass(frozen=True, slots=True)
class Stand:
    """The servers side by side, and how they are measured."""

    service: Server
    plain: Server
    token: str
    list_backends: Callable[[], list[int]]
    rounds: int

    def measure_case(self, case: Case) -> Line:
        service, plain = self._measure([case])
        return Line(case, service, plain)

    def measure_deep_case(self, case: DeepCase) -> DeepLine:
        """All four in the same rounds."""
        first, first_plain, deep, deep_plain = self._measure([case.first, case.deep])
        return DeepLine(case.order, Line(case.first, first, first_plain), Line(case.deep, deep, deep_plain))

    def verify_case(self, case: Case) -> tuple[Probe, Probe]:
        """The case for the service and for the hand-written endpoint, which have answered it alike."""
        service = Probe(self.service, GRAPHQL_PATH, self.token, case.make_operation)
        plain = Probe(self.plain, case.path, "", case.make_plain)
        verify_answers(case.title, (service, plain), case.records)
        return service, plain

    def _measure(self, cases: Sequence[Case]) -> list[list[Round]]:
        """The rounds of the service and the hand-written endpoint, case by case."""
        probes = [probe for case in cases for probe in self.verify_case(case)]
        click.echo(f"measuring {' and '.join(case.title for case in cases)} ...", err=True)
        return measure_probes(probes, cases[0].requests, self.list_backends, self.rounds)


def run_groups(url: str, data_dir: Path, groups: Collection[str], records: int, rounds: int) -> Results:
    """Measure the groups on a database of so many records, which is filled for them."""
    click.echo(f"filling the database with {records:,} records ...", err=True)
    sample = asyncio.run(fill_database(url, records))
    settings = Settings(database_url=url, data_dir=data_dir, jwt_secret=SECRET)
    lines, deep_lines = [], []
    if set(groups) - {TRANSFER}:
        *reads, bulk = list_cases(sample)
        with run_stand(settings, rounds) as stand:
            lines += [stand.measure_case(case) for case in reads if case.name in groups]
            if REFERENCE in groups:
                with run_service(replace(settings, compiled=False), REFERENCE) as reference:
                    lines.append(replace(stand, service=reference).measure_case(reference_case()))
            if DEEP in groups:
                deep_lines += [stand.measure_deep_case(case) for case in list_deep_cases(sample)]
            lines += [line.deep for line in deep_lines]
            if bulk.name in groups:
                lines.append(stand.measure_case(bulk))
    transfer = measure_transfer(url, data_dir) if TRANSFER in groups else []
    return Results(sample, lines, deep_lines, transfer)


@contextmanager
def run_stand(settings: Settings, rounds: int) -> Iterator[Stand]:
    assert settings.database_url is not None
    token = issue_token(settings, SITES[0], SCOPES, hours=24)
    environ, log = settings.as_environment(), settings.data_dir / "hand-written.log"
    with (
        run_service(settings, "service") as service,
        run_server("hand-written", HAND_WRITTEN, environ, log) as plain,
    ):
        yield Stand(service, plain, token, backends_of(settings.database_url), rounds)


@contextmanager
def run_service(settings: Settings, name: str) -> Iterator[Server]:
    """The service as it runs in production."""
    with run_server(name, SERVICE, settings.as_environment(), settings.data_dir / f"{name}.log") as server:
        yield server


def backends_of(url: str) -> Callable[[], list[int]]:
    """Lists those of Postgres's processes that work for requests."""

    async def fetch() -> list[int]:
        connection = await asyncpg.connect(url)
        try:
            return [row[0] for row in await connection.fetch(BACKENDS)]
        finally:
            await connection.close()

    return lambda: asyncio.run(fetch())
