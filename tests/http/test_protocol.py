"""GraphQL over HTTP beyond the audits: methods, GET's parameters, and what every answer looks like."""

from uuid import UUID, uuid4

import httpx2
import orjson
import pytest
from starlette.applications import Starlette
from starlette.types import Message

from tests.support.media_types import GRAPHQL_RESPONSE
from tests.support.requests import ask
from tests.support.service import READ_SCOPE, WRITE_SCOPE, RecordingDatabase, make_token
from tests.support.serving import serve

TYPENAME = {"query": "{ __typename }"}
TYPENAME_ANSWER = {"data": {"__typename": "Query"}}
TWO_OPERATIONS = "query One { one: __typename } query Two { two: __typename }"
SET = (
    f'mutation {{ setAttendance(input: {{bookingId: "{uuid4()}", sessionId: "s", status: NOT_SET}}) {{ __typename }} }}'
)
BY_VARIABLE = "query($name: String!) { __type(name: $name) { name } }"
METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW")


@pytest.mark.parametrize("method", METHODS)
async def test_other_methods_are_refused_and_told_which_are_allowed(bare: httpx2.AsyncClient, method: str) -> None:
    answer = await bare.request(method, "/graphql", params=TYPENAME)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("accept", ["*/*", GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    "parameters",
    [
        {"query": SET},
        {"query": f"query Read {{ __typename }} {SET.replace('mutation', 'mutation Write')}", "operationName": "Write"},
        {"query": "mutation { __typename }"},
    ],
)
async def test_a_mutation_by_get_is_refused_before_anything_runs(
    bare: httpx2.AsyncClient, database: RecordingDatabase, site_id: UUID, parameters: dict[str, str], accept: str
) -> None:
    headers = {"authorization": f"Bearer {make_token(site_id, WRITE_SCOPE)}", "accept": accept}
    with database.recording() as sent:
        answer = await bare.get("/graphql", params=parameters, headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json().keys() == {"errors"}
    assert not sent


async def test_a_subscription_is_an_invalid_document(bare: httpx2.AsyncClient) -> None:
    content = {"query": "subscription { __typename }"}
    answer = await bare.post("/graphql", json=content, headers={"accept": GRAPHQL_RESPONSE})
    assert answer.status_code == 400
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["GRAPHQL_VALIDATION_FAILED"]


GETS_THAT_ARE_SERVED = {
    "variables": ({"query": BY_VARIABLE, "variables": '{"name":"Query"}'}, {"__type": {"name": "Query"}}),
    "variables that are null": ({**TYPENAME, "variables": "null"}, {"__typename": "Query"}),
    "extensions": ({**TYPENAME, "extensions": '{"some":"value"}'}, {"__typename": "Query"}),
    "an operation's name": ({"query": TWO_OPERATIONS, "operationName": "Two"}, {"two": "Query"}),
    "an empty operation's name, which is none": ({**TYPENAME, "operationName": ""}, {"__typename": "Query"}),
    "empty variables and extensions": ({**TYPENAME, "variables": "", "extensions": ""}, {"__typename": "Query"}),
    "an empty identifier of a document, which is none": ({**TYPENAME, "documentId": ""}, {"__typename": "Query"}),
    "empty lists of them": ({**TYPENAME, "variables": "[]", "extensions": "[]"}, {"__typename": "Query"}),
    "an operation that is called null": (
        {"query": "query null { __typename }", "operationName": "null"},
        {"__typename": "Query"},
    ),
    "parameters that nobody knows": ({**TYPENAME, "unknown": "x"}, {"__typename": "Query"}),
}


@pytest.mark.parametrize("case", GETS_THAT_ARE_SERVED)
async def test_a_get_takes(bare: httpx2.AsyncClient, case: str) -> None:
    parameters, data = GETS_THAT_ARE_SERVED[case]
    answer = await bare.get("/graphql", params=parameters)
    assert (answer.status_code, answer.json()) == (200, {"data": data})


@pytest.mark.parametrize(
    ("parameters", "argument"),
    [
        ({}, "query"),
        ({"Query": "{ __typename }"}, "query"),
        *(
            ({**TYPENAME, name: value}, name)
            for name in ("variables", "extensions")
            for value in ("{broken", " ", "[1]", '"text"', "7", '{"lone": "\\ud800"}', "[" * 5000)
        ),
    ],
)
async def test_a_get_with_malformed_parameters_is_told_which(
    bare: httpx2.AsyncClient, parameters: dict[str, str], argument: str
) -> None:
    answer = await bare.get("/graphql", params=parameters)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]) == (400, {"code": "BAD_USER_INPUT", "argument": argument})


@pytest.mark.parametrize("name", ["Three", "one", "", None])
async def test_an_operation_that_cannot_be_told_is_refused(bare: httpx2.AsyncClient, name: str | None) -> None:
    content = {"query": TWO_OPERATIONS, "operationName": name}
    answer = await bare.post("/graphql", json=content, headers={"accept": GRAPHQL_RESPONSE})
    [error] = answer.json()["errors"]
    assert answer.status_code == 400
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "operationName"}


async def test_a_query_string_in_broken_utf_8_is_answered(bare: httpx2.AsyncClient) -> None:
    answer = await bare.get("/graphql?query=%7B%20__typename%20%7D%20%23%ED%A0%80%ff")
    assert (answer.status_code, answer.json()) == (200, TYPENAME_ANSWER)


ANSWERS = {
    "data": ("POST", TYPENAME, 200),
    "an invalid document": ("POST", {"query": "{ nothing }"}, 400),
    "no token": ("POST", {"query": "{ attendances { totalCount } }"}, 401),
    "a refused parameter": ("POST", {"query": 1}, 400),
    "a refused method": ("PUT", TYPENAME, 405),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_every_answer_is_one_whole_json_text_that_nobody_may_keep_or_guess_at(
    bare: httpx2.AsyncClient, case: str
) -> None:
    method, content, status = ANSWERS[case]
    answer = await bare.request(method, "/graphql", json=content, headers={"accept": GRAPHQL_RESPONSE})
    assert answer.status_code == status
    assert orjson.loads(answer.content).keys() <= {"data", "errors"}
    headers = answer.headers
    assert headers["content-length"] == str(len(answer.content))
    assert headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "transfer-encoding" not in headers
    assert len([name for name, _ in headers.multi_items() if name == "content-length"]) == 1


async def test_a_page_of_records_is_one_whole_json_text(bare: httpx2.AsyncClient, site_id: UUID) -> None:
    headers = {"authorization": f"Bearer {make_token(site_id, READ_SCOPE)}"}
    answer = await bare.post("/graphql", json={"query": "{ attendances { nodes { id } } }"}, headers=headers)
    assert answer.headers["content-length"] == str(len(answer.content))
    assert orjson.loads(answer.content) == {"data": {"attendances": {"nodes": []}}}


async def test_over_a_real_server_a_head_has_no_body_and_the_connection_stays_usable(application: Starlette) -> None:
    async with serve(application) as address, httpx2.AsyncClient(base_url=address) as client:
        assert (await client.head("/graphql")).status_code == 405
        assert (await client.head("/healthz")).status_code == 200
        assert (await client.post("/graphql", json=TYPENAME)).json() == TYPENAME_ANSWER


@pytest.mark.parametrize("path", ["/", "/graphql/", "/graphql/none", "/healthz/", "/GRAPHQL"])
async def test_other_paths_do_not_exist(bare: httpx2.AsyncClient, path: str) -> None:
    answer = await bare.get(path, params=TYPENAME, headers={"host": "elsewhere.test"})
    assert answer.status_code == 404
    assert "elsewhere" not in str(answer.headers)


async def test_a_fault_before_graphql_has_anything_to_say_shows_its_id_alone(
    application: Starlette, caplog: pytest.LogCaptureFixture
) -> None:
    client = ask("{ __typename }")

    async def fail() -> Message:
        raise RuntimeError("an internal matter")

    client.give = fail  # type: ignore[method-assign]
    await client.send_to(application)
    [error] = client.content["errors"]
    assert (client.status, error["extensions"]["code"]) == (500, "INTERNAL_SERVER_ERROR")
    assert "matter" not in str(client.content)
    assert error["extensions"]["errorId"] in caplog.text
