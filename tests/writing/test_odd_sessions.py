"""Session ids that are odd and legal: stored as they came, found by what was stored."""

import pytest

from tests.support.mutations import READ, Item, make_input, set_many, set_one
from tests.support.service import GraphQLClient

GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
ODD_SESSIONS = {
    "one character": "s",
    "quotes": """'single' "double" `back` ''""",
    "backslashes": r"\ \\ \n \u0041 \x41 \' \"",
    "an emoji": "😀",
    "a family of emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a line separator": "\u2028\u2029",
    "line feeds and tabs": "\r\n\t",
    "spaces around it": " a ",
    "a space alone": " ",
    "control characters": "\x01\x1f\x7f\x85",
    "no characters, officially": "\ufffe\uffff\ufdd0",
    "the last character": "\U0010ffff",
    "a byte order mark": "\ufeff",
    "writing from right to left": "\u202e\u05e9\u05dc\u05d5\u05dd\u202c",
    "250 characters": "s" * 250,
    "250 characters of 4 bytes": "😀" * 250,
    "250 quotes": '"' * 250,
    "SQL": "'); DROP TABLE attendance; --",
    "a parameter": "$1",
    "placeholders": "{} %s %(x)s :x ?",
    "an array": '{"a",NULL}',
    "null": "null",
    "NULL": "NULL",
    "a number": "007",
    "a GUID": GUID,
    "a path": "../../etc/passwd",
    "JSON": '{"sessionId": null}',
}


@pytest.mark.parametrize("case", ODD_SESSIONS)
async def test_an_odd_session_is_stored_and_found_as_it_came(client: GraphQLClient, case: str) -> None:
    item = make_input(sessionId=ODD_SESSIONS[case])
    record = await set_one(client, item)
    assert {name: record[name] for name in item} == item
    assert (await client.data(READ, id=record["id"]))["attendance"] == record
    [found] = (await set_many(client, [item]))["results"]
    assert found["attendance"] == record
    query = "query($id: ID!) { attendances(perspective: {sessionId: $id}) { nodes { id sessionId } } }"
    assert (await client.data(query, id=item["sessionId"]))["attendances"]["nodes"] == [
        {"id": record["id"], "sessionId": item["sessionId"]}
    ]


async def test_sessions_that_look_alike_are_records_of_their_own(client: GraphQLClient) -> None:
    alike = ["caf\u00e9", "cafe\u0301", "CAF\u00c9", "cafe", "cafe ", "7", "07"]
    items = [make_input(bookingId=GUID, sessionId=session) for session in alike]
    payload = await set_many(client, items)
    assert len({result["attendance"]["id"] for result in payload["results"]}) == len(alike)
    assert [result["attendance"]["sessionId"] for result in payload["results"]] == alike


async def test_a_session_may_be_given_as_a_number(client: GraphQLClient) -> None:
    item: Item = make_input(sessionId=7)
    assert await set_one(client, item) == await set_one(client, {**item, "sessionId": "7"})
