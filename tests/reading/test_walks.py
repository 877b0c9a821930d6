"""Walks through all pages, and what becomes of cursors when their rows do not stay."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.reading.test_oracle import ARGUMENTS, QUERY_ARGUMENTS, make_records
from tests.support.oracle import SORT_KEYS, Query, find_matching
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

WALK = f"""
query({ARGUMENTS}, $first: Int, $after: String, $last: Int, $before: String) {{
  attendances({QUERY_ARGUMENTS}, first: $first, after: $after, last: $last, before: $before) {{
    nodes {{ id }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
  }}
}}
"""
ORDERS = [*([name] for name in SORT_KEYS), ["STATUS_ASC", "NUMBER_OF_ATTENDEES_DESC", "SESSION_ID_ASC"], []]
QUERIES = [
    Query(None, None, []),
    Query(None, {"status": {"ne": "NOT_SET"}}, []),
    Query(None, {"numberOfAttendees": {"in": [0, 1, 2]}}, []),
    *(Query(None, None, order) for order in ORDERS),
]


async def walk(client: GraphQLClient, query: Query, size: int, *, forward: bool) -> list[str]:
    """The ids of all records, page by page, in the asked order."""
    ids: list[str] = []
    arguments: dict[str, Any] = {"first": size} if forward else {"last": size}
    while True:
        connection = (await client.data(WALK, **query.variables, **arguments))["attendances"]
        page, info = [node["id"] for node in connection["nodes"]], connection["pageInfo"]
        ids = ids + page if forward else page + ids
        if not info["hasNextPage" if forward else "hasPreviousPage"]:
            return ids
        arguments |= {"after": info["endCursor"]} if forward else {"before": info["startCursor"]}


@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
@pytest.mark.parametrize("size", [1, 7, 100])
async def test_a_walk_equals_the_sorted_list(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID, size: int, *, forward: bool
) -> None:
    records = make_records(5)
    await store(database, site_id, records)
    for query in QUERIES:
        expected = [str(record.id) for record in find_matching(records, query)]
        assert await walk(client, query, size, forward=forward) == expected, query


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
async def test_a_cursor_stays_valid_when_its_own_row_is_deleted_or_changed(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID, order: list[str]
) -> None:
    records = make_records(4)
    await store(database, site_id, records)
    query = Query(None, None, order)
    expected = [str(record.id) for record in find_matching(records, query)]
    first = (await client.data(WALK, **query.variables, first=8))["attendances"]
    cursor = first["pageInfo"]["endCursor"]

    async with database.connection(site_id) as connection:
        await connection.execute(
            "UPDATE attendance SET status = 'NOT_SET', number_of_attendees = 77 WHERE site_id = $1 AND id = $2",
            site_id,
            UUID(expected[7]),
        )
    after_change = (await client.data(WALK, **query.variables, first=100, after=cursor))["attendances"]
    assert [node["id"] for node in after_change["nodes"] if node["id"] != expected[7]] == expected[8:]

    async with database.connection(site_id) as connection:
        await connection.execute("DELETE FROM attendance WHERE site_id = $1 AND id = $2", site_id, UUID(expected[7]))
    following = (await client.data(WALK, **query.variables, first=100, after=cursor))["attendances"]
    preceding = (await client.data(WALK, **query.variables, last=100, before=cursor))["attendances"]
    assert [node["id"] for node in following["nodes"]] == expected[8:]
    assert [node["id"] for node in preceding["nodes"]] == expected[:7]
    assert following["pageInfo"]["hasPreviousPage"]
    assert preceding["pageInfo"]["hasNextPage"]


async def test_a_nested_connection_equals_that_of_its_perspective(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID
) -> None:
    await store(database, site_id, make_records(8))
    selection = "edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } "
    arguments = 'first: 2, orderBy: [NUMBER_OF_ATTENDEES_DESC], filter: {status: {ne: "NOT_SET"}}'.replace('"', "")
    connection = f"attendances({arguments}) {{ {selection} totalCount summary {{ attended attendanceRate }} }}"
    parents = f"booking {{ id {connection} }} session {{ id {connection} }}"
    nested = await client.data(f"{{ attendances {{ nodes {{ {parents} }} }} }}")
    for node in nested["attendances"]["nodes"]:
        for of in ("booking", "session"):
            rooted = connection.replace("(", f"(perspective: {{{of}Id: $id}}, ", 1)
            alone = await client.data(f"query($id: ID!) {{ {rooted} }}", id=node[of]["id"])
            assert node[of]["attendances"] == alone["attendances"]


async def test_a_cursor_of_a_nested_connection_continues_it_at_the_root_and_in_place(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID
) -> None:
    booking = uuid4()
    records = [Record(booking, f"session {n}") for n in range(5)]
    await store(database, site_id, records)
    ids = sorted(str(record.id) for record in records)
    nested = await client.data(
        "query($id: ID!) { attendance(id: $id) { booking { attendances(first: 2) { pageInfo { endCursor } } } } }",
        id=ids[0],
    )
    cursor = nested["attendance"]["booking"]["attendances"]["pageInfo"]["endCursor"]
    in_place = await client.data(
        "query($id: ID!, $after: String) "
        "{ attendance(id: $id) { booking { attendances(first: 2, after: $after) { nodes { id } } } } }",
        id=ids[0],
        after=cursor,
    )
    at_root = await client.data(
        "query($booking: ID!, $after: String) "
        "{ attendances(perspective: {bookingId: $booking}, first: 2, after: $after) { nodes { id } } }",
        booking=str(booking),
        after=cursor,
    )
    expected = [{"id": each} for each in ids[2:4]]
    assert in_place["attendance"]["booking"]["attendances"]["nodes"] == expected
    assert at_root["attendances"]["nodes"] == expected


async def test_the_default_cursor_is_short_and_url_safe(
    database: RecordingDatabase, reader_of: Callable[[UUID], GraphQLClient], site_id: UUID
) -> None:
    await store(database, site_id, [Record()])
    found = await reader_of(site_id).data("{ attendances { pageInfo { endCursor } } }")
    cursor = found["attendances"]["pageInfo"]["endCursor"]
    assert len(cursor) < 50
    assert cursor.replace("-", "").replace("_", "").isalnum()
