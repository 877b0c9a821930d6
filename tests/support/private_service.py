"""The service in this process on a database of the caller's own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import httpx2

from app.database.pool import Database
from app.settings import load_settings
from app.web.application import build_application
from tests.support.service import SECRET, WRITE_SCOPE, GraphQLClient, make_token

ClientOf = Callable[[UUID], GraphQLClient]


@asynccontextmanager
async def open_service(database: Database) -> AsyncIterator[ClientOf]:
    """Callers who may read and write a site of the test's choice; the database is open inside the block."""
    application = build_application(load_settings({"ATTENDANCE_JWT_SECRET": SECRET}), database)
    await database.open()
    try:
        transport = httpx2.ASGITransport(application)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service.test") as http:
            yield lambda site: GraphQLClient(http, make_token(site, WRITE_SCOPE))
    finally:
        await database.close()
