"""The start page and its assets, asked over HTTP without a browser."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from graphql import build_schema, parse, validate
from starlette.applications import Starlette

from app.settings import load_settings
from app.web.application import build_application
from app.web.explorer.build_hook import CHART
from app.web.start.page import CHART_NAMES, FOLDER, OWN_NAMES, StartPage
from tests.explorer.test_explorer_page import CHROME_ACCEPT, HOSTILE, STRICT_POLICY
from tests.support.service import SECRET, RecordingDatabase

ROOT = Path(__file__).parents[2]
BROWSER = {"Accept": CHROME_ACCEPT}
TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    """A folder that holds a stand-in for each of the chart's files."""
    for name in CHART_NAMES:
        (tmp_path / name).write_text(f"/* {name} */")
    return tmp_path


@pytest.fixture
async def client(vendor: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with connect(StartPage("a.demo.token", vendor)) as client:
        yield client


def connect(page: StartPage) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=Starlette(routes=page.routes))
    return httpx2.AsyncClient(transport=transport, base_url="http://service")


def read_token(page: str) -> str:
    found = re.search(r'data-token="([^"]*)"', page)
    assert found
    return html.unescape(found[1])


def find_loaded(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(start/[^"]+)"', page)


async def test_the_page_is_html_under_the_strict_policy_and_is_never_cached(client: httpx2.AsyncClient) -> None:
    response = await client.get("/", headers=BROWSER)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-security-policy"] == STRICT_POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert read_token(response.text) == "a.demo.token"


async def test_head_gives_the_pages_headers_alone(client: httpx2.AsyncClient) -> None:
    page = await client.get("/", headers=BROWSER)
    response = await client.head("/", headers=BROWSER)

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers == page.headers


async def test_the_page_names_no_host_and_has_no_inline_script_style_or_handler(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/", headers=BROWSER)).text

    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|//", page)
    assert not [address for address in re.findall(r'(?:src|href)="([^"]+)"', page) if address.startswith("/")]


async def test_everything_the_page_loads_is_served_with_its_type_and_tag(client: httpx2.AsyncClient) -> None:
    page = await client.get("/", headers=BROWSER)
    assert set(find_loaded(page.text)) == {f"start/{name}" for name in (*CHART_NAMES, "page.css", "main.js")}
    for name in (*OWN_NAMES, *CHART_NAMES):
        response = await client.get(f"/start/{name}")
        assert response.status_code == 200, name
        assert response.headers["content-type"] == TYPES[name.rsplit(".", 1)[1]]
        assert response.headers["cache-control"] == "no-cache"
        again = await client.get(f"/start/{name}", headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_each_module_that_a_module_imports_is_served() -> None:
    modules = {name for name in OWN_NAMES if name.endswith(".js")}
    imported = {
        name for module in modules for name in re.findall(r'from "\./([^"]+)"', (FOLDER / module).read_text("utf-8"))
    }

    assert imported == modules - {"main.js"}


@pytest.mark.parametrize("name", ["page.py", "index.html", "chart_files.json", "..%2Fpages.py", "%2e%2e/pages.py", ""])
async def test_nothing_else_of_the_folder_is_served(client: httpx2.AsyncClient, name: str) -> None:
    assert (await client.get(f"/start/{name}")).status_code == 404


async def test_a_hostile_token_stays_inside_its_attribute(vendor: Path) -> None:
    async with connect(StartPage(HOSTILE, vendor)) as client:
        page = (await client.get("/", headers=BROWSER)).text

    assert read_token(page) == HOSTILE
    assert page.count("<script") == 2


async def test_without_the_charts_files_the_page_loads_its_own_alone(tmp_path: Path) -> None:
    async with connect(StartPage(None, tmp_path)) as client:
        page = await client.get("/", headers=BROWSER)
        chart = await client.get("/start/uPlot.iife.min.js")

    assert read_token(page.text) == ""
    assert (page.status_code, chart.status_code) == (200, 404)
    assert set(find_loaded(page.text)) == {"start/page.css", "start/main.js"}
    assert page.headers["content-security-policy"] == STRICT_POLICY


def test_the_page_loads_exactly_the_files_of_the_chart_that_the_build_brings() -> None:
    brought = {file.name for file in CHART.read_list(ROOT) if not file.name.endswith(".LICENSE.txt")}

    assert brought == set(CHART_NAMES)


def test_each_document_of_the_page_is_valid() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text("utf-8"), assume_valid=True)
    documents = re.findall(r"= `((?:#|query|mutation|subscription)[^`]+)`;", (FOLDER / "queries.js").read_text("utf-8"))

    assert len(documents) == 7
    assert [validate(schema, parse(document)) for document in documents] == [[]] * 7


async def test_the_service_shows_a_browser_the_page(http: httpx2.AsyncClient) -> None:
    response = await http.get("/", headers=BROWSER)

    assert (response.status_code, response.url.path) == (200, "/")
    assert "<title>Attendance</title>" in response.text
    assert (await http.head("/", headers=BROWSER)).status_code == 200


async def test_only_browsers_get_the_page(http: httpx2.AsyncClient) -> None:
    asked = await http.get("/", params={"query": "{ __typename }"})
    head = await http.head("/")
    sent = await http.post("/", json={"query": "{ __typename }"}, headers=BROWSER)

    assert (asked.status_code, head.status_code, sent.status_code) == (404, 404, 404)


async def test_where_the_explorer_is_off_there_is_no_page(database: RecordingDatabase, database_url: str) -> None:
    environ = {"ATTENDANCE_DATABASE_URL": database_url, "ATTENDANCE_JWT_SECRET": SECRET}
    transport = httpx2.ASGITransport(app=build_application(load_settings(environ), database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        answers = [await client.get(path, headers=BROWSER) for path in ("/", "/start/main.js")]

    assert [answer.status_code for answer in answers] == [404, 404]
