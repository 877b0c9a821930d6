"""Health, and what callers see while the database is gone."""

import socket
from collections.abc import Callable, Iterator
from uuid import UUID

import asyncpg
import httpx2
import pytest

from app.database.migrations import migrate
from tests.http.conftest import ServiceBuilder
from tests.support.media_types import GRAPHQL_RESPONSE, JSON
from tests.support.service import READ_SCOPE, make_token

QUERY = "{ attendances { totalCount } }"


@pytest.fixture
def dead_url() -> Iterator[str]:
    """A database URL at whose port nobody listens, and nobody will."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"postgresql://somebody:a-password@127.0.0.1:{holder.getsockname()[1]}/secret_name"


async def test_a_service_on_a_migrated_database_is_alive_and_ready(bare: httpx2.AsyncClient) -> None:
    alive, ready = await bare.get("/healthz"), await bare.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_asked_by_get_or_head_and_never_kept(bare: httpx2.AsyncClient, path: str) -> None:
    assert (await bare.get(path)).headers["cache-control"] == "no-store"
    assert (await bare.head(path)).status_code == 200
    assert (await bare.post(path)).status_code == 405


async def test_without_its_database_a_service_is_alive_and_not_ready(service: ServiceBuilder, dead_url: str) -> None:
    async with service(database_url=dead_url) as client:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
    assert alive.status_code == 200
    assert (ready.status_code, ready.json()) == (
        503,
        {"status": "not ready", "reason": "the database cannot be reached"},
    )


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
async def test_without_its_database_a_service_asks_for_another_try(
    service: ServiceBuilder, dead_url: str, site_id: UUID, accept: str
) -> None:
    headers = {"authorization": f"Bearer {make_token(site_id, READ_SCOPE)}", "accept": accept}
    async with service(database_url=dead_url) as client:
        answer = await client.post("/graphql", json={"query": QUERY}, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
    assert error["message"] == "The database cannot be reached at the moment; try again shortly."
    for internal in ("127.0.0.1", "secret_name", "somebody", "a-password", "refused", "asyncpg"):
        assert internal not in answer.text


async def test_without_its_database_a_service_still_answers_what_needs_none(
    service: ServiceBuilder, dead_url: str
) -> None:
    async with service(database_url=dead_url) as client:
        answer = await client.post("/graphql", json={"query": "{ __typename }"})
    assert (answer.status_code, answer.json()) == (200, {"data": {"__typename": "Query"}})


async def test_a_database_that_comes_up_later_is_used_without_a_restart(
    service: ServiceBuilder, create_database: Callable[[], str], site_id: UUID
) -> None:
    url = create_database()
    headers = {"authorization": f"Bearer {make_token(site_id, READ_SCOPE)}"}
    async with service(database_url=url) as client:
        before = await client.post("/graphql", json={"query": QUERY}, headers=headers)
        await migrate(url, row_security=True)
        after = await client.post("/graphql", json={"query": QUERY}, headers=headers)
        assert (await client.get("/readyz")).status_code == 200
    assert "data" not in before.json() or before.json()["data"] is None
    assert after.json() == {"data": {"attendances": {"totalCount": 0}}}


@pytest.mark.usefixtures("database_url")  # whose migration makes the service's role, without which nobody gets in
async def test_on_an_unmigrated_database_a_service_is_not_ready_and_says_what_to_do(
    service: ServiceBuilder, create_database: Callable[[], str]
) -> None:
    async with service(database_url=create_database()) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reason"] == "the database is not migrated: run `attendance migrate`"


@pytest.mark.parametrize(("migrated", "configured"), [(True, "off"), (False, "on")])
async def test_a_service_whose_row_security_differs_from_its_databases_is_not_ready(
    service: ServiceBuilder, create_database: Callable[[], str], *, migrated: bool, configured: str
) -> None:
    url = create_database()
    await migrate(url, row_security=migrated)
    async with service(database_url=url, row_security=configured) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert "row security" in answer.json()["reason"]
        await migrate(url, row_security=configured == "on")
        assert (await client.get("/readyz")).json() == {"status": "ready"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("DELETE FROM attendance_migrations", "migration 0001_attendance is missing: run `attendance migrate`"),
        (
            "INSERT INTO attendance_migrations VALUES (9999, '9999_later', '')",
            "the database has migration 9999_later, which is newer than this service",
        ),
    ],
)
async def test_a_service_whose_database_is_older_or_newer_is_not_ready(
    service: ServiceBuilder, create_database: Callable[[], str], change: str, reason: str
) -> None:
    url = create_database()
    await migrate(url, row_security=True)
    owner = await asyncpg.connect(url)
    await owner.execute(change)
    await owner.close()
    async with service(database_url=url) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, reason)
