"""What is said at the door: each refused Authorization header by its sentence, without asking the database."""

import time
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import httpx2
import jwt
import pytest

from app.database.pool import Database
from app.settings import load_settings
from app.web.application import build_application
from tests.support.media_types import GRAPHQL_RESPONSE, JSON
from tests.support.service import READ_SCOPE, SECRET, make_token

SITE = UUID(int=7)
URL = "postgresql://nobody@127.0.0.1:9/nothing"
QUERY = '{"query": "{ attendances { totalCount } }"}'
MISSING = "The operation needs a token: send `Authorization: Bearer <token>`."
SEVERAL = "Only one Authorization header may be sent."
MALFORMED = "The Authorization header must be `Bearer <token>`."
INVALID = "The token is not valid."


def connect(**variables: str) -> httpx2.AsyncClient:
    given = {"ATTENDANCE_DATABASE_URL": URL, "ATTENDANCE_JWT_SECRET": SECRET, **variables}
    application = build_application(load_settings(given), Database(URL, pool_size=1, row_security=True))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(application), base_url="http://service.test")


@pytest.fixture
async def door() -> AsyncIterator[httpx2.AsyncClient]:
    async with connect() as client:
        yield client


async def knock(door: httpx2.AsyncClient, *authorization: str) -> tuple[int, str]:
    headers = [("content-type", JSON), ("accept", GRAPHQL_RESPONSE)]
    headers += [("authorization", value) for value in authorization]
    answer = await door.post("/graphql", content=QUERY, headers=headers)
    return answer.status_code, answer.json()["errors"][0]["message"]


def sized(length: int) -> str:
    """A good token of exactly so many characters."""
    for extra in range(length):
        token = make_token(SITE, READ_SCOPE, filling="x" * (length * 3 // 4 - 400 + extra))
        if len(token) == length:
            return token
    raise AssertionError(length)


def good(site: object = SITE, **claims: object) -> str:
    return f"Bearer {make_token(site, READ_SCOPE, **claims)}"  # type: ignore[arg-type]


def sign_without_site() -> str:
    return jwt.encode({"scope": READ_SCOPE, "exp": int(time.time()) + 600}, SECRET, "HS256")


REFUSED: dict[str, tuple[Callable[[], list[str]], str]] = {
    "nothing": (list, MISSING),
    "two headers": (lambda: [good(), good()], SEVERAL),
    "an empty header": (lambda: [""], MALFORMED),
    "a scheme alone": (lambda: ["Bearer"], MALFORMED),
    "another scheme": (lambda: ["Basic x"], MALFORMED),
    "a token that is too long": (lambda: [f"Bearer {sized(8193)}"], INVALID),
    "a letter": (lambda: ["Bearer x"], INVALID),
    "three letters": (lambda: ["Bearer a.b.c"], INVALID),
    "another secret": (lambda: [good(secret="another secret of the tests, as long")], INVALID),
    "a token for later": (lambda: [good(nbf=time.time() + 3600)], INVALID),
    "a token without an end": (lambda: [good(exp=None)], INVALID),
    "a token from before": (lambda: [good(exp=int(time.time()) - 40)], INVALID),
    "a token of no site": (lambda: [f"Bearer {sign_without_site()}"], INVALID),
    "a number for scopes": (lambda: [good(scope=7)], INVALID),
    "a site that is no GUID": (lambda: [good("x")], INVALID),
}
LET_IN: dict[str, Callable[[], str]] = {
    "a good token": good,
    "a list of scopes": lambda: good(scope=[READ_SCOPE]),
    "a scheme in other letters": lambda: good().replace("Bearer", "bEARER"),
    "the longest token": lambda: f"Bearer {sized(8192)}",
    "a token that ended a moment ago": lambda: good(exp=int(time.time()) - 20),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_who_is_refused_is_told_why(door: httpx2.AsyncClient, case: str) -> None:
    make, message = REFUSED[case]
    authorization = make()
    for _ in range(2):
        assert await knock(door, *authorization) == (401, message)


@pytest.mark.parametrize("case", LET_IN)
async def test_who_is_let_in_meets_the_database(door: httpx2.AsyncClient, case: str) -> None:
    authorization = LET_IN[case]()
    for _ in range(2):
        status, message = await knock(door, authorization)
        assert (status, "database" in message) == (503, True)


async def test_a_token_without_scopes_is_let_in_to_be_told_what_it_lacks(door: httpx2.AsyncClient) -> None:
    status, message = await knock(door, good(scope=None))
    assert (status, message.startswith("The token may not read attendance")) == (403, True)


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"iss": "us", "aud": "attendance"}, 503),
        ({"iss": "us", "aud": ["x", "attendance"]}, 503),
        ({"iss": "them", "aud": "attendance"}, 401),
        ({"iss": "us", "aud": "others"}, 401),
        ({"aud": "attendance"}, 401),
        ({"iss": "us"}, 401),
    ],
)
async def test_issuer_and_audience_are_what_is_configured(claims: dict[str, object], status: int) -> None:
    async with connect(ATTENDANCE_JWT_ISSUER="us", ATTENDANCE_JWT_AUDIENCE="attendance") as door:
        assert (await knock(door, good(**claims)))[0] == status
