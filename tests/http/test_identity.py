"""What every answer says of itself: whose request it answers, and what browsers must not do with it."""

import httpx2
import pytest

from app.web.headers import read_traceparent
from tests.support.media_types import GRAPHQL_RESPONSE

TYPENAME = {"query": "{ __typename }"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
ANSWERS = {
    "data": ("POST", TYPENAME, 200),
    "an invalid document": ("POST", {"query": "{ nothing }"}, 400),
    "no token": ("POST", {"query": "{ attendances { totalCount } }"}, 401),
    "a refused parameter": ("POST", {"query": 1}, 400),
    "a refused method": ("PUT", TYPENAME, 405),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_every_answer_carries_the_id_of_its_request(bare: httpx2.AsyncClient, case: str) -> None:
    method, content, status = ANSWERS[case]
    headers = {"accept": GRAPHQL_RESPONSE, "x-request-id": f"request of {case}".replace(" ", "-")}
    answer = await bare.request(method, "/graphql", json=content, headers=headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, headers["x-request-id"])


async def test_the_explorer_carries_the_id_of_its_request(bare: httpx2.AsyncClient) -> None:
    answer = await bare.get("/graphql", headers={"accept": "text/html", "x-request-id": "7"})
    assert (answer.headers["x-request-id"], answer.headers["x-frame-options"]) == ("7", "DENY")
    assert "script-src" in answer.headers["content-security-policy"]


OTHER_PATHS = ["/healthz", "/readyz", "/metrics", "/graphql/explorer/none", "/none", "/"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", OTHER_PATHS)
async def test_answers_beside_graphql_carry_the_id_of_their_request_too(
    bare: httpx2.AsyncClient, path: str, method: str
) -> None:
    assert (await bare.request(method, path, headers={"x-request-id": "7"})).headers["x-request-id"] == "7"
    assert len((await bare.request(method, path)).headers["x-request-id"]) == 32


async def test_requests_without_an_id_get_different_ones(bare: httpx2.AsyncClient) -> None:
    answers = [await bare.post("/graphql", json=TYPENAME) for _ in range(50)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 50
    assert all(len(each) == 32 and each.isalnum() for each in ids)


@pytest.mark.parametrize(
    "given", ["7", "a" * 128, "b3c1:7/x=", "0190c5c0-7b1e-7c3f-8f00-000000000000", "!#$%&'*+-.^_`|~"]
)
async def test_an_id_is_kept_that_can_stand_in_a_log(bare: httpx2.AsyncClient, given: str) -> None:
    answer = await bare.post("/graphql", json=TYPENAME, headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given", ["", "a" * 129, "two words", 'a"b', "a\\b", "a,b", b"\xc3\xa9", b"a\x7fb", "{}", "<a>", "a;b"]
)
async def test_an_id_is_replaced_that_cannot(bare: httpx2.AsyncClient, given: str | bytes) -> None:
    headers = [(b"x-request-id", given.encode() if isinstance(given, str) else given)]
    answer = await bare.post("/graphql", json=TYPENAME, headers=headers)
    assert len(answer.headers["x-request-id"]) == 32


async def test_two_ids_are_none(bare: httpx2.AsyncClient) -> None:
    headers = [("x-request-id", "1"), ("x-request-id", "2")]
    assert len((await bare.post("/graphql", json=TYPENAME, headers=headers)).headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        (f"00-{TRACE}-01", True),
        (f"00-{TRACE}-00", True),
        (f"01-{TRACE}-01-later", True),
        (f"00-{TRACE}-01-later", False),
        (f"ff-{TRACE}-01", False),
        (f"00-{TRACE.upper()}-01", False),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", False),
        (f"00-{TRACE}", False),
        (f"00-{TRACE}-01\n", False),
        (f"01-{TRACE}-01-{'x' * 300}", False),
        ("", False),
    ],
)
def test_a_trace_is_taken_as_its_specification_has_it(given: str, *, is_taken: bool) -> None:
    traceparent = read_traceparent({b"traceparent": given.encode()})
    assert traceparent == (given if is_taken else None)


@pytest.mark.parametrize("path", ["/graphql", *OTHER_PATHS])
async def test_no_answer_may_be_framed_guessed_at_or_kept(bare: httpx2.AsyncClient, path: str) -> None:
    headers = (await bare.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert len(headers) == len(headers.multi_items())


FOREIGN_TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]


@pytest.mark.parametrize("content_type", FOREIGN_TYPES)
async def test_what_a_browser_sends_unasked_across_origins_runs_nothing(
    bare: httpx2.AsyncClient, content_type: str
) -> None:
    answer = await bare.post("/graphql", content=b'{"query": "{ __typename }"}', headers={"content-type": content_type})
    assert answer.status_code == 415
    assert not [name for name in answer.headers if name.startswith("access-control-")]
