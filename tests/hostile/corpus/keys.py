"""Ids and cursors that are malformed, foreign, or made up."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace

from tests.hostile.case import CURSOR, FOREIGN, INPUT, OTHER_CURSOR, RECORD, ask, gets

GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
NO_GUIDS = {
    "nothing for an id": "",
    "a word for an id": "x",
    "a number for an id": 7,
    "a digit too few": GUID[:-1],
    "a digit too many": GUID + "0",
    "an id in braces": f"{{{GUID}}}",
    "an id without hyphens": GUID.replace("-", ""),
    "an id as a URN": f"urn:uuid:{GUID}",
    "an id in full-width digits": GUID.replace("0", "\uff10"),
    "an id with a line feed": GUID + "\n",
    "an id with spaces": f" {GUID} ",
    "an id with a NUL": GUID[:-1] + "\0",
    "an id with letters beyond f": GUID.replace("a", "g"),
    "SQL for an id": "' OR site_id IS NOT NULL --",
    "a path for an id": "../../../../etc/passwd",
    "a format for an id": "%s%s%s%n{0.__class__.__mro__}",
    "an id of 200,000 digits": "0" * 200_000,
    "a global id": urlsafe_b64encode(f"Attendance:{GUID}".encode()).decode(),
}
PLACES = {
    "id": "query($v: ID!) { attendance(id: $v) { id } }",
    "filter.id.eq": "query($v: ID!) { attendances(filter: {id: {eq: $v}}) { totalCount } }",
    "perspective.bookingId": "query($v: ID!) { attendances(perspective: {bookingId: $v}) { totalCount } }",
}
ATTENDANCE = "query($v: ID!) { attendance(id: $v) { id } }"
DELETE = "mutation($v: ID!) { deleteAttendance(id: $v) { deletedId } }"
IDS = {
    **{
        name: ask(list(PLACES.values())[n % 3], {"v": value}, **gets(200, INPUT, list(PLACES)[n % 3]))
        for n, (name, value) in enumerate(NO_GUIDS.items())
    },
    "a word for an id to delete": ask(DELETE, {"v": "x"}, **gets(200, INPUT, "id")),
    "an id to delete that nobody has": ask(DELETE, {"v": GUID}, **gets(200, "ATTENDANCE_NOT_FOUND", "id")),
    "another site's record to delete": ask(DELETE, {"v": FOREIGN}, **gets(200, "ATTENDANCE_NOT_FOUND", "id")),
    "an id that nobody has": ask(ATTENDANCE, {"v": GUID}, **gets(200, data={"attendance": None})),
    "another site's record": ask(ATTENDANCE, {"v": FOREIGN}, **gets(200, data={"attendance": None})),
    "another site's record as a node": ask(
        "query($v: ID!) { node(id: $v) { id } nodes(ids: [$v]) { id } }", {"v": FOREIGN},
        **gets(200, data={"node": None, "nodes": [None]}),
    ),
    "another site's record as an entity": ask(
        "query($v: ID!) { _entities(representations: [{__typename: \"Attendance\", id: $v}]) { __typename } }",
        {"v": FOREIGN}, **gets(200, data={"_entities": [None]}),
    ),
    "another site's record by a filter": ask(
        "query($v: ID!) { attendances(filter: {id: {eq: $v}}) { totalCount nodes { id } summary { total } } }",
        {"v": FOREIGN}, **gets(200, data={"attendances": {"totalCount": 0, "nodes": [], "summary": {"total": 0}}}),
    ),
    "an own record in capitals": ask(
        "query($v: ID!) { attendances(filter: {id: {ne: $v}}, first: 0) { nodes { id } } }", {"v": RECORD},
        **gets(200, data={"attendances": {"nodes": []}}),
    ),
}  # fmt: skip

AFTER = "query($v: String) { attendances(after: $v, first: 5) { nodes { id } } }"
BEFORE = "query($v: String) { attendances(before: $v, last: 5) { nodes { id } } }"
OF_BOOKING = "query($v: String) { attendances(after: $v, filter: {status: {eq: ATTENDED}}) { nodes { id } } }"
BY_NUMBER = "query($v: String) { attendances(after: $v, orderBy: [NUMBER_OF_ATTENDEES_DESC]) { nodes { id } } }"
BROKEN = gets(200, "CURSOR_INVALID", "after")
MADE_UP = {
    "an empty cursor": "",
    "a word for a cursor": "x",
    "spaces for a cursor": "    ",
    "an offset for a cursor": urlsafe_b64encode(b"arrayconnection:10").decode(),
    "JSON for a cursor": urlsafe_b64encode(b'{"id": null, "site_id": null}').decode(),
    "a pickle for a cursor": urlsafe_b64encode(b"cposix\nsystem\n(S'id'\ntR.").decode(),
    "SQL for a cursor": "' OR site_id IS NOT NULL --",
    "zeros for a cursor": urlsafe_b64encode(bytes(40)).decode(),
    "ones for a cursor": urlsafe_b64encode(b"\xff" * 40).decode(),
    "a version that is unknown": urlsafe_b64encode(b"\x63" + bytes(30)).decode().rstrip("="),
    "a cursor of 200,000 letters": "A" * 200_000,
    "a cursor in another script": "\u0431" * 40,
    "a cursor with a NUL": "A\0" * 20,
    "a GUID for a cursor": GUID,
}
DAMAGES: dict[str, Callable[[str], str]] = {
    "a cursor cut short": lambda text: text[:-1],
    "half a cursor": lambda text: text[: len(text) // 2],
    "a cursor with a letter more": lambda text: text + "A",
    "a cursor with padding": lambda text: text + "=",
    "a cursor twice": lambda text: text * 2,
    "a cursor in a line": lambda text: text + "\n",
    "a cursor in capitals": lambda text: text.upper(),
    "a cursor backwards": lambda text: text[::-1],
    "a cursor with another end": lambda text: text[:-6] + "AAAAAA",
    "a cursor with another middle": lambda text: text[:20] + "AAAA" + text[24:],
}
CURSORS = {
    **{name: ask(AFTER, {"v": text}, **BROKEN) for name, text in MADE_UP.items()},
    **{name: replace(ask(AFTER, {"v": CURSOR}, **BROKEN), damage=damage) for name, damage in DAMAGES.items()},
    "a broken cursor from behind": ask(BEFORE, {"v": "x"}, **gets(200, "CURSOR_INVALID", "before")),
    "a cursor that is a number": ask(AFTER, {"v": 5}, **gets(400, INPUT, "after")),
    "a cursor that is a list": ask(AFTER, {"v": [CURSOR]}, **gets(400, INPUT, "after")),
    "a cursor of no filter with one": ask(OF_BOOKING, {"v": CURSOR}, **gets(200, "CURSOR_MISMATCH", "after")),
    "a cursor of another order": ask(BY_NUMBER, {"v": CURSOR}, **gets(200, "CURSOR_MISMATCH", "after")),
    "a cursor of another perspective": ask(AFTER, {"v": OTHER_CURSOR}, **gets(200, "CURSOR_MISMATCH", "after")),
    "a cursor of another perspective from behind": ask(
        BEFORE, {"v": OTHER_CURSOR}, **gets(200, "CURSOR_MISMATCH", "before")
    ),
}
