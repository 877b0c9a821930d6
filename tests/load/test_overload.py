"""More than the service can do: it goes on doing what it can, says no quickly, and serves every site."""

import asyncio
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.load.conftest import Lock, wait_for_waiting
from tests.support.commands import RunningService, start_service
from tests.support.flood import REFUSED, Crowd, Latencies, flood
from tests.support.service import READ_SCOPE, SECRET, RecordingDatabase, make_token
from tests.support.wire import Answer, connect, write_post

# Costly for its size, as the operations are that overload a service.
QUERY = "{ attendances(first: 100) { nodes { id bookingId status } summary { total attended numberOfAttendees } } }"
STATEMENTS = 2
RECORDS = 30_000
FILL = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT $1, gen_random_uuid(), gen_random_uuid(), 'session', 'ATTENDED', 1 FROM generate_series(1, $2::integer)
"""
ROUNDS = 4
SECONDS_A_ROUND = 1.5
TIMES_CAPACITY = 4
LEAST_GOODPUT = 0.85
MOST_SECONDS_OF_A_REFUSAL = 0.05
ABORTED = 1000
LESS_THAN_A_STATEMENT_MAY_TAKE = 3.0

Serve = Callable[..., AbstractContextManager[RunningService]]


@pytest.fixture
def serve(tmp_path: Path, database_url: str) -> Serve:
    return lambda **settings: start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET, **settings)


@pytest.fixture(scope="module")
async def sites(database: RecordingDatabase) -> list[UUID]:
    """Two sites whose figures take a while to compute."""
    sites = [uuid4(), uuid4()]
    for site in sites:
        async with database.connection(site) as connection:
            await connection.execute(FILL, site, RECORDS)
    return sites


def count(latencies: Latencies, status: int) -> int:
    return len(latencies.get(status, []))


async def test_at_four_times_its_capacity_a_service_does_what_it_can_and_refuses_quickly(
    serve: Serve, sites: list[UUID]
) -> None:
    with serve() as service:
        good, most, refused = await overload(service, make_token(sites[0], READ_SCOPE))
    assert good > LEAST_GOODPUT * most
    assert refused < MOST_SECONDS_OF_A_REFUSAL


async def overload(service: RunningService, token: str) -> tuple[int, int, float]:
    """How many answers there were under four times the load, how many at the peak, and a refusal's median seconds."""
    good, most, refused = 0, 0, list[float]()

    def ask_for(seconds: float, *, connections: int = 0, rate: float = 0) -> Crowd:
        return Crowd(service.url, QUERY, token, seconds, connections, rate)

    await flood(ask_for(1, connections=16))
    for _ in range(ROUNDS):
        [peak] = await flood(ask_for(SECONDS_A_ROUND, connections=16))
        rate = count(peak, 200) / SECONDS_A_ROUND
        [overloaded] = await flood(ask_for(SECONDS_A_ROUND, rate=rate * TIMES_CAPACITY))
        assert {*peak, *overloaded} <= {200, 503}
        most += count(peak, 200)
        good += count(overloaded, 200)
        refused += overloaded[503]
    assert len(refused) > most
    return good, most, statistics.median(refused)


async def test_a_site_with_fifty_connections_does_not_keep_one_with_two_waiting(
    serve: Serve, sites: list[UUID]
) -> None:
    with serve(MAX_RUNNING="4", MAX_QUEUED="16") as service:
        crowds = [
            Crowd(service.url, QUERY, make_token(site, READ_SCOPE), 4.0, connections)
            for site, connections in zip(sites, (50, 2), strict=True)
        ]
        greedy, modest = await flood(*crowds)
    assert greedy[503]
    assert count(modest, 503) <= 2
    assert statistics.median(modest[200]) < statistics.median(greedy[200]) / 2
    assert count(modest, 200) / 2 > 3 * count(greedy, 200) / 50


async def ask_until_taken(url: str, request: bytes) -> Answer:
    async with connect(url) as wire:
        while (answer := await wire.ask(request)).status == REFUSED:  # noqa: ASYNC110 (the server decides)
            await asyncio.sleep(0.05)
        return answer


async def abort(url: str, request: bytes) -> None:
    async with connect(url) as wire:
        await wire.send(request)


async def test_a_thousand_aborted_requests_leave_no_busy_connection(serve: Serve, lock: Lock) -> None:
    request = write_post(QUERY, make_token(uuid4(), READ_SCOPE))
    with serve() as service:
        async with lock() as watcher:
            for _ in range(ABORTED // 50):
                await asyncio.gather(*(abort(service.url, request) for _ in range(50)))
            reading = asyncio.create_task(ask_until_taken(service.url, request))
            await wait_for_waiting(watcher, STATEMENTS, LESS_THAN_A_STATEMENT_MAY_TAKE)
        assert (await reading).status == 200
