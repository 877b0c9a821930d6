"""Values that are of the wrong kind, out of range, or meant for something else than GraphQL."""

from typing import Any

from tests.hostile.case import INPUT, INVALID, Case, ask, gets

FIRST = "query($v: Int) { attendances(first: $v) { totalCount nodes { id } } }"
LAST = "query($v: Int) { attendances(last: $v) { nodes { id } } }"
FILTER = "query($v: AttendanceFilter) { attendances(filter: $v) { totalCount } }"
ORDER = "query($v: [AttendanceOrder!]!) { attendances(orderBy: $v) { totalCount } }"
PERSPECTIVE = "query($v: AttendancePerspective) { attendances(perspective: $v) { totalCount } }"
IDS = "query($v: [ID!]!) { nodes(ids: $v) { id } }"
ENTITIES = "query($v: [_Any!]!) { _entities(representations: $v) { ... on Booking { id } } }"
SET = "mutation($v: AttendanceInput!) { setAttendance(input: $v) { attendance { id } } }"
BULK = "mutation($v: [AttendanceInput!]!) { bulkSetAttendance(input: $v) { totalSuccesses } }"
DELETE_ALL = "mutation($v: [ID!]!) { bulkDeleteAttendance(ids: $v) { totalSuccesses } }"
GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
SESSION = "{ attendances(filter: {sessionId: {eq: %s}}) { totalCount } }"
GOOD = {"bookingId": GUID, "sessionId": "s", "status": "ATTENDED", "numberOfAttendees": 1}
NONE = {"attendances": {"totalCount": 0}}


def refused(query: str, value: Any, argument: str, status: int = 400) -> Case:
    """A variable that cannot be coerced."""
    return ask(query, {"v": value}, **gets(status, INPUT, argument))


def failed(query: str, value: Any, *arguments: str) -> Case:
    """A variable that its type lets through, and its field does not."""
    return ask(query, {"v": value}, **gets(200, INPUT, *arguments))


VALUES = {
    "a size that is a text": refused(FIRST, "10", "first"),
    "a size that is true": ask(FIRST, {"v": True}, **gets(400, INPUT, "first")),
    "a size that is a fraction": refused(FIRST, 1.5, "first"),
    "a size beyond Int": refused(FIRST, 2**31, "first"),
    "a size beyond doubles": refused(FIRST, 1e308, "first"),
    "a size that is a list": refused(FIRST, [1], "first"),
    "a size that is an object": refused(FIRST, {"$gt": 0}, "first"),
    "a negative size": failed(FIRST, -1, "first"),
    "the smallest size": failed(FIRST, -(2**31), "first"),
    "a size above the limit": failed(FIRST, 101, "first"),
    "the largest size": failed(LAST, 2**31 - 1, "last"),
    "a negative size from the end": failed(LAST, -5, "last"),
    "both sizes": ask("{ attendances(first: 1, last: 1) { nodes { id } } }", **gets(200, INPUT, "last")),
    "a literal beyond Int": ask("{ attendances(first: 99999999999) { totalCount } }", **gets(400, INVALID, "first")),
    "a literal of 5,000 digits": ask(
        f"{{ attendances(first: {'9' * 5000}) {{ totalCount }} }}", **gets(400, INVALID, "first")
    ),
    "a literal of another kind": ask('{ attendances(first: "1") { totalCount } }', **gets(400, INVALID, "first")),
    "an enum in quotes": ask('{ attendances(orderBy: ["ID_ASC"]) { totalCount } }', **gets(400, INVALID, "orderBy.0")),
    "SQL for an order": refused(ORDER, ["ID_ASC; DROP TABLE attendance"], "orderBy.0"),
    "an order of another direction": refused(ORDER, ["STATUS_DESC"], "orderBy.0"),
    "an order that is null": refused(ORDER, [None], "orderBy.0"),
    "an order twice": failed(ORDER, ["STATUS_ASC", "STATUS_ASC"], "orderBy"),
    "an order of six": failed(ORDER, ["ID_ASC", "STATUS_ASC"] * 3, "orderBy"),
    "an order of 4,000": failed(ORDER, ["ID_ASC"] * 4000, "orderBy"),
    "two filters": refused(FILTER, {"status": {"eq": "ATTENDED"}, "id": {"eq": GUID}}, "filter"),
    "no filter": refused(FILTER, {}, "filter"),
    "a filter that is null": refused(FILTER, {"status": None}, "filter.status"),
    "two operators": refused(FILTER, {"numberOfAttendees": {"lt": 5, "gt": 1}}, "filter.numberOfAttendees"),
    "no operator": refused(FILTER, {"numberOfAttendees": {}}, "filter.numberOfAttendees"),
    "an operator of another database": refused(FILTER, {"numberOfAttendees": {"$ne": 1}}, "filter.numberOfAttendees"),
    "an operator that text has not": refused(FILTER, {"sessionId": {"like": "%"}}, "filter.sessionId"),
    "a property of the database": refused(FILTER, {"site_id": {"eq": GUID}}, "filter"),
    "a filter that is a text": refused(FILTER, "1=1", "filter"),
    "a status in lower case": refused(FILTER, {"status": {"eq": "attended"}}, "filter.status.eq"),
    "a status that is SQL": refused(FILTER, {"status": {"eq": "' OR '1'='1"}}, "filter.status.eq"),
    "a list with null": refused(FILTER, {"numberOfAttendees": {"in": [1, None]}}, "filter.numberOfAttendees.in.1"),
    "a list of lists": refused(FILTER, {"numberOfAttendees": {"in": [[1]]}}, "filter.numberOfAttendees.in.0"),
    "a list of 101": failed(FILTER, {"numberOfAttendees": {"in": list(range(101))}}, "filter.numberOfAttendees.in"),
    "a list of 4,000": failed(FILTER, {"sessionId": {"in": ["x"] * 4000}}, "filter.sessionId.in"),
    "a text with a NUL": failed(FILTER, {"sessionId": {"eq": "a\0b"}}, "filter.sessionId.eq"),
    "a text with a NUL in a list": failed(FILTER, {"sessionId": {"in": ["a", "\0"]}}, "filter.sessionId.in.1"),
    "a literal with a NUL": ask(SESSION % r'"\u0000"', **gets(200, INPUT, "filter.sessionId.eq")),
    "both perspectives": refused(PERSPECTIVE, {"bookingId": GUID, "sessionId": "s"}, "perspective"),
    "no perspective in it": refused(PERSPECTIVE, {}, "perspective"),
    "a perspective that is null": refused(PERSPECTIVE, {"bookingId": None}, "perspective.bookingId"),
    "a perspective with a NUL": failed(PERSPECTIVE, {"sessionId": "\0"}, "perspective.sessionId"),
    "SQL for a session": ask(SESSION % '"\' OR site_id IS NOT NULL --"', **gets(200, data=NONE)),
    "a statement for a session": ask(SESSION % '"x\'; DELETE FROM attendance; --"', **gets(200, data=NONE)),
    "a placeholder for a session": ask(SESSION % '"$1 {} %s {0.__class__}"', **gets(200, data=NONE)),
    "a pattern for a session": ask(SESSION % '"%"', **gets(200, data=NONE)),
    "a template for a session": ask(SESSION % '"${jndi:ldap://127.0.0.1/a}{{7*7}}"', **gets(200, data=NONE)),
    "a session of 100,000 characters": ask(
        "query($v: ID!) { attendances(filter: {sessionId: {eq: $v}}) { totalCount } }", {"v": "x" * 100_000},
        **gets(200, data=NONE),
    ),
    "an id for a site": ask('{ attendances(siteId: "x") { totalCount } }', **gets(400, INVALID, "siteId")),
    "more ids than 100": failed(IDS, [GUID] * 101, "ids"),
    "more ids than records may be": ask(IDS, {"v": [GUID] * 4999}, **gets(200, INPUT, "ids")),
    "ids that are null": refused(IDS, None, "ids"),
    "an id that is null among ids": refused(IDS, [GUID, None], "ids.1"),
    "an id that is an object": refused(IDS, [{"id": GUID}], "ids.0"),
    "a representation of no type": failed(ENTITIES, [{"id": GUID}], "representations.0.__typename"),
    "a representation of an unknown type": failed(
        ENTITIES, [{"__typename": "User", "id": GUID}], "representations.0.__typename"
    ),
    "a representation of a type of Python": failed(
        ENTITIES, [{"__typename": "__class__", "id": GUID}], "representations.0.__typename"
    ),
    "a representation whose type is a list": failed(
        ENTITIES, [{"__typename": ["Booking"], "id": GUID}], "representations.0.__typename"
    ),
    "a representation without a key": failed(ENTITIES, [{"__typename": "Booking"}], "representations.0.id"),
    "a representation whose key is a number": failed(
        ENTITIES, [{"__typename": "Booking", "id": 7}], "representations.0.id"
    ),
    "a representation whose key is an object": failed(
        ENTITIES, [{"__typename": "Attendance", "id": {"$ne": None}}], "representations.0.id"
    ),
    "representations of several types that are lists": failed(
        ENTITIES, [{"__typename": ["Booking"], "id": GUID}, {"__typename": {}, "id": GUID}],
        "representations.0.__typename", "representations.1.__typename",
    ),
    "a representation whose key has 5,000 digits": ask(
        f'{{ _entities(representations: [{{__typename: "Session", id: {"9" * 5000}}}]) {{ __typename }} }}',
        **gets(200, INPUT, "representations.0.id"),
    ),
    "a representation with a fraction of 5,000 digits": ask(
        f'{{ _entities(representations: [{{__typename: "Session", id: 1.{"9" * 5000}}}]) {{ __typename }} }}',
        **gets(200, INPUT, "representations.0.id"),
    ),
    "an id of 5,000 digits": ask(
        f'{{ attendance(id: {"9" * 5000}) {{ id }} }}', **gets(200, INPUT, "id")
    ),
    "a session of 5,000 digits": ask(SESSION % ("9" * 5000), **gets(200, data=NONE)),
    "a representation that is a text": failed(ENTITIES, ["Booking"], "representations.0.__typename"),
    "a session's representation with a NUL": failed(
        ENTITIES, [{"__typename": "Session", "id": "\0"}], "representations.0.id"
    ),
    "an empty session's representation": failed(
        ENTITIES, [{"__typename": "Session", "id": ""}], "representations.0.id"
    ),
    "a representation that is null": refused(ENTITIES, [None], "representations.0"),
    "more representations than 1,000": failed(ENTITIES, [1] * 1001, "representations"),
    "a negative number of attendees": failed(SET, GOOD | {"numberOfAttendees": -1}, "input.numberOfAttendees"),
    "attendees beyond Int": refused(SET, GOOD | {"numberOfAttendees": 2**31}, "input.numberOfAttendees"),
    "a booking that is no GUID": failed(SET, GOOD | {"bookingId": "x"}, "input.bookingId"),
    "an empty session to set": failed(SET, GOOD | {"sessionId": ""}, "input.sessionId"),
    "a session of 251 characters": failed(SET, GOOD | {"sessionId": "x" * 251}, "input.sessionId"),
    "a session with a NUL to set": failed(SET, GOOD | {"sessionId": "a\0"}, "input.sessionId"),
    "a status that is null": refused(SET, GOOD | {"status": None}, "input.status"),
    "a member too many": refused(SET, GOOD | {"siteId": GUID}, "input"),
    "a member too few": refused(SET, {"bookingId": GUID}, "input"),
    "no items": failed(BULK, [], "input"),
    "101 items": failed(BULK, [GOOD] * 101, "input"),
    "1,000 items": failed(BULK, [GOOD] * 999, "input"),
    "items that are texts": ask(BULK, {"v": ["x"] * 100}, **gets(400, INPUT, *(f"input.{n}" for n in range(5)), None)),
    "no ids to delete": failed(DELETE_ALL, [], "ids"),
    "101 ids to delete": failed(DELETE_ALL, [GUID] * 101, "ids"),
}  # fmt: skip
