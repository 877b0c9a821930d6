"""The explorer's page and assets, asked over HTTP without a browser."""

import html
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from graphql import parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.settings import load_settings
from app.web.application import build_application
from app.web.explorer.build_hook import GRAPHIQL
from app.web.explorer.page import CDN, OWN_NAMES, VENDOR_NAMES, Explorer, is_bundled, render_page
from app.web.pages import accepts_page
from tests.support.service import SECRET, RecordingDatabase

ROOT = Path(__file__).parents[2]

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


def read_tabs(page: str) -> list[str]:
    tabs: list[str] = json.loads(read_attribute(page, "tabs"))
    return tabs


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
    [
        "page.py",
        "index.html",
        "graphiql_files.json",
        "build_hook.py",
        "tabs/1-first-attendances.graphql",
        "..%2Fpage.py",
        "%2e%2e/page.py",
        "a/b",
        "",
    ],
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
    assert read_tabs(page)[0] == query
    assert "Bearer" not in read_attribute(page, "tabs")


async def test_without_a_token_the_query_tells_where_to_put_one(vendor: Path) -> None:
    async with connect(Explorer(None, vendor)) as client:
        page = (await client.get("/graphql")).text

    assert read_attribute(page, "headers") == ""
    query = read_attribute(page, "query")
    assert parse(query)
    assert read_tabs(page)[0] == query
    assert query.startswith('# Requests need a token; write into the headers below:\n#   {"Authorization": "Bearer ')


def test_a_hostile_query_or_token_stays_inside_its_attribute() -> None:
    page = render_page([HOSTILE], HOSTILE, [], "")

    assert page.count("<script") == render_page([""], "", [], "").count("<script")
    assert read_attribute(page, "query") == HOSTILE
    assert json.loads(read_attribute(page, "tabs")) == [HOSTILE]
    assert read_attribute(page, "headers") == HOSTILE


async def test_without_graphiqls_files_the_page_says_so_and_loads_them_from_a_cdn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    explorer = Explorer("a.demo.token", tmp_path)
    async with connect(explorer) as client:
        response = await client.get("/graphql")
        own = await client.get("/graphql/explorer/init.js")
        vendors = await client.get("/graphql/explorer/graphiql.min.js")

    assert not is_bundled(tmp_path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "npm" in caplog.text
    assert (own.status_code, vendors.status_code) == (200, 404)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert response.headers["content-security-policy"] == STRICT_POLICY.replace(
        "script-src 'self'", f"script-src 'self' {CDN}"
    ).replace("style-src 'self'", f"style-src 'self' {CDN}")
    assert "Loading" not in response.text
    assert f"GraphiQL is not installed with this service, and is loaded from {CDN}." in response.text
    assert "<code>npm</code>" in response.text


async def test_every_remote_file_is_the_pinned_one_by_version_and_digest(tmp_path: Path) -> None:
    page = bytes(Explorer(None, tmp_path).page_response().body).decode()
    tags = re.findall(r'<(?:script defer src|link rel="stylesheet" href)="(https://[^"]+)"([^>]*)>', page)
    wanted = [
        (
            f"{CDN}/{file.package}@{file.version}/{file.member}",
            f' integrity="sha256-{b64encode(bytes.fromhex(file.sha256)).decode()}" crossorigin="anonymous"',
        )
        for file in GRAPHIQL.read_list(ROOT)
        if file.name in VENDOR_NAMES
    ]

    assert sorted(tags) == sorted(wanted)
    assert len(tags) == len(VENDOR_NAMES)


async def test_the_panes_stand_above_each_other_where_the_page_is_narrow(client: httpx2.AsyncClient) -> None:
    assert '<meta name="viewport" content="width=device-width' in (await client.get("/graphql")).text
    style = (await client.get("/graphql/explorer/page.css")).text
    narrow = re.search(r"^@media \(max-width: (\d+)px\) \{$(.*?)^\}$", style, re.DOTALL | re.MULTILINE)
    assert narrow
    assert int(narrow[1]) >= 480
    assert re.search(r"#graphiql-session \{\s+flex-direction: column;", narrow[2])


async def test_react_is_loaded_before_the_scripts_that_need_it(client: httpx2.AsyncClient) -> None:
    scripts = re.findall(r'src="graphql/explorer/([^"]+)"', (await client.get("/graphql")).text)

    assert scripts == ["react.production.min.js", "react-dom.production.min.js", "graphiql.min.js", "init.js"]


@pytest.mark.parametrize(
    ("path", "page"),
    [("/graphql/", "/graphql"), ("/graphql/?query=%7Ba%7D", "/graphql?query=%7Ba%7D")],
)
async def test_a_browser_is_led_to_the_page_by_an_address_that_names_no_host(
    client: httpx2.AsyncClient, path: str, page: str
) -> None:
    response = await client.get(path, headers={"Accept": CHROME_ACCEPT, "Host": "elsewhere.example"})

    assert response.status_code == 307
    assert not response.headers["location"].startswith(("/", "http"))
    assert response.url.join(response.headers["location"]).raw_path.decode() == page
    led = await client.get(path, headers={"Accept": CHROME_ACCEPT}, follow_redirects=True)
    assert "<title>Attendance · GraphiQL</title>" in led.text


def test_behind_a_prefix_the_redirect_stays_below_it() -> None:
    root = httpx2.URL("https://gateway.example/attendance/")

    assert root.join("graphql/").join("../graphql") == httpx2.URL("https://gateway.example/attendance/graphql")


def test_the_page_loads_exactly_the_vendor_files_that_the_build_brings() -> None:
    brought = {file.name for file in GRAPHIQL.read_list(ROOT) if not file.name.endswith(".LICENSE.txt")}

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


async def test_the_service_leads_a_browser_to_its_page(http: httpx2.AsyncClient) -> None:
    response = await http.get("/graphql/", headers={"Accept": CHROME_ACCEPT}, follow_redirects=True)

    assert response.url.path == "/graphql"
    assert "<title>Attendance · GraphiQL</title>" in response.text


@pytest.mark.parametrize("path", ["/", "/graphql/"])
async def test_only_browsers_are_led(http: httpx2.AsyncClient, path: str) -> None:
    asked = await http.get(path, params={"query": "{ __typename }"})
    sent = await http.post(path, json={"query": "{ __typename }"}, headers={"Accept": CHROME_ACCEPT})

    assert (asked.status_code, sent.status_code) == (404, 404)


async def test_where_the_explorer_is_off_nothing_leads_to_it(database: RecordingDatabase, database_url: str) -> None:
    environ = {"ATTENDANCE_DATABASE_URL": database_url, "ATTENDANCE_JWT_SECRET": SECRET}
    transport = httpx2.ASGITransport(app=build_application(load_settings(environ), database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        answers = [await client.get(path, headers={"Accept": CHROME_ACCEPT}) for path in ("/", "/graphql/")]

    assert [answer.status_code for answer in answers] == [404, 404]
