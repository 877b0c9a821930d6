"""The GraphQL endpoint: reads an HTTP request, runs it, and sends the HTTP response."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from starlette.types import Receive, Scope, Send

from app.documents.permissions import Caller
from app.errors import InternalServerError
from app.operations.change_stream import ChangeStream
from app.operations.record import DONE, OperationRecord
from app.operations.response import CODES_OF_OUTCOMES, EXECUTED, Response
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.operations.streaming import open_stream
from app.web.auth.authentication import Authenticator
from app.web.cors import ORIGIN, REQUEST_HEADERS, REQUEST_METHOD, CORSPolicy
from app.web.cost import COST_HEADER, COST_REQUESTED, add_cost
from app.web.explorer.page import Explorer
from app.web.failures import (
    CLIENT_GONE,
    CLIENT_GONE_STATUS,
    Authenticate,
    build_failure_response,
    build_stopped_response,
    note_rejection,
)
from app.web.headers import (
    ACCEPT,
    AUTHORIZATION,
    CLOSE,
    REQUEST_ID,
    SECURITY_HEADERS,
    Header,
    Headers,
    add_headers,
    read_headers,
    read_request_id,
    read_traceparent,
)
from app.web.load.admission import Admission
from app.web.load.body_reader import ClientDisconnected, RequestBodyReader
from app.web.load.in_flight_requests import InFlightRequest, InFlightRequests
from app.web.load.key_queue import KeyQueue
from app.web.load.queueing import Overloaded, release_after, wait_for_slot
from app.web.media_types import GRAPHQL_RESPONSE, JSON, choose_media_type
from app.web.pages import accepts_page
from app.web.requests import HTTPError, check_head, parse_body, parse_query_string
from app.web.responses import (
    STATUSES,
    list_outcome_headers,
    send_response,
    send_without_body,
    write_error,
)
from app.web.revision import REVISION_HEADER, require_revision, write_revision
from app.web.streams.framings import FRAMINGS, Framing, choose_framing
from app.web.streams.heartbeats import Heartbeats
from app.web.streams.http_streams import HTTPStream

OK, NO_CONTENT, CONTENT_TOO_LARGE, INTERNAL_ERROR = 200, 204, 413, 500

Run = Callable[[GraphQLRequest, Authenticate, GraphQLService, OperationRecord], Awaitable[Response | ChangeStream]]
RUNS: Mapping[Framing | None, Run] = {
    None: run_request,
    **{framing: partial(open_stream, transport=framing.name) for framing in FRAMINGS.values()},
}
Observe = Callable[[OperationRecord], None]


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """An ASGI application that answers GraphQL requests by POST and GET, and browsers with the explorer.

    Follows the GraphQL-over-HTTP specification, and the Fetch standard for origins that `cors` allows. Each of
    `observers` is called with the record of each request that has ended.
    """

    service: GraphQLService
    authenticator: Authenticator
    admission: Admission
    in_flight: InFlightRequests
    body_reader: RequestBodyReader
    explorer: Explorer | None
    observers: tuple[Observe, ...] = ()
    cors: CORSPolicy | None = None
    keys: KeyQueue = field(default_factory=KeyQueue)
    heartbeats: Heartbeats = field(default_factory=Heartbeats)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = read_headers(scope["headers"])
        request_id = read_request_id(headers)
        record = OperationRecord(request_id, read_traceparent(headers))
        is_plain = scope["method"] == "POST" and ORIGIN not in headers
        send_own = send if is_plain else await self._serve_browser(scope, headers, request_id, receive, send)
        if send_own is None:
            return
        accept = headers.get(ACCEPT)
        accepted, framing, stream = choose_media_type(accept), choose_framing(accept), None
        media_type = accepted or JSON
        try:
            check_head(scope["method"], headers, accepted)
            response = await self._run(scope, headers, receive, record, RUNS[framing])
        except ClientDisconnected:
            record.end(CLIENT_GONE, CLIENT_GONE_STATUS)
        except HTTPError as error:
            await self._refuse(error, media_type, request_id, record, send_own)
        else:
            own = self._list_headers(request_id, record.revision)
            if isinstance(response, Response):
                status = STATUSES[media_type][response.outcome]
                record.end(CODES_OF_OUTCOMES[response.outcome], status)
                if response.outcome is not EXECUTED:
                    own += list_outcome_headers(response.outcome, has_token=AUTHORIZATION in headers)
                await send_response(send_own, status, media_type, own, response.body)
            else:
                assert framing is not None
                record.end(DONE, OK)
                stream = HTTPStream(response, framing, scope, send_own, own)
        finally:
            if not record.status:
                record.end(InternalServerError.code, INTERNAL_ERROR)
            for observe in self.observers:
                observe(record)
        if stream is not None:
            await self.run_stream(stream)

    async def run_stream(self, stream: HTTPStream) -> None:
        """Send a stream, after the request that has opened it is done."""
        await stream.run(self.heartbeats)

    async def run_message(
        self, headers: Headers, receive: Receive, record: OperationRecord, run: Run, scope: Scope
    ) -> Response | ChangeStream:
        """Run the payload of a WebSocket's message, like the body of a POST with these headers; `receive` gives it.

        Raises HTTPError or ClientDisconnected. A message without an operation is recorded only if it is refused.
        """
        is_accepted = False
        try:
            response = await self._run({**scope, "method": "POST"}, headers, receive, record, run)
            outcome = response.outcome if isinstance(response, Response) else EXECUTED
            record.end(CODES_OF_OUTCOMES[outcome], STATUSES[GRAPHQL_RESPONSE][outcome])
            is_accepted = outcome is EXECUTED
        except ClientDisconnected:
            record.end(CLIENT_GONE, CLIENT_GONE_STATUS)
            raise
        except HTTPError as error:
            record.end(error.error.code, error.status)
            raise
        finally:
            if record.operation is not None or not is_accepted:
                self._observe(record)
        return response

    async def _serve_browser(
        self, scope: Scope, headers: Headers, request_id: str, receive: Receive, send: Send
    ) -> Send | None:
        """Send the explorer's page, or the answer to a preflight. Returns how to send any other response."""
        send_page = send  # No other origin may read the page, which may contain a token.
        if self.cors is not None and ORIGIN in headers and self.cors.allows(origin := headers[ORIGIN]):
            if scope["method"] == "OPTIONS" and REQUEST_METHOD in headers:
                allowed = self.cors.list_preflight_headers(origin, headers.get(REQUEST_HEADERS, b""))
                await send_without_body(send, NO_CONTENT, [*self._list_headers(request_id), *allowed])
                return None
            send = add_headers(send, self.cors.list_headers(origin))
        accept = headers.get(ACCEPT, b"").decode("latin-1")
        if self.explorer is None or scope["method"] != "GET" or not accepts_page(accept):
            return send
        page_headers = [*self._list_headers(request_id), *SECURITY_HEADERS]
        await self.explorer.page_response()(scope, receive, add_headers(send_page, page_headers))
        return None

    def _observe(self, record: OperationRecord) -> None:
        if not record.status:
            record.end(InternalServerError.code, INTERNAL_ERROR)
        for observe in self.observers:
            observe(record)

    async def _refuse(
        self, error: HTTPError, media_type: str, request_id: str, record: OperationRecord, send: Send
    ) -> None:
        record.limit = "body" if error.status == CONTENT_TOO_LARGE else None
        record.end(error.error.code, error.status)
        own = [*self._list_headers(request_id), *error.headers]
        await send_response(send, error.status, media_type, own, write_error(error.error))

    def _list_headers(self, request_id: str, revision: int = 0) -> list[Header]:
        headers = [(REQUEST_ID, request_id.encode())]
        if self.in_flight.is_shutting_down:
            headers.append(CLOSE)
        if revision:
            headers.append(write_revision(revision))
        return headers

    async def _run(
        self, scope: Scope, headers: Headers, receive: Receive, record: OperationRecord, run: Run
    ) -> Response | ChangeStream:
        """Read a request, acquire a slot for its site, and run it. Raises HTTPError or ClientDisconnected."""
        # The site is known only if the token is cached; all others share one.
        admission, in_flight = self.admission, self.in_flight
        request = in_flight.start()
        try:
            authorization = headers.get(AUTHORIZATION)
            token = self.authenticator.find_cached(authorization)
            site = token.site if token else self.authenticator.find_site(authorization)
            if admission.reject(site):
                raise Overloaded
            body = await self.body_reader.read_body(receive) if scope["method"] == "POST" else None
            in_flight.mark_received(request, receive)
            record.begun = perf_counter()
            if not admission.acquire(site):
                await wait_for_slot(admission, site)
            request.slot_site = site
            try:
                parsed = parse_query_string(scope["query_string"]) if body is None else parse_body(body, scope["type"])
                if REVISION_HEADER in headers:
                    parsed = require_revision(parsed, headers[REVISION_HEADER])
                authenticate = token.authenticate if token else partial(self._verify, authorization, request)
                if token is None or token.caller is None:
                    authenticate = partial(note_rejection, authenticate, record, scope)
                response = await run(parsed, authenticate, self.service, record)
                wants_cost = headers.get(COST_HEADER) == COST_REQUESTED
                return add_cost(response, record, parsed.variables) if wants_cost else response
            finally:
                if record.write is not None:
                    release_after(record.write, admission, request.slot_site or site)
                elif request.slot_site is not None:
                    admission.release(request.slot_site)
        except asyncio.CancelledError as cancelled:
            return build_stopped_response(in_flight.take_stop_reason(request, cancelled), record)
        except Exception as failure:
            return build_failure_response(failure, record)
        finally:
            in_flight.finish(request)

    async def _verify(self, authorization: bytes | None, request: InFlightRequest) -> Caller:
        """The caller of a token that is not cached. Raises TokenRejected, ServiceUnavailable, or Overloaded."""
        return await self.keys.authenticate(self.authenticator, authorization, request, self.admission)
