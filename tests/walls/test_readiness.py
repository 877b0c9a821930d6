"""What is told of a server that is out of reach or not ready, and how often."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.database.failures import CALL_AGAIN
from app.database.migrations import migrate
from app.database.server import PostgresServer
from app.errors import ServiceUnavailable
from tests.support.waiting import wait_until
from tests.walls.asking import find_pid, is_idle
from tests.walls.conftest import Serve
from tests.walls.hosts import be_silent, name_hosts, name_socket


async def test_a_silent_server_is_waited_for_once(
    serve: Serve, embedded: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with be_silent(embedded, tmp_path):
        server = serve(name_hosts(embedded, tmp_path), seconds=0.5)
        waited = []
        for _ in range(2):
            begin = time.monotonic()
            with pytest.raises(ServiceUnavailable) as caught:
                await server.fetch_rows("SELECT 1", [], uuid4())
            waited.append(time.monotonic() - begin)
        assert caught.value.message == CALL_AGAIN
        assert waited[0] >= 0.5 > waited[1]
        assert await server.explain_unreadiness() == "the database cannot be reached"
        said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert [message.rpartition(": ")[2] for message in said] == [
            "TimeoutError no connection was made in time",
            "ConnectionError it does not answer",
        ]
        await server.close()


async def test_what_keeps_a_server_out_of_reach_is_told_when_it_changes(
    serve: Serve, embedded: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(name_hosts(embedded, tmp_path))
    own, there = name_socket(embedded), tmp_path / name_socket(embedded).name

    async def ask(times: int) -> None:
        for _ in range(times):
            with pytest.raises(ServiceUnavailable):
                await server.fetch_rows("SELECT 1", [], uuid4())
            assert await server.explain_unreadiness() == "the database cannot be reached"

    await ask(2)
    async with be_silent(embedded, tmp_path):
        pass
    await ask(2)
    there.unlink()
    there.symlink_to(own)
    async with server.connection(uuid4()) as connection:
        there.unlink()
        connection.terminate()
    async with be_silent(embedded, tmp_path):
        pass
    await ask(1)
    said = [message.split(" ")[:6] for message in caplog.messages]
    start = ["the", "database", "cannot", "be", "reached:"]
    assert said == [[*start, "FileNotFoundError"], *[[*start, "ConnectionRefusedError"]] * 2]


async def test_a_ready_server_says_nothing_and_keeps_its_connection(server: PostgresServer, site_id: UUID) -> None:
    assert await server.explain_unreadiness() is None
    await wait_until(lambda: is_idle(server.counts))
    assert await server.explain_unreadiness() is None
    assert await find_pid(server, site_id)


async def test_a_server_that_is_not_ready_says_why(serve: Serve, create_database: Callable[[], str]) -> None:
    url = create_database()
    server, free = serve(url), serve(url, row_security=False)
    missing = "the database is not migrated: run `attendance migrate`"
    assert await free.explain_unreadiness() == missing
    await migrate(url, row_security=True)
    assert await server.explain_unreadiness() is None
    differ = "row security of the table and ATTENDANCE_ROW_SECURITY differ: run `attendance migrate`"
    assert await free.explain_unreadiness() == differ
    role = "nobody_of_this_name"
    unknown = (
        f"the role {role} does not exist or cannot be taken: run `attendance migrate`, or "
        f"`GRANT {role} TO` the user of the URL"
    )
    assert await serve(url, role=role).explain_unreadiness() == unknown
