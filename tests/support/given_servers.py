"""The servers that the tests are told to run on: how the service connects to them, and what it reads from replicas."""

import asyncio
import os
from collections import Counter
from urllib.parse import urlsplit, urlunsplit

from app.database.failures import CONNECT_ERRORS
from app.database.pool import Database
from app.database.positions import READ_POSITION
from app.database.replicas import IN_USE
from app.database.server import PostgresServer
from tests.support.waiting import wait_until

REPLAY_SECONDS = 30.0
# How many statements of sites went to the primary, and to the replicas, by all services that have replicas.
statement_counts: Counter[str] = Counter()


def find_service_url(url: str) -> str:
    """How the service connects to a database of the tests: by `ATTENDANCE_TEST_SERVICE_URL`, else as they do."""
    return find_same_database("ATTENDANCE_TEST_SERVICE_URL", url) or url


def find_replica_url(url: str) -> str | None:
    """Where the service reads from a database of the tests: on `ATTENDANCE_TEST_REPLICA_URL`, if that is given."""
    return find_same_database("ATTENDANCE_TEST_REPLICA_URL", url)


def find_same_database(setting: str, url: str) -> str | None:
    """A database of the server that the tests are given, on the server that a setting names; None if there is none."""
    other, given = os.environ.get(setting), os.environ.get("ATTENDANCE_TEST_DATABASE_URL")
    if not other or not given or urlsplit(given)._replace(path="") != urlsplit(url)._replace(path=""):
        return None
    return urlunsplit(urlsplit(other)._replace(path=urlsplit(url).path))


async def wait_until_read(database: Database) -> None:
    """Wait until all replicas of an open database are in use."""
    try:
        await wait_until(lambda: database.explain_replica() in (None, IN_USE), within=REPLAY_SECONDS)
    except TimeoutError as failure:
        raise AssertionError(f"the replica is {database.explain_replica()}") from failure


async def wait_for_replay(database: Database) -> None:
    """Wait until all replicas have what was written so far, because the service does not know who has written it."""
    if database.replicas is not None:
        written = await read_position(database)
        for server in database.replicas.servers:
            async with asyncio.timeout(REPLAY_SECONDS):
                while not await has_replayed(server, written):  # noqa: ASYNC110 (another server's event)
                    await asyncio.sleep(0.001)


async def has_replayed(server: PostgresServer, position: int) -> bool:
    try:
        return await read_position(server) >= position
    except CONNECT_ERRORS:  # It has not even replayed that there is the database.
        return False


async def read_position(server: PostgresServer) -> int:
    [found] = await server.fetch_without_site(READ_POSITION)
    return int(found["position"])
