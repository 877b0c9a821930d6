"""Health: whether the process lives, and whether it can work."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.database.pool import Database
from app.web.flights import Flights


def write_status(http_status: int, **content: str) -> Response:
    return Response(orjson.dumps(content), http_status, {"Cache-Control": "no-store"}, "application/json")


async def report_alive(_request: Request) -> Response:
    """200 as long as the process answers."""
    return write_status(200, status="alive")


async def report_ready(request: Request) -> Response:
    """200 when the database is reachable and its migrations are current; else, and when it is ending, 503 and why.

    A replica that is out of reach is told, and nothing more: reads go to the primary then.
    """
    flights: Flights = request.app.state.flights
    database: Database = request.app.state.database
    reason = "the service is being stopped" if flights.is_ending else await database.explain_unreadiness()
    if reason is None:
        replica = database.explain_replica()
        return write_status(200, status="ready", **({} if replica is None else {"replica": replica}))
    return write_status(503, status="not ready", reason=reason)
