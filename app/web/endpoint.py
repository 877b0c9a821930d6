"""The GraphQL endpoint: HTTP in, the run of the request, HTTP out."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from starlette.types import Receive, Scope, Send

from app.operations.running import GraphQLRequest, GraphQLService, Response, run_request
from app.web.authentication import Authenticator
from app.web.explorer.page import Explorer, accepts_page
from app.web.headers import ACCEPT, AUTHORIZATION, read_headers
from app.web.media_types import GRAPHQL_RESPONSE, JSON, choose_media_type
from app.web.requests import ClientGone, HTTPRefusal, check_body_type, parse_body, parse_query_string, read_body
from app.web.responses import send_refusal, send_response


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
        headers = read_headers(scope["headers"])
        accept = headers.get(ACCEPT)
        if scope["method"] == "GET" and self.explorer is not None and accepts_page((accept or b"").decode("latin-1")):
            await self.explorer.page_response()(scope, receive, send)
            return
        media_type = choose_media_type(accept)
        try:
            request = await self._read_request(scope, headers, receive, media_type)
            response = await self._run(request, headers.get(AUTHORIZATION))
        except ClientGone:
            return
        except HTTPRefusal as refusal:
            await send_refusal(send, refusal, media_type or JSON)
        else:
            await send_response(send, response, media_type or JSON, has_token=AUTHORIZATION in headers)

    async def _read_request(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, media_type: str | None
    ) -> GraphQLRequest:
        """The GraphQL request that an HTTP request holds. Raises HTTPRefusal or ClientGone."""
        method = scope["method"]
        if method not in ("POST", "GET"):
            raise HTTPRefusal(405, "GraphQL is asked by GET or POST.", allow="GET, POST")
        if media_type is None:
            raise HTTPRefusal(406, f"The answer is {GRAPHQL_RESPONSE} or {JSON}; `Accept` allows neither.")
        if method == "GET":
            return parse_query_string(scope["query_string"])
        check_body_type(headers)
        return parse_body(await read_body(receive, self.most_bytes))

    async def _run(self, request: GraphQLRequest, authorization: bytes | None) -> Response:
        known = self.authenticator.recall(authorization)
        authenticate = known.authenticate if known else partial(self.authenticator.authenticate, authorization)
        return await run_request(request, authenticate, self.service)
