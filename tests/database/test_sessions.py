"""The check of a new session: what says that a pooler shares it with others."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.database.failures import SessionRefused
from app.database.session import ExpectedSession, Pooler, check_session


class SharedConnection:
    """A connection whose statements run on different sessions in turn."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def fetchrow(self, *_arguments: object) -> None:
        raise self.failure


async def refuse_to_connect() -> Any:
    raise AssertionError


@pytest.mark.parametrize(
    "failure",
    [
        asyncpg.InvalidSQLStatementNameError('prepared statement "one" does not exist'),
        asyncpg.DuplicatePreparedStatementError('prepared statement "one" already exists'),
        asyncpg.ProtocolViolationError("bind message supplies 1 parameters, but the statement requires 3"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_prepared_statement_of_another_client_tells_of_a_pooler_in_transaction_mode(failure: Exception) -> None:
    expected = ExpectedSession("service", {}, refuse_to_connect, Pooler())
    with pytest.raises(SessionRefused, match=r"^a pooler in transaction mode .*ATTENDANCE_ROW_SECURITY=off"):
        await check_session(SharedConnection(failure), expected, str(uuid4()))
