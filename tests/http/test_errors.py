"""The error codes that reading can end in, apart from bad input: what each shows, and what it keeps to itself."""

import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest

import app.database.pool
from app.database.pool import Row
from tests.http.conftest import ServiceBuilder
from tests.support.media_types import GRAPHQL_RESPONSE, JSON
from tests.support.refusals import INTERNALS, read_refusal, refuse
from tests.support.service import READ_SCOPE, GraphQLClient, Record, RecordingDatabase, make_token, store

PAGE = "{ attendances { nodes { id } } }"
RECORD = f'{{ attendance(id: "{uuid4()}") {{ id }} }}'
SECRET_TEXT = "a secret at /var/lib/secret/path.py in SELECT secret FROM secrets"
LARGEST = 2**31 - 1


@pytest.mark.parametrize(
    "query",
    [
        "",
        " ",
        "{",
        "{ attendances",
        "query",
        "{ a: }",
        '{ attendance(id: "x }',
        "{ \0 }",
        "\ufeff{",
        "type A { b: C }}",
    ],
)
async def test_a_document_that_does_not_parse_says_so(client: GraphQLClient, query: str) -> None:
    assert (await refuse(client, query)).code == "GRAPHQL_PARSE_FAILED"


@pytest.mark.parametrize(
    ("query", "argument"),
    [
        ("{ nothing }", None),
        ("{ attendances }", None),
        ("{ __typename { x } }", None),
        ("{ attendances(nothing: 1) { totalCount } }", "nothing"),
        ("{ attendance { id } }", "id"),
        ("{ nodes { id } }", "ids"),
        ("{ attendance(id: null) { id } }", "id"),
        ("{ attendance(id: true) { id } }", "id"),
        ("query($x: Nothing) { attendances(first: $x) { totalCount } }", None),
        ("query($x: String) { attendances(first: $x) { totalCount } }", "first"),
        ("{ attendances(first: $x) { totalCount } }", "first"),
        ("query($x: Int) { __typename }", "$x"),
        ("{ ...F } fragment F on Query { ...F }", None),
        ("{ ...F }", None),
        ("{ ... on Attendance { id } }", None),
        ("{ a: __typename a: attendances { totalCount } }", None),
        ("{ __typename @nothing }", None),
        ("query A { __typename } query A { __typename }", None),
        ("type A { b: Int }", None),
    ],
)
async def test_an_invalid_document_says_where_when_an_argument_is_at_fault(
    client: GraphQLClient, query: str, argument: str | None
) -> None:
    errors = (await client.run(query))["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"GRAPHQL_VALIDATION_FAILED"}
    assert argument in [error["extensions"].get("argument") for error in errors]
    assert all(error["locations"] for error in errors)
    assert not any(INTERNALS.search(error["message"]) for error in errors)


async def test_a_document_full_of_errors_is_told_a_few(client: GraphQLClient) -> None:
    answer = await client.run("{ " + " ".join(f"nothing{n}" for n in range(300)) + " }")
    assert len(answer["errors"]) <= 10


@pytest.mark.parametrize(
    "query",
    [
        "{ " + "__typename " * 1_000 + "}",
        "{ " + "# comment\n" * 1_001 + "__typename }",
        "{ a " * 20_000,
        "{ attendances(filter: " + "{id: " * 20_000,
        "query($x: " + "[" * 20_000 + "Int" + "]" * 20_000 + ") { __typename }",
    ],
    ids=["tokens", "comments", "selections", "values", "types"],
)
async def test_a_document_that_is_too_long_or_too_deep_is_too_complex(client: GraphQLClient, query: str) -> None:
    assert (await refuse(client, query)).code == "OPERATION_TOO_COMPLEX"


async def test_a_document_that_quotes_a_limit_is_not_taken_for_one_beyond_it(client: GraphQLClient) -> None:
    query = '{ attendances "Syntax Error: Document contains more than 1000 tokens." }'
    assert (await refuse(client, query)).code == "GRAPHQL_PARSE_FAILED"


async def test_the_limit_of_tokens_lets_through_what_it_says(service: ServiceBuilder, site_id: UUID) -> None:
    async with service(max_document_tokens="12") as http:
        client = GraphQLClient(http, make_token(site_id, READ_SCOPE))
        assert await client.data("{ " + "__typename " * 10 + "}")
        refusal = await refuse(client, "{ " + "__typename " * 11 + "}")
    assert refusal.code == "OPERATION_TOO_COMPLEX"


class FailingDatabase(RecordingDatabase):
    """A database whose every statement ends in a fault that nobody foresaw."""

    async def fetch_rows(self, *_statement: object) -> list[Row]:
        raise RuntimeError(SECRET_TEXT)


@pytest.mark.parametrize(
    ("query", "accept", "status", "data"),
    [
        (PAGE, GRAPHQL_RESPONSE, 500, None),
        (PAGE, JSON, 200, None),
        (RECORD, GRAPHQL_RESPONSE, 200, {"attendance": None}),
        (RECORD, JSON, 200, {"attendance": None}),
    ],
)
async def test_a_fault_of_the_service_shows_its_id_alone_and_the_log_has_the_rest(
    service: ServiceBuilder,
    database_url: str,
    site_id: UUID,
    caplog: pytest.LogCaptureFixture,
    query: str,
    accept: str,
    status: int,
    data: object,
) -> None:
    async with service(FailingDatabase(database_url)) as http:
        client = GraphQLClient(http, make_token(site_id, READ_SCOPE))
        with caplog.at_level(logging.ERROR):
            answer = await client.post(query, accept=accept)
    assert answer.status_code == status
    assert answer.json()["data"] == data
    [error] = answer.json()["errors"]
    error_id = error["extensions"].pop("errorId")
    assert error["extensions"] == {"code": "INTERNAL_SERVER_ERROR"}
    assert re.fullmatch(r"[0-9a-f]{32}", error_id)
    assert error_id in error["message"]
    assert "secret" not in answer.text
    assert INTERNALS.search(answer.text) is None
    [record] = [record for record in caplog.records if error_id in record.getMessage()]
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == SECRET_TEXT


@asynccontextmanager
async def locked_table(url: str) -> AsyncIterator[None]:
    """A time in which nobody else can read a record."""
    owner = await asyncpg.connect(url)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE attendance IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await owner.close()


@pytest.fixture
async def hasty(
    service: ServiceBuilder, database_url: str, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[GraphQLClient]:
    """A caller of a service that allows a statement 0.3 s, and has one connection to wait 0.1 s for."""
    monkeypatch.setattr(app.database.pool, "STATEMENT_SECONDS", 0.3)
    monkeypatch.setattr("app.database.server.ACQUIRE_SECONDS", 0.1)
    database = RecordingDatabase(database_url, pool_size=1)
    await database.open()
    async with service(database) as http:
        yield GraphQLClient(http, make_token(site_id, READ_SCOPE))
    await database.close()


@pytest.mark.parametrize(("accept", "status"), [(GRAPHQL_RESPONSE, 504), (JSON, 200)])
async def test_a_statement_that_takes_too_long_is_stopped(
    hasty: GraphQLClient, database_url: str, accept: str, status: int
) -> None:
    async with locked_table(database_url):
        answer = await hasty.post(PAGE, accept=accept)
    assert answer.status_code == status
    refusal = read_refusal(answer)
    assert refusal.place == ("TIMEOUT", None)
    assert refusal.message == "The operation took too long and was stopped; ask for less, or try again."
    assert await hasty.data(PAGE) == {"attendances": {"nodes": []}}


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
async def test_a_service_without_a_free_connection_asks_for_another_try(
    hasty: GraphQLClient, database_url: str, accept: str
) -> None:
    async with locked_table(database_url):
        answer = await hasty.post(f"{PAGE[:-1]} other: {PAGE[2:]}", accept=accept)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert read_refusal(answer).place == ("SERVICE_UNAVAILABLE", None)
    assert await hasty.data(PAGE) == {"attendances": {"nodes": []}}


async def test_a_sum_beyond_int_is_told_by_its_field(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    records = [Record(uuid4(), f"session {n}", number_of_attendees=LARGEST) for n in range(2)]
    await store(database, site_id, records)
    one = f'(perspective: {{bookingId: "{records[0].booking_id}"}})'
    summary = "summary { numberOfAttendees }"
    assert await client.data(f"{{ attendances{one} {{ {summary} }} }}") == {
        "attendances": {"summary": {"numberOfAttendees": LARGEST}}
    }
    expected = ("BAD_USER_INPUT", "summary.numberOfAttendees")
    assert (await refuse(client, f"{{ attendances {{ {summary} totalCount }} }}")).place == expected
    assert await client.data("{ attendances { summary { total attendanceRate } totalCount } }") == {
        "attendances": {"summary": {"total": 2, "attendanceRate": 1.0}, "totalCount": 2}
    }


async def test_a_sum_beyond_int_below_a_record_is_told_by_its_field(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    booking = uuid4()
    await store(database, site_id, [Record(booking, f"session {n}", number_of_attendees=LARGEST) for n in range(2)])
    nested = "{ attendances(first: 1) { nodes { booking { attendances { summary { numberOfAttendees } } } } } }"
    assert (await refuse(client, nested)).place == ("BAD_USER_INPUT", "summary.numberOfAttendees")


@pytest.mark.parametrize(
    ("query", "argument", "column"),
    [
        ('{ attendances(filter: {sessionId: {eq: ["x"]}}) { totalCount } }', "filter.sessionId.eq", 40),
        ("{ attendance(id: {a: 1}) { id } }", "id", 18),
        ("{ attendances(first: [2]) { totalCount } }", "first", 22),
        ("{ attendances(orderBy: [[ID_ASC]]) { totalCount } }", "orderBy.0", 25),
        ("{ absences(minimumMissedShare: [0.5]) { totalCount } }", "minimumMissedShare", 32),
    ],
)
async def test_a_literal_that_the_library_copies_is_still_found(
    client: GraphQLClient, query: str, argument: str, column: int
) -> None:
    error = await client.error(query)

    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED", "argument": argument}
    assert error["locations"] == [{"line": 1, "column": column}]
