"""Services whose settings a test chooses, as gateways ask them, and real gateways in front of one."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx2
import pytest
from starlette.applications import Starlette

from app.settings import load_settings
from app.web.application import build_application
from tests.support.gateways import explain_absence, start_gateway
from tests.support.service import SECRET, GraphQLClient, RecordingDatabase
from tests.support.serving import serve

SubgraphBuilder = Callable[..., Starlette]
SETUPS = [(name, composer) for name in ("apollo", "hive") for composer in ("apollo", "guild")]

NEEDING_NODE = frozenset({"node", "gateway"})


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: whose it is, what its supergraph was composed by, and a client of it."""

    name: str
    composer: str
    http: httpx2.AsyncClient

    @property
    def knows_one_of(self) -> bool:
        """Whether it refuses two filters itself: Apollo's composition drops `@oneOf`."""
        return self.composer != "apollo"

    def ask_as(self, token: str | None) -> GraphQLClient:
        return GraphQLClient(self.http, token)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Function) -> None:
    """Skip what needs Node or a gateway where it is missing. The reason is the same for all, so they are one line."""
    if not NEEDING_NODE.isdisjoint(item.fixturenames) and (reason := explain_absence()) is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def node() -> None:
    """Whatever asks for this runs Node, and is skipped without it."""


@pytest.fixture(scope="session")
def subgraph(database: RecordingDatabase, database_url: str) -> SubgraphBuilder:
    """Services on the tests' database; settings are variables without their prefix, in lower case."""

    def build(**variables: str) -> Starlette:
        given = {"database_url": database_url, "jwt_secret": SECRET, **variables}
        settings = load_settings({f"ATTENDANCE_{name.upper()}": value for name, value in given.items()})
        return build_application(settings, database)

    return build


@pytest.fixture(scope="session", params=SETUPS, ids="-".join)
async def gateway(request: pytest.FixtureRequest, subgraph: SubgraphBuilder) -> AsyncIterator[Gateway]:
    """Each gateway with the supergraph of each composer, in front of the service on loopback."""
    name, composer = request.param
    # Apollo's own gateway refuses a supergraph that tells of scopes.
    service = subgraph() if name == "apollo" else subgraph(federation_scopes="on")
    async with (
        serve(service) as address,
        start_gateway(name, composer, f"{address}/graphql") as url,
        httpx2.AsyncClient(base_url=url.removesuffix("graphql"), timeout=30) as http,
    ):
        yield Gateway(name, composer, http)
