"""The token of a WebSocket, which comes with `connection_init` or with the upgrade request."""

from collections.abc import Awaitable, Callable

from starlette.types import Scope

from app.documents.errors import format_service_error
from app.errors import Forbidden, ServiceError
from app.operations.record import OperationRecord
from app.operations.response import Outcome, Response, find_outcome, write_refusal
from app.operations.running import GraphQLRequest, GraphQLService
from app.web.cost import COST_HEADER, COST_REQUESTED
from app.web.endpoint import GraphQLEndpoint
from app.web.failures import Authenticate
from app.web.headers import AUTHORIZATION, read_headers, read_request_id, read_traceparent
from app.web.load.connections import CONNECTION
from app.web.streams.messages import (
    ClientMessage,
    CloseCode,
    SocketClosed,
    read_authorization,
    read_optional_object,
    wants_cost,
)
from app.web.streams.socket_operations import REJECTED, MessageBody, SocketSession

NOTHING = b'{"payload": {"query": ""}}'
NO_SCOPE = Forbidden("The token has no scope of this service.")
CLOSED_BY = {
    Outcome.UNAUTHENTICATED: REJECTED,
    Outcome.FORBIDDEN: SocketClosed(CloseCode.FORBIDDEN, NO_SCOPE.message),
}
UNAVAILABLE = SocketClosed(CloseCode.TRY_AGAIN_LATER, "The service cannot verify tokens at the moment.")


async def open_session(
    message: ClientMessage, endpoint: GraphQLEndpoint, scope: Scope, send: Callable[[str], Awaitable[None]]
) -> SocketSession:
    """Verify the token that all operations of the connection use. Raises SocketClosed.

    Tokens are verified as for requests, within the same limits. A refusal is logged as that of a request.
    """
    headers, parameters = read_headers(scope["headers"]), read_optional_object(message)
    authorization = read_authorization(parameters, headers.get(AUTHORIZATION))
    own = {} if authorization is None else {AUTHORIZATION: authorization}
    record = OperationRecord(read_request_id(headers), read_traceparent(headers))
    response = await endpoint.run_message(own, MessageBody(NOTHING).receive, record, check_caller, scope)
    if isinstance(response, Response) and response.outcome is Outcome.EXECUTED and own:
        own |= {COST_HEADER: COST_REQUESTED} if wants_cost(parameters, headers.get(COST_HEADER)) else {}
        return SocketSession(endpoint, scope, scope["state"][CONNECTION], own, send)
    assert isinstance(response, Response)
    raise CLOSED_BY.get(response.outcome, UNAVAILABLE)


async def check_caller(
    _request: GraphQLRequest, authenticate: Authenticate, _service: GraphQLService, record: OperationRecord
) -> Response:
    """Whether the token is valid, and allows anything."""
    try:
        caller = await authenticate()
        record.site_id = caller.site_id
        if not caller.permissions:
            raise NO_SCOPE
    except ServiceError as error:
        errors = [format_service_error(error)]
        return write_refusal(errors, find_outcome(errors, Outcome.FAILED), record)
    return Response(b"", Outcome.EXECUTED)
