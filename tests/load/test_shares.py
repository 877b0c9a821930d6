"""A site that asks for what takes Postgres long gets its share of connections; others are served as before."""

import asyncio
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.attendance.bounded_reads import MOST_STATEMENTS_AT_ONCE, BoundedReads, slots_of_sites
from app.attendance.reading import AttendanceReader
from app.attendance.statistics import QueryStatistics
from app.database.pool import Row
from app.errors import OperationTimeout
from tests.support.commands import start_service
from tests.support.flood import Crowd, Latencies, flood
from tests.support.service import READ_SCOPE, SECRET, make_token

RECORDS = 200_000
FILL = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT $1, gen_random_uuid(), gen_random_uuid(), 'session ' || number % 1000, 'ATTENDED', 1
FROM generate_series(1, $2::integer) AS number
"""
SUMMARIES = "{{ {} }}".format(
    " ".join(
        f"a{number}: attendances(filter: {{numberOfAttendees: {{gt: {-number}}}}}) {{ summary {{ total attended }} }}"
        for number in range(30)
    )
)
PAGE = "{ attendances(first: 1) { nodes { id } } }"
CLIENTS = (1, 4)
SECONDS = 5.0
RATE = 10.0
MOST_TIMES_QUIET = 3
# What the scheduler of a machine with two cores may add where Postgres and the service have both of them busy.
GRACE_SECONDS = 0.05


@pytest.fixture
async def large_site(database_url: str) -> AsyncIterator[UUID]:
    """A site of which a summary takes a while; it is gone afterwards, as others list the sites."""
    site, owner = uuid4(), await asyncpg.connect(database_url)
    await owner.execute(FILL, site, RECORDS)
    await owner.execute("ANALYZE attendance")
    yield site
    await owner.execute("DELETE FROM attendance WHERE site_id = $1", site)
    await owner.close()


@pytest.mark.parametrize("clients", CLIENTS)
async def test_thirty_summaries_of_a_large_site_keep_no_other_site_waiting(
    large_site: UUID, database_url: str, tmp_path: Path, clients: int
) -> None:
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET) as service:
        modest = Crowd(service.url, PAGE, make_token(uuid4(), READ_SCOPE), SECONDS, rate=RATE)
        greedy = Crowd(service.url, SUMMARIES, make_token(large_site, READ_SCOPE), SECONDS, connections=clients)
        [quiet] = await flood(modest)
        [attacking, beside] = await flood(greedy, modest)
    assert list(quiet) == list(beside) == [200]
    assert len(beside[200]) == SECONDS * RATE
    assert find_median(beside) < MOST_TIMES_QUIET * find_median(quiet) + GRACE_SECONDS
    assert attacking.keys() <= {200, 503, 504}


def find_median(latencies: Latencies) -> float:
    return statistics.median(latencies[200])


class SlowDatabase:
    """Takes its time for each statement, and counts how many it runs at once."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds = seconds
        self.running = self.most = self.sent = 0

    async def read_rows(self, *_given: object) -> list[Row]:
        self.running += 1
        self.sent += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(self.seconds)
        self.running -= 1
        return []


@pytest.mark.parametrize(("sites", "requests"), [(1, 1), (1, 4), (2, 4)])
async def test_requests_of_a_site_have_few_statements_at_once(sites: int, requests: int) -> None:
    database = SlowDatabase()
    site_ids = [uuid4() for _ in range(sites)]
    reads = [(BoundedReads(database, site), site) for site in site_ids for _ in range(requests)]
    await asyncio.gather(*(each.read_rows("SELECT", [], site) for each, site in reads for _ in range(30)))
    assert (database.sent, database.most) == (30 * sites * requests, MOST_STATEMENTS_AT_ONCE * sites)
    reads.clear()
    assert not any(site in slots_of_sites for site in site_ids)


async def test_statements_that_have_taken_their_time_together_are_the_last_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.attendance.bounded_reads.MOST_STATEMENT_SECONDS", 0.1)
    database = SlowDatabase(seconds=0.05)
    reads = BoundedReads(database, uuid4())
    outcomes = await asyncio.gather(
        *(reads.read_rows("SELECT", [], uuid4()) for _ in range(30)), return_exceptions=True
    )
    assert {type(each) for each in outcomes} == {list, OperationTimeout}
    assert database.sent <= 2 * MOST_STATEMENTS_AT_ONCE


async def test_a_reader_bounds_its_statements_once() -> None:
    database = SlowDatabase()
    reader = AttendanceReader(database, uuid4(), QueryStatistics())
    reader.bound_statements()
    reader.bound_statements()
    await asyncio.gather(*(reader.read_records([str(uuid4())], frozenset()) for _ in range(30)))
    assert database.most == MOST_STATEMENTS_AT_ONCE
