"""The hand-written endpoint: plain ASGI, asyncpg and orjson, one function for each case, and the same bytes.

No GraphQL, no tokens, no row security, no limits: what is left when everything but the work is left out.
"""

import os
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zlib import crc32

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from app.plan.cursor import plan_cursors
from app.plan.order import DEFAULT_ORDER
from benchmarks.data import SITES

SITE = SITES[0]
HEAD = plan_cursors(DEFAULT_ORDER, None, None)
PAGE = """
SELECT id, id::text AS id_text, booking_id::text, session_id, status, number_of_attendees
FROM attendance WHERE site_id = $1 ORDER BY id LIMIT 51
"""
RECORD = """
SELECT id::text, booking_id::text, session_id, status, number_of_attendees
FROM attendance WHERE site_id = $1 AND id = $2
"""
ENTITIES = """
SELECT wanted.position, page.*
FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (id, position)
CROSS JOIN LATERAL (
    SELECT id::text, session_id, status FROM attendance
    WHERE site_id = $1 AND booking_id = wanted.id ORDER BY attendance.id LIMIT 10
) AS page
"""
BULK = """
INSERT INTO attendance AS stored
    (site_id, id, booking_id, session_id, status, number_of_attendees, created_at, updated_at)
SELECT $1, item.id, item.booking_id, item.session_id, item.status, item.number_of_attendees, $2, $2
FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::integer[])
    AS item (id, booking_id, session_id, status, number_of_attendees)
ORDER BY item.booking_id, item.session_id
ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
SET status = excluded.status, number_of_attendees = excluded.number_of_attendees, updated_at = excluded.updated_at
RETURNING id::text, booking_id::text, session_id, status
"""

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


def write_cursor(record_id: UUID) -> str:
    tail = record_id.bytes
    checksum = crc32(tail, HEAD.head_checksum).to_bytes(4)
    return HEAD.head_text + urlsafe_b64encode(tail + checksum).decode().rstrip("=")


async def read_page(pool: asyncpg.Pool, _body: bytes) -> dict[str, Any]:
    rows = await pool.fetch(PAGE, SITE)
    edges = [
        {
            "cursor": write_cursor(row[0]),
            "node": {
                "id": row[1],
                "bookingId": row[2],
                "sessionId": row[3],
                "status": row[4],
                "numberOfAttendees": row[5],
            },
        }
        for row in rows[:50]
    ]
    info = {"hasNextPage": len(rows) > 50, "endCursor": edges[-1]["cursor"]}
    return {"attendances": {"edges": edges, "pageInfo": info}}


async def read_record(pool: asyncpg.Pool, body: bytes) -> dict[str, Any]:
    record = await pool.fetchrow(RECORD, SITE, orjson.loads(body)["id"])
    names = ("id", "bookingId", "sessionId", "status", "numberOfAttendees")
    return {"attendance": dict(zip(names, record, strict=True))}


async def read_entities(pool: asyncpg.Pool, body: bytes) -> dict[str, Any]:
    bookings = orjson.loads(body)["bookings"]
    nodes: list[list[dict[str, Any]]] = [[] for _ in bookings]
    for position, record_id, session_id, status in await pool.fetch(ENTITIES, SITE, bookings):
        nodes[position - 1].append({"id": record_id, "sessionId": session_id, "status": status})
    return {"_entities": [{"attendances": {"nodes": each}} for each in nodes]}


async def write_bulk(pool: asyncpg.Pool, body: bytes) -> dict[str, Any]:
    items = orjson.loads(body)["items"]
    rows = await pool.fetch(
        BULK,
        SITE,
        datetime.now(UTC),
        [uuid7() for _ in items],
        [item["bookingId"] for item in items],
        [item["sessionId"] for item in items],
        [item["status"] for item in items],
        [item["numberOfAttendees"] for item in items],
    )
    stored = {(row[1], row[2]): row for row in rows}
    results = []
    for index, item in enumerate(items):
        row = stored[item["bookingId"], item["sessionId"]]
        results.append({"index": index, "attendance": {"id": row[0], "status": row[3]}, "error": None})
    payload = {"results": results, "totalSuccesses": len(results), "totalFailures": 0}
    return {"bulkSetAttendance": payload}


ENDPOINTS = {"/page": read_page, "/record": read_record, "/entities": read_entities, "/bulk": write_bulk}
pools: list[asyncpg.Pool] = []


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application; the database's URL is in ATTENDANCE_DATABASE_URL."""
    if scope["type"] == "lifespan":
        await run_lifespan(receive, send)
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    content = orjson.dumps({"data": await ENDPOINTS[scope["path"]](pools[0], body)})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class LeanConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is given back without a round trip, for nothing about it is ever changed."""

    def get_reset_query(self) -> str:
        return ""


async def run_lifespan(receive: Receive, send: Send) -> None:
    await receive()
    pools.append(
        await asyncpg.create_pool(
            os.environ["ATTENDANCE_DATABASE_URL"], min_size=10, max_size=10, connection_class=LeanConnection
        )
    )
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pools[0].close()
    await send({"type": "lifespan.shutdown.complete"})
