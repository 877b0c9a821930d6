"""The messages and close codes of `graphql-transport-ws`, the GraphQL over WebSocket protocol.

Strawberry's handlers of this protocol execute a Strawberry schema, and would encode each response once more.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import orjson
from starlette.types import Message

from app.documents.errors import format_service_error
from app.errors import ServiceError
from app.web.cost import COST_HEADER, COST_REQUESTED

PROTOCOL = "graphql-transport-ws"
MAX_ID_LENGTH = 250
MAX_REASON_BYTES = 123  # RFC 6455, section 5.5
AUTHORIZATION, COST = "authorization", COST_HEADER.decode()
NESTED_PARAMETERS = ("headers", "connectionParams")  # Where gateways put the headers that they pass on.

ACKNOWLEDGED = '{"type":"connection_ack"}'
PING = '{"type":"ping"}'
PONG = '{"type":"pong"}'


class CloseCode(IntEnum):
    """Why the service closes a WebSocket."""

    GOING_AWAY = 1001
    TRY_AGAIN_LATER = 1013
    BAD_MESSAGE = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY_INITIALISATIONS = 4429


class SocketClosed(Exception):
    """The connection has to be closed, with a code and a reason."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


class ClientMessage(NamedTuple):
    """A message of a client. Its id and its payload are not checked yet."""

    text: str
    type: str
    id: object
    payload: Any


def parse_message(text: str | None) -> ClientMessage:
    """A client's message. Raises SocketClosed for one that is not text, or no JSON object with a type."""
    text = text or ""
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as failure:
        raise SocketClosed(CloseCode.BAD_MESSAGE, "A message must be JSON, as text.") from failure
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise SocketClosed(CloseCode.BAD_MESSAGE, "A message must be an object with a type.")
    return ClientMessage(text, content["type"], content.get("id"), content.get("payload"))


def read_id(message: ClientMessage) -> str:
    """The id of the operation that a message is about. Raises SocketClosed."""
    if not isinstance(message.id, str) or not 0 < len(message.id) <= MAX_ID_LENGTH:
        raise SocketClosed(CloseCode.BAD_MESSAGE, f"An id must be a string of 1 to {MAX_ID_LENGTH} characters.")
    return message.id


def read_optional_object(message: ClientMessage) -> Mapping[str, Any]:
    """The payload of a message that may have none. Raises SocketClosed for one that is no object."""
    if message.payload is None:
        return {}
    if not isinstance(message.payload, dict):
        raise SocketClosed(CloseCode.BAD_MESSAGE, f"The payload of {message.type} must be an object.")
    return message.payload


def read_authorization(parameters: Mapping[str, Any], header: bytes | None) -> bytes | None:
    """The value of `Authorization` in the payload of `connection_init`, or else that of the upgrade request's header.

    The name may be in upper or lower case, and may be below `headers`. Null counts as absent. Raises SocketClosed for
    another value that is no text.
    """
    value = find_parameter(parameters, AUTHORIZATION)
    if value is None:
        return header
    if not isinstance(value, str) or not value.isascii():
        raise SocketClosed(CloseCode.UNAUTHORIZED, "The token must be a text: `Bearer <token>`.")
    return value.encode()


def wants_cost(parameters: Mapping[str, Any], header: bytes | None) -> bool:
    """Whether `X-Attendance-Cost` asks for the cost of all operations; the name is found as that of the token is."""
    value = find_parameter(parameters, COST)
    return header == COST_REQUESTED if value is None else str(value).encode() == COST_REQUESTED


def find_parameter(parameters: Mapping[str, Any], wanted: str) -> Any:
    """The value of a header in the payload of `connection_init`; None if it is absent."""
    below = (parameters[name] for name in NESTED_PARAMETERS if isinstance(parameters.get(name), dict))
    named = (pair for each in (parameters, *below) for pair in each.items())
    return next((value for name, value in named if name.lower() == wanted and value is not None), None)


def write_pong(message: ClientMessage) -> str:
    """The answer to a ping, with its payload. Raises SocketClosed."""
    payload = read_optional_object(message)
    try:
        return orjson.dumps({"type": "pong", "payload": payload}).decode() if payload else PONG
    except orjson.JSONEncodeError as failure:
        raise SocketClosed(CloseCode.BAD_MESSAGE, "The payload of a ping has too many levels.") from failure


def write_next(identifier: bytes, body: bytes) -> str:
    """A response to the operation whose id is this JSON text."""
    return (b'{"id":' + identifier + b',"type":"next","payload":' + body + b"}").decode()


def write_error(identifier: bytes, errors: bytes) -> str:
    """The errors, a JSON array, of an operation that has not run."""
    return (b'{"id":' + identifier + b',"type":"error","payload":' + errors + b"}").decode()


def write_refusal(identifier: str, error: ServiceError) -> str:
    """The error of an operation that is not run."""
    return write_error(orjson.dumps(identifier), orjson.dumps([format_service_error(error)]))


def write_complete(identifier: bytes) -> str:
    return (b'{"id":' + identifier + b',"type":"complete"}').decode()


def write_close(closed: SocketClosed) -> Message:
    return {"type": "websocket.close", "code": closed.code, "reason": closed.reason}
