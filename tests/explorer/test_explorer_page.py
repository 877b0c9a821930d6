"""The explorer's page and assets, asked over HTTP without a browser."""

import html
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from graphql import parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.web.explorer.build_hook import VENDOR_FILES
from app.web.explorer.page import OWN_NAMES, VENDOR_NAMES, Explorer, accepts_page, render_page

STRICT_POLICY = (
    "default-src 'none'; script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
CHROME_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
HOSTILE = "\"'><script>alert(1)</script>&$query</script>"


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    """A folder that holds a stand-in for each of GraphiQL's files."""
    for name in VENDOR_NAMES:
        (tmp_path / name).write_text(f"/* {name} */")
    return tmp_path


@pytest.fixture
def explorer(vendor: Path) -> Explorer:
    return Explorer("a.demo.token", vendor)


@pytest.fixture
async def client(explorer: Explorer) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(explorer) as client:
        yield client


def connect(explorer: Explorer) -> httpx2.AsyncClient:
    async def graphql(_request: Request) -> Response:
        return explorer.page_response()

    application = Starlette(routes=[Route("/graphql", graphql), *explorer.routes])
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application), base_url="http://service")


def read_attribute(page: str, name: str) -> str:
    found = re.search(rf'data-{name}="([^"]*)"', page)
    assert found
    return html.unescape(found[1])


def find_loaded(page: str) -> Iterator[str]:
    yield from re.findall(r'(?:src|href)="([^"]+)"', page)


async def test_the_page_is_html_under_the_strict_policy_and_is_never_cached(client: httpx2.AsyncClient) -> None:
    response = await client.get("/graphql")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == STRICT_POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert "<title>Attendance · GraphiQL</title>" in response.text


async def test_the_page_has_no_inline_script_style_or_handler(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/graphql")).text

    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)


async def test_everything_the_page_and_its_script_load_is_served_with_its_type(client: httpx2.AsyncClient) -> None:
    page = await client.get("/graphql")
    addresses = set(find_loaded(page.text))
    assert addresses == {f"graphql/explorer/{name}" for name in (*OWN_NAMES, *VENDOR_NAMES)}

    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    for address in addresses:
        response = await client.get(page.url.join(address))
        assert response.status_code == 200, address
        assert response.content
        assert response.headers["content-type"] == types[address.rsplit(".", 1)[1]]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_a_browser_that_holds_an_asset_gets_304_without_a_body(client: httpx2.AsyncClient, form: str) -> None:
    etag = (await client.get("/graphql/explorer/init.js")).headers["etag"]
    again = await client.get("/graphql/explorer/init.js", headers={"If-None-Match": form.format(etag)})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)


async def test_another_tag_gets_the_asset_again(client: httpx2.AsyncClient) -> None:
    response = await client.get("/graphql/explorer/init.js", headers={"If-None-Match": '"another"'})

    assert response.status_code == 200


@pytest.mark.parametrize(
    "name",
    ["page.py", "index.html", "first_query.graphql", "build_hook.py", "..%2Fpage.py", "%2e%2e/page.py", "a/b", ""],
)
async def test_a_name_outside_the_closed_set_is_not_found(client: httpx2.AsyncClient, name: str) -> None:
    response = await client.get(f"/graphql/explorer/{name}")

    assert response.status_code == 404
    assert "import" not in response.text


async def test_assets_cannot_be_posted_to(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/graphql/explorer/init.js")).status_code == 405


async def test_the_page_starts_with_the_token_and_a_query_that_parses(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/graphql")).text

    assert json.loads(read_attribute(page, "headers")) == {"Authorization": "Bearer a.demo.token"}
    query = read_attribute(page, "query")
    assert parse(query)
    assert "attendances(first: 10)" in query
    assert "Bearer" not in query


async def test_without_a_token_the_query_tells_where_to_put_one(vendor: Path) -> None:
    async with connect(Explorer(None, vendor)) as client:
        page = (await client.get("/graphql")).text

    assert read_attribute(page, "headers") == ""
    query = read_attribute(page, "query")
    assert parse(query)
    assert query.startswith('# Requests need a token; write into the headers below:\n#   {"Authorization": "Bearer ')


def test_a_hostile_query_or_token_stays_inside_its_attribute() -> None:
    page = render_page(HOSTILE, HOSTILE)

    assert page.count("<script") == render_page("", "").count("<script")
    assert read_attribute(page, "query") == HOSTILE
    assert read_attribute(page, "headers") == HOSTILE


async def test_without_graphiqls_files_the_page_is_strawberrys_under_a_policy_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    explorer = Explorer("a.demo.token", tmp_path)
    async with connect(explorer) as client:
        response = await client.get("/graphql")
        asset = await client.get("/graphql/explorer/init.js")

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "npm" in caplog.text
    assert asset.status_code == 404
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    policy = response.headers["content-security-policy"]
    scripts = re.search(r"script-src ([^;]+);", policy)
    assert scripts
    assert re.fullmatch(r"https://\S+ 'sha256-\S{44}'", scripts[1])
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy


async def test_every_remote_file_of_the_fallback_page_is_bound_by_an_integrity_hash(tmp_path: Path) -> None:
    page = bytes(Explorer(None, tmp_path).page_response().body).decode()
    tags = re.findall(r"<(?:script|link)[^>]*https://[^>]*>", page)

    assert len(tags) >= 4
    assert all("integrity=" in tag for tag in tags)


async def test_the_fallback_page_starts_with_the_token_and_keeps_it_no_longer_than_the_tab(tmp_path: Path) -> None:
    page = bytes(Explorer("a.demo.token", tmp_path).page_response().body).decode()

    assert "Bearer a.demo.token" in page
    assert "query FirstAttendances" in page
    assert "shouldPersistHeaders: false, storage: window.sessionStorage" in page
    assert "<title>Attendance · GraphiQL</title>" in page


async def test_a_hostile_token_cannot_end_the_fallback_pages_script(tmp_path: Path) -> None:
    plain = bytes(Explorer("token", tmp_path).page_response().body).decode()
    hostile = bytes(Explorer(HOSTILE, tmp_path).page_response().body).decode()

    assert hostile.count("</script>") == plain.count("</script>")
    assert "alert(1)" in hostile


def test_the_page_loads_exactly_the_vendor_files_that_the_build_brings() -> None:
    brought = {file.name for file in VENDOR_FILES if not file.name.endswith(".LICENSE.txt")}

    assert brought == set(VENDOR_NAMES)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        (CHROME_ACCEPT, True),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("text/*", True),
        ("text/html;charset=utf-8", True),
        ("text/html;q=0", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("application/json;q=0.5, text/html;q=0.6", True),
        ("application/graphql-response+json, text/html;q=0.9", False),
        ("text/html;q=0.3, */*;q=0.4", False),
        ("text/html ; q=1.0 , application/json ; q=0.999", True),
        ("text/html;q=nan", True),
        ("text/html;q=9", True),
        ("text/html;q=, ;;q=x,,", True),
        ("image/png", False),
    ],
)
def test_the_page_is_for_those_who_prefer_html_to_json(accept: str | None, wanted: bool) -> None:  # noqa: FBT001
    assert accepts_page(accept) is wanted
