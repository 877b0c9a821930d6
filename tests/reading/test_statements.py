"""How many statements an operation costs."""

from uuid import UUID, uuid4

from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

PAGE = "edges { cursor node { id status } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
TOTALS = "totalCount summary { attended attendanceRate numberOfAttendees }"


async def count_statements(database: RecordingDatabase, client: GraphQLClient, query: str) -> int:
    with database.recording() as sent:
        await client.data(query)
    return len(sent)


async def test_each_selection_costs_its_own_statements_and_no_more(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID
) -> None:
    bookings = [uuid4() for _ in range(7)]
    await store(database, site_id, [Record(booking, f"session {n}") for booking in bookings for n in range(3)])
    nested = "booking { id attendances(first: 2) { %s } }"
    costs = {
        f"{{ attendances {{ {PAGE} }} }}": 1,
        f"{{ attendances {{ {TOTALS} }} }}": 1,
        f"{{ attendances {{ {PAGE} {TOTALS} }} }}": 2,
        "{ attendances { __typename } }": 0,
        "{ attendances(first: 0) { edges { cursor } } }": 0,
        "{ attendances { pageInfo { hasPreviousPage } } }": 0,
        "{ attendances(filter: {status: {in: []}}) { nodes { id } totalCount } }": 0,
        f"{{ attendances {{ nodes {{ {nested % PAGE} }} }} }}": 2,
        f"{{ attendances {{ nodes {{ {nested % (PAGE + TOTALS)} }} }} }}": 2,
        f"{{ attendances {{ nodes {{ {nested % 'nodes { session { attendances { nodes { id } } } }'} }} }} }}": 3,
        "{ attendances { nodes { booking { a: attendances(first: 1) { nodes { id } } "
        "b: attendances(last: 1) { nodes { id } } } } } }": 3,
        "{ a: attendances { nodes { booking { id } session { id } } } }": 1,
    }
    assert {query: await count_statements(database, client, query) for query in costs} == costs


async def test_records_asked_for_by_id_are_read_together(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID
) -> None:
    records = [Record(session_id=f"session {n}") for n in range(3)]
    await store(database, site_id, records)
    first, second, third = (str(record.id) for record in records)
    query = (
        f'{{ a: attendance(id: "{first}") {{ status }} b: node(id: "{second}") {{ id }} '
        f'c: nodes(ids: ["{third}", "{first}"]) {{ id }} }}'
    )
    assert await count_statements(database, client, query) == 1
    assert (await client.data(query))["c"] == [{"id": third}, {"id": first}]
