"""Streams over HTTP: what is sent for operations of each kind, and how a subscription is refused."""

from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx2
import pytest

from app.web.headers import SECURITY_HEADERS
from tests.streams.conftest import LiveService, RunService
from tests.support.following import CHANGES, MULTIPART_TYPE, SSE_TYPE, follow_http, follow_sse
from tests.support.media_types import GRAPHQL_RESPONSE, JSON
from tests.support.mutations import COUNT, SET, make_input
from tests.support.service import READ_SCOPE, make_token

BAD_CURSOR = 'subscription { attendanceChanges(after: "x") { cursor } }'
INVALID = "subscription { nothing }"
ANY_HTTP = (SSE_TYPE, MULTIPART_TYPE)
URQL = "text/event-stream, multipart/mixed"
URQL_FOR_QUERIES = f"{GRAPHQL_RESPONSE}, application/graphql+json, {JSON}, {SSE_TYPE}, multipart/mixed"
ROUTER = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0", application/json'


async def post(
    live: LiveService, query: str, accept: str | None, token: str | None = None, **variables: object
) -> httpx2.Response:
    headers = {"accept": accept or "*/*", "authorization": f"Bearer {token or live.token}"}
    async with httpx2.AsyncClient(base_url=live.url) as client:
        return await client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


def list_events(response: httpx2.Response) -> list[str]:
    assert response.text.endswith("\n\n")
    return response.text.removesuffix("\n\n").split("\n\n")


async def test_a_query_over_sse_is_one_event_and_the_end(live: LiveService) -> None:
    response = await post(live, "{ __typename }", SSE_TYPE)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert list_events(response) == ['event: next\ndata: {"data":{"__typename":"Query"}}', "event: complete\ndata:"]


async def test_a_mutation_over_sse_is_one_event_and_the_end(live: LiveService) -> None:
    first, last = list_events(await post(live, SET, SSE_TYPE, input=make_input()))
    assert first.startswith('event: next\ndata: {"data":{"setAttendance":')
    assert last == "event: complete\ndata:"


@pytest.mark.parametrize("query", [INVALID, "subscription {", BAD_CURSOR, "{ nothing }"])
async def test_an_operation_that_is_refused_over_sse_is_an_event_with_errors_and_the_end(
    live: LiveService, query: str
) -> None:
    response = await post(live, query, SSE_TYPE)
    assert response.status_code == 200
    first, last = list_events(response)
    assert first.startswith('event: next\ndata: {"errors":[{"message":')
    assert last == "event: complete\ndata:"


@pytest.mark.parametrize("query", [INVALID, "subscription {", BAD_CURSOR])
async def test_a_subscription_that_is_refused_over_multipart_gets_what_any_refused_request_gets(
    live: LiveService, query: str
) -> None:
    response, plain = (
        await post(live, query, MULTIPART_TYPE),
        await post(live, query.replace("subscription", "query"), JSON),
    )
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert response.json()["errors"][0]["extensions"]["code"] == plain.json()["errors"][0]["extensions"]["code"]


@pytest.mark.parametrize("accept", ANY_HTTP)
async def test_a_subscription_without_a_valid_token_is_refused_by_status(live: LiveService, accept: str) -> None:
    response = await post(live, CHANGES, accept, token="x")
    assert (response.status_code, response.headers["content-type"]) == (401, "application/json; charset=utf-8")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


@pytest.mark.parametrize("accept", ANY_HTTP)
async def test_a_subscription_without_the_scope_is_refused_by_status(live: LiveService, accept: str) -> None:
    response = await post(live, CHANGES, accept, token=make_token(uuid4(), "other"))
    assert (response.status_code, response.headers["content-type"]) == (403, "application/json; charset=utf-8")
    assert response.json()["errors"][0]["extensions"] == {"code": "FORBIDDEN"}


@pytest.mark.parametrize(
    "accept", [JSON, GRAPHQL_RESPONSE, "*/*", None, "multipart/mixed;deferSpec=20220824, application/json"]
)
async def test_a_subscription_that_names_no_transport_gets_406_which_names_them(
    live: LiveService, accept: str | None
) -> None:
    response = await post(live, CHANGES, accept)
    assert response.status_code == 406
    message = response.json()["errors"][0]["message"]
    assert all(name in message for name in ("text/event-stream", "multipart/mixed", "graphql-transport-ws"))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (URQL, SSE_TYPE),
        (ROUTER, "multipart/mixed"),
        (f"{MULTIPART_TYPE}, {SSE_TYPE}", "multipart/mixed"),
        (f"multipart/mixed;subscriptionSpec=1.0;q=0.5, {SSE_TYPE}", SSE_TYPE),
        (f"{JSON}, {SSE_TYPE}", SSE_TYPE),
        (f"{SSE_TYPE};q=0, {MULTIPART_TYPE}", "multipart/mixed"),
    ],
)
async def test_a_subscription_gets_the_transport_that_its_client_prefers(
    live: LiveService, accept: str, content_type: str
) -> None:
    headers = {"accept": accept, "authorization": f"Bearer {live.token}"}
    async with (
        httpx2.AsyncClient(base_url=live.url) as client,
        client.stream("POST", "/graphql", json={"query": CHANGES}, headers=headers) as response,
    ):
        assert response.headers["content-type"].startswith(content_type)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (URQL_FOR_QUERIES, GRAPHQL_RESPONSE),
        (MULTIPART_TYPE, JSON),
        ("multipart/mixed;subscriptionSpec=1.0", JSON),
        (f"{SSE_TYPE}, {JSON}", SSE_TYPE),
        (f"{JSON}, {SSE_TYPE}", JSON),
        (URQL, SSE_TYPE),
    ],
)
async def test_a_query_is_answered_as_its_client_prefers(live: LiveService, accept: str, content_type: str) -> None:
    response = await post(live, COUNT, accept)
    assert (response.status_code, response.headers["content-type"]) == (200, f"{content_type}; charset=utf-8")


async def test_a_subscription_may_be_asked_by_get(live: LiveService) -> None:
    headers = {"accept": SSE_TYPE, "authorization": f"Bearer {live.token}"}
    path = f"/graphql?{urlencode({'query': CHANGES})}"
    async with (
        httpx2.AsyncClient(base_url=live.url) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        assert response.status_code == 200
        chunks = response.aiter_text()
        text = ""
        while "event: next" not in text:
            text += await anext(chunks)


async def test_a_mutation_by_get_is_refused_over_sse_as_elsewhere(live: LiveService) -> None:
    headers = {"accept": SSE_TYPE, "authorization": f"Bearer {live.token}"}
    async with httpx2.AsyncClient(base_url=live.url) as client:
        response = await client.get("/graphql", params={"query": SET}, headers=headers)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("accept", ANY_HTTP)
async def test_what_is_no_request_is_refused_by_status(live: LiveService, accept: str) -> None:
    async with httpx2.AsyncClient(base_url=live.url) as client:
        response = await client.post("/graphql", content=b"{", headers={"accept": accept, "content-type": JSON})
    assert (response.status_code, response.headers["content-type"]) == (400, "application/json; charset=utf-8")
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


@pytest.mark.parametrize("accept", ANY_HTTP)
async def test_a_stream_has_the_headers_of_other_responses_and_is_not_buffered(live: LiveService, accept: str) -> None:
    headers = {"accept": accept, "authorization": f"Bearer {live.token}", "x-request-id": "of-this-stream"}
    async with (
        httpx2.AsyncClient(base_url=live.url) as client,
        client.stream("POST", "/graphql", json={"query": CHANGES}, headers=headers) as response,
    ):
        assert {name.decode(): value.decode() for name, value in SECURITY_HEADERS}.items() <= response.headers.items()
        assert response.headers["x-request-id"] == "of-this-stream"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-length" not in response.headers


async def test_a_page_of_an_allowed_origin_may_read_a_stream(run_service: RunService) -> None:
    origin = "https://app.example.com"
    async with run_service(CORS_ORIGINS=origin) as live:
        headers = {"accept": SSE_TYPE, "authorization": f"Bearer {live.token}", "origin": origin}
        async with (
            httpx2.AsyncClient(base_url=live.url) as client,
            client.stream("POST", "/graphql", json={"query": CHANGES}, headers=headers) as response,
        ):
            assert response.headers["access-control-allow-origin"] == origin


async def test_too_many_streams_are_refused_for_a_moment(run_service: RunService) -> None:
    async with run_service(MAX_STREAMS="1") as live, follow_sse(live.url, live.token) as follower:
        await follower.batch()
        for accept in ANY_HTTP:
            response = await post(live, CHANGES, accept)
            assert (response.status_code, response.headers["retry-after"]) == (503, "1")
            assert response.json()["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}


async def test_a_connection_serves_requests_after_a_stream(live: LiveService) -> None:
    headers = {"accept": SSE_TYPE, "authorization": f"Bearer {live.token}"}
    async with httpx2.AsyncClient(base_url=live.url) as client:
        async with client.stream("POST", "/graphql", json={"query": CHANGES}, headers=headers) as response:
            live.streams.end_all()
            await response.aread()
            stream = response.extensions["network_stream"]
        again = await client.post("/graphql", json={"query": "{ __typename }"})
        assert again.extensions["network_stream"].get_extra_info("client_addr") == stream.get_extra_info("client_addr")
        assert again.json() == {"data": {"__typename": "Query"}}


async def test_the_token_of_a_stream_is_for_one_site(live: LiveService, site_id: UUID) -> None:
    other = make_token(uuid4(), READ_SCOPE)
    async with (
        follow_sse(live.url, other) as foreign,
        follow_http(live.url, make_token(site_id, READ_SCOPE), accept=SSE_TYPE) as own,
    ):
        await foreign.batch()
        await own.batch()
        await live.set()
        assert len((await own.batch())["changes"]) == 1
        with pytest.raises(TimeoutError):
            await foreign.batch(within=1)
