"""The hand-written endpoint: plain ASGI, asyncpg and orjson, one function for each case, and the same bytes.

No GraphQL, no tokens, no row security, no limits: what is left when everything but the work is left out. Cursors are
the service's own, with its codec; the garbage collector and Postgres's planner are set as the service sets them.
"""

import gc
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from app.plan.cursor import CursorCodec, plan_cursors
from app.plan.filter import Filter, Operator, Perspective
from app.plan.order import DEFAULT_ORDER
from app.plan.properties import Property
from benchmarks.data import SITES
from benchmarks.statements import (
    BULK,
    ENTITIES,
    KEYSETS,
    PAGE_OF_BOOKINGS,
    PAGE_OF_SESSION,
    RECORD,
    SUMMARY,
)

SITE = SITES[0]
RECORD_FIELDS = ("id", "bookingId", "sessionId", "status", "numberOfAttendees")
FIGURES = ("total", "attended", "notAttended", "notSet", "numberOfAttendees")
COLLECTOR_THRESHOLDS = (10_000, 10, 10)
# Statements that are planned anew each time cost Postgres up to twice as much.
SESSION_SETTINGS = {"jit": "off", "plan_cache_mode": "force_generic_plan"}
# The pool would replace a connection that was idle for five minutes, or has run 50,000 statements.
KEEP_CONNECTIONS = {"max_inactive_connection_lifetime": 0, "max_queries": 2**31}

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


async def read_page(pool: asyncpg.Pool, body: bytes) -> dict[str, Any]:
    """A page of 50 of the whole site, by the order of the body; an empty body asks for the first one by id."""
    wanted = orjson.loads(body)
    keyset = KEYSETS[wanted.get("order", "ID_ASC")]
    cursor = wanted.get("after")
    if cursor is None:
        rows = await pool.fetch(keyset.first, SITE)
    else:
        rows = await pool.fetch(keyset.following, SITE, *keyset.codec.decode(cursor, "after"))
    return write_page(rows, 50, keyset.codec, keyset.key_indexes)


async def read_page_of_session(pool: asyncpg.Pool, body: bytes) -> dict[str, Any]:
    wanted = orjson.loads(body)
    session_id, status = wanted["sessionId"], wanted["status"]
    rows = await pool.fetch(PAGE_OF_SESSION, SITE, session_id, status)
    perspective = Perspective(Property.SESSION_ID, session_id)
    codec = plan_cursors(DEFAULT_ORDER, perspective, Filter(Property.STATUS, Operator.EQ, status))
    return write_page(rows, 100, codec, (0,))


async def read_page_of_bookings(pool: asyncpg.Pool, body: bytes) -> dict[str, Any]:
    bookings = tuple(sorted(set(orjson.loads(body)["bookings"])))
    rows = await pool.fetch(PAGE_OF_BOOKINGS, SITE, bookings)
    codec = plan_cursors(DEFAULT_ORDER, None, Filter(Property.BOOKING_ID, Operator.IN, bookings))
    return write_page(rows, 100, codec, (0,))


def write_page(
    rows: Sequence[asyncpg.Record], size: int, codec: CursorCodec, key_indexes: Sequence[int]
) -> dict[str, Any]:
    kept = rows[:size]
    cursors = codec.encode_all([[row[index] for row in kept] for index in key_indexes])
    edges = [
        {
            "cursor": cursor,
            "node": {
                "id": str(row[0]),
                "bookingId": str(row[1]),
                "sessionId": row[2],
                "status": row[3],
                "numberOfAttendees": row[4],
            },
        }
        for row, cursor in zip(kept, cursors, strict=True)
    ]
    info = {"hasNextPage": len(rows) > size, "endCursor": cursors[-1] if cursors else None}
    return {"attendances": {"edges": edges, "pageInfo": info}}


async def read_record(pool: asyncpg.Pool, body: bytes) -> dict[str, Any]:
    record = await pool.fetchrow(RECORD, SITE, orjson.loads(body)["id"])
    return {"attendance": None if record is None else dict(zip(RECORD_FIELDS, record, strict=True))}


async def read_summary(pool: asyncpg.Pool, body: bytes) -> dict[str, Any]:
    figures = await pool.fetchrow(SUMMARY, SITE, orjson.loads(body)["booking"])
    recorded = figures[1] + figures[2]
    summary = dict(zip(FIGURES, figures, strict=True))
    summary["attendanceRate"] = figures[1] / recorded if recorded else None
    return {"attendances": {"totalCount": figures[0], "summary": summary}}


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


ENDPOINTS = {
    "/page": read_page,
    "/page-of-session": read_page_of_session,
    "/page-of-bookings": read_page_of_bookings,
    "/record": read_record,
    "/summary": read_summary,
    "/entities": read_entities,
    "/bulk": write_bulk,
}
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
            os.environ["ATTENDANCE_DATABASE_URL"],
            min_size=10,
            max_size=10,
            **KEEP_CONNECTIONS,
            connection_class=LeanConnection,
            server_settings=SESSION_SETTINGS,
        )
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pools[0].close()
    await send({"type": "lifespan.shutdown.complete"})
