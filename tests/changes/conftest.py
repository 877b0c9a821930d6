"""Fixtures: a service in this process, its writers, and its streams."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from app.documents.documents import Documents
from app.documents.limits import Limits
from app.operations.running import GraphQLService
from app.schema.schema import print_schema
from tests.support.changes import Site
from tests.support.service import RecordingDatabase


@pytest.fixture
async def service(database: RecordingDatabase) -> AsyncIterator[GraphQLService]:
    service = GraphQLService(Documents(size=100, limits=Limits(), introspection=False), database, print_schema())
    yield service
    service.streams.end_all()


@pytest.fixture
def site(service: GraphQLService, site_id: UUID) -> Site:
    return Site(service, site_id)
