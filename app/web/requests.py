"""Parses GraphQL-over-HTTP requests from a query string or a JSON body."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.datastructures import QueryParams

from app.documents.persisted import APOLLO_HASH, DOCUMENT_ID, DocumentReference
from app.documents.trusted import IDENTIFIER
from app.errors import BadUserInput, ServiceError
from app.operations.running import GraphQLRequest
from app.web.headers import CONTENT_ENCODING, CONTENT_TYPE, Headers
from app.web.media_types import EVENT_STREAM, GRAPHQL_RESPONSE, JSON, is_json

BOM = b"\xef\xbb\xbf"
MOST_UNCOUNTED = 5000  # A body holds at most a value in two bytes. If these are fewer, they need not be counted.
MAY_BE_EMPTY = ("operationName", "variables", "extensions", DOCUMENT_ID)


class HTTPError(Exception):
    """A request that fails before GraphQL handles it. It has a status, and an error for the body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: type[ServiceError] = BadUserInput,
        argument: str | None = None,
        **headers: str,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = kind(message, argument=argument)
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]


def check_head(method: str, headers: Headers, media_type: str | None) -> None:
    """Check a request's method, its `Accept`, and the type of its body, which must be uncompressed JSON.

    Raises HTTPError.
    """
    if method not in ("POST", "GET"):
        raise HTTPError(405, "GraphQL is asked by GET or POST.", allow="GET, POST")
    if media_type is None:
        raise HTTPError(406, f"The answer is {GRAPHQL_RESPONSE}, {JSON} or {EVENT_STREAM}; `Accept` allows none.")
    if method == "POST":
        if not is_json(headers.get(CONTENT_TYPE)):
            raise HTTPError(415, "The body must be JSON in UTF-8: send `Content-Type: application/json`.")
        if headers.get(CONTENT_ENCODING, b"").lower() not in (b"", b"identity"):
            raise HTTPError(415, "The body must not be compressed.")


def parse_body(body: bytes, scope_type: str) -> GraphQLRequest:
    """The request in the body of a POST, or in the payload of a message of the scope `websocket`. Raises HTTPError.

    A byte order mark before the JSON is ignored (RFC 8259).
    """
    try:
        parameters = orjson.loads(body.removeprefix(BOM))
    except orjson.JSONDecodeError as failure:
        raise HTTPError(400, "The body must be JSON.") from failure
    if scope_type == "websocket":
        parameters = parameters.get("payload")
    max_values = (len(body) + 1) // 2
    if max_values > MOST_UNCOUNTED:
        max_values = body.count(b",") + body.count(b"[") + body.count(b"{")
    return build_request(parameters, max_values, only_queries=False)


def parse_query_string(query_string: bytes) -> GraphQLRequest:
    """The request in the query string of a GET. Raises HTTPError.

    Follows "GET" of the GraphQL-over-HTTP specification: an empty `operationName` counts as absent. So do empty
    `variables`, `extensions` and `documentId`.
    """
    given = QueryParams(query_string)
    parameters: dict[str, Any] = {name: value for name, value in given.items() if value or name not in MAY_BE_EMPTY}
    for name in ("variables", "extensions"):
        if name in parameters:
            try:
                parameters[name] = orjson.loads(parameters[name])
            except orjson.JSONDecodeError as failure:
                raise HTTPError(400, f"`{name}` must be JSON.", argument=name) from failure
    return build_request(parameters, None, only_queries=True)


def build_request(parameters: object, max_values: int | None, *, only_queries: bool) -> GraphQLRequest:
    """The request with these parameters, which hold `max_values` values at most, if that is known. Raises HTTPError.

    Follows "Request Parameters" of the GraphQL-over-HTTP specification. An empty `operationName` counts as absent.
    """
    if not isinstance(parameters, dict):
        if isinstance(parameters, list):
            raise HTTPError(400, "Several requests in one are not supported: send each on its own.")
        raise HTTPError(400, "The body must be a JSON object.")
    query, reference = parameters.get("query"), None
    if "extensions" in parameters or DOCUMENT_ID in parameters:
        reference = read_reference(parameters)
    if not isinstance(query, str) and (query is not None or reference is None):
        raise HTTPError(400, "`query` must be given, as a string.", argument="query")
    name, variables = None, None
    if "operationName" in parameters:
        name = read_optional(parameters, "operationName", str, "a string") or None
    if "variables" in parameters:
        variables = read_optional(parameters, "variables", dict, "an object")
    return GraphQLRequest(query, name, variables or {}, only_queries, reference, max_values)


def read_optional(parameters: Mapping[str, Any], name: str, kind: type, noun: str) -> Any:
    """The value of an optional parameter, None if it is absent. Raises HTTPError for another type than `kind`.

    An empty list counts as an empty object, because PHP writes both as `[]`.
    """
    value = parameters.get(name)
    if value is not None and not isinstance(value, kind):
        if kind is dict and value == []:
            return None
        raise HTTPError(400, f"`{name}` must be {noun}.", argument=name)
    return value


def read_reference(parameters: Mapping[str, Any]) -> DocumentReference | None:
    """The identifier that a request gives for its document. Raises HTTPError.

    Follows "Persisted Document Request Parameters" of the GraphQL-over-HTTP specification, and Apollo's automatic
    persisted queries. An empty `documentId` counts as absent.
    """
    extensions = read_optional(parameters, "extensions", dict, "an object") or {}
    document_id = read_optional(parameters, DOCUMENT_ID, str, "a string")
    if document_id:
        return build_reference(document_id, DOCUMENT_ID)
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        message = "`persistedQuery` must be an object with the version 1."
        raise HTTPError(400, message, argument="extensions.persistedQuery.version")
    return build_reference(persisted.get("sha256Hash"), APOLLO_HASH)


def build_reference(identifier: object, argument: str) -> DocumentReference:
    if not isinstance(identifier, str) or not IDENTIFIER.fullmatch(identifier):
        message = "An identifier of a document holds letters, digits and `-._~:`, 200 at most."
        raise HTTPError(400, message, argument=argument)
    return DocumentReference(identifier, argument)
