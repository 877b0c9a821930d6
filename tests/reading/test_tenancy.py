"""Two sites in one database: what the token of one can reach of the other."""

import asyncio
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.support.operations import PAGE, TOTALS
from tests.support.service import GraphQLClient, Record, RecordingDatabase, make_token, store
from tests.support.sites import BOOKINGS, SESSIONS, Site, make_records, settle

MISSING = UUID("3f0c1f5e-0000-4000-8000-000000000000")


@pytest.fixture(scope="module")
async def sites(database: RecordingDatabase, http: httpx2.AsyncClient) -> list[Site]:
    return [await settle(database, http), await settle(database, http)]


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


NAMED_BY_ID = {
    "attendance": "{{ attendance(id: {}) {{ id status booking {{ attendances {{ totalCount }} }} }} }}",
    "node": "{{ node(id: {}) {{ id ... on Attendance {{ status }} }} }}",
    "nodes": "{{ nodes(ids: [{}, {}]) {{ id }} }}",
    "a filter": f"{{{{ attendances(filter: {{{{id: {{{{eq: {{}}}}}}}}}}}}) {{{{ {PAGE} {TOTALS} }}}} }}}}".replace(
        "{{{{", "{{"
    ).replace("}}}}", "}}"),
}
