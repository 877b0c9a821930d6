"""Compiled operations answer like the reference path, error for error and byte for byte, whatever they are."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from uuid import UUID, uuid4

import orjson
import pytest

from app.operations.documents import Documents
from app.operations.permissions import Caller
from app.operations.record import COMPILED, OperationRecord
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.schema.permissions import Permission
from app.schema.schema import print_schema
from tests.operations.test_projection import WIDE
from tests.reading.test_oracle import make_records
from tests.support import differential
from tests.support.random_operations import gather_content, make_operation, make_variables
from tests.support.service import Record, RecordingDatabase, store
from tests.writing.test_odd_sessions import ODD_SESSIONS

REASONS = {
    "public",
    "input",
    "field",
    "cursor of several connections",
    "BAD_USER_INPUT",
    "CURSOR_INVALID",
    "CURSOR_MISMATCH",
}


@pytest.fixture(scope="module")
async def database(database_url: str) -> AsyncIterator[RecordingDatabase]:
    """One connection, so that statements end in the order in which they are sent.

    Which of several fields fails first, and ends the others, would depend on chance.
    """
    database = RecordingDatabase(database_url, pool_size=1)
    await database.open()
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def site(database: RecordingDatabase) -> tuple[UUID, list[Record]]:
    booking = uuid4()
    odd = [Record(booking, session, "NOT_SET", number) for number, session in enumerate(ODD_SESSIONS.values())]
    site_id, records = uuid4(), [*odd, *make_records(4)]
    await store(database, site_id, records)
    return site_id, records


@pytest.fixture(scope="module")
def services(database: RecordingDatabase) -> tuple[GraphQLService, GraphQLService]:
    """The service that compiles, and the one that does not."""
    documents = Documents(size=10, limits=WIDE, introspection=False)
    compiled = GraphQLService(documents, database, print_schema())
    return compiled, replace(compiled, compiles=False)


def sort_keys(body: bytes) -> bytes:
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)


# When one root field fails, graphql-core cancels those that have not begun.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_both_paths_give_the_same_answer_and_the_long_one_is_taken_for_input_alone(
    site: tuple[UUID, list[Record]], services: tuple[GraphQLService, GraphQLService]
) -> None:
    site_id, records = site
    content = gather_content(records[:12:2])

    async def authenticate() -> Caller:
        return Caller(site_id, frozenset(Permission))

    paths: Counter[str | None] = Counter()
    for seed in range(differential.CASES):
        chance = Random(seed)
        request = GraphQLRequest(make_operation(chance, content), variables=make_variables(chance, content))
        record = OperationRecord()
        short = await run_request(request, authenticate, services[0], record)
        long = await run_request(request, authenticate, services[1])
        paths[record.reason or record.path] += 1
        assert sort_keys(short.body) == sort_keys(long.body), (seed, request.query, request.variables)
        assert short.verdict is long.verdict, (seed, request.query, request.variables)
        assert b"GRAPHQL_VALIDATION_FAILED" not in long.body, (seed, request.query, request.variables)
        assert b"INTERNAL_SERVER_ERROR" not in long.body, (seed, request.query, request.variables)
    assert paths[COMPILED] > differential.CASES / 4
    assert paths.keys() <= {COMPILED, *REASONS}


RECORD = "{ ... on _Entity { ... on Session { x: id } ... on Attendance { status } } id }"
ODD_QUERIES = [
    "{ attendances(first: 1) { nodes { booking { id ... on _Entity { ... on Session { other: id } } } } } }",
    f"{{ attendances(first: 1) {{ nodes {{ ... on Node {RECORD} }} edges {{ node {{ ... on Node {RECORD} }} }} }} }}",
    "{ attendances(first: 2) { nodes { booking { attendances(first: 2) { nodes { id } }"
    " ... on _Entity { ... on Session { attendances(first: 1) { totalCount } } } } } } }",
    "query($o: [AttendanceOrder!] = null) { attendances(orderBy: $o) { totalCount } }",
    "{ s: _service { t: __typename text: sdl } attendances(first: 1) { nodes { id } } ... { s: _service { sdl } } }",
    "{ _service { sdl @skip(if: true) } t: __typename _service { __typename } attendances(first: 1) { totalCount } }",
    "query A { a: __typename } query B { attendances(first: 1, orderBy: STATUS_ASC) { nodes { id } } }",
]


@pytest.mark.parametrize("query", ODD_QUERIES)
async def test_odd_queries_get_the_same_answer(
    query: str, site: tuple[UUID, list[Record]], services: tuple[GraphQLService, GraphQLService]
) -> None:
    async def authenticate() -> Caller:
        return Caller(site[0], frozenset(Permission))

    request = GraphQLRequest(query, "B" if "query B" in query else None)
    short, long = [await run_request(request, authenticate, service) for service in services]
    assert sort_keys(short.body) == sort_keys(long.body)
    assert b"VALIDATION" not in long.body


async def test_fragments_that_double_are_compiled_in_no_time(
    site: tuple[UUID, list[Record]], services: tuple[GraphQLService, GraphQLService]
) -> None:
    doubling = " ".join(f"fragment F{n} on Attendance {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    query = f"{{ attendances {{ nodes {{ ...F0 }} }} }} {doubling} fragment F60 on Attendance {{ id }}"

    async def authenticate() -> Caller:
        return Caller(site[0], frozenset(Permission))

    for service in services:
        started = time.process_time()
        response = await run_request(GraphQLRequest(query), authenticate, service)
        assert b'"errors"' not in response.body
        assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("selection", "statements"),
    [
        ("attendances(first: 5) { nodes { BELOW } edges { node { BELOW } } }", 2),
        ("a: attendance(id: $a) { BELOW } b: attendance(id: $b) { BELOW } c: attendance(id: $a) { BELOW }", 2),
        ("a: attendance(id: $a) { BELOW other: session { attendances { totalCount } } }", 3),
    ],
)
async def test_fields_that_ask_alike_share_a_statement_on_both_paths(
    selection: str,
    statements: int,
    site: tuple[UUID, list[Record]],
    services: tuple[GraphQLService, GraphQLService],
    database: RecordingDatabase,
) -> None:
    below = "booking { attendances(first: 1) { totalCount nodes { id } } }"
    declared = "($a: ID!, $b: ID!)" if "$b" in selection else "($a: ID!)" if "$a" in selection else ""
    query = f"query{declared} {{ {selection.replace('BELOW', below)} }}"
    variables = {"a": str(site[1][0].id), "b": str(site[1][-1].id)}

    async def authenticate() -> Caller:
        return Caller(site[0], frozenset(Permission))

    for service in services:
        with database.recording() as sent:
            response = await run_request(GraphQLRequest(query, variables=variables), authenticate, service)
        assert b'"errors"' not in response.body
        assert len(sent) == statements
