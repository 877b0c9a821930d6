"""python ariadne_check.py URL EXPIRED_TOKEN TOKEN SESSION_ID IDS"""

import asyncio
import json
import sys

from attendance import Attendance, is_expired
from attendance_client import AttendanceInput, AttendanceStatus, GraphQLClientGraphQLMultiError, Record

url, expired, token, session_id, identifiers = sys.argv[1:]
ids = json.loads(identifiers)
current = [expired]


async def get_token(*, renew: bool) -> str:
    if renew:
        current.append(token)
    return current[-1]


async def list_all(client: Attendance) -> list[Record]:
    records, after = [], None
    while True:
        page = (await client.session_page(session_id, after)).attendances
        records += page.nodes
        after = page.page_info.end_cursor
        if not page.page_info.has_next_page:
            return records


async def read_code(client: Attendance, identifier: str) -> str:
    try:
        await client.delete(identifier)
    except GraphQLClientGraphQLMultiError as failure:
        return failure.errors[0].extensions["code"]
    raise AssertionError("it was deleted twice")


async def main() -> None:
    async with Attendance(url, get_token) as client:
        records = await list_all(client)
        assert [record.id for record in records] == ids
        assert current == [expired, token]
        begin = (await client.session_page(session_id)).attendances.changes_cursor

        given = AttendanceInput(
            booking_id=records[3].booking_id, session_id=session_id, status=AttendanceStatus.NOT_ATTENDED
        )
        changed = (await client.set_(given)).set_attendance.attendance
        assert (changed.id, changed.status) == (ids[3], AttendanceStatus.NOT_ATTENDED)
        assert changed.updated_at > records[3].updated_at
        await client.delete(ids[0])
        assert await read_code(client, ids[0]) == "ATTENDANCE_NOT_FOUND"

        changes = []
        async for batch in client.follow(session_id, begin):
            changes += [(change.kind.value, change.attendance_id) for change in batch.attendance_changes.changes]
            if len(changes) == 2:
                break
        assert changes == [("SET", ids[3]), ("DELETED", ids[0])]

        try:
            async for _ in client.follow(session_id, "not a cursor"):
                raise AssertionError("it was followed")
        except GraphQLClientGraphQLMultiError as failure:
            outcome = failure.errors[0].extensions["code"], is_expired(failure)
        assert outcome == ("CURSOR_INVALID", False)


asyncio.run(main())
