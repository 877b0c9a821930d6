"""The GraphQL endpoint: HTTP in, the run of the request, HTTP out."""

from dataclasses import dataclass

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response as HTTPResponse
from starlette.types import Receive, Scope, Send

from app.operations.failures import format_service_error
from app.operations.permissions import Caller
from app.operations.running import GraphQLService, Response, Verdict, run_request
from app.web.authentication import Authenticator
from app.web.explorer.page import Explorer, accepts_page
from app.web.media_types import GRAPHQL_RESPONSE, JSON, choose_media_type
from app.web.requests import HTTPRefusal, read_request

AUTHORIZATION = b"authorization"
CHALLENGE = 'Bearer realm="attendance"'
RETRY_SECONDS = "1"
STATUSES = {
    Verdict.EXECUTED: 200,
    Verdict.REFUSED: 400,
    Verdict.MUTATION_REFUSED: 405,
    Verdict.UNAUTHENTICATED: 401,
    Verdict.FORBIDDEN: 403,
    Verdict.UNAVAILABLE: 503,
    Verdict.TIMED_OUT: 504,
    Verdict.FAILED: 500,
}
STATUSES_OF_PLAIN_JSON = STATUSES | {Verdict.REFUSED: 200, Verdict.TIMED_OUT: 200, Verdict.FAILED: 200}
SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """An ASGI application that answers GraphQL requests by POST and GET, and browsers with the explorer.

    Follows the GraphQL-over-HTTP specification.
    """

    service: GraphQLService
    authenticator: Authenticator
    explorer: Explorer | None
    most_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        except HTTPRefusal as refusal:
            response = write_http_refusal(refusal, choose_media_type(read_accept(request)) or JSON)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> HTTPResponse:
        accept = read_accept(request)
        if request.method not in ("GET", "POST"):
            raise HTTPRefusal(405, "GraphQL is asked by GET or POST.", Allow="GET, POST")
        if self.explorer is not None and request.method == "GET" and accepts_page(accept):
            return self.explorer.page_response()
        media_type = choose_media_type(accept)
        if media_type is None:
            raise HTTPRefusal(406, f"The answer is {GRAPHQL_RESPONSE} or {JSON}; `Accept` allows neither.")
        authorization = [value for name, value in request.scope["headers"] if name == AUTHORIZATION]

        async def authenticate() -> Caller:
            return await self.authenticator.authenticate(authorization)

        graphql_request = await read_request(request, self.most_bytes)
        response = await run_request(graphql_request, authenticate, self.service)
        return write_http_response(response, media_type, has_token=bool(authorization))


def read_accept(request: Request) -> str:
    """The Accept header; several are one (RFC 9110, section 5.3)."""
    return ", ".join(request.headers.getlist("accept"))


def write_http_response(response: Response, media_type: str, *, has_token: bool) -> HTTPResponse:
    """The status and headers of a response; plain JSON gets 200 for errors that GraphQL itself tells of."""
    statuses = STATUSES if media_type == GRAPHQL_RESPONSE else STATUSES_OF_PLAIN_JSON
    headers = {**SECURITY_HEADERS, **headers_of(response.verdict, has_token=has_token)}
    return HTTPResponse(response.body, statuses[response.verdict], headers, f"{media_type}; charset=utf-8")


def headers_of(verdict: Verdict, *, has_token: bool) -> dict[str, str]:
    """What the verdict's status asks for: RFC 9110 for 405 and 503, RFC 6750 for 401 and 403."""
    if verdict is Verdict.UNAUTHENTICATED:
        return {"WWW-Authenticate": CHALLENGE + (', error="invalid_token"' if has_token else "")}
    if verdict is Verdict.FORBIDDEN:
        return {"WWW-Authenticate": CHALLENGE + ', error="insufficient_scope"'}
    if verdict is Verdict.UNAVAILABLE:
        return {"Retry-After": RETRY_SECONDS}
    return {"Allow": "POST"} if verdict is Verdict.MUTATION_REFUSED else {}


def write_http_refusal(refusal: HTTPRefusal, media_type: str) -> HTTPResponse:
    body = orjson.dumps({"errors": [format_service_error(refusal.error)]})
    return HTTPResponse(body, refusal.status, {**SECURITY_HEADERS, **refusal.headers}, f"{media_type}; charset=utf-8")
