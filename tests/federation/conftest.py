"""Services whose settings a test chooses, as gateways ask them."""

from collections.abc import Callable

import httpx2
import pytest

from app.settings import load_settings
from app.web.application import build_application
from tests.support.service import SECRET, GraphQLClient, RecordingDatabase

SubgraphBuilder = Callable[..., GraphQLClient]


@pytest.fixture
def subgraph(database: RecordingDatabase, database_url: str) -> SubgraphBuilder:
    """Callers without a token; settings are variables without their prefix, in lower case."""

    def build(**variables: str) -> GraphQLClient:
        given = {"database_url": database_url, "jwt_secret": SECRET, **variables}
        settings = load_settings({f"ATTENDANCE_{name.upper()}": value for name, value in given.items()})
        transport = httpx2.ASGITransport(build_application(settings, database))
        return GraphQLClient(httpx2.AsyncClient(transport=transport, base_url="http://service.test"), None)

    return build
