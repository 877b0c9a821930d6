"""What compiled operations write is JSON, whatever the records' texts and the document's names hold."""

from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest

from app.engine.writers import quote
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store
from tests.writing.test_odd_sessions import ODD_SESSIONS

PIECES = [*'"\\\b\f\n\r\t\x01\x1f\x7f\x80\u2028\u2029é中😀', "</script>", "\\u0000"]
TEXTS = 400
QUERY = """
query($after: String) {
  attendances(orderBy: [SESSION_ID_ASC], first: 100, after: $after) {
    edges { cursor node { sessionId session { id attendances(first: 1) { nodes { sessionId } } } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def make_texts() -> list[str]:
    """Texts of odd pieces and of any characters that Postgres holds."""
    chance = Random(5)
    any_character = [*range(1, 0xD800), *range(0xE000, 0x110000)]
    made = {"".join(chance.choices(PIECES, k=chance.randint(1, 20))) for _ in range(TEXTS // 2)}
    made |= {"".join(map(chr, chance.choices(any_character, k=chance.randint(1, 60)))) for _ in range(TEXTS // 2)}
    return sorted({*made, *ODD_SESSIONS.values()}, key=str.encode)


async def test_every_text_comes_back_as_it_is_through_pages_and_what_is_below_them(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    texts = make_texts()
    await store(database, site_id, [Record(session_id=text) for text in texts])
    found: list[Any] = []
    page: dict[str, Any] = {"pageInfo": {"hasNextPage": True, "endCursor": None}}
    while page["pageInfo"]["hasNextPage"]:
        page = (await client.data(QUERY, after=page["pageInfo"]["endCursor"]))["attendances"]
        found += page["edges"]
    assert [edge["node"]["sessionId"] for edge in found] == texts
    assert [edge["node"]["session"]["id"] for edge in found] == texts
    below = [edge["node"]["session"]["attendances"]["nodes"] for edge in found]
    assert below == [[{"sessionId": text}] for text in texts]


@pytest.mark.parametrize("name", ["class", "__proto__", "_", "a1", "None", "row", "page", "cursor", "str"])
async def test_aliases_are_names_whatever_they_mean_in_python(client: GraphQLClient, name: str) -> None:
    data = await client.data(f"{{ {name}: attendances {{ {name}: totalCount x: nodes {{ {name}: id }} }} }}")
    assert data == {name: {name: 0, "x": []}}


@pytest.mark.parametrize("name", ['a"', "a\\", "a b", "", "é", 'x": __import__("os"), "y'])
def test_nothing_but_a_name_gets_into_a_writer(name: str) -> None:
    with pytest.raises(ValueError, match="not a GraphQL name"):
        quote(name)


def test_quoted_names_are_json_and_python() -> None:
    assert orjson.loads(quote("bookingId")) == "bookingId"
