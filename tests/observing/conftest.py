"""The service in this process, watched by its log and its metrics."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest

from app.settings import load_settings
from app.web.application import Application, build_application
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, GraphQLClient, RecordingDatabase, make_token
from tests.support.watching import LogReader, Numbers, open_log, read_numbers


@dataclass(frozen=True, slots=True)
class WatchedService:
    """A service, and what it says of itself."""

    application: Application
    http: httpx2.AsyncClient
    reader: LogReader

    @property
    def log(self) -> LogReader:
        """Who reads the log, when all that has ended is in it."""
        self.application.state.monitoring.batch.flush()
        return self.reader

    def client(self, site_id: UUID, *scopes: str) -> GraphQLClient:
        return GraphQLClient(self.http, make_token(site_id, *(scopes or (READ_SCOPE, WRITE_SCOPE))))

    async def numbers(self) -> Numbers:
        response = await self.http.get("/metrics")
        assert response.status_code == 200
        return read_numbers(response.text)


WatchService = Callable[..., AbstractAsyncContextManager[WatchedService]]


@pytest.fixture
def watch(database: RecordingDatabase) -> WatchService:
    """A service of the test's own; keywords are its settings."""

    @asynccontextmanager
    async def build(own_database: RecordingDatabase | None = None, **settings: str) -> AsyncIterator[WatchedService]:
        given = {f"ATTENDANCE_{name}": value for name, value in {"JWT_SECRET": SECRET, **settings}.items()}
        read = load_settings(given)
        with open_log(read.log_level) as (log, reader):
            application = build_application(read, own_database or database, log)
            transport = httpx2.ASGITransport(application)
            async with httpx2.AsyncClient(transport=transport, base_url="http://service.test") as client:
                yield WatchedService(application, client, reader)
            application.state.monitoring.batch.flush()  # The pipe's number may soon be another one's.

    return build


@pytest.fixture
async def watched(watch: WatchService) -> AsyncIterator[WatchedService]:
    async with watch() as service:
        yield service
