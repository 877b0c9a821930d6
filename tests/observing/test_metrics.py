"""The metrics count what happened, by names that are bounded, and hold nothing of any site."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from app.observing.counts import MAX_NAMES
from app.observing.metrics import BUCKETS, BatchHistogram
from app.web.load.admission import RejectionReason
from tests.observing.conftest import WatchedService, WatchService
from tests.support.failing_database import FailingDatabase
from tests.support.metric_list import METRICS
from tests.support.mutations import SET, make_input
from tests.support.service import Record, RecordingDatabase, store
from tests.support.waiting import wait_until
from tests.support.watching import Numbers, read_numbers

OPERATIONS = "attendance_operations_total"
PAGE = "query Page { attendances { nodes { id } } }"


def count_operations(numbers: Numbers) -> dict[tuple[str, ...], float]:
    """The operations by name, outcome and type."""
    return {key[1:]: value for key, value in numbers.items() if key[0] == OPERATIONS}


async def test_operations_are_counted_by_name_type_and_outcome(watched: WatchedService, site_id: UUID) -> None:
    client = watched.client(site_id)
    for _ in range(3):
        await client.data(PAGE)
    await client.data("{ __typename }")
    await client.data(SET, input=make_input())
    await client.run('query Page { attendances(after: "x") { nodes { id } } }')
    await client.run("{")
    assert count_operations(await watched.numbers()) == {
        ("Page", "ok", "query"): 3,
        ("anonymous", "ok", "query"): 1,
        ("anonymous", "ok", "mutation"): 1,
        ("Page", "CURSOR_INVALID", "query"): 1,
        ("anonymous", "GRAPHQL_PARSE_FAILED", "unknown"): 1,
    }


async def test_statements_and_rows_are_counted(
    watched: WatchedService, database: RecordingDatabase, site_id: UUID
) -> None:
    await store(database, site_id, [Record() for _ in range(3)])
    client = watched.client(site_id)
    await client.data(PAGE)
    await client.data("{ attendances { totalCount nodes { id } } }")
    await client.data("{ __typename }")
    numbers = await watched.numbers()
    assert numbers["attendance_statements_total",] == 3
    assert numbers["attendance_rows_total",] == 7


async def test_names_that_clients_make_up_are_not_told_apart(watched: WatchedService, site_id: UUID) -> None:
    client = watched.client(site_id)
    anybody = watched.http
    for number in range(MAX_NAMES + 20):
        content = {"query": f"query Made{number} {{ __typename }}"}
        await anybody.post("/graphql", json=content)
    await client.run("query Wrong { attendances(first: -1) { totalCount } }")
    numbers = count_operations(await watched.numbers())
    assert set(numbers) == {("other", "ok", "query"), ("other", "BAD_USER_INPUT", "query")}
    for number in range(MAX_NAMES + 20):
        await client.data(f"query Used{number} {{ attendances {{ nodes {{ id }} }} }}")
    numbers = count_operations(await watched.numbers())
    assert len({name for name, _, _ in numbers}) == MAX_NAMES + 1
    assert sum(numbers.values()) == 2 * (MAX_NAMES + 20) + 1


async def test_durations_are_counted_in_buckets_that_add_up(
    watched: WatchedService, database_url: str, site_id: UUID
) -> None:
    client = watched.client(site_id)
    await client.data(PAGE)
    owner = await asyncpg.connect(database_url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE attendance IN ACCESS EXCLUSIVE MODE")
        waiting = asyncio.create_task(client.data(PAGE))
        await asyncio.sleep(0.3)
    await waiting
    await owner.close()
    numbers = await watched.numbers()
    name = "attendance_operation_seconds"
    bounds = [*map(str, BUCKETS), "+Inf"]
    counts = [numbers[f"{name}_bucket", bound, "query"] for bound in bounds]
    assert counts == sorted(counts)
    assert counts[-1] == numbers[f"{name}_count", "query"] == 2
    assert counts[bounds.index("0.25")] == 1
    assert 0.3 <= numbers[f"{name}_sum", "query"] < 10


def test_a_batch_of_durations_counts_as_each_of_them_would() -> None:
    durations = [0.0, 0.25, 0.5, 1.0, 11.0, *(2.0**-power for power in range(12)), 0.25]  # whose sum is exact
    expected, registry = CollectorRegistry(), CollectorRegistry()
    one_by_one = Histogram("each", "", ["type"], registry=expected, buckets=BUCKETS).labels("query")
    at_once = BatchHistogram("each", "", ["type"], registry=registry, buckets=BUCKETS).labels("query")
    for duration in durations:
        one_by_one.observe(duration)
    at_once.observe_all(durations[:4])
    at_once.observe_all(durations[4:])
    assert generate_latest(registry) == generate_latest(expected)


async def test_refusals_for_a_limit_are_counted(watched: WatchedService, site_id: UUID) -> None:
    await watched.client(site_id).run("{" + " __typename" * 2000 + "}")
    await watched.client(site_id).run("#" + "x" * 300_000)
    refusals = {
        key[1]: value for key, value in (await watched.numbers()).items() if key[0] == "attendance_refusals_total"
    }
    assert refusals.pop("body") == 1
    assert list(refusals.values()) == [1]


async def test_a_fault_is_counted_where_zero_was_before(watch: WatchService, database_url: str, site_id: UUID) -> None:
    broken = FailingDatabase(database_url)
    async with watch(broken) as watched:
        assert (await watched.numbers())["attendance_faults_total",] == 0
        broken.failures = [RuntimeError("broken")]
        await watched.client(site_id).run(PAGE)
        assert (await watched.numbers())["attendance_faults_total",] == 1
    await broken.close()


async def test_what_runs_and_waits_is_shown(watch: WatchService, database_url: str, site_id: UUID) -> None:
    own = RecordingDatabase(database_url, pool_size=2)
    async with watch(own, POOL_SIZE="2", MAX_RUNNING="3", MAX_QUEUED="2") as watched:
        client = watched.client(site_id)
        await client.data(PAGE)
        owner = await asyncpg.connect(database_url)
        async with owner.transaction():
            await owner.execute("LOCK TABLE attendance IN ACCESS EXCLUSIVE MODE")
            asking = [asyncio.create_task(client.post(PAGE)) for _ in range(6)]

            async def is_full() -> bool:
                numbers = await watched.numbers()
                is_waiting = numbers["attendance_pool_waiting", "primary"] == 1
                return is_waiting and numbers["attendance_requests_turned_away_total", "queue_full"] == 1

            await wait_until(is_full)
            numbers = await watched.numbers()
        answers = [(await each).status_code for each in asking]
        await owner.close()
        after = await watched.numbers()
    await own.close()
    assert sorted(answers) == [200] * 5 + [503]
    limits = {"running": 3, "running_limit": 3, "queued": 2, "queued_limit": 2, "queued_total": 2}
    assert {name: numbers[f"attendance_requests_{name}",] for name in limits} == limits
    pool = {"size": 2, "limit": 2, "idle": 0, "waiting": 1}
    assert {name: numbers[f"attendance_pool_{name}", "primary"] for name in pool} == pool
    assert after["attendance_requests_running",] == after["attendance_requests_queued",] == 0
    assert after["attendance_pool_idle", "primary"] == 2
    assert {key[1] for key in numbers if "turned_away" in key[0]} == {reason.value for reason in RejectionReason}
    [overloaded] = [key for key in count_operations(after) if key[1] == "SERVICE_UNAVAILABLE"]
    assert overloaded == ("anonymous", "SERVICE_UNAVAILABLE", "unknown")


async def test_every_metric_is_there_from_the_start_with_its_kind(watched: WatchedService) -> None:
    text = (await watched.http.get("/metrics")).text
    for metric in METRICS:
        assert f"# TYPE {metric.name} {metric.kind}\n" in text
        assert f"# HELP {metric.name} {metric.text}\n" in text


async def test_no_site_is_told_apart(watched: WatchedService, database: RecordingDatabase, site_id: UUID) -> None:
    record = Record()
    await store(database, site_id, [record])
    await watched.client(site_id).data("query($x: ID!) { attendance(id: $x) { id } }", x=str(record.id))
    text = (await watched.http.get("/metrics")).text
    assert [value for value in (site_id, record.id, record.booking_id) if str(value) in text] == []


@pytest.mark.parametrize("given", ["", "Bearer wrong", "right", "Bearer right ", "Bearer ²"])
async def test_a_token_keeps_the_metrics_from_others(watch: WatchService, given: str) -> None:
    async with watch(METRICS_TOKEN="right") as watched:
        refused = await watched.http.get("/metrics", headers={"Authorization": given.encode()} if given else {})
        assert (refused.status_code, refused.content) == (401, b"")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        allowed = await watched.http.get("/metrics", headers={"Authorization": "Bearer right"})
        assert read_numbers(allowed.text)["attendance_workers",] == 1


async def test_metrics_can_be_turned_off(watch: WatchService, site_id: UUID) -> None:
    async with watch(METRICS="off") as watched:
        await watched.client(site_id).data(PAGE)
        assert (await watched.http.get("/metrics")).status_code == 404
        assert len(watched.log.lines()) == 1


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=abc", "text/html", "*/*", ""])
async def test_the_format_is_prometheus_own_whatever_is_accepted(watched: WatchedService, accept: str) -> None:
    response = await watched.http.get("/metrics", headers={"Accept": accept})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"


async def test_the_build_is_named(watched: WatchedService) -> None:
    [key] = [key for key in await watched.numbers() if key[0] == "attendance_build_info"]
    assert key[1].startswith("3.")
    assert key[2][0].isdigit()


async def test_memory_and_processor_time_are_this_processs(watched: WatchedService) -> None:
    numbers = await watched.numbers()
    assert 20_000_000 < numbers["attendance_memory_bytes",] < 10_000_000_000
    assert numbers["attendance_cpu_seconds_total",] > 0
    assert await watched.client(uuid4()).data("{ __typename }")
