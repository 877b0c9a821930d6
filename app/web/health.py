"""Health checks: liveness of the process, and readiness to serve requests."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.web.readiness import Readiness


def write_status(http_status: int, **content: str) -> Response:
    return Response(orjson.dumps(content), http_status, {"Cache-Control": "no-store"}, "application/json")


async def report_alive(_request: Request) -> Response:
    """Liveness: 200 while the process responds."""
    return write_status(200, status="alive")


async def report_ready(request: Request) -> Response:
    """Readiness: 200 when the database is reachable and its migrations are current, else 503 with the reason.

    A process that is shutting down is not ready. A replica that is not used is reported but does not make the service
    unready, because reads use the primary then. With `?reads=1`, a replica in use is enough: then queries run, and
    mutations are refused.
    """
    readiness: Readiness = request.app.state.readiness
    reason = await readiness.check()
    replica = readiness.database.explain_replica()
    state = {} if replica is None else {"replica": replica}
    if reason is None:
        return write_status(200, status="ready", **state)
    if request.query_params.get("reads") == "1" and readiness.is_ready_for_reads:
        return write_status(200, status="ready for reads", reason=reason, **state)
    return write_status(503, status="not ready", reason=reason)
