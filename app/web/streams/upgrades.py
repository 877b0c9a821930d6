"""The WebSocket endpoint: accepts connections from pages that may connect, by a protocol that it speaks."""

from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from app.errors import Forbidden, ServiceUnavailable
from app.operations.streams import STOPPING
from app.web.cors import ORIGIN, CORSPolicy
from app.web.endpoint import GraphQLEndpoint
from app.web.headers import REQUEST_ID, SECURITY_HEADERS, Headers, read_headers, read_request_id
from app.web.responses import RETRY_SECONDS, write_error
from app.web.streams.messages import PROTOCOL, CloseCode, SocketClosed, write_close
from app.web.streams.sockets import GraphQLSocket

HOST = b"host"
FOREIGN = Forbidden("Pages of this origin may not connect: add it to ATTENDANCE_CORS_ORIGINS.")
UNKNOWN_PROTOCOL = SocketClosed(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, f"The subprotocol must be {PROTOCOL}.")


@dataclass(frozen=True, slots=True)
class SocketEndpoint:
    """An ASGI application for WebSockets, beside the endpoint for requests, which runs the operations."""

    endpoint: GraphQLEndpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        headers = read_headers(scope["headers"])
        request_id = REQUEST_ID, read_request_id(headers).encode()
        if not may_connect(headers, self.endpoint.cors):
            await refuse(send, 403, write_error(FOREIGN), request_id)
        elif self.endpoint.in_flight.is_shutting_down:
            await refuse(
                send, 503, write_error(ServiceUnavailable(STOPPING)), request_id, (b"retry-after", RETRY_SECONDS)
            )
        elif PROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept", "headers": [request_id]})
            await send(write_close(UNKNOWN_PROTOCOL))
        else:
            await send({"type": "websocket.accept", "subprotocol": PROTOCOL, "headers": [request_id]})
            await GraphQLSocket(self.endpoint, scope, receive, send).run()


def may_connect(headers: Headers, cors: CORSPolicy | None) -> bool:
    """Whether the upgrade request comes from no web page, from one of this service, or from one that CORS allows.

    Browsers ask no server before they open a WebSocket, but name the page's origin.
    """
    origin = headers.get(ORIGIN)
    if origin is None or (cors is not None and cors.allows(origin)):
        return True
    host = headers.get(HOST, b"")
    return host != b"" and origin.lower().partition(b"://")[2] == host.lower()


async def refuse(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Answer the upgrade request with an error."""
    head = [(b"content-type", b"application/json; charset=utf-8"), *SECURITY_HEADERS, *headers]
    await send({"type": "websocket.http.response.start", "status": status, "headers": head})
    await send({"type": "websocket.http.response.body", "body": body})
