"""Each SERVICE_UNAVAILABLE has its cause in the log: once, and again when it has changed."""

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from uuid import uuid4

import asyncpg
import pytest

from app.database import refusals
from app.database.migrations import migrate
from app.database.pool import Database
from app.database.refusals import RefusalLog
from app.errors import ServiceUnavailable

INSERT = "INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)"
SET = f"{INSERT} VALUES ($1, gen_random_uuid(), gen_random_uuid(), 's', 'ATTENDED', 1)"
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file "base/%": No space left on device', pg_backend_pid() USING ERRCODE = '{}';
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON attendance FOR EACH ROW EXECUTE FUNCTION refuse();
"""
ALLOW = "DROP TRIGGER refuse ON attendance; DROP FUNCTION refuse()"
DISK_FULL, OUT_OF_MEMORY = "53100", "53200"


@pytest.fixture
async def own_url(create_database: Callable[[], str]) -> str:
    url = create_database()
    await migrate(url, row_security=True)
    return url


@pytest.fixture
async def owner(own_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(own_url)
    yield connection
    await connection.close()


async def test_a_full_disk_is_logged_once_until_it_has_room_again(
    own_url: str, owner: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(own_url, pool_size=2, row_security=True)
    site = uuid4()

    async def write(times: int = 3) -> None:
        for _ in range(times):
            with pytest.raises(ServiceUnavailable):
                await database.write_rows(SET, [site], site, is_idempotent=False)
            await database.read_rows("SELECT count(*) FROM attendance", [], site)

    try:
        await owner.execute(REFUSE.format(DISK_FULL))
        await write()
        assert len(caplog.messages) == 1
        assert "the database refuses statements: its disk is full (53100)" in caplog.messages[0]
        await owner.execute(ALLOW)
        await database.write_rows(SET, [site], site, is_idempotent=False)
        assert caplog.messages[1:] == ["the database runs statements again: no longer its disk is full (53100)"]
        await owner.execute(REFUSE.format(OUT_OF_MEMORY))
        await write()
        assert len(caplog.messages) == 3
        assert "the database refuses statements: SQLSTATE 53200" in caplog.messages[2]
    finally:
        await database.close()


async def test_a_cause_that_comes_and_goes_is_logged_every_ten_seconds(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(refusals, "time", SimpleNamespace(monotonic=lambda: now))
    log = RefusalLog("the replica two: ")
    for _ in range(100):
        log.note(SET, asyncpg.DiskFullError("no space"))
        log.end(SET)
    refused, again = caplog.messages
    assert refused.startswith("the replica two: the database refuses statements: its disk is full (53100)")
    assert again.startswith("the replica two: the database runs statements again")
    log.note(SET, asyncpg.DiskFullError("no space"))
    now += 10
    for _ in range(3):
        log.note(SET, asyncpg.DiskFullError("no space"))
    assert len(caplog.messages) == 3
    log.end(SET)
    assert caplog.messages[3] == again
