"""Hostile requests get exactly what is written down for them: never a 500, never a word about what is inside."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest

from app.errors import InternalServerError, ServiceError
from tests.hostile.case import BOOKING, CURSOR, FOREIGN, OTHER_CURSOR, RECORD, TOKEN, Case
from tests.hostile.corpus.bodies import BODIES
from tests.hostile.corpus.documents import DOCUMENTS, SLOW
from tests.hostile.corpus.http import HTTP
from tests.hostile.corpus.keys import CURSORS, IDS
from tests.hostile.corpus.tokens import AUTHORITY
from tests.hostile.corpus.values import VALUES
from tests.support.leaks import find_leaks
from tests.support.service import READ_SCOPE, WRITE_SCOPE, Record, RecordingDatabase, make_token, store

GROUPS = {
    "document": DOCUMENTS,
    "body": BODIES,
    "value": VALUES,
    "id": IDS,
    "cursor": CURSORS,
    "http": HTTP,
    "token": AUTHORITY,
}
CORPUS = {f"{group}: {name}": case for group, cases in GROUPS.items() for name, case in cases.items()}
CODES = {kind.code for kind in ServiceError.__subclasses__()} - {InternalServerError.code}


@pytest.fixture(scope="module")
async def words(database: RecordingDatabase, http: httpx2.AsyncClient) -> dict[str, str]:
    """What the names in angle brackets stand for: two sites, of which the second is not the caller's."""
    site, foreign_site, booking = uuid4(), uuid4(), uuid4()
    own = [Record(booking, f"session {n}", number_of_attendees=n) for n in range(3)]
    foreign = Record()
    await store(database, site, own)
    await store(database, foreign_site, [foreign])
    token = make_token(site, READ_SCOPE, WRITE_SCOPE)
    return {
        TOKEN: token,
        RECORD: str(own[0].id),
        BOOKING: str(booking),
        FOREIGN: str(foreign.id),
        CURSOR: await read_cursor(http, token, "first: 1"),
        OTHER_CURSOR: await read_cursor(http, token, f'first: 1, perspective: {{bookingId: "{booking}"}}'),
    }


async def read_cursor(http: httpx2.AsyncClient, token: str, arguments: str) -> str:
    query = f"{{ attendances({arguments}) {{ edges {{ cursor }} }} }}"
    answer = await http.post("/graphql", json={"query": query}, headers={"authorization": f"Bearer {token}"})
    return str(answer.json()["data"]["attendances"]["edges"][0]["cursor"])


async def send(http: httpx2.AsyncClient, case: Case, words: dict[str, str]) -> httpx2.Response:
    body = case.body
    for name, word in words.items():
        shown = case.damage(word) if case.damage else word
        body = body.replace(orjson.dumps(name)[1:-1], orjson.dumps(shown)[1:-1])
    headers = [(name, value if isinstance(value, bytes) else value.encode()) for name, value in case.headers]
    headers += [("authorization", value.replace(TOKEN, words[TOKEN]).encode()) for value in case.authorization]
    encoded = [(name.encode(), value) for name, value in headers]
    return await http.request(case.method, case.path, content=body, headers=encoded)


def read_sent(case: Case) -> str:
    """The words of a request, as its answer may repeat them."""
    return case.path + case.body.decode("utf-8", "replace")


def holds_nothing(data: Any) -> bool:
    if isinstance(data, dict | list):
        return all(map(holds_nothing, data.values() if isinstance(data, dict) else data))
    return data is None


@pytest.mark.parametrize("name", CORPUS)
async def test_a_hostile_request_gets_exactly_what_is_due(
    bare: httpx2.AsyncClient, words: dict[str, str], name: str
) -> None:
    case = CORPUS[name]
    answer = await send(bare, case, words)
    content = answer.json()
    found = {(error["extensions"]["code"], error["extensions"].get("argument")) for error in content.get("errors", [])}
    assert (answer.status_code, found) == (case.status, set(case.errors)), answer.text[:1000]
    if case.errors:
        assert holds_nothing(content.get("data"))
    else:
        assert content == {"data": case.data}


@pytest.mark.parametrize("name", CORPUS)
async def test_the_answer_to_a_hostile_request_shows_nothing_of_what_is_inside(
    bare: httpx2.AsyncClient, words: dict[str, str], name: str
) -> None:
    answer = await send(bare, CORPUS[name], words)
    assert find_leaks(answer.text, read_sent(CORPUS[name])) == []
    assert len(answer.content) < 40_000
    assert "server" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    for error in answer.json().get("errors", []):
        assert error.keys() <= {"message", "locations", "path", "extensions"}
        assert error["extensions"].keys() <= {"code", "argument"}
        assert error["extensions"]["code"] in CODES


@pytest.mark.parametrize("name", SLOW)
async def test_an_expensive_document_is_answered_as_any_other(bare: httpx2.AsyncClient, name: str) -> None:
    content = {"query": SLOW[name]}
    answer = await bare.post("/graphql", json=content, headers={"accept": "application/graphql-response+json"})
    assert answer.status_code in (200, 400, 401)
    assert find_leaks(answer.text, SLOW[name]) == []


async def test_after_all_of_them_the_service_answers_and_has_what_it_had(
    bare: httpx2.AsyncClient, words: dict[str, str], database: RecordingDatabase
) -> None:
    for case in CORPUS.values():
        await send(bare, case, words)
    query = "{ attendances { totalCount nodes { numberOfAttendees } } }"
    answer = await bare.post("/graphql", json={"query": query}, headers={"authorization": f"Bearer {words[TOKEN]}"})
    nodes = answer.json()["data"]["attendances"]
    assert nodes["totalCount"] == 3
    assert sorted(node["numberOfAttendees"] for node in nodes["nodes"]) == [0, 1, 2]
    site = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    assert await database.fetch_rows("SELECT 1 FROM attendance WHERE site_id = $1", [site], site) == []


@pytest.mark.parametrize(
    "text",
    [
        'Traceback (most recent call last): File "app/x", line 3, in run',
        'relation "attendance" does not exist',
        "syntax error at or near",
        "SELECT id FROM attendance",
        "invalid input syntax for type uuid",
        "could not connect to 10.0.0.7",
        "/usr/lib/python3.11/asyncio/tasks",
        "app.sql.pages.py",
        "KeyError: 'x'",
        "'NoneType' object has no attribute",
        "argument of type None",
        "asyncpg.exceptions.DataError",
    ],
)
def test_what_must_not_be_shown_would_be_seen(text: str) -> None:
    assert find_leaks(f'{{"errors": [{{"message": "{text}"}}]}}') != []


def test_the_corpus_is_large_enough_in_each_of_its_parts() -> None:
    assert len(CORPUS) >= 170
    assert all(len(cases) >= 20 for cases in GROUPS.values())
