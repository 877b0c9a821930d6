"""Two sites in one database: what the token of one can reach of the other."""

import asyncio
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.support.operations import PAGE, TOTALS
from tests.support.service import READ_SCOPE, GraphQLClient, Record, RecordingDatabase, make_token, store, without_id
from tests.support.sites import BOOKINGS, SESSIONS, Site, make_records, settle

MISSING = UUID("3f0c1f5e-0000-4000-8000-000000000000")
BY_ID = {
    "attendance": '{ attendance(id: "%s") { id status booking { attendances { totalCount } } } }',
    "node": '{ node(id: "%s") { id ... on Attendance { status } } }',
    "nodes": '{ nodes(ids: ["%s"]) { id } }',
    "an entity": '{ _entities(representations: [{__typename: "Attendance", id: "%s"}]) { ... on Attendance { id } } }',
    "a filter": '{ attendances(filter: {id: {eq: "%s"}}) { ' + PAGE + TOTALS + " } }",
    "a list": '{ attendances(filter: {id: {in: ["%s"]}}) { ' + PAGE + TOTALS + " } }",
}
BY_BOOKING = {
    "a perspective": '{ attendances(perspective: {bookingId: "%s"}) { ' + PAGE + TOTALS + " } }",
    "a filter": '{ attendances(filter: {bookingId: {eq: "%s"}}) { ' + PAGE + TOTALS + " } }",
}
BY_SESSION = {
    "a perspective": '{ attendances(perspective: {sessionId: "%s"}) { ' + PAGE + TOTALS + " } }",
    "a filter": '{ attendances(filter: {sessionId: {eq: "%s"}}) { ' + PAGE + TOTALS + " } }",
}
FOREIGN = Record(uuid4(), "a session of one site alone")
LOOKUPS = [
    *((f"id by {way}", query, FOREIGN.id, MISSING) for way, query in BY_ID.items()),
    *((f"booking by {way}", query, FOREIGN.booking_id, MISSING) for way, query in BY_BOOKING.items()),
    *((f"session by {way}", query, FOREIGN.session_id, "a session of nobody") for way, query in BY_SESSION.items()),
]


@pytest.fixture(scope="module")
async def sites(database: RecordingDatabase, http: httpx2.AsyncClient) -> list[Site]:
    """Two sites, of which the second alone has the record that is foreign to the first."""
    first, second = await settle(database, http), await settle(database, http)
    await store(database, second.id, [FOREIGN])
    return [first, second]


async def test_nothing_of_another_site_is_reached_by_its_ids_or_its_cursors(sites: list[Site]) -> None:
    own, foreign = sites
    shown = 0
    for operation in foreign.operations:
        shown += foreign.is_shown_in((await foreign.reader.post(operation)).text)
        answer = await own.reader.post(operation)
        assert "errors" not in answer.json(), (operation, answer.text)
        assert not foreign.is_shown_in(answer.text), operation
    assert shown > len(foreign.operations) / 3  # or the ids would prove nothing


async def test_the_answers_of_a_site_stay_the_same_whatever_another_site_holds(
    database: RecordingDatabase, sites: list[Site]
) -> None:
    own = sites[0]
    before = [(await own.reader.post(operation)).content for operation in own.operations]
    await store(database, uuid4(), make_records())
    after = [(await own.reader.post(operation)).content for operation in own.operations]
    assert before == after


async def test_a_cursor_of_another_site_leads_to_the_own_records_behind_it(sites: list[Site]) -> None:
    own, foreign = sites
    cursors = await foreign.reader.data("{ attendances { edges { cursor node { id } } } }")
    ids = sorted(record.id for record in own.records)
    for edge in cursors["attendances"]["edges"]:
        found = await own.reader.data(f'{{ attendances(after: "{edge["cursor"]}") {{ nodes {{ id }} }} }}')
        expected = [str(id_) for id_ in ids if id_ > UUID(edge["node"]["id"])]
        assert [node["id"] for node in found["attendances"]["nodes"]] == expected


@pytest.mark.parametrize(
    ("query", "foreign", "missing"), [case[1:] for case in LOOKUPS], ids=[case[0] for case in LOOKUPS]
)
async def test_what_another_site_holds_and_what_nobody_holds_get_the_same_bytes(
    database: RecordingDatabase, sites: list[Site], query: str, foreign: object, missing: object
) -> None:
    answers, costs = [], []
    for value in (foreign, missing):
        with database.recording() as sent:
            answers.append(await sites[0].reader.post(query % value))
        costs.append([statement.text for statement in sent])
    assert answers[0].content == answers[1].content
    assert answers[0].status_code == answers[1].status_code == 200
    assert without_id(answers[0].headers) == without_id(answers[1].headers)
    assert costs[0] == costs[1] != []


async def test_each_site_has_its_own_record_of_the_same_booking_and_session(sites: list[Site]) -> None:
    query = (
        '{ attendances(perspective: {bookingId: "%s"}, filter: {sessionId: {eq: "%s"}}) { nodes { id } totalCount } }'
    )
    for site in sites:
        for record in site.records:
            connection = (await site.reader.data(query % (record.booking_id, record.session_id)))["attendances"]
            assert connection == {"nodes": [{"id": str(record.id)}], "totalCount": 1}


async def test_sites_that_ask_at_once_each_get_their_own(sites: list[Site]) -> None:
    async def ask(site: Site, operation: str) -> None:
        text = (await site.reader.post(operation)).text
        assert not any(other.is_shown_in(text) for other in sites if other is not site)

    await asyncio.gather(*(ask(site, operation) for site in sites for operation in site.operations[::3]))


async def test_a_token_for_a_site_that_holds_nothing_reaches_nothing(
    http: httpx2.AsyncClient, sites: list[Site], site_id: UUID
) -> None:
    stranger = GraphQLClient(http, make_token(site_id, READ_SCOPE))
    for operation in sites[0].operations:
        text = (await stranger.post(operation)).text
        assert not sites[0].is_shown_in(text)
        if "_entities" not in operation:  # which echo the ids that they are given
            assert not any(str(value) in text for value in (*BOOKINGS, *SESSIONS))
