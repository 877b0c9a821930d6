"""Other GraphQL servers on the same database: Mercurius with its just-in-time compiler, and PostGraphile.

They come from npm when they are to be measured, in the versions that stand below `peers/`. Mercurius answers the same
operations by the hand-written statements, once bare and once with what the service does beside them: tokens, row
security, counts and a line of the log. PostGraphile answers the same pages by its own schema.
"""

import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click
import orjson

from app.database.privileges import SERVICE_ROLE
from app.settings import Settings
from benchmarks import statements
from benchmarks.baseline import SITES
from benchmarks.cases import Case, MakeBody, list_cases, operation
from benchmarks.data import LARGE_SESSION, Sample
from benchmarks.measuring import Probe, Round, measure_probes
from benchmarks.processes import Server, run_server
from benchmarks.running import GRAPHQL_PATH, POOL_SIZES, SECRET, Stand, run_stand
from benchmarks.verifying import verify_answers

SOURCES = Path(__file__).parent / "peers"
MERCURIUS_FOLDER, POSTGRAPHILE_FOLDER = "mercurius", "postgraphile"
SERVICE, BARE, WITH_DUTIES, POSTGRAPHILE = "the service", "Mercurius, bare", "Mercurius, same duties", "PostGraphile"
PEERS = (SERVICE, WITH_DUTIES, BARE, POSTGRAPHILE)
CASES = ("page", "sites", "page-100", "in", "record", "summary", "entities", "set", "bulk")
STATEMENTS = {
    "PAGE": statements.KEYSETS["ID_ASC"].first,
    **{
        name: getattr(statements, name)
        for name in ("PAGE_OF_SESSION", "PAGE_OF_BOOKINGS", "RECORD", "SUMMARY", "ENTITIES", "SET", "BULK")
    },
}
CONNECTION = "{ edges { cursor node { id bookingId sessionId status numberOfAttendees } } pageInfo { hasNextPage } }"


@dataclass(frozen=True, slots=True)
class PeerLine:
    """A case's rounds on the hand-written endpoint, and on each server that has the case."""

    case: Case
    pool_size: int
    plain: Sequence[Round]
    rounds: Mapping[str, Sequence[Round]]


def measure_peers(url: str, data_dir: Path, sample: Sample, groups: Collection[str], rounds: int) -> list[PeerLine]:
    """The cases that peers have, each by all servers in the same rounds."""
    settings = Settings(database_url=url, data_dir=data_dir, jwt_secret=SECRET)
    wanted = [case for case in list_cases(sample) if case.name in CASES and case.name in groups]
    install(data_dir / "peers")
    return [line for size in POOL_SIZES for line in measure_with_pool(settings, wanted, sample, size, rounds)]


def install(folder: Path) -> None:
    """Install them in a folder of their own, each with its own version of GraphQL."""
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True)
    click.echo("installing the other servers ...", err=True)
    command = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent")
    for each in (MERCURIUS_FOLDER, POSTGRAPHILE_FOLDER):
        subprocess.run(command, cwd=folder / each, check=True)


def measure_with_pool(
    settings: Settings, cases: Sequence[Case], sample: Sample, pool_size: int, rounds: int
) -> Iterator[PeerLine]:
    sized = replace(settings, pool_size=pool_size)
    with run_stand(sized, rounds) as stand, run_peers(sized) as peers:
        for case in cases:
            yield measure_case(case, stand, peers, sample)


@contextmanager
def run_peers(settings: Settings) -> Iterator[Mapping[str, Server]]:
    folder, environ = settings.data_dir / "peers", build_environment(settings)
    duties = {"BENCHMARK_DUTIES": SERVICE_ROLE, "BENCHMARK_LOG": str(settings.data_dir / "mercurius.lines")}
    commands = {
        BARE: (MERCURIUS_FOLDER, environ),
        WITH_DUTIES: (MERCURIUS_FOLDER, environ | duties),
        POSTGRAPHILE: (POSTGRAPHILE_FOLDER, environ),
    }
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                run_server(name, ("node", str(folder / own / "server.mjs")), variables, settings.data_dir / "peers.log")
            )
            for name, (own, variables) in commands.items()
        }


def build_environment(settings: Settings) -> dict[str, str]:
    """How the peers find the database, the statements, and the key of the tokens."""
    assert settings.database_url is not None
    assert settings.jwt_secret is not None
    url = urlsplit(settings.database_url)
    options = {name: values[0] for name, values in parse_qs(url.query).items()}
    return {
        "NODE_ENV": "production",
        "PGHOST": options.get("host", url.hostname or ""),
        "PGPORT": options.get("port", str(url.port)),
        "PGUSER": url.username or "",
        "PGDATABASE": url.path.removeprefix("/"),
        "BENCHMARK_URL": settings.database_url,
        "BENCHMARK_POOL": str(settings.pool_size),
        "BENCHMARK_SECRET": settings.jwt_secret,
        "BENCHMARK_SITE": str(SITES[0]),
        "BENCHMARK_STATEMENTS": orjson.dumps(STATEMENTS).decode(),
    }


def measure_case(case: Case, stand: Stand, peers: Mapping[str, Server], sample: Sample) -> PeerLine:
    service, plain = stand.verify_case(case)
    probes = {SERVICE: service, WITH_DUTIES: replace(service, server=peers[WITH_DUTIES])}
    if case.sites == 1:
        probes[BARE] = Probe(peers[BARE], GRAPHQL_PATH, (), case.make_operation)
    for name in set(probes) - {SERVICE}:
        for number in range(case.sites):
            verify_answers(case.title, (probes[name], plain), case.records, number)
    if (make_own := list_own_requests(sample).get(case.name)) is not None:
        probes[POSTGRAPHILE] = Probe(peers[POSTGRAPHILE], GRAPHQL_PATH, (), make_own)
        verify_answers(case.title, (probes[POSTGRAPHILE],), case.records)
    click.echo(f"measuring {case.title} by {len(probes)} servers ...", err=True)
    plain_rounds, *rounds = measure_probes([plain, *probes.values()], case.requests, stand.list_backends, stand.rounds)
    return PeerLine(case, stand.pool_size, plain_rounds, dict(zip(probes, rounds, strict=True)))


def list_own_requests(sample: Sample) -> Mapping[str, MakeBody]:
    """What PostGraphile is asked for the cases that its own schema has."""
    site = f'siteId: "{SITES[0]}"'
    page = f"{{ allAttendances(first: 50, condition: {{{site}}}, orderBy: ID_ASC) {CONNECTION} }}"
    of_session = (
        f'{{ allAttendances(first: 100, condition: {{{site}, sessionId: "{LARGE_SESSION}", status: "ATTENDED"}}, '
        f"orderBy: ID_ASC) {CONNECTION} }}"
    )
    record = (
        f"query($id: UUID!) {{ attendanceBySiteIdAndId({site}, id: $id) "
        "{ id bookingId sessionId status numberOfAttendees } }"
    )
    return {
        "page": lambda _: operation(page),
        "page-100": lambda _: operation(of_session),
        "record": lambda _: operation(record, id=sample.record_id),
    }
