"""The service on a real server in this process, whose streams and connections the tests can look at."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import httpx2
import pytest
import uvicorn

from app.operations.streams import ChangeStreams
from app.settings import load_settings
from app.web.application import Application, build_application
from app.web.load.connections import ConnectionLimits
from app.web.serving.http_connections import HTTPConnection
from app.web.streams.heartbeats import Heartbeats
from tests.support.following import FOLLOW, Follow
from tests.support.mutations import SET, make_input
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, GraphQLClient, RecordingDatabase, make_token
from tests.support.serving import run_uvicorn
from tests.support.waiting import wait_until


@dataclass(frozen=True, slots=True)
class LiveService:
    """A running service, and a token for a site of the test's own."""

    application: Application
    server: uvicorn.Server
    url: str
    token: str

    @property
    def streams(self) -> ChangeStreams:
        return self.application.endpoint.service.streams

    @property
    def limits(self) -> ConnectionLimits:
        return self.application.connection_limits

    async def wait_until_free(self) -> None:
        """Wait until no stream is left, and nothing that one has held."""

        def is_free() -> bool:
            counts = [self.streams.count, len(self.application.endpoint.heartbeats), self.limits.streaming]
            return not any(counts) and not self.limits.open

        await wait_until(is_free)

    async def set(self, **values: object) -> str:
        """Set a record of the site; gives its id."""
        async with httpx2.AsyncClient(base_url=self.url) as http:
            data = await GraphQLClient(http, self.token).data(SET, input=make_input(**values))
        identifier: str = data["setAttendance"]["attendance"]["id"]
        return identifier


RunService = Callable[..., AbstractAsyncContextManager[LiveService]]


@pytest.fixture
def run_service(database: RecordingDatabase, site_id: UUID) -> RunService:
    """The service with these settings, and a heartbeat in so many seconds; no stream may be left at its end."""

    @asynccontextmanager
    async def run(*, heartbeat: float = 15.0, **settings: str) -> AsyncIterator[LiveService]:
        environ = {f"ATTENDANCE_{name}": value for name, value in settings.items()}
        application = build_application(load_settings({"ATTENDANCE_JWT_SECRET": SECRET, **environ}), database)
        application.serve_by(replace(application.endpoint, heartbeats=Heartbeats(heartbeat)))
        http = partial(HTTPConnection, limits=application.connection_limits)
        most_bytes = application.endpoint.body_reader.max_bytes
        async with run_uvicorn(application, http=http, ws_max_size=most_bytes) as (server, url):
            token = make_token(site_id, READ_SCOPE, WRITE_SCOPE)
            live = LiveService(application, server, url, token)
            yield live
            await live.wait_until_free()

    return run


@pytest.fixture
async def live(run_service: RunService) -> AsyncIterator[LiveService]:
    async with run_service() as live:
        yield live


@pytest.fixture(params=FOLLOW)
def follow(request: pytest.FixtureRequest) -> Follow:
    """Each of the transports."""
    return FOLLOW[request.param]
