"""A host that accepts connections and says nothing: `check` and `migrate` say for how long they have waited."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.database import owner
from app.database.diagnosis import diagnose_primary
from app.database.migrations import migrate
from app.database.replica_diagnosis import diagnose_replicas
from app.errors import ConfigurationError

SILENT = "the database cannot be reached: it did not answer within {} seconds"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
async def silent_url() -> AsyncIterator[str]:
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1")
    async with server:
        yield f"postgresql://nobody@127.0.0.1:{server.sockets[0].getsockname()[1]}/nothing"
        for writer in taken:
            writer.transport.abort()


async def test_a_silent_primary_is_said_to_be_silent(silent_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "CONNECT_SECONDS", 0.3)
    with pytest.raises(ConfigurationError) as caught:
        await migrate(silent_url, row_security=True)
    assert str(caught.value) == SILENT.format("0.3")
    database, *others = await diagnose_primary(silent_url, row_security=True)
    assert database.trouble == SILENT.format("0.3")
    assert {each.is_checked for each in others} == {False}


async def test_a_silent_replica_is_said_to_be_silent(silent_url: str) -> None:
    [found] = await diagnose_replicas(silent_url, NOWHERE, row_security=True, max_lag=10)
    assert found.trouble == SILENT.format("1.8")
