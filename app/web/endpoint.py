"""The GraphQL endpoint: HTTP in, the run of the request, HTTP out."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.types import Receive, Scope, Send

from app.errors import InternalServerError, OperationTimeout
from app.operations.record import OperationRecord
from app.operations.response import OUTCOMES, Response
from app.operations.running import GraphQLService, run_request
from app.web.admission import Admission
from app.web.authentication import UNVERIFIED, Authenticator
from app.web.cost import ASKED, COST_HEADER, add_cost
from app.web.explorer.page import Explorer, accepts_page
from app.web.flights import End, Flight, Flights
from app.web.headers import (
    ACCEPT,
    AUTHORIZATION,
    CLOSE,
    REQUEST_ID,
    SECURITY_HEADERS,
    Header,
    add_headers,
    read_headers,
)
from app.web.identity import RequestIdentity, identify_request
from app.web.intake import ClientGone, Intake
from app.web.media_types import GRAPHQL_RESPONSE, JSON, choose_media_type
from app.web.queueing import Overloaded, wait_for_slot
from app.web.requests import HTTPRefusal, check_body_type, parse_body, parse_query_string
from app.web.responses import (
    OVERLOADED,
    SHUTTING_DOWN,
    TIMED_OUT,
    answer_unforeseen,
    find_status,
    send_refusal,
    send_response,
)

CLIENT_GONE, CLIENT_GONE_STATUS = "CLIENT_GONE", 499
TOO_LARGE, FAULT_STATUS = 413, 500

Observe = Callable[[OperationRecord], None]


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """An ASGI application that answers GraphQL requests by POST and GET, and browsers with the explorer.

    Follows the GraphQL-over-HTTP specification. `observers` are shown each request that has ended.
    """

    service: GraphQLService
    authenticator: Authenticator
    admission: Admission
    flights: Flights
    intake: Intake
    explorer: Explorer | None
    observers: tuple[Observe, ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = read_headers(scope["headers"])
        identity = identify_request(headers)
        accept = headers.get(ACCEPT)
        if scope["method"] == "GET" and self.explorer is not None and accepts_page((accept or b"").decode("latin-1")):
            more = (*self._make_headers(identity), *SECURITY_HEADERS)
            await self.explorer.page_response()(scope, receive, add_headers(send, more))
            return
        media_type = choose_media_type(accept)
        record = OperationRecord(*identity)
        try:
            check_head(scope["method"], headers, media_type)
            response = await self._answer(scope, headers, receive, identity, record)
        except ClientGone:
            record.end(CLIENT_GONE, CLIENT_GONE_STATUS)
        except HTTPRefusal as refusal:
            record.limit = "body" if refusal.status == TOO_LARGE else None
            record.end(refusal.error.code, refusal.status)
            await send_refusal(send, refusal, media_type or JSON, self._make_headers(identity))
        else:
            record.end(OUTCOMES[response.verdict], find_status(response.verdict, media_type or JSON))
            more, has_token = self._make_headers(identity), AUTHORIZATION in headers
            await send_response(send, response, media_type or JSON, more, has_token=has_token)
        finally:
            if not record.status:
                record.end(InternalServerError.code, FAULT_STATUS)
            for observe in self.observers:
                observe(record)

    def _make_headers(self, identity: RequestIdentity) -> tuple[Header, ...]:
        """What is said of the request itself in the head of its answer."""
        request_id = (REQUEST_ID, identity.request_id.encode())
        return (request_id, CLOSE) if self.flights.is_ending else (request_id,)

    async def _answer(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        identity: RequestIdentity,
        record: OperationRecord,
    ) -> Response:
        """The response to a request, whose deadlines are kept meanwhile. Raises HTTPRefusal or ClientGone."""
        flight = self.flights.start(identity)
        try:
            return await self._take(scope, headers, receive, flight, record)
        except (HTTPRefusal, ClientGone):
            raise
        except Overloaded:
            record.reason = "overloaded"
            return OVERLOADED
        except asyncio.CancelledError as cancelled:
            end = self.flights.explain(flight, cancelled)
            record.reason = end.value
            return answer_stopped(end)
        except Exception as failure:
            return answer_unforeseen(failure)
        finally:
            self.flights.finish(flight)

    async def _take(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        flight: Flight,
        record: OperationRecord,
    ) -> Response:
        """Run a request when it is received and its site's turn has come.

        The site is known where the token was verified before; all others share one place. Where there is no room,
        nothing is read at all. Raises Overloaded, HTTPRefusal or ClientGone.
        """
        authorization = headers.get(AUTHORIZATION)
        known = self.authenticator.recall(authorization)
        site = UNVERIFIED if known is None else known.site
        admission = self.admission
        if admission.turn_away(site):
            raise Overloaded
        body = await self.intake.read_body(receive) if scope["method"] == "POST" else None
        self.flights.mark_received(flight, receive)
        record.mark_received()
        if not admission.enter(site):
            await wait_for_slot(admission, site)
        try:
            request = parse_query_string(scope["query_string"]) if body is None else parse_body(body)
            authenticate = known.authenticate if known else partial(self.authenticator.authenticate, authorization)
            response = await run_request(request, authenticate, self.service, record)
            asks_cost = headers.get(COST_HEADER) == ASKED
            return add_cost(response, record, request.variables) if asks_cost else response
        finally:
            admission.leave(site)


def check_head(method: str, headers: Mapping[bytes, bytes], media_type: str | None) -> None:
    """Raise HTTPRefusal for what can be told from a request's head: method, `Accept`, and the type of the body."""
    if method not in ("POST", "GET"):
        raise HTTPRefusal(405, "GraphQL is asked by GET or POST.", allow="GET, POST")
    if media_type is None:
        raise HTTPRefusal(406, f"The answer is {GRAPHQL_RESPONSE} or {JSON}; `Accept` allows neither.")
    if method == "POST":
        check_body_type(headers)


def answer_stopped(end: End) -> Response:
    """What a request is answered that was stopped. Raises HTTPRefusal, or ClientGone where nobody waits any more."""
    if end is End.CLIENT_GONE:
        raise ClientGone
    if end is End.NOT_RECEIVED:
        raise HTTPRefusal(408, "The request took too long to arrive.", kind=OperationTimeout, connection="close")
    return TIMED_OUT if end is End.TIMED_OUT else SHUTTING_DOWN
