"""Tokens that are refused, each in its own way, and the few liberties that are allowed."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from uuid import UUID

import httpx2
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.media_types import GRAPHQL_RESPONSE, JSON
from tests.support.root_fields import RootField, list_guarded_fields
from tests.support.service import ALL_SCOPES, SECRET, make_token

INVALID = 'Bearer realm="attendance", error="invalid_token"'
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CLAIMS = {"scope": " ".join(ALL_SCOPES), "exp": 4_000_000_000}
QUERY = "{ attendances { totalCount } }"


def encode(content: object) -> str:
    raw = content if isinstance(content, bytes) else orjson.dumps(content)
    return urlsafe_b64encode(raw).decode().rstrip("=")


def sign(header: object, payload: object) -> str:
    """A token that holds whatever it is given, rightly signed."""
    text = f"{encode(header)}.{encode(payload)}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(text.encode(), SECRET.encode())
    return f"{text}.{encode(signature)}"


def without_signature(token: str) -> str:
    return token.rpartition(".")[0] + "."


def with_other_payload(site: UUID) -> str:
    header, _, signature = make_token(site, *ALL_SCOPES).split(".")
    return f"{header}.{encode({**CLAIMS, 'site_id': str(site)})}.{signature}"


def unsigned(site: UUID, algorithm: str) -> str:
    return f"{encode({'typ': 'JWT', 'alg': algorithm})}.{encode({**CLAIMS, 'site_id': str(site)})}."


HS256 = {"typ": "JWT", "alg": "HS256"}
BAD_TOKENS: dict[str, Callable[[UUID], str]] = {
    "expired": lambda site: make_token(site, *ALL_SCOPES, exp=int(time.time()) - 60),
    "expired long ago": lambda site: make_token(site, *ALL_SCOPES, exp=0),
    "without an end": lambda site: make_token(site, *ALL_SCOPES, exp=None),
    "with a word for an end": lambda site: make_token(site, *ALL_SCOPES, exp="soon"),
    "with a list for an end": lambda site: make_token(site, *ALL_SCOPES, exp=[4_000_000_000]),
    "without a finite end": lambda site: make_token(site, *ALL_SCOPES, exp=float("inf")),
    "not valid yet": lambda site: make_token(site, *ALL_SCOPES, nbf=int(time.time()) + 600),
    "with another secret": lambda site: make_token(site, *ALL_SCOPES, secret="x" * 40),
    "with HS384": lambda site: make_token(site, *ALL_SCOPES, secret=SECRET * 2, algorithm="HS384"),
    "with HS512": lambda site: make_token(site, *ALL_SCOPES, secret=SECRET * 2, algorithm="HS512"),
    "with RS256": lambda site: jwt.encode({**CLAIMS, "site_id": str(site)}, RSA_KEY, "RS256"),
    "with alg none": lambda site: unsigned(site, "none"),
    "with alg NONE": lambda site: unsigned(site, "NONE"),
    "with alg empty": lambda site: unsigned(site, ""),
    "with a signature cut off": lambda site: without_signature(make_token(site, *ALL_SCOPES)),
    "with another payload": with_other_payload,
    "with a malformed site": lambda _: make_token("not-a-guid", *ALL_SCOPES),
    "with a site without hyphens": lambda site: make_token(site.hex, *ALL_SCOPES),
    "with an empty site": lambda _: make_token("", *ALL_SCOPES),
    "with a number for a site": lambda _: sign(HS256, {**CLAIMS, "site_id": 7}),
    "with two sites": lambda site: sign(HS256, {**CLAIMS, "site_id": [str(site)]}),
    "without a site": lambda _: sign(HS256, CLAIMS),
    "with a number for scopes": lambda site: make_token(site, scope=7),
    "with a list of numbers for scopes": lambda site: make_token(site, scope=[7]),
    "with a number for its key": lambda site: sign({**HS256, "kid": 7}, {**CLAIMS, "site_id": str(site)}),
    "that demands what is unknown": lambda site: sign({**HS256, "crit": ["x"]}, {**CLAIMS, "site_id": str(site)}),
    "whose algorithm is a list": lambda site: sign({**HS256, "alg": ["HS256"]}, {**CLAIMS, "site_id": str(site)}),
    "whose header is a list": lambda site: sign([HS256], {**CLAIMS, "site_id": str(site)}),
    "whose header is endless": lambda _: sign(b"[" * 4000, {}),
    "whose header is not UTF-8": lambda _: sign(b"\xff\xfe", {}),
    "whose payload is a list": lambda _: sign(HS256, [1]),
    "whose payload is no JSON": lambda _: sign(HS256, b"\xff{"),
    "whose payload is endless": lambda _: sign(HS256, b"[" * 5000),
    "that is too long": lambda site: make_token(site, *ALL_SCOPES, filling="x" * 8_192),
    "in two parts": lambda _: "a.b",
    "in five parts": lambda _: "a.b.c.d.e",
    "of dots": lambda _: "...",
    "of one letter": lambda _: "x",
    "of nothing but padding": lambda _: "====",
}
BAD_HEADERS: dict[str, Callable[[str], list[str | bytes]]] = {
    "two of the same": lambda token: [f"Bearer {token}", f"Bearer {token}"],
    "a good one and a bad one": lambda token: [f"Bearer {token}", "Bearer x"],
    "an empty one and a good one": lambda token: ["", f"Bearer {token}"],
    "two in one": lambda token: [f"Bearer {token}, Bearer {token}"],
    "Basic": lambda _: ["Basic dXNlcjpwYXNzd29yZA=="],
    "Basic with a token": lambda token: [f"Basic {token}"],
    "a token alone": lambda token: [token],
    "Bearer alone": lambda _: ["Bearer"],
    "Bearer and a space": lambda _: ["Bearer "],
    "Bearer with a colon": lambda token: [f"Bearer: {token}"],
    "Bearer with an equals sign": lambda token: [f"Bearer={token}"],
    "two tokens": lambda token: [f"Bearer {token} {token}"],
    "a token in quotes": lambda token: [f'Bearer "{token}"'],
    "nothing": lambda _: [""],
    "letters beyond ASCII": lambda token: [f"Bearer {token}ü".encode()],
    "bytes that are no text": lambda _: [b"Bearer \xff\xfe"],
    "64 kB": lambda _: ["Bearer " + "x" * 65_000],
}


async def ask(client: httpx2.AsyncClient, query: str, accept: str, *values: str | bytes) -> httpx2.Response:
    headers = [(b"accept", accept.encode()), (b"content-type", JSON.encode())]
    headers += [(b"authorization", value if isinstance(value, bytes) else value.encode()) for value in values]
    return await client.post("/graphql", content=orjson.dumps({"query": query}), headers=headers)


def assert_unauthenticated(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, INVALID)
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert "data" not in answer.json()


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
@pytest.mark.parametrize("root_field", list_guarded_fields(), ids=str)
@pytest.mark.parametrize("case", BAD_TOKENS)
async def test_a_token_is_refused_that_is(
    bare: httpx2.AsyncClient, site_id: UUID, case: str, root_field: RootField, accept: str
) -> None:
    assert_unauthenticated(await ask(bare, root_field.query, accept, f"Bearer {BAD_TOKENS[case](site_id)}"))


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
@pytest.mark.parametrize("case", BAD_HEADERS)
async def test_an_authorization_header_is_refused_that_is(
    bare: httpx2.AsyncClient, site_id: UUID, case: str, accept: str
) -> None:
    assert_unauthenticated(await ask(bare, QUERY, accept, *BAD_HEADERS[case](make_token(site_id, *ALL_SCOPES))))


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "bEaReR   ", "  Bearer "])
async def test_the_scheme_may_be_written_in_either_case(bare: httpx2.AsyncClient, site_id: UUID, scheme: str) -> None:
    assert (await ask(bare, QUERY, JSON, scheme + make_token(site_id, *ALL_SCOPES))).status_code == 200


async def test_a_token_that_is_rightly_signed_is_taken(bare: httpx2.AsyncClient, site_id: UUID) -> None:
    token = sign(HS256, {**CLAIMS, "site_id": str(site_id)})
    assert (await ask(bare, QUERY, JSON, f"Bearer {token}")).status_code == 200


async def test_a_token_may_say_more_than_is_asked(bare: httpx2.AsyncClient, site_id: UUID) -> None:
    token = make_token(site_id, *ALL_SCOPES, "openid", aud="anybody", iss="somebody", sub="x", extra={"a": [1]})
    assert (await ask(bare, QUERY, JSON, f"Bearer {token}")).status_code == 200


async def test_a_clock_may_be_a_few_seconds_off(bare: httpx2.AsyncClient, site_id: UUID) -> None:
    now = int(time.time())
    token = make_token(site_id, *ALL_SCOPES, exp=now - 10, nbf=now + 10, iat=now + 10)
    assert (await ask(bare, QUERY, JSON, f"Bearer {token}")).status_code == 200


async def test_a_site_may_be_written_in_either_case(bare: httpx2.AsyncClient, site_id: UUID) -> None:
    token = make_token(str(site_id).upper(), *ALL_SCOPES)
    assert (await ask(bare, QUERY, JSON, f"Bearer {token}")).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": list(ALL_SCOPES)},
        {"scope": None, "scp": ALL_SCOPES},
        {"scope": None, "scp": " ".join(ALL_SCOPES)},
        {"sub": 7},
        {"jti": 7},
    ],
)
async def test_a_token_may_be_written_as_identity_providers_do(
    bare: httpx2.AsyncClient, site_id: UUID, claims: dict[str, object]
) -> None:
    token = make_token(site_id, *ALL_SCOPES, **claims)
    assert (await ask(bare, QUERY, JSON, f"Bearer {token}")).status_code == 200


async def test_the_answer_is_the_same_for_every_bad_token(bare: httpx2.AsyncClient, site_id: UUID) -> None:
    answers = {(await ask(bare, QUERY, JSON, f"Bearer {make(site_id)}")).text for make in BAD_TOKENS.values()}
    [answer] = answers
    assert "The token is not valid." in answer
