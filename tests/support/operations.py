"""A wide set of reading operations, which together send every statement that reading can send."""

from collections.abc import Sequence
from uuid import uuid4

from tests.support.service import GraphQLClient, Record

RECORD = "id bookingId sessionId status numberOfAttendees createdAt updatedAt"
FLAGS = "hasNextPage hasPreviousPage"
PAGE = f"edges {{ cursor node {{ {RECORD} }} }} pageInfo {{ {FLAGS} startCursor endCursor }}"
TOTALS = "totalCount summary { total attended notAttended notSet numberOfAttendees attendanceRate }"
ENTITY = (
    f"... on Attendance {{ {RECORD} }} "
    f"... on Booking {{ id attendances(first: 3) {{ {PAGE} {TOTALS} }} }} "
    f"... on Session {{ id attendances(last: 3) {{ {PAGE} {TOTALS} }} }}"
)
SELECTIONS = (PAGE, f"nodes {{ id }} {TOTALS}")
SELECTIONS_OF_PAGES = (f"{PAGE} totalCount", f"pageInfo {{ {FLAGS} }}")
ORDERS = (
    "[ID_ASC]",
    "[BOOKING_ID_ASC]",
    "[SESSION_ID_ASC]",
    "[STATUS_ASC]",
    "[NUMBER_OF_ATTENDEES_ASC]",
    "[NUMBER_OF_ATTENDEES_DESC]",
    "[STATUS_ASC, NUMBER_OF_ATTENDEES_DESC, SESSION_ID_ASC]",
)
CONNECTIONS = (
    "{ attendances%s { %s } }",
    "{ attendances(first: 3) { nodes { id booking { id attendances%s { %s } } } } }",
    "{ attendances(first: 3) { nodes { id session { id attendances%s { %s } } } } }",
)


def list_filters(records: Sequence[Record]) -> list[str]:
    """Each property with each of its operators, by values of the records."""
    one, two = records[:2]
    values = {
        "id": [f'"{record.id}"' for record in (one, two)],
        "bookingId": [f'"{record.booking_id}"' for record in (one, two)],
        "sessionId": [f'"{record.session_id}"' for record in (one, two)],
        "status": ["ATTENDED", "NOT_ATTENDED"],
        "numberOfAttendees": ["1", "2"],
    }
    filters = [f"{of}: {{{operator}: {given[0]}}}" for of, given in values.items() for operator in ("eq", "ne")]
    filters += [f"{of}: {{in: [{', '.join(given)}]}}" for of, given in values.items()]
    filters += [f"numberOfAttendees: {{{operator}: 1}}" for operator in ("lt", "le", "gt", "ge")]
    return [f"filter: {{{condition}}}" for condition in filters]


def list_scopes(records: Sequence[Record]) -> list[str]:
    """The arguments that choose records and their order."""
    perspectives = list_perspectives(records)
    orders = [f"orderBy: {order}" for order in ORDERS]
    filters = list_filters(records)
    both = [join(perspective, condition) for perspective in perspectives for condition in filters[::5]]
    return ["", *orders, *filters, *perspectives, *both, join(perspectives[0], orders[3], filters[8])]


def list_perspectives(records: Sequence[Record]) -> list[str]:
    """The perspective of the first record's booking, and that of its session."""
    return [
        f'perspective: {{bookingId: "{records[0].booking_id}"}}',
        f'perspective: {{sessionId: "{records[0].session_id}"}}',
    ]


def list_representations(records: Sequence[Record]) -> list[str]:
    """Records, bookings and sessions as gateways name them; the last are all of them at once."""
    representations = [
        f'{{__typename: "{kind}", id: "{key}"}}'
        for record in records[:2]
        for kind, key in (("Attendance", record.id), ("Booking", record.booking_id), ("Session", record.session_id))
    ]
    return [*representations, ", ".join(representations)]


def list_lookups(records: Sequence[Record]) -> list[str]:
    """Records by their ids, and by ids that nobody has."""
    one, two = (f'"{record.id}"' for record in records[:2])
    return [
        f"{{ attendance(id: {one}) {{ {RECORD} booking {{ id }} session {{ id }} }} }}",
        f"{{ node(id: {one}) {{ __typename id ... on Attendance {{ {RECORD} }} }} }}",
        f'{{ nodes(ids: [{two}, "{uuid4()}", {one}]) {{ id ... on Attendance {{ {RECORD} }} }} }}',
        f"{{ attendance(id: {one}) {{ id booking {{ attendances {{ {PAGE} {TOTALS} }} }} }} }}",
        *(f"{{ _entities(representations: [{each}]) {{ {ENTITY} }} }}" for each in list_representations(records)),
        f"{{ attendance(id: {one}) {{ id session {{ attendances {{ {PAGE} {TOTALS} }} }} }} }}",
        f"{{ attendances(first: 2) {{ nodes {{ id booking {{ attendances(first: 2) {{ nodes {{ session {{ "
        f"attendances(last: 2) {{ {PAGE} {TOTALS} }} }} }} }} }} }} }} }}",
    ]


async def list_absences(client: GraphQLClient) -> list[str]:
    """Absences of bookings and of sessions, whole and in pages, with all of their parts and with few."""
    below = "booking { id attendances(first: 2) { nodes { id } } } session { id attendances(last: 1) { totalCount } }"
    figures = "summary { total attended notAttended notSet numberOfAttendees attendanceRate }"
    page = f"edges {{ cursor node {{ missedShare {below} {figures} }} }} pageInfo {{ {FLAGS} endCursor }} totalCount"
    operations = []
    for by in ("BOOKING", "SESSION"):
        scope = f"by: {by}, minimumRecorded: 1, minimumMissedShare: 0"
        data = await client.data(f"{{ absences({scope}) {{ edges {{ cursor }} }} }}")
        cursors = [edge["cursor"] for edge in data["absences"]["edges"]]
        after, before = f'after: "{cursors[0]}"', f'before: "{cursors[-1]}"'
        scopes = [f"by: {by}", scope]
        scopes += [join(scope, size, *ends) for size in ("first: 1", "last: 1") for ends in ([after], [after, before])]
        selections = (page, "nodes { missedShare }", "totalCount", f"pageInfo {{ {FLAGS} }}")
        operations += [f"{{ absences({each}) {{ {selection} }} }}" for each in scopes for selection in selections]
    return operations


async def list_operations(client: GraphQLClient, records: Sequence[Record]) -> list[str]:
    """The operations of a caller who sees the records, with cursors of the caller's own."""
    operations = [*list_lookups(records), *await list_absences(client)]
    for position, scope in enumerate(list_scopes(records)):
        places = CONNECTIONS if position % 3 == 0 and "perspective" not in scope else CONNECTIONS[:1]
        arguments = f"({scope})" if scope else ""
        operations += [place % (arguments, selection) for place in places for selection in SELECTIONS]
        pages = [join(scope, page) for page in await turn_pages(client, scope)]
        operations += [CONNECTIONS[0] % (f"({page})", selection) for page in pages for selection in SELECTIONS_OF_PAGES]
    for field, scope in zip(("booking", "session"), list_perspectives(records), strict=True):
        parent = f'{{ attendance(id: "{records[0].id}") {{ id {field} {{ attendances(%s) {{ %s }} }} }} }}'
        pages = await turn_pages(client, scope)
        operations += [parent % (page, selection) for page in pages for selection in SELECTIONS_OF_PAGES]
    return operations


async def turn_pages(client: GraphQLClient, scope: str) -> list[str]:
    """The page arguments that lead on from the scope's first and last records; none where it has but two."""
    data = await client.data(f"{{ attendances({join(scope, 'first: 100')}) {{ edges {{ cursor }} }} }}")
    cursors = [edge["cursor"] for edge in data["attendances"]["edges"]]
    if len(cursors) < 3:
        return []
    after, before = f'after: "{cursors[0]}"', f'before: "{cursors[-1]}"'
    return [
        join("first: 2", after),
        join("last: 2", before),
        join("first: 1", after, before),
        join("last: 2", after),
    ]


def join(*arguments: str) -> str:
    return ", ".join(argument for argument in arguments if argument)
