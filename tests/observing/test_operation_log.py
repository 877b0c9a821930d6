"""The log tells of each request in one line: what it was and how it went, and nothing of what was in it."""

import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.documents.operation import LONGEST_NAME
from tests.observing.conftest import WatchedService, WatchService
from tests.support.failing_database import FailingDatabase
from tests.support.media_types import GRAPHQL_RESPONSE
from tests.support.mutations import SET, make_input
from tests.support.requests import Client
from tests.support.service import READ_SCOPE, Record, RecordingDatabase, make_token, store

PAGE = "query Page { attendances { nodes { id } totalCount } }"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SECRET_WORD = "hush"
UNDONE = {"site": None, "rows": 0, "statements": 0, "reason": None, "limit": None, "error_id": None}


async def test_a_read_is_told_in_one_line(watched: WatchedService, database: RecordingDatabase, site_id: UUID) -> None:
    await store(database, site_id, [Record() for _ in range(3)])
    headers = {"X-Request-Id": "request-1", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    await watched.client(site_id).post(PAGE, **headers)
    [line] = watched.log.lines()
    written = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(written.tzinfo) - written).total_seconds()) < 60
    assert 0 < line.pop("duration_ms") < 10_000
    assert line == {
        "level": "info",
        "event": "operation",
        "request_id": "request-1",
        "trace_id": TRACE,
        "operation": "Page",
        "type": "query",
        "site": str(site_id),
        "permission": "read",
        "rows": 4,
        "statements": 2,
        "reason": None,
        "limit": None,
        "outcome": "ok",
        "status": 200,
        "error_id": None,
    }


async def test_a_write_is_told_with_its_statements(watched: WatchedService, site_id: UUID) -> None:
    await watched.client(site_id).data(SET, input=make_input())
    [line] = watched.log.lines()
    told = {name: line[name] for name in ("type", "permission", "reason", "rows", "statements", "outcome")}
    assert told == {
        "type": "mutation",
        "permission": "write",
        "reason": None,
        "rows": 1,
        "statements": 1,
        "outcome": "ok",
    }


@pytest.mark.parametrize(
    ("content", "token", "told"),
    [
        ({"query": "{"}, True, {**UNDONE, "outcome": "GRAPHQL_PARSE_FAILED", "status": 400, "type": None}),
        ({"query": "{ no }"}, True, {"outcome": "GRAPHQL_VALIDATION_FAILED", "status": 400, "operation": None}),
        ({"query": PAGE}, False, {**UNDONE, "outcome": "UNAUTHENTICATED", "status": 401, "permission": "read"}),
        (
            {"query": "mutation Drop($id: ID!) { deleteAttendance(id: $id) { deletedId } }", "variables": {"id": "x"}},
            True,
            {"outcome": "FORBIDDEN", "status": 403, "operation": "Drop", "permission": "write", "statements": 0},
        ),
        (
            {"query": 'query Next { attendances(after: "x") { totalCount } }'},
            True,
            {"outcome": "CURSOR_INVALID", "status": 200, "operation": "Next", "statements": 0, "reason": None},
        ),
        ({"query": "{ __typename }"}, False, {"outcome": "ok", "status": 200, "statements": 0, "reason": None}),
        ({"query": 1}, True, {**UNDONE, "outcome": "BAD_USER_INPUT", "status": 400}),
        ({"query": "#" + "x" * 300_000}, True, {**UNDONE, "outcome": "BAD_USER_INPUT", "status": 413, "limit": "body"}),
    ],
    ids=["parse", "validation", "no token", "no scope", "cursor", "public", "malformed", "too large"],
)
async def test_the_outcome_is_the_first_errors_code(
    watched: WatchedService, site_id: UUID, content: dict[str, Any], *, token: bool, told: dict[str, Any]
) -> None:
    headers = {"Accept": GRAPHQL_RESPONSE} | (watched.client(site_id, READ_SCOPE).headers if token else {})
    await watched.http.post("/graphql", json=content, headers=headers)
    [line] = watched.log.lines()
    assert {name: line[name] for name in told} == told


async def test_a_forbidden_operation_is_told_with_its_site(watched: WatchedService, site_id: UUID) -> None:
    await watched.client(site_id, READ_SCOPE).run(SET, input=make_input())
    assert [line["site"] for line in watched.log.lines()] == [str(site_id)]


async def test_no_value_no_token_and_no_cursor_is_told(
    watched: WatchedService, database: RecordingDatabase, site_id: UUID
) -> None:
    record = Record(session_id=f"session-{SECRET_WORD}")
    await store(database, site_id, [record, Record()])
    client = watched.client(site_id)
    page = await client.data("{ attendances(first: 1) { pageInfo { endCursor } } }")
    cursor = page["attendances"]["pageInfo"]["endCursor"]
    by_value = "query($x: ID!) { attendances(perspective: {sessionId: $x}) { totalCount } }"
    await client.data(by_value, x=record.session_id)
    await client.data(by_value.replace("($x: ID!)", "").replace("$x", f'"{record.session_id}"'))
    await client.data("query($x: String) { attendances(after: $x) { totalCount nodes { id } } }", x=cursor)
    await client.run("query($x: String) { attendances(after: $x) { totalCount } }", x=SECRET_WORD)
    await client.run("query($x: Int) { attendances(first: $x) { totalCount } }", x=SECRET_WORD)
    await client.data(SET, input=make_input(bookingId=str(record.booking_id), sessionId=record.session_id))
    await client.run(f"{{ {SECRET_WORD} }}")
    for token in (SECRET_WORD, client.headers["Authorization"] + SECRET_WORD):
        await watched.http.post("/graphql", json={"query": PAGE}, headers={"Authorization": token})
    await watched.http.get("/graphql", params={"query": "{ __typename }", "variables": f'{{"x": "{SECRET_WORD}"}}'})
    await watched.http.post("/graphql", json={"query": PAGE, "operationName": SECRET_WORD}, headers=client.headers)
    log = watched.log.read().decode()
    assert len(log.splitlines()) == 12
    told = [SECRET_WORD, cursor, client.headers["Authorization"].split(".")[2], str(record.booking_id), str(record.id)]
    assert [value for value in told if value in log] == []


async def test_a_long_name_is_cut(watched: WatchedService, site_id: UUID) -> None:
    await watched.client(site_id).post(PAGE.replace("Page", "P" * 1000))
    assert [line["operation"] for line in watched.log.lines()] == ["P" * LONGEST_NAME]


async def test_what_a_caller_sends_cannot_make_lines_of_its_own(watched: WatchedService, site_id: UUID) -> None:
    await watched.client(site_id).post(PAGE, **{"X-Request-Id": 'x", "outcome": "ok', "traceparent": "x\ty"})
    [line] = watched.log.lines()
    assert re.fullmatch(r"[0-9a-f]{32}", line["request_id"])
    assert line["trace_id"] is None


async def test_a_fault_is_told_by_the_id_that_the_caller_got(
    watch: WatchService, database_url: str, site_id: UUID
) -> None:
    broken = FailingDatabase(database_url)
    broken.failures = [RuntimeError("broken")]
    async with watch(broken) as watched:
        answer = await watched.client(site_id).run(f'{{ attendance(id: "{uuid4()}") {{ id }} }}')
        [line] = watched.log.lines()
    await broken.close()
    told = (line["level"], line["outcome"], line["error_id"])
    assert told == ("error", "INTERNAL_SERVER_ERROR", answer["errors"][0]["extensions"]["errorId"])


@pytest.mark.parametrize(("level", "outcomes"), [("warning", ["SERVICE_UNAVAILABLE"]), ("error", [])])
async def test_a_higher_level_tells_of_trouble_alone(
    watch: WatchService, site_id: UUID, level: str, outcomes: list[str]
) -> None:
    unreachable = RecordingDatabase("postgresql://127.0.0.1:1/nothing")
    async with watch(unreachable, LOG_LEVEL=level) as watched:
        await watched.client(site_id).post(PAGE)
        await watched.http.post("/graphql", json={"query": "{ __typename }"})
        assert [json.loads(line)["outcome"] for line in watched.log.read().splitlines()] == outcomes


async def test_a_client_that_leaves_is_told(watched: WatchedService) -> None:
    client = Client([b'{"query": '], is_complete=False)
    client.leaves.set()
    await client.send_to(watched.application)
    [line] = watched.log.lines()
    assert (line["outcome"], line["status"]) == ("CLIENT_GONE", 499)


LATER = 4_000_000_000
REASONS: list[tuple[str, dict[str, Any]]] = [
    ("expired", {"exp": 1}),
    ("not yet valid", {"nbf": LATER}),
    ("not yet valid", {"iat": LATER}),
    ("signature", {"secret": "another secret of the tests, as long"}),
    ("algorithm", {"secret": "x" * 64, "algorithm": "HS512"}),
    ("issuer", {"iss": "them"}),
    ("issuer", {"iss": None}),
    ("audience", {"aud": "others"}),
    ("audience", {"aud": None}),
    ("claim site_id", {"site_id": "x"}),
    ("claim site_id", {"site_id": None}),
    ("claim site_id", {"site_id": 7}),
    ("claim scope", {"scope": 7}),
    ("claim scp", {"scope": None, "scp": {"read": True}}),
    ("claim exp", {"exp": None}),
    ("claim exp", {"exp": "soon"}),
    ("claim nbf", {"nbf": "soon"}),
    ("claim iat", {"iat": "soon"}),
]


@pytest.mark.parametrize(("reason", "claims"), REASONS, ids=str)
async def test_a_rejected_token_is_told_with_its_reason_and_the_clients_address(
    watch: WatchService, database: RecordingDatabase, site_id: UUID, reason: str, claims: dict[str, Any]
) -> None:
    token = make_token(site_id, READ_SCOPE, **{"iss": "us", "aud": "attendance", "exp": LATER, **claims})
    headers = {"Authorization": f"Bearer {token}"}
    async with watch(database, JWT_ISSUER="us", JWT_AUDIENCE="attendance") as watched:
        answers = [(await watched.http.post("/graphql", json={"query": PAGE}, headers=headers)).text for _ in range(2)]
        await watched.http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
        first, again, public = watched.log.lines()
    assert len(set(answers)) == 1
    assert reason not in answers[0]
    for line in (first, again):
        assert (line["outcome"], line["reason"], line["client"]) == ("UNAUTHENTICATED", reason, "127.0.0.1")
    assert (public["outcome"], public["reason"]) == ("ok", None)
    assert "client" not in public


async def test_a_request_without_a_token_is_told_with_the_clients_address(watched: WatchedService) -> None:
    await watched.http.post("/graphql", json={"query": PAGE})
    [line] = watched.log.lines()
    assert (line["reason"], line["client"]) == (None, "127.0.0.1")
