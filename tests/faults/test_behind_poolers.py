"""docs/poolers.md: what it says to copy works, for many sites, and when Postgres fails."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from app.database.migrations import migrate
from app.settings import load_settings
from app.web.application import build_application
from tests.faults.conftest import make_postgres
from tests.support.mutations import BULK_SET, DELETE, SET, make_input
from tests.support.own_postgres import OwnPostgres
from tests.support.pgbouncer import read_version, run_pgbouncer
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, GraphQLClient, make_token
from tests.support.waiting import wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "poolers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sql|ini)\n(.*?)```", PAGE, re.DOTALL)
[ROLE] = [text for kind, text in BLOCKS if kind == "sql"]
# The settings of each mode, and whether row security is on in it.
MODES = {re.findall(r"pool_mode = (\w+)", text)[0]: text for kind, text in BLOCKS if kind == "ini"}
ROW_SECURITY = {"session": True, "transaction": False}
READS = [
    f"{{ attendances(first: {size}) {{ totalCount nodes {{ sessionId {more} }} }} }}"
    for size in (1, 5, 100)
    for more in ("", "status", "booking { attendances { totalCount } }")
]


@pytest.fixture
async def postgres_of_its_own(faults_place: Path) -> AsyncIterator[OwnPostgres]:
    postgres = make_postgres(faults_place, uuid4().hex[:8])
    postgres.start()
    yield postgres
    postgres.stop()


@contextmanager
def follow_page(postgres: OwnPostgres, mode: str) -> Iterator[str]:
    """The URL of PgBouncer, set up as the page says; no test here has a password."""
    if mode == "transaction" and read_version() < (1, 21):
        pytest.skip("needs PgBouncer 1.21 or newer")
    settings = MODES[mode].removeprefix("[pgbouncer]\n")
    with run_pgbouncer(postgres.url, users=["attendance_service"], more=settings) as url:
        yield url


@asynccontextmanager
async def serve(url: str, mode: str) -> AsyncIterator[httpx2.AsyncClient]:
    given = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "ROW_SECURITY": "on" if ROW_SECURITY[mode] else "off"}
    application = build_application(load_settings({f"ATTENDANCE_{name}": value for name, value in given.items()}))
    async with (
        application.router.lifespan_context(application),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(application), base_url="http://service.test") as http,
    ):
        yield http


def client_of(http: httpx2.AsyncClient, site_id: UUID) -> GraphQLClient:
    return GraphQLClient(http, make_token(site_id, READ_SCOPE, WRITE_SCOPE))


async def set_up(postgres: OwnPostgres, mode: str) -> None:
    await migrate(postgres.url, row_security=ROW_SECURITY[mode])
    owner = await asyncpg.connect(postgres.url)
    await owner.execute(ROLE)
    await owner.close()


async def use(http: httpx2.AsyncClient) -> None:
    """Write and read as a site of its own, which must see all of its records and no other ones."""
    site_id, written = uuid4(), 0
    client = client_of(http, site_id)
    for turn in range(12):
        inputs: list[Any] = [make_input(sessionId=str(site_id)) for _ in range(3)]
        made = await client.data(SET, input=inputs[0])
        await client.data(BULK_SET, input=inputs[1:])
        await client.data(DELETE, id=made["setAttendance"]["attendance"]["id"])
        written += 2
        found = (await client.data(READS[turn % len(READS)]))["attendances"]
        assert found["totalCount"] == written
        assert {node["sessionId"] for node in found["nodes"]} == {str(site_id)}


@pytest.mark.parametrize("mode", MODES)
async def test_sites_that_write_and_read_at_once_each_see_their_own(
    postgres_of_its_own: OwnPostgres, mode: str
) -> None:
    await set_up(postgres_of_its_own, mode)
    with follow_page(postgres_of_its_own, mode) as url:
        async with serve(url, mode) as http:
            assert (await http.get("/readyz")).json() == {"status": "ready"}
            await asyncio.gather(*(use(http) for _ in range(16)))


@pytest.mark.parametrize("mode", MODES)
async def test_a_postgres_that_is_killed_is_503_and_then_back(postgres_of_its_own: OwnPostgres, mode: str) -> None:
    await set_up(postgres_of_its_own, mode)
    with follow_page(postgres_of_its_own, mode) as url:
        async with serve(url, mode) as http:
            client = client_of(http, uuid4())
            await client.data(READS[0])
            await asyncio.to_thread(postgres_of_its_own.stop, signal.SIGKILL)
            for _ in range(3):
                begin = time.monotonic()
                assert (await client.post(READS[0])).status_code == 503
                assert time.monotonic() - begin < 4
            await asyncio.to_thread(postgres_of_its_own.start)

            async def is_served() -> bool:
                return (await client.post(READS[0])).status_code == 200

            assert await wait_until(is_served, within=10) < 5


@pytest.mark.parametrize("mode", MODES)
async def test_a_locked_table_is_504_after_five_seconds(postgres_of_its_own: OwnPostgres, mode: str) -> None:
    await set_up(postgres_of_its_own, mode)
    owner = await asyncpg.connect(postgres_of_its_own.url)
    with follow_page(postgres_of_its_own, mode) as url:
        async with serve(url, mode) as http:
            client = client_of(http, uuid4())
            await client.data(READS[0])
            async with owner.transaction():
                await owner.execute("LOCK TABLE attendance IN ACCESS EXCLUSIVE MODE")
                begin = time.monotonic()
                answer = await client.post(READS[0], Accept="application/graphql-response+json")
                assert answer.json()["errors"][0]["extensions"]["code"] == "TIMEOUT"
                assert (answer.status_code, round(time.monotonic() - begin)) == (504, 5)
            await client.data(READS[0])
    await owner.close()
