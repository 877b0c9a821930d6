"""Which media type an answer has, for each way of asking for one."""

import httpx2
import pytest

from app.web.media_types import choose_media_type
from app.web.pages import accepts_page
from tests.http.conftest import ServiceBuilder
from tests.support.cpu import Comparison
from tests.support.media_types import GRAPHQL_RESPONSE, JSON

TYPENAME = {"query": "{ __typename }"}
HTML = "text/html"
MOST_PASSES = 16
NOTHING = None
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
APOLLO_CLIENT = "application/graphql-response+json,application/json;q=0.9"
APOLLO_ROUTER = "application/json, application/graphql-response+json"
SPECIFICATION = "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8"

ANSWERED_IN = {
    "": JSON,
    "*/*": JSON,
    "application/*": JSON,
    "application/json": JSON,
    "application/graphql-response+json": GRAPHQL_RESPONSE,
    APOLLO_CLIENT: GRAPHQL_RESPONSE,
    APOLLO_ROUTER: JSON,
    SPECIFICATION: GRAPHQL_RESPONSE,
    "application/graphql-response+json, application/json": GRAPHQL_RESPONSE,
    "application/json;q=0.9, application/graphql-response+json;q=0.8": JSON,
    "application/json;q=0.8, application/graphql-response+json;q=0.9": GRAPHQL_RESPONSE,
    "application/graphql-response+json;q=0.1, */*": JSON,
    "application/graphql-response+json, */*;q=0.1": GRAPHQL_RESPONSE,
    "application/graphql-response+json, */*": GRAPHQL_RESPONSE,
    "application/graphql-response+json;q=0, */*": JSON,
    "application/json;q=0, */*": GRAPHQL_RESPONSE,
    "application/json;q=0, application/*;q=0.1": GRAPHQL_RESPONSE,
    "text/plain, application/json;q=0.001": JSON,
    "application/json;q=0": NOTHING,
    "application/graphql-response+json;q=0.000": NOTHING,
    "*/*;q=0": NOTHING,
    "application/*;q=0, image/*": NOTHING,
    "text/plain": NOTHING,
    "image/*, text/plain;q=0.5": NOTHING,
    "application/xml": NOTHING,
    "application/jsonp": NOTHING,
    "APPLICATION/JSON": JSON,
    "Application/GraphQL-Response+JSON;Q=0.2, application/json;Q=0.1": GRAPHQL_RESPONSE,
    "application/json ; charset=utf-8": JSON,
    'application/graphql-response+json;profile="x";q=0.5, application/json;q=0.4': GRAPHQL_RESPONSE,
    "application/json;version=1": JSON,
    "application/json;q=much": JSON,
    ",application/json,,": JSON,
}


@pytest.mark.parametrize("accept", ANSWERED_IN)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_accept_header_decides_the_media_type(bare: httpx2.AsyncClient, method: str, accept: str) -> None:
    answer = await ask(bare, method, ("accept", accept))
    expected = ANSWERED_IN[accept]
    if expected is NOTHING:
        assert (answer.status_code, answer.headers["content-type"]) == (406, f"{JSON}; charset=utf-8")
        assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
    else:
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"{expected}; charset=utf-8")
        assert answer.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_whoever_accepts_nothing_in_particular_gets_json(bare: httpx2.AsyncClient, method: str) -> None:
    assert (await ask(bare, method)).headers["content-type"] == f"{JSON}; charset=utf-8"


@pytest.mark.parametrize("body", [b'{"query": "{ __typename }"}', b"{broken"])
async def test_several_accept_headers_are_one(bare: httpx2.AsyncClient, body: bytes) -> None:
    headers = [("accept", "text/plain"), ("accept", GRAPHQL_RESPONSE), ("content-type", JSON)]
    answer = await bare.post("/graphql", content=body, headers=headers)
    assert answer.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"


@pytest.mark.parametrize("accept", [CHROME, "text/html", "TEXT/HTML", "text/*;q=0.5, application/json;q=0.1"])
async def test_a_browser_gets_the_explorer_and_never_by_post(bare: httpx2.AsyncClient, accept: str) -> None:
    page = await bare.get("/graphql", headers={"accept": accept})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.text.lower().startswith("<!doctype html>")
    answer = await ask(bare, "POST", ("accept", accept))
    assert answer.headers["content-type"] == f"{JSON}; charset=utf-8"


@pytest.mark.parametrize("accept", ["*/*", "", JSON, GRAPHQL_RESPONSE, "application/json, text/html", "text/html;q=0"])
async def test_whoever_prefers_no_html_never_gets_the_explorer(bare: httpx2.AsyncClient, accept: str) -> None:
    assert HTML not in (await ask(bare, "GET", ("accept", accept))).headers["content-type"]


async def test_without_an_explorer_a_browser_is_answered_as_any_client(service: ServiceBuilder) -> None:
    async with service(explorer="off") as client:
        assert (await ask(client, "GET", ("accept", CHROME))).json() == {"data": {"__typename": "Query"}}
        assert (await ask(client, "GET", ("accept", HTML))).status_code == 406
        assert (await client.get("/graphql/explorer/init.js")).status_code == 404


async def ask(client: httpx2.AsyncClient, method: str, *headers: tuple[str, str]) -> httpx2.Response:
    if method == "GET":
        return await client.get("/graphql", params=TYPENAME, headers=list(headers))
    return await client.post("/graphql", json=TYPENAME, headers=list(headers))


@pytest.mark.parametrize("accept", ["," * 60_000, "a/b;q=0.5," * 6000, ";" * 60_000])
def test_a_long_header_costs_what_some_passes_over_it_do(accept: str) -> None:
    costs = Comparison(MOST_PASSES)
    while costs.undecided():
        with costs.reference():
            sum(map(ord, accept))
        with costs.work():
            assert choose_media_type(accept.encode()) is None
            assert not accepts_page(accept)
    assert costs.ratio < MOST_PASSES


def test_of_very_many_ranges_the_first_ones_count() -> None:
    many = ", ".join(f"a/b{number}" for number in range(1000))
    assert choose_media_type(f"{GRAPHQL_RESPONSE}, {many}".encode()) == GRAPHQL_RESPONSE
    assert choose_media_type(f"{many}, {GRAPHQL_RESPONSE}".encode()) is None
