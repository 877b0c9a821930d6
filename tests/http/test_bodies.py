"""What the body of a POST may be: its type, its size, and its JSON."""

from collections.abc import AsyncIterator, Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from starlette.applications import Starlette

from tests.http.conftest import ServiceBuilder
from tests.support.media_types import JSON
from tests.support.serving import serve

TYPENAME = b'{"query": "{ __typename }"}'
TYPENAME_ANSWER = b'{"data":{"__typename":"Query"}}'
LIMIT = 1000
MORE_THAN_THE_DEFAULT_LIMIT = 300_000


async def post(client: httpx2.AsyncClient, content: bytes, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/graphql", content=content, headers={"content-type": JSON, **named})


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8",
        "application/json; version=1",
    ],
)
async def test_a_body_may_be_json_in_utf_8(bare: httpx2.AsyncClient, content_type: str) -> None:
    assert (await post(bare, TYPENAME, content_type=content_type)).content == TYPENAME_ANSWER


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/plain; charset=utf-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/graphql-response+json",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "text/plain; application/json",
    ],
)
async def test_a_body_of_another_type_is_refused(bare: httpx2.AsyncClient, content_type: str) -> None:
    answer = await post(bare, TYPENAME, content_type=content_type)
    assert answer.status_code == 415
    assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_a_body_of_no_type_is_refused(bare: httpx2.AsyncClient) -> None:
    assert (await bare.post("/graphql", content=TYPENAME)).status_code == 415


@pytest.mark.parametrize(
    ("encoding", "status"),
    [
        ("gzip", 415),
        ("deflate", 415),
        ("br", 415),
        ("gzip, identity", 415),
        ("identity", 200),
        ("Identity", 200),
        ("", 200),
        ("GZIP", 415),
    ],
)
async def test_a_compressed_body_is_refused(bare: httpx2.AsyncClient, encoding: str, status: int) -> None:
    assert (await post(bare, TYPENAME, content_encoding=encoding)).status_code == status


BROKEN = {
    "nothing": b"",
    "a space": b" ",
    "null": b"null",
    "a text": b'"{ __typename }"',
    "a number": b"7",
    "true": b"true",
    "cut off": TYPENAME[:-1],
    "followed by more": TYPENAME + b"{}",
    "a trailing comma": b'{"query": "{ __typename }",}',
    "a comment": b'{"query": "{ __typename }" /* */}',
    "single quotes": b"{'query': '{ __typename }'}",
    "invalid UTF-8": b'{"query": "{ __typename } #\xff"}',
    "UTF-8 of a surrogate": b'{"query": "{ __typename } #\xed\xa0\x80"}',
    "an escaped lone surrogate": rb'{"query": "{ __typename } #\ud800"}',
    "UTF-16": TYPENAME.decode().encode("utf-16"),
    "two byte order marks": b"\xef\xbb\xbf" * 2 + TYPENAME,
    "many byte order marks": b"\xef\xbb\xbf" * 80_000,
    "a byte order mark alone": b"\xef\xbb\xbf",
    "a byte order mark inside": b'{\xef\xbb\xbf"query": "{ __typename }"}',
    "a bare NUL": b'{"query": "{ __typename } #\0"}',
    "NaN": b'{"query": "{ __typename }", "variables": {"x": NaN}}',
    "Infinity": b'{"query": "{ __typename }", "variables": {"x": -Infinity}}',
    "100,000 deep": b'{"query": "{ __typename }", "variables": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "100,000 deep and cut off": b"[" * 100_000,
    "100,000 objects deep": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "a batch": b"[" + TYPENAME + b"," + TYPENAME + b"]",
    "a batch of one": b"[" + TYPENAME + b"]",
    "a batch of none": b"[]",
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_body_that_is_no_request_is_refused(bare: httpx2.AsyncClient, case: str) -> None:
    answer = await post(bare, BROKEN[case])
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + TYPENAME,
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "extensions": []}',
        b'{"query": "{ __typename }", "operationName": ""}',
        b'{"query": "{ __typename }", "documentId": ""}',
        b'{"query": "\xef\xbb\xbf{ __typename }", "operationName": "", "variables": [], "extensions": []}',
        b'{"query": "{ __typename }", "operationName": null, "variables": null, "extensions": null}',
    ],
)
async def test_a_body_may_be_written_as_clients_do(bare: httpx2.AsyncClient, body: bytes) -> None:
    answer = await post(bare, body)
    assert (answer.status_code, answer.content) == (200, TYPENAME_ANSWER)


@pytest.mark.parametrize("value", [b"[1]", b"[[]]", b'""', b"0", b"false"])
@pytest.mark.parametrize("name", [b"variables", b"extensions"])
async def test_what_is_no_object_is_refused_by_name(bare: httpx2.AsyncClient, name: bytes, value: bytes) -> None:
    answer = await post(bare, b'{"query": "{ __typename }", "%b": %b}' % (name, value))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["argument"] == name.decode()


async def test_a_batch_is_told_what_to_do_instead(bare: httpx2.AsyncClient) -> None:
    [error] = (await post(bare, BROKEN["a batch"])).json()["errors"]
    assert error["message"] == "Several requests in one are not supported: send each on its own."


async def test_of_two_equal_keys_the_last_counts_as_in_every_browser(bare: httpx2.AsyncClient) -> None:
    answer = await post(bare, b'{"query": "{ first: __typename }", "query": "{ last: __typename }"}')
    assert answer.json() == {"data": {"last": "Query"}}


async def test_variables_that_nothing_uses_may_be_anything(bare: httpx2.AsyncClient) -> None:
    deep = b"[" * 500 + b"1e300" + b"]" * 500
    answer = await post(bare, b'{"query": "{ __typename }", "variables": {"x": ' + deep + b', "": null}}')
    assert answer.content == TYPENAME_ANSWER


def pad(size: int) -> bytes:
    """A request of exactly so many bytes."""
    return TYPENAME + b" " * (size - len(TYPENAME))


async def in_chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 100):
        yield content[start : start + 100]


@pytest.mark.parametrize(("size", "status"), [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413), (LIMIT * 50, 413)])
async def test_a_body_may_be_as_large_as_the_limit(service: ServiceBuilder, size: int, status: int) -> None:
    async with service(max_body_bytes=str(LIMIT)) as client:
        whole = await post(client, pad(size))
        chunked = await client.post("/graphql", content=in_chunks(pad(size)), headers={"content-type": JSON})
    assert "content-length" in whole.request.headers
    assert "content-length" not in chunked.request.headers
    assert (whole.status_code, chunked.status_code) == (status, status)
    assert whole.content == chunked.content


async def test_over_a_real_server_the_connection_outlives_a_body_that_is_too_large(application: Starlette) -> None:
    async with serve(application) as address:
        answers = await anyio.to_thread.run_sync(send_on_one_connection, address)
    assert answers == [413, 200, 413, 200, 415, 200]


def send_on_one_connection(address: str) -> list[int]:
    """The statuses of large and small requests that take turns; fails when the server closes the connection."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.connect()
    connection.auto_open = 0
    large = pad(MORE_THAN_THE_DEFAULT_LIMIT)
    bodies: list[tuple[bytes | Iterator[bytes], str]] = [
        (large, JSON),
        (TYPENAME, JSON),
        (iter([large[:200_000], large[200_000:]]), JSON),
        (TYPENAME, JSON),
        (large, "text/plain"),
        (TYPENAME, JSON),
    ]
    statuses = []
    for body, content_type in bodies:
        connection.request("POST", "/graphql", body, {"Content-Type": content_type})
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    return statuses
