"""Traces of streams: the span of a request ends when its stream begins, and later events are in traces of their own."""

from functools import partial
from uuid import UUID

import httpx2

from app.settings import load_settings
from app.web.application import build_application
from app.web.serving.http_connections import HTTPConnection
from tests.support.collector import run_collector
from tests.support.following import CHANGES, follow_sse, open_socket
from tests.support.mutations import SET, make_input
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, GraphQLClient, make_token
from tests.support.serving import run_uvicorn


async def test_a_span_ends_when_its_stream_begins(database_url: str, site_id: UUID) -> None:
    given = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET}
    token = make_token(site_id, READ_SCOPE, WRITE_SCOPE)
    with run_collector() as collector:
        environ = {f"ATTENDANCE_{name}": value for name, value in {**given, "OTLP_ENDPOINT": collector.url}.items()}
        application = build_application(load_settings(environ))
        http = partial(HTTPConnection, limits=application.connection_limits)
        async with (
            application.router.lifespan_context(application),
            run_uvicorn(application, http=http) as (_, url),
            follow_sse(url, token) as follower,
            open_socket(url) as socket,
            httpx2.AsyncClient(base_url=url) as client,
        ):
            await follower.batch()
            await socket.initialise(token)
            await socket.subscribe("1", CHANGES)
            await socket.receive()
            await GraphQLClient(client, token).data(SET, input=make_input())
            await follower.batch()
            await socket.receive()
    operations = {span.span_id: span for span in collector.spans if "db.query.text" not in span.attributes}
    statements = [span for span in collector.spans if "db.query.text" in span.attributes]
    assert sorted(span.name for span in operations.values() if span.name != "graphql") == [
        *("mutation", "subscription", "subscription")
    ]
    opening = [each for each in statements if operations.get(each.parent_id) is not None]
    assert {operations[each.parent_id].name for each in opening} == {"mutation", "subscription"}
    assert len(statements) > len(opening)
    later = [each for each in statements if each not in opening]
    assert all(each.parent_id == "" for each in later)
