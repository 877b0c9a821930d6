"""The run: database and servers started, each group's answers compared, and its rounds measured."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import click

from app.settings import Settings
from app.web.auth.tokens import issue_token
from benchmarks.baseline import SITES
from benchmarks.cases import Case, DeepCase, RefusedCase, list_cases, list_deep_cases, refused_case
from benchmarks.data import Sample, fill_database
from benchmarks.delivery import DeliveryLine, measure_delivery
from benchmarks.measuring import CONNECTIONS, Probe, Ratio, Round, compare_rounds, measure_probes
from benchmarks.observing import ObservingLine, measure_observing
from benchmarks.pool import PoolLine, measure_pools
from benchmarks.processes import HAND_WRITTEN, SERVICE, Server, run_server, write_environment
from benchmarks.stages import StageColumn, measure_stages
from benchmarks.transfer import TransferLine, measure_transfer
from benchmarks.verifying import verify_answers, verify_refusal
from benchmarks.writers import WritersLine, measure_writers

SECRET = "the secret of the benchmarks, which guards nothing"  # noqa: S105
SCOPES = ("SCOPE.DC-BOOKINGS.MANAGE-BOOKINGS",)
# Whoever works for a request, and nobody who tidies up behind all of them.
BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE backend_type IN ('client backend', 'io worker', 'walwriter') AND pid <> pg_backend_pid()
"""
GRAPHQL_PATH = "/graphql"
DEEP, REFUSED = "deep", "refused"
TRANSFER, OBSERVING, POOL, STAGES, DELIVERY = "transfer", "observing", "pool", "stages", "delivery"
WRITERS = "writers"
WITHOUT_SERVERS = {TRANSFER, OBSERVING, POOL, STAGES, DELIVERY, WRITERS}
WRITES = ("set", "bulk")
# Larger and smaller than the number of clients, who wait for connections then.
POOL_SIZES = (10, 4)
GROUPS = (
    *("page", "sites", "page-100", "page-100-literals", DEEP, "in", "record", REFUSED, "summary"),
    *("absences", "entities", "entities-1000", *WRITES, TRANSFER, OBSERVING, POOL, STAGES, DELIVERY, WRITERS),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A case's rounds on the service and on the hand-written endpoint, both with a pool of this size."""

    case: Case
    pool_size: int
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
class RefusedLine:
    """The rounds of a request that is refused, and those of the service's request that it is measured beside."""

    case: RefusedCase
    refused: Sequence[Round]
    beside: Sequence[Round]

    @property
    def ratio(self) -> Ratio:
        """Server processor time, as a multiple of the other's."""
        return compare_rounds([each.server_cpu for each in self.refused], [each.server_cpu for each in self.beside])


@dataclass(frozen=True, slots=True)
class Results:
    """What a run has measured; nothing of a group that was not asked for."""

    sample: Sample
    lines: Sequence[Line]
    refused_lines: Sequence[RefusedLine]
    deep_lines: Sequence[DeepLine]
    transfer: Sequence[TransferLine]
    observing: Sequence[ObservingLine] = ()
    pool: Sequence[PoolLine] = ()
    stages: Sequence[StageColumn] = ()
    delivery: Sequence[DeliveryLine] = ()
    writers: Sequence[WritersLine] = ()


@dataclass(frozen=True, slots=True)
class Stand:
    """The servers side by side, and how they are measured."""

    service: Server
    plain: Server
    tokens: Sequence[str]
    list_backends: Callable[[], list[int]]
    rounds: int
    pool_size: int

    def measure_case(self, case: Case) -> Line:
        service, plain = self._measure([case])
        return Line(case, self.pool_size, service, plain)

    def measure_deep_case(self, case: DeepCase) -> DeepLine:
        """All four in the same rounds."""
        first, first_plain, deep, deep_plain = self._measure([case.first, case.deep])
        size = self.pool_size
        return DeepLine(case.order, Line(case.first, size, first, first_plain), Line(case.deep, size, deep, deep_plain))

    def measure_refused_case(self, case: RefusedCase) -> RefusedLine:
        probes = self.verify_refused_case(case)
        click.echo(f"measuring {case.title} beside {case.beside.title} ...", err=True)
        refused, beside = measure_probes(probes, case.beside.requests, self.list_backends, self.rounds)
        return RefusedLine(case, refused, beside)

    def verify_refused_case(self, case: RefusedCase) -> tuple[Probe, Probe]:
        """The request that is refused, and the one beside it, both to the service."""
        refused = Probe(self.service, GRAPHQL_PATH, self.tokens[:1], case.make_operation, case.argument)
        verify_refusal(refused)
        return refused, self.verify_case(case.beside)[0]

    def verify_case(self, case: Case) -> tuple[Probe, Probe]:
        """The case for the service and for the hand-written endpoint, which have answered it alike."""
        service = Probe(self.service, GRAPHQL_PATH, self.tokens[: case.sites], case.make_operation)
        plain = Probe(self.plain, case.path, (), case.make_plain)
        for number in range(case.sites):
            verify_answers(case.title, (service, plain), case.records, number)
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
    lines: list[Line] = []
    refused_lines, deep_lines = [], []
    cases = [case for case in list_cases(sample) if case.name in groups]
    settings = Settings(database_url=url, data_dir=data_dir, jwt_secret=SECRET)
    for pool_size in POOL_SIZES if set(groups) - WITHOUT_SERVERS else ():
        stand_settings = Settings(database_url=url, data_dir=data_dir, jwt_secret=SECRET, pool_size=pool_size)
        with run_stand(stand_settings, rounds) as stand:
            lines += [stand.measure_case(case) for case in cases if case.name not in WRITES]
            if REFUSED in groups and pool_size > CONNECTIONS:
                refused_lines.append(stand.measure_refused_case(refused_case(sample)))
            if DEEP in groups and pool_size > CONNECTIONS:
                deep_lines += [stand.measure_deep_case(case) for case in list_deep_cases(sample)]
            lines += [stand.measure_case(case) for case in cases if case.name in WRITES]
    lines += [line.deep for line in deep_lines]
    transfer = measure_transfer(url, data_dir) if TRANSFER in groups else []
    observing: Sequence[ObservingLine] = ()
    if OBSERVING in groups:
        observing = measure_observing(settings, make_token(settings), rounds)
    pool = measure_pools(url, rounds) if POOL in groups else ()
    stages = measure_stages(settings, list_cases(sample), make_token(settings), rounds) if STAGES in groups else ()
    delivery = measure_delivery(settings, make_token(settings)) if DELIVERY in groups else ()
    sites = [make_token(settings, uuid4()) for _ in range(CONNECTIONS + 1)]
    writers = measure_writers(settings, sites) if WRITERS in groups else ()
    return Results(sample, lines, refused_lines, deep_lines, transfer, observing, pool, stages, delivery, writers)


@contextmanager
def run_stand(settings: Settings, rounds: int) -> Iterator[Stand]:
    assert settings.database_url is not None
    tokens = [make_token(settings, site) for site in SITES]
    environ, log = write_environment(settings), settings.data_dir / "hand-written.log"
    with (
        run_service(settings, "service") as service,
        run_server("hand-written", HAND_WRITTEN, environ, log) as plain,
    ):
        yield Stand(service, plain, tokens, backends_of(settings.database_url), rounds, settings.pool_size)


def make_token(settings: Settings, site_id: UUID = SITES[0]) -> str:
    return issue_token(settings, site_id, SCOPES, hours=24)


@contextmanager
def run_service(settings: Settings, name: str) -> Iterator[Server]:
    """The service as it runs in production."""
    with run_server(name, SERVICE, write_environment(settings), settings.data_dir / f"{name}.log") as server:
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
