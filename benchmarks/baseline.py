"""The hand-written endpoint: plain ASGI, asyncpg and orjson, one function for each case, and the same records.

No GraphQL, no tokens, no row security, no limits, and no code of the service. A cursor is the base64 of the order's
keys. A request's site is a number in its body. The pool's size is in ATTENDANCE_POOL_SIZE; the garbage collector and
Postgres's planner are set as the service sets them.
"""

import gc
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from benchmarks.statements import (
    ABSENCES,
    BULK,
    ENTITIES,
    KEYSETS,
    PAGE_OF_BOOKINGS,
    PAGE_OF_SESSION,
    RECORD,
    SET,
    SUMMARY,
)

SITES = tuple(UUID(int=number + 1) for number in range(4))
RECORD_FIELDS = ("id", "bookingId", "sessionId", "status", "numberOfAttendees")
FIGURES = ("total", "attended", "notAttended", "notSet", "numberOfAttendees")
COLLECTOR_THRESHOLDS = (10_000, 10, 10)
# Statements that are planned anew each time cost Postgres up to twice as much.
SESSION_SETTINGS = {"jit": "off", "plan_cache_mode": "force_generic_plan", "enable_bitmapscan": "off"}
# The pool would replace a connection that was idle for five minutes, or has run 50,000 statements.
KEEP_CONNECTIONS = {"max_inactive_connection_lifetime": 0, "max_queries": 2**31}

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


async def read_page(pool: asyncpg.Pool, site: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    """A page of 50 of the whole site, by id if no order is given."""
    keyset = KEYSETS[wanted.get("order", "ID_ASC")]
    cursor = wanted.get("after")
    if cursor is None:
        rows = await pool.fetch(keyset.first, site)
    else:
        position = urlsafe_b64decode(cursor).decode().rsplit("|", len(keyset.keys) - 1)
        rows = await pool.fetch(keyset.following, site, *position)
    return write_page(rows, 50, keyset.keys)


async def read_page_of_session(pool: asyncpg.Pool, site: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    rows = await pool.fetch(PAGE_OF_SESSION, site, wanted["sessionId"], wanted["status"])
    return write_page(rows, 100, (0,))


async def read_page_of_bookings(pool: asyncpg.Pool, site: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    rows = await pool.fetch(PAGE_OF_BOOKINGS, site, wanted["bookings"])
    return write_page(rows, 100, (0,))


def write_page(rows: Sequence[asyncpg.Record], size: int, keys: Sequence[int]) -> dict[str, Any]:
    edges = [
        {
            "cursor": write_cursor(row, keys),
            "node": {
                "id": row[0],
                "bookingId": row[1],
                "sessionId": row[2],
                "status": row[3],
                "numberOfAttendees": row[4],
            },
        }
        for row in rows[:size]
    ]
    info = {"hasNextPage": len(rows) > size, "endCursor": edges[-1]["cursor"] if edges else None}
    return {"attendances": {"edges": edges, "pageInfo": info}}


def write_cursor(row: asyncpg.Record, keys: Sequence[int]) -> str:
    """The base64 of a record's keys."""
    text = row[0] if len(keys) == 1 else f"{row[keys[0]]}|{row[0]}"
    return urlsafe_b64encode(text.encode()).decode()


async def read_record(pool: asyncpg.Pool, site: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    record = await pool.fetchrow(RECORD, site, wanted["id"])
    return {"attendance": None if record is None else dict(zip(RECORD_FIELDS, record, strict=True))}


async def read_summary(pool: asyncpg.Pool, site: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    figures = await pool.fetchrow(SUMMARY, site, wanted["booking"])
    recorded = figures[1] + figures[2]
    summary = dict(zip(FIGURES, figures, strict=True))
    summary["attendanceRate"] = figures[1] / recorded if recorded else None
    return {"attendances": {"totalCount": figures[0], "summary": summary}}


async def read_absences(pool: asyncpg.Pool, site: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    rows = await pool.fetch(ABSENCES, site, wanted["recorded"], wanted["share"])
    nodes = []
    for booking, *figures, share, _ in rows[:50]:
        summary = dict(zip(FIGURES, figures, strict=True))
        summary["attendanceRate"] = figures[1] / (figures[1] + figures[2])
        nodes.append({"booking": {"id": booking}, "missedShare": share, "summary": summary})
    cursor = None
    if nodes:
        text = f"{nodes[-1]['missedShare']}|{nodes[-1]['summary']['notAttended']}|{nodes[-1]['booking']['id']}"
        cursor = urlsafe_b64encode(text.encode()).decode()
    info = {"hasNextPage": len(rows) > 50, "endCursor": cursor}
    return {"absences": {"nodes": nodes, "pageInfo": info, "totalCount": rows[0][-1] if rows else 0}}


async def read_entities(pool: asyncpg.Pool, site: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    bookings = wanted["bookings"]
    nodes: list[list[dict[str, Any]]] = [[] for _ in bookings]
    for position, record_id, session_id, status in await pool.fetch(ENTITIES, site, bookings):
        nodes[position - 1].append({"id": record_id, "sessionId": session_id, "status": status})
    return {"_entities": [{"attendances": {"nodes": each}} for each in nodes]}


async def write_record(pool: asyncpg.Pool, site: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    row = await pool.fetchrow(
        SET,
        site,
        datetime.now(UTC),
        uuid7(),
        wanted["bookingId"],
        wanted["sessionId"],
        wanted["status"],
        wanted["numberOfAttendees"],
    )
    return {"setAttendance": {"attendance": dict(zip(RECORD_FIELDS, row, strict=True))}}


async def write_bulk(pool: asyncpg.Pool, site: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    items = wanted["items"]
    rows = await pool.fetch(
        BULK,
        site,
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
    "/absences": read_absences,
    "/entities": read_entities,
    "/set": write_record,
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
    wanted = orjson.loads(body)
    site = SITES[wanted.get("site", 0)]
    content = orjson.dumps({"data": await ENDPOINTS[scope["path"]](pools[0], site, wanted)})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class LeanConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is given back without a round trip, for nothing about it is ever changed."""

    def get_reset_query(self) -> str:
        return ""


async def run_lifespan(receive: Receive, send: Send) -> None:
    await receive()
    pool_size = int(os.environ["ATTENDANCE_POOL_SIZE"])
    pools.append(
        await asyncpg.create_pool(
            os.environ["ATTENDANCE_DATABASE_URL"],
            min_size=pool_size,
            max_size=pool_size,
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
