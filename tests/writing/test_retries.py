"""What is tried again when a statement fails, how often, and when that ends."""

from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest

import app.database.pool
import app.database.server
from tests.support.failing_database import FailingDatabase
from tests.support.mutations import (
    RECORD,
    Item,
    Write,
    assert_written,
    delete_all,
    set_again,
    succeed,
)
from tests.support.private_service import ClientOf
from tests.support.refusals import refuse
from tests.support.service import GraphQLClient

CONFLICTS: dict[str, type[asyncpg.PostgresError]] = {
    "a serialization failure": asyncpg.SerializationError,
    "a deadlock": asyncpg.DeadlockDetectedError,
    "a lock that is not available": asyncpg.LockNotAvailableError,
}
LOST = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

for_each_write = pytest.mark.parametrize("write", [set_again, delete_all])
for_each_conflict = pytest.mark.parametrize("conflict", CONFLICTS.values(), ids=CONFLICTS)


@pytest.fixture
def failing_client(
    failing_client_of: ClientOf, site_id: UUID, failing_database: FailingDatabase, monkeypatch: pytest.MonkeyPatch
) -> GraphQLClient:
    """A caller whose statements fail as the test says, and are tried again without much of a pause."""
    monkeypatch.setattr(app.database.pool, "FIRST_PAUSE_SECONDS", 0.001)
    failing_database.tries.clear()
    return failing_client_of(site_id)


@for_each_write
@for_each_conflict
@pytest.mark.parametrize("count", [1, 2, 3])
async def test_up_to_three_conflicts_are_not_noticed(
    failing_client: GraphQLClient,
    failing_database: FailingDatabase,
    records: list[Item],
    conflict: type[asyncpg.PostgresError],
    count: int,
    write: Write,
) -> None:
    failing_database.failures = [conflict("a message of the server's")] * count
    await succeed(failing_client, write(records))
    assert len(failing_database.tries) == count + 1
    await assert_written(failing_client, records, write)


@for_each_write
@for_each_conflict
async def test_the_fourth_conflict_is_told_and_nothing_has_changed(
    failing_client: GraphQLClient,
    failing_database: FailingDatabase,
    records: list[Item],
    conflict: type[asyncpg.PostgresError],
    write: Write,
) -> None:
    document, variables = write(records)
    failing_database.failures = [conflict("a message of the server's")] * 4
    refusal = await refuse(failing_client, document, **variables)
    assert (refusal.place, refusal.message) == (("CONFLICT", None), "Another change got in the way; try again.")
    assert len(failing_database.tries) == 4
    stored = await failing_client.data(f"{{ attendances {{ nodes {{ {RECORD} }} }} }}")
    assert stored["attendances"]["nodes"] == sorted(records, key=lambda record: record["id"])


async def test_a_set_whose_connection_is_lost_is_tried_again_three_times_and_then_told(
    failing_client: GraphQLClient, failing_database: FailingDatabase, records: list[Item]
) -> None:
    failing_database.failures = [LOST] * 3
    await succeed(failing_client, set_again(records))
    failing_database.tries.clear()
    failing_database.failures = [LOST] * 4
    answer = await failing_client.post(*set_again(records))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert len(failing_database.tries) == 4


async def test_a_delete_whose_connection_is_lost_is_tried_once(
    failing_client: GraphQLClient, failing_database: FailingDatabase, records: list[Item]
) -> None:
    failing_database.failures = [LOST]
    answer = await failing_client.post(*delete_all(records))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert len(failing_database.tries) == 1


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (asyncpg.QueryCanceledError("canceling statement due to statement timeout"), "TIMEOUT"),
        (asyncpg.CheckViolationError("attendance_status"), "INTERNAL_SERVER_ERROR"),
    ],
)
async def test_what_another_try_would_not_mend_is_tried_once(
    failing_client: GraphQLClient, failing_database: FailingDatabase, records: list[Item], failure: Exception, code: str
) -> None:
    failing_database.failures = [failure]
    document, variables = set_again(records)
    error = await failing_client.error(document, **variables)
    assert error["extensions"]["code"] == code
    assert len(failing_database.tries) == 1


async def test_no_try_begins_when_the_request_could_not_wait_for_it(
    failing_client: GraphQLClient,
    failing_database: FailingDatabase,
    records: list[Item],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app.database.pool, "LATEST_RETRY_SECONDS", 0.0)
    failing_database.failures = [asyncpg.SerializationError("x")]
    document, variables = set_again(records)
    assert (await refuse(failing_client, document, **variables)).code == "CONFLICT"
    assert len(failing_database.tries) == 1
    bounds = (app.database.server.ACQUIRE_SECONDS, app.database.pool.STATEMENT_SECONDS)
    monkeypatch.undo()
    assert app.database.pool.LATEST_RETRY_SECONDS + sum(bounds) <= 10


async def test_each_pause_may_be_longer_than_the_one_before(
    failing_client: GraphQLClient,
    failing_database: FailingDatabase,
    records: list[Item],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app.database.pool, "FIRST_PAUSE_SECONDS", 0.05)
    failing_database.failures = [asyncpg.SerializationError("x")] * 3
    await succeed(failing_client, set_again(records))
    pauses = [later - earlier for earlier, later in pairwise(failing_database.tries)]
    assert [pause >= least for pause, least in zip(pauses, (0.025, 0.05, 0.1), strict=True)] == [True] * 3
