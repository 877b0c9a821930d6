"""Pages of other origins: which may call the service from a browser, and what their preflights are answered."""

from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.errors import ConfigurationError
from app.settings import load_settings
from app.web.cors import build_cors_policy
from tests.http.conftest import ServiceBuilder
from tests.support.media_types import JSON
from tests.support.service import READ_SCOPE, make_token

APP, OTHER = "https://app.example.com", "http://localhost:5173"
BOTH = f"{APP}, {OTHER}"
TYPENAME = {"query": "{ __typename }"}
ASKED = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-attendance-revision,x-request-id",
}


def read_cors(answer: httpx2.Response) -> dict[str, str]:
    return {
        name.removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.startswith("access-control-")
    }


async def preflight(client: httpx2.AsyncClient, origin: str, **headers: str) -> httpx2.Response:
    return await client.options("/graphql", headers={"origin": origin, **ASKED, **headers})


@pytest.mark.parametrize("origin", [APP, OTHER])
async def test_a_preflight_of_a_listed_origin_is_answered_and_cached(service: ServiceBuilder, origin: str) -> None:
    async with service(cors_origins=BOTH) as client:
        answer = await preflight(client, origin)
    assert (answer.status_code, answer.content) == (204, b"")
    assert read_cors(answer) == {
        "allow-origin": origin,
        "allow-credentials": "true",
        "allow-methods": "GET, POST",
        "allow-headers": ASKED["access-control-request-headers"],
        "max-age": "7200",
    }
    assert "origin" in answer.headers["vary"]
    assert answer.headers["x-request-id"]


REQUESTS: dict[str, tuple[dict[str, Any], int]] = {
    "data": ({"json": TYPENAME}, 200),
    "no token": ({"json": {"query": "{ attendances { totalCount } }"}}, 401),
    "no JSON": ({"content": b"{", "headers": {"content-type": JSON}}, 400),
    "too large": ({"content": b" " * 300_000, "headers": {"content-type": JSON}}, 413),
    "another type": ({"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
    "another answer": ({"json": TYPENAME, "headers": {"accept": "text/css"}}, 406),
}


@pytest.mark.parametrize("case", REQUESTS)
async def test_a_listed_origin_may_read_every_answer(service: ServiceBuilder, case: str) -> None:
    request, status = REQUESTS[case]
    headers = {**request.get("headers", {}), "origin": APP}
    async with service(cors_origins=BOTH) as client:
        answer = await client.post("/graphql", **{**request, "headers": headers})
    assert answer.status_code == status
    assert read_cors(answer) == {
        "allow-origin": APP,
        "allow-credentials": "true",
        "expose-headers": "x-request-id, retry-after, www-authenticate, x-attendance-revision",
    }


async def test_a_get_and_a_refused_method_are_read_as_well(service: ServiceBuilder, site_id: UUID) -> None:
    token = {"authorization": f"Bearer {make_token(site_id, READ_SCOPE)}", "origin": OTHER}
    async with service(cors_origins=BOTH) as client:
        page = await client.get("/graphql", params={"query": "{ attendances { totalCount } }"}, headers=token)
        refused = await client.put("/graphql", headers={"origin": OTHER})
        options = await client.options("/graphql", headers={"origin": OTHER})
    assert (page.status_code, page.json()) == (200, {"data": {"attendances": {"totalCount": 0}}})
    assert (refused.status_code, options.status_code) == (405, 405)
    assert [read_cors(answer)["allow-origin"] for answer in (page, refused, options)] == [OTHER] * 3


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", f"{APP}.evil.example", f"{APP}:8443", "http://app.example.com", ""]
)
@pytest.mark.parametrize("listed", [BOTH, ""])
async def test_another_origin_gets_nothing_to_read(service: ServiceBuilder, origin: str, listed: str) -> None:
    async with service(cors_origins=listed) as client:
        refused = await preflight(client, origin)
        answer = await client.post("/graphql", json=TYPENAME, headers={"origin": origin})
    assert (refused.status_code, answer.status_code) == (405, 200)
    assert read_cors(refused) == read_cors(answer) == {}


@pytest.mark.parametrize("listed", [BOTH, "*"])
async def test_no_other_origin_may_read_the_page_with_its_token(service: ServiceBuilder, listed: str) -> None:
    async with service(cors_origins=listed, explorer="on", explorer_token="token-of-the-page") as client:
        page = await client.get("/graphql", headers={"origin": APP, "accept": "text/html"})
        health = await client.get("/readyz", headers={"origin": APP})
    assert "token-of-the-page" in page.text
    assert read_cors(page) == read_cors(health) == {}


async def test_two_origins_in_one_request_get_nothing(service: ServiceBuilder) -> None:
    headers = [("origin", APP), ("origin", APP), ("content-type", JSON)]
    async with service(cors_origins=BOTH) as client:
        assert read_cors(await client.post("/graphql", content=b"{}", headers=headers)) == {}


@pytest.mark.parametrize("origin", [APP, "null"])
async def test_any_origin_may_call_without_credentials(service: ServiceBuilder, origin: str) -> None:
    async with service(cors_origins="*") as client:
        asked = await preflight(client, origin)
        answer = await client.post("/graphql", json=TYPENAME, headers={"origin": origin})
    for each in (asked, answer):
        assert read_cors(each)["allow-origin"] == "*"
        assert "allow-credentials" not in read_cors(each)


async def test_without_an_origin_nothing_is_said_of_origins(service: ServiceBuilder) -> None:
    for listed in (BOTH, "*", ""):
        async with service(cors_origins=listed) as client:
            answer = await client.post("/graphql", json=TYPENAME)
        assert read_cors(answer) == {}
        assert "vary" not in answer.headers


async def test_headers_that_are_no_names_are_not_repeated(service: ServiceBuilder) -> None:
    for requested in ("x: y", "<script>", "x" * 5000, ""):
        async with service(cors_origins=BOTH) as client:
            answer = await preflight(client, APP, **{"access-control-request-headers": requested})
        assert answer.status_code == 204
        assert "allow-headers" not in read_cors(answer)


@pytest.mark.parametrize(
    ("listed", "origins"),
    [
        (f"{APP} {OTHER}", {APP, OTHER}),
        (f" {APP} ,{APP},\n{OTHER}", {APP, OTHER}),
        ("HTTPS://App.Example.Com:443/", {APP}),
        ("http://[::1]:8000, http://127.0.0.1:80", {"http://[::1]:8000", "http://127.0.0.1"}),
        ("capacitor://localhost tauri://localhost", {"capacitor://localhost", "tauri://localhost"}),
    ],
)
def test_origins_are_read_as_browsers_write_them(listed: str, origins: set[str]) -> None:
    policy = build_cors_policy(load_settings({"ATTENDANCE_CORS_ORIGINS": listed}))
    assert policy is not None
    assert policy.origins == {origin.encode() for origin in origins}
    assert not policy.allows_any


@pytest.mark.parametrize(
    "listed",
    [
        f"*, {APP}",
        "*, *",
        "app.example.com",
        "https://",
        "https://*.example.com",
        f"{APP}/graphql",
        f"{APP}, null",
        "https://user@app.example.com",
        f"{APP}:port",
        "//app.example.com",
    ],
)
def test_what_is_no_origin_is_refused_by_name(listed: str) -> None:
    with pytest.raises(ConfigurationError, match="ATTENDANCE_CORS_ORIGINS"):
        build_cors_policy(load_settings({"ATTENDANCE_CORS_ORIGINS": listed}))


def test_by_default_no_origin_is_allowed() -> None:
    assert build_cors_policy(load_settings({})) is None
