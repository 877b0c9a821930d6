"""The engine answers like a plain execution of the same schema, error for error, whatever the operation."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from app.attendance import writing
from app.documents.documents import Documents
from app.documents.limits import Limits
from app.documents.permissions import Caller
from app.engine import pieces
from app.operations import response, running
from app.operations.change_stream import ChangeStream
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.operations.streaming import open_stream
from app.schema.permissions import Permission
from app.schema.schema import print_schema
from tests.reading.test_oracle import make_records
from tests.support import differential
from tests.support.plain_execution import execute_plainly
from tests.support.random_operations import gather_content, make_operation, make_subscription, make_variables
from tests.support.service import Record, RecordingDatabase, store
from tests.writing.test_odd_sessions import ODD_SESSIONS

WIDE = Limits(tokens=50_000, characters=10**6, depth=100, aliases=10**5, cost=10**9)
LARGEST = 2**31 - 1
START = datetime(2026, 1, 1, tzinfo=UTC)
SDL = print_schema()


class Clock:
    """Times and ids that are the same in both executions of an operation."""

    def __init__(self) -> None:
        self.case = 0
        self.count = 0

    def begin(self, case: int) -> None:
        self.case, self.count = case, 0

    def now(self, _zone: Any) -> datetime:
        return START + timedelta(seconds=self.case)

    def make_id(self) -> UUID:
        self.count += 1
        return UUID(int=(self.case << 64) + self.count)


@pytest.fixture(scope="module")
async def database(database_url: str) -> AsyncIterator[RecordingDatabase]:
    database = RecordingDatabase(database_url, pool_size=5)
    await database.open()
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def sites(database: RecordingDatabase) -> tuple[UUID, UUID, list[Record]]:
    """Two sites that hold the same records, one for each execution; two records of one booking overflow its sum."""
    booking, full = uuid4(), uuid4()
    odd = [Record(booking, session, "NOT_SET", number) for number, session in enumerate(ODD_SESSIONS.values())]
    many = [Record(full, f"full {number}", number_of_attendees=LARGEST) for number in range(2)]
    records = [*odd, *make_records(4), *many]
    sites = uuid4(), uuid4()
    for site in sites:
        await store(database, site, records)
    async with database.connection(sites[0]) as connection:
        times = await connection.fetch("SELECT id, created_at, updated_at FROM attendance WHERE site_id = $1", sites[0])
    async with database.connection(sites[1]) as connection:
        await connection.executemany(
            "UPDATE attendance SET created_at = $3, updated_at = $4 WHERE site_id = $1 AND id = $2",
            [(sites[1], *row) for row in times],
        )
    for site in sites:
        await store_history(database, site, records)
    return *sites, records


async def store_history(database: RecordingDatabase, site: UUID, records: list[Record]) -> None:
    """Give a site's records revisions, of which several share one, and add deletions, of which some were pruned."""
    first = records[0].booking_id
    gone = [(n % 9 + 1, UUID(int=n), first if n % 3 else UUID(int=n), "gone") for n in range(30)]
    async with database.connection(site) as connection:
        await connection.execute("INSERT INTO site_revision VALUES ($1, 12, 1)", site)
        await connection.executemany(
            "UPDATE attendance SET revision = $3 WHERE site_id = $1 AND id = $2",
            [(site, record.id, n % 11) for n, record in enumerate(records)],
        )
        await connection.executemany(
            "INSERT INTO attendance_deletion (site_id, revision, id, booking_id, session_id, deleted_at) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            [(site, *each, START) for each in gone],
        )


@pytest.fixture(scope="module")
def service(database: RecordingDatabase) -> GraphQLService:
    return GraphQLService(Documents(size=10, limits=WIDE, introspection=True), database, SDL)


def sort_keys(response: Any) -> bytes:
    return orjson.dumps(response, option=orjson.OPT_SORT_KEYS)


async def answer_both_ways(
    request: GraphQLRequest, sites: tuple[UUID, UUID], service: GraphQLService, clock: Clock, case: int
) -> tuple[Any, Any]:
    """The engine's response, and that of a plain execution on the other site, which holds the same."""

    async def authenticate() -> Caller:
        return Caller(sites[0], frozenset(Permission))

    clock.begin(case)
    opened = await open_stream(request, authenticate, service, transport="test")
    if isinstance(opened, ChangeStream):
        response = orjson.loads(await anext(opened))
        opened.close()
    else:
        response = orjson.loads(opened.body)
    clock.begin(case)
    assert request.query is not None
    plain = await execute_plainly(
        request.query, request.operation_name, request.variables, service.database, sites[1], SDL
    )
    return response, orjson.loads(orjson.dumps(plain))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(writing, "uuid7", clock.make_id)
    monkeypatch.setattr(writing, "datetime", clock)
    return clock


@pytest.fixture(params=[False, True], ids=["at once", "in pieces"])
def writes_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether everything is written in pieces, as large responses are."""
    if request.param:
        monkeypatch.setattr(running, "LARGE_BYTES", -1)
        monkeypatch.setattr(response, "LARGE_BYTES", -1)
        monkeypatch.setattr(pieces, "LARGE_BYTES", -1)
        monkeypatch.setattr(pieces, "ITEMS_A_PIECE", 2)
    return bool(request.param)


def describe(seed: int, request: GraphQLRequest, response: Any, plain: Any) -> str:
    shown = [request.query, request.variables, {"engine": response}, {"plain": plain}]
    return "\n".join([str(seed), *map(str, shown)])


# When one field fails, graphql-core leaves what its siblings await.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("mutates", [False, True], ids=["queries", "mutations"])
async def test_the_engine_answers_like_a_plain_execution_of_the_schema(
    sites: tuple[UUID, UUID, list[Record]], service: GraphQLService, clock: Clock, *, mutates: bool, writes_pieces: bool
) -> None:
    content = gather_content([*sites[2][:12:2], sites[2][-1]])
    outcomes: Counter[str] = Counter()
    cases = differential.CASES // 4 if mutates or writes_pieces else differential.CASES
    for seed in range(cases):
        chance = Random(f"{mutates} {seed}")
        case = seed + 1 + 10**5 * writes_pieces
        query = make_operation(chance, content, mutates=mutates)
        request = GraphQLRequest(query, variables=make_variables(chance, content))
        response, plain = await answer_both_ways(request, sites[:2], service, clock, case)
        assert sort_keys(response) == sort_keys(plain), describe(seed, request, response, plain)
        codes = [error["extensions"]["code"] for error in response.get("errors", [])]
        assert not {"GRAPHQL_VALIDATION_FAILED", "INTERNAL_SERVER_ERROR"} & set(codes), (seed, request)
        outcomes.update(codes or ["ok"])
        outcomes["null with data"] += bool(codes) and response.get("data") is not None
    wanted = ["ok", "BAD_USER_INPUT", "ATTENDANCE_NOT_FOUND" if mutates else "null with data"]
    assert min(outcomes[each] for each in wanted) > cases / 60, outcomes


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_event_of_a_subscription_is_like_a_plain_execution_of_the_schema(
    sites: tuple[UUID, UUID, list[Record]], service: GraphQLService, clock: Clock, *, writes_pieces: bool
) -> None:
    content = gather_content([*sites[2][:12:2], sites[2][-1]])
    outcomes: Counter[str] = Counter()
    cases = differential.CASES // 4
    for seed in range(cases):
        chance = Random(f"subscription {seed}")
        request = GraphQLRequest(make_subscription(chance, content), variables=make_variables(chance, content))
        case = 2 * 10**6 + seed + 10**5 * writes_pieces
        response, plain = await answer_both_ways(request, sites[:2], service, clock, case)
        assert sort_keys(response) == sort_keys(plain), describe(seed, request, response, plain)
        codes = [error["extensions"]["code"] for error in response.get("errors", [])]
        assert not {"GRAPHQL_VALIDATION_FAILED", "INTERNAL_SERVER_ERROR"} & set(codes), (seed, request)
        outcomes.update(codes or ["ok"])
        outcomes["null with data"] += bool(codes) and response.get("data") is not None
    assert min(outcomes[each] for each in ("ok", "BAD_USER_INPUT")) > cases / 60, outcomes


RECORD = "{ ... on _Entity { ... on Session { x: id } ... on Attendance { status } } id }"
BELOW = "booking { a: attendances(first: 2, filter: {status: {eq: $s}}) { edges { cursor } } }"
BAD = "booking { b: attendances(first: 101) { totalCount } }"
ALL_ABSENCES = "absences(minimumRecorded: 0, minimumMissedShare: 0, first: 100)"
ODD_QUERIES = {
    "a fragment on a union below a record": "{ attendances(first: 1) { nodes { booking { id ... on _Entity { "
    "... on Session { other: id } } } } } }",
    "fragments on abstract types": f"{{ attendances(first: 1) {{ nodes {{ ... on Node {RECORD} }} "
    f"edges {{ node {{ ... on Node {RECORD} }} }} }} }}",
    "a fragment that never applies": "{ attendances(first: 2) { nodes { booking { attendances(first: 2) "
    "{ nodes { id } } ... on _Entity { ... on Session { attendances(first: 1) { totalCount } } } } } } }",
    "an order of null by default": "query($o: [AttendanceOrder!] = null) { attendances(orderBy: $o) { totalCount } }",
    "the subgraph's schema, twice": "{ s: _service { t: __typename text: sdl } attendances(first: 1) { nodes { id } } "
    "... { s: _service { sdl } } }",
    "nothing of the subgraph's schema": "{ _service { sdl @skip(if: true) } t: __typename _service { __typename } }",
    "introspection among records": "{ __schema { types { name } } attendances(first: 1) { nodes { id } } "
    '__type(name: "Booking") { ...F } } fragment F on __Type { kind fields { name } }',
    "the second operation": "query A { a: __typename } query B { attendances(first: 1, orderBy: STATUS_ASC) "
    "{ nodes { id } } }",
    "an error below a page that is empty": "{ attendances(first: 0) { nodes { booking { attendances(first: 101) "
    "{ totalCount } } } pageInfo { endCursor } } }",
    "an error that comes before one that is nearer": "{ attendances(first: 1) { nodes { booking { attendances"
    "(first: 101) { totalCount } } } } z: attendances(last: 101) { totalCount } }",
    "a fatal error before one that is not": "{ a: attendances { summary { numberOfAttendees } } "
    '_entities(representations: [{__typename: "Booking", id: "$one"}, {__typename: "Booking", id: "x"}]) '
    "{ ... on Booking { attendances(first: 101) { totalCount } } } }",
    "sums beyond Int at several places": "{ a: attendances { t: totalCount s: summary { n: numberOfAttendees } } "
    '_entities(representations: [{__typename: "Booking", id: "$full"}, {__typename: "Booking", id: "$one"}]) '
    "{ ... on Booking { attendances { x: summary { total numberOfAttendees } } } } }",
    "sums beyond Int below entities": '{ _entities(representations: [{__typename: "Booking", id: "$full"}, '
    '{__typename: "Session", id: "full 1"}, {__typename: "Booking", id: "$one"}]) { ... on Booking { attendances '
    "{ x: summary { total numberOfAttendees } } } ... on Session { attendances { nodes { booking { "
    "attendances { summary { numberOfAttendees } } } } } } } }",
    "a null variable where none may be": 'query($i: ID = "$full") { attendance(id: $i) { id } '
    'b: attendances(filter: {bookingId: {eq: "$full"}}) { totalCount } }',
    "records of a bulk that fail below": "mutation($s: AttendanceStatus! = ATTENDED) { bulkSetAttendance(input: ["
    '{bookingId: "$one", sessionId: "bulk", status: $s}, {bookingId: "x", sessionId: "bulk", status: $s}]) '
    f"{{ p: results {{ index attendance {{ id {BELOW} }} bad: attendance {{ id {BAD} }} error {{ argument }} }} "
    f"q: results {{ attendance {{ id {BAD} {BELOW} }} other: attendance {{ status }} }} totalSuccesses }} }}",
    "a record that fails below": 'mutation { setAttendance(input: {bookingId: "$one", sessionId: "s", status: '
    f"NOT_SET}}) {{ attendance {{ {BAD} }} }} "
    'later: setAttendance(input: {bookingId: "$one", sessionId: "never", status: NOT_SET}) { attendance { id } } }',
    "a filter that is wrong by default": 'query($f: AttendanceFilter = {id: {eq: "x"}}) '
    "{ attendances(filter: $f) { totalCount } }",
    "a perspective that is wrong by default": 'query($p: AttendancePerspective = {bookingId: "x"}) '
    "{ attendances(perspective: $p) { totalCount } }",
    "an order that is wrong by default": "query($o: [AttendanceOrder!] = [ID_ASC, ID_ASC]) "
    "{ attendances(orderBy: $o) { totalCount } }",
    "bookings of absences that fail below": f"{{ {ALL_ABSENCES} {{ totalCount nodes {{ missedShare booking {{ id "
    "good: attendances(first: 1) { totalCount } bad: attendances(first: 101) { totalCount } } session { id } } "
    "edges { cursor node { other: booking { attendances(first: 1) { nodes { status } } } } } } }",
    "a sum beyond Int of an absence": f"{{ {ALL_ABSENCES} {{ nodes {{ booking {{ attendances(first: 101) "
    "{ totalCount } } summary { total n: numberOfAttendees attendanceRate } } } z: attendances(first: 1) "
    "{ totalCount } }",
    "a sum beyond Int below an absence": f"{{ {ALL_ABSENCES} {{ nodes {{ booking {{ attendances {{ summary "
    "{ numberOfAttendees } } } twin: booking { id } summary { attended } } } }",
    "errors at several depths below absences": f"{{ {ALL_ABSENCES} {{ nodes {{ booking {{ attendances(first: 2) "
    "{ nodes { session { attendances { summary { numberOfAttendees } } } } } other: attendances(last: 1) "
    "{ nodes { booking { attendances(last: -1) { totalCount } } } } } } } }",
    "errors below absences of sessions": f"{{ {ALL_ABSENCES.replace('(', '(by: SESSION, ')} {{ nodes {{ booking {{ "
    "attendances(first: 101) { totalCount } } session { attendances(first: 1) { nodes { booking { attendances "
    "{ summary { numberOfAttendees } } } } } } } } }",
    "absences by null": "query($by: AbsenceGrouping, $n: Int, $share: Float) { a: absences(by: $by) { totalCount } "
    "b: absences(minimumRecorded: $n, minimumMissedShare: $share) { totalCount } }",
    "absences by a null": "query($i: AbsenceGrouping) { absences(by: $i) { totalCount } }",
    "a share beyond all floats": "{ absences(minimumMissedShare: 1e400) { totalCount } }",
    "what was written is read": 'mutation { a: setAttendance(input: {bookingId: "$one", sessionId: "s1", status: '
    "ATTENDED, numberOfAttendees: 4}) { attendance { booking { attendances { totalCount summary { attended } } } } } "
    'b: setAttendance(input: {bookingId: "$one", sessionId: "s1", status: NOT_SET, numberOfAttendees: null}) '
    "{ attendance { numberOfAttendees booking { attendances { summary { notSet } } } } } }",
}


@pytest.mark.parametrize("name", ODD_QUERIES)
async def test_odd_operations_get_the_answer_of_a_plain_execution(
    name: str, sites: tuple[UUID, UUID, list[Record]], service: GraphQLService, clock: Clock, *, writes_pieces: bool
) -> None:
    records = sites[2]
    query = ODD_QUERIES[name].replace("$full", str(records[-1].booking_id)).replace("$one", str(records[-9].booking_id))
    request = GraphQLRequest(query, "B" if "query B" in query else None, {"i": None} if "$i" in query else {})
    case = 10**6 + 2 * list(ODD_QUERIES).index(name) + writes_pieces
    response, plain = await answer_both_ways(request, sites[:2], service, clock, case)
    assert sort_keys(response) == sort_keys(plain), describe(0, request, response, plain)
    assert b"VALIDATION" not in orjson.dumps(response), response


async def test_fragments_that_double_are_compiled_in_no_time(
    sites: tuple[UUID, UUID, list[Record]], service: GraphQLService
) -> None:
    doubling = " ".join(f"fragment F{n} on Attendance {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    query = f"{{ attendances {{ nodes {{ ...F0 }} }} }} {doubling} fragment F60 on Attendance {{ id }}"

    async def authenticate() -> Caller:
        return Caller(sites[0], frozenset(Permission))

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
async def test_fields_that_ask_alike_share_a_statement(
    selection: str,
    statements: int,
    sites: tuple[UUID, UUID, list[Record]],
    service: GraphQLService,
    database: RecordingDatabase,
) -> None:
    below = "booking { attendances(first: 1) { totalCount nodes { id } } }"
    declared = "($a: ID!, $b: ID!)" if "$b" in selection else "($a: ID!)" if "$a" in selection else ""
    query = f"query{declared} {{ {selection.replace('BELOW', below)} }}"
    variables = {"a": str(sites[2][1].id), "b": str(sites[2][-4].id)}

    async def authenticate() -> Caller:
        return Caller(sites[0], frozenset(Permission))

    with database.recording() as sent:
        response = await run_request(GraphQLRequest(query, variables=variables), authenticate, service)
    assert b'"errors"' not in response.body
    assert len(sent) == statements
