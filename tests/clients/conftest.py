"""Fixtures: one service over HTTP for the clients, each with a site of its own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import httpx2
import pytest

from app.settings import load_settings
from app.web.application import Application, build_application
from app.web.serving.http_connections import HTTPConnection
from tests.support.failing_database import FailingDatabase
from tests.support.mutations import make_input, set_many
from tests.support.service import SECRET, WRITE_SCOPE, GraphQLClient, make_token
from tests.support.serving import run_uvicorn


@dataclass(frozen=True, slots=True)
class Served:
    """The service that the clients ask, and its database, whose next statements may fail."""

    application: Application
    database: FailingDatabase
    http: httpx2.AsyncClient
    url: str


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session of a site of its own with records, whose ids are in their order."""

    token: str
    expired_token: str
    session_id: str
    ids: list[str]


@pytest.fixture(scope="session")
async def served(database_url: str) -> AsyncIterator[Served]:
    database = FailingDatabase(database_url)
    await database.open()
    application = build_application(load_settings({"ATTENDANCE_JWT_SECRET": SECRET}), database)
    http = partial(HTTPConnection, limits=application.connection_limits)
    async with run_uvicorn(application, http=http) as (_, url), httpx2.AsyncClient(base_url=url, timeout=30) as direct:
        yield Served(application, database, direct, url)
    await database.close()


@pytest.fixture
async def listed(served: Served, site_id: UUID) -> ListedSession:
    token, session_id = make_token(site_id, WRITE_SCOPE), f"the session {uuid4()}"
    items = [make_input(sessionId=session_id, numberOfAttendees=number) for number in range(25)]
    stored = await set_many(GraphQLClient(served.http, token), items)
    ids = sorted(result["attendance"]["id"] for result in stored["results"])
    return ListedSession(token, make_token(site_id, WRITE_SCOPE, exp=1), session_id, ids)
