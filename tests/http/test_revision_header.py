"""`X-Attendance-Revision`: what each answer tells of it, and what a request may send."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.support.mutations import BULK_DELETE, BULK_SET, COUNT, DELETE, SET, make_input
from tests.support.revisions import read_counter
from tests.support.service import GraphQLClient, RecordingDatabase

HEADER = "X-Attendance-Revision"
TWO_SETS = """mutation Set($input: AttendanceInput!) {
  first: setAttendance(input: $input) { attendance { id } }
  second: setAttendance(input: $input) { attendance { id } }
}"""
SET_AND_MISS = """mutation Set($input: AttendanceInput!, $id: ID!) {
  set: setAttendance(input: $input) { attendance { id } }
  miss: deleteAttendance(id: $id) { deletedId }
}"""


async def test_each_mutation_tells_the_revision_that_it_has_made(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    async def write(query: str, **variables: Any) -> Any:
        answer = await client.post(query, variables)
        assert answer.headers[HEADER] == str((await read_counter(database, site_id))[0])
        return answer.json()["data"]

    first = (await write(SET, input=make_input()))["setAttendance"]["attendance"]["id"]
    repeated = make_input()
    await write(SET, input=repeated)
    await write(SET, input=repeated)
    await write(BULK_SET, input=[make_input() for _ in range(3)])
    await write(TWO_SETS, input=make_input())
    await write(DELETE, id=first)
    second = (await write(SET, input=make_input()))["setAttendance"]["attendance"]["id"]
    await write(BULK_DELETE, ids=[second, str(uuid4())])


async def test_a_mutation_that_fails_in_part_tells_the_revision_of_what_it_has_written(client: GraphQLClient) -> None:
    answer = await client.post(SET_AND_MISS, {"input": make_input(), "id": str(uuid4())})
    assert [error["path"] for error in answer.json()["errors"]] == [["miss"]]
    assert answer.headers[HEADER] == "1"


async def test_an_answer_that_has_written_nothing_tells_none(client: GraphQLClient) -> None:
    answers = [
        await client.post(COUNT),
        await client.post(DELETE, {"id": str(uuid4())}),
        await client.post(SET, {"input": {**make_input(), "bookingId": "no GUID"}}),
    ]
    assert [HEADER in answer.headers for answer in answers] == [False] * 3


async def test_who_asks_for_the_cost_is_told_the_revision_in_the_body(client: GraphQLClient) -> None:
    asking = {"X-Attendance-Cost": "1"}
    written = await client.post(SET, {"input": make_input()}, **asking)
    assert written.json()["extensions"]["revision"] == int(written.headers[HEADER])
    assert "revision" not in (await client.post(COUNT, **asking)).json()["extensions"]


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", "text/event-stream"])
async def test_the_revision_is_told_in_every_media_type(client: GraphQLClient, accept: str) -> None:
    assert int((await client.post(SET, {"input": make_input()}, Accept=accept)).headers[HEADER]) == 1


@pytest.mark.parametrize("given", ["0", "7", "007", " 7 ", str(2**63 - 1)])
async def test_a_query_may_name_any_revision(client: GraphQLClient, given: str) -> None:
    assert (await client.post(COUNT, **{HEADER: given})).json() == {"data": {"attendances": {"totalCount": 0}}}


@pytest.mark.parametrize("given", ["", "x", "-1", "+1", "1.0", "1e3", "0x1", "7, 8", "7\x0b", str(2**63), "9" * 5000])
@pytest.mark.parametrize("query", [COUNT, SET])
async def test_a_malformed_revision_is_refused(client: GraphQLClient, given: str, query: str) -> None:
    answer = await client.post(query, {"input": make_input()}, **{HEADER: given})
    assert answer.status_code == 400
    assert HEADER not in answer.headers
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": HEADER}
    assert error["message"].startswith("`X-Attendance-Revision` must be one whole number")


async def test_two_revisions_are_refused(client: GraphQLClient, http: httpx2.AsyncClient) -> None:
    headers = [*client.headers.items(), (HEADER, "1"), (HEADER, "2")]
    assert (await http.post("/graphql", json={"query": COUNT}, headers=headers)).status_code == 400
