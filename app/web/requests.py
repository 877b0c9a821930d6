"""Requests as GraphQL over HTTP has them, read from a query string or a JSON body."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.datastructures import QueryParams

from app.errors import BadUserInput, ServiceError
from app.operations.persisted import APOLLO_HASH, DOCUMENT_ID, DocumentReference
from app.operations.running import GraphQLRequest
from app.operations.trusted import IDENTIFIER
from app.web.headers import CONTENT_ENCODING, CONTENT_TYPE
from app.web.media_types import holds_json


class HTTPRefusal(Exception):
    """A request that is refused before GraphQL has anything to say: a status, and an error for its body."""

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
        self.headers = headers


def check_body_type(headers: Mapping[bytes, bytes]) -> None:
    """Raise HTTPRefusal for a body that is not JSON as it stands. What browsers send unasked across origins is none."""
    if not holds_json(headers.get(CONTENT_TYPE)):
        raise HTTPRefusal(415, "The body must be JSON in UTF-8: send `Content-Type: application/json`.")
    if headers.get(CONTENT_ENCODING, b"identity") != b"identity":
        raise HTTPRefusal(415, "The body must not be compressed.")


def parse_body(body: bytes) -> GraphQLRequest:
    """The request that a POST holds. Raises HTTPRefusal."""
    return build_request(parse_json(body, "The body"), len(body), only_queries=False)


def parse_query_string(query_string: bytes) -> GraphQLRequest:
    """The request that a GET holds. Raises HTTPRefusal.

    Follows "GET" of the GraphQL-over-HTTP specification, in which an empty name of an operation is none.
    """
    parameters: dict[str, Any] = dict(QueryParams(query_string))
    if parameters.get("operationName") == "":
        del parameters["operationName"]
    for name in ("variables", "extensions"):
        if name in parameters:
            parameters[name] = parse_json(parameters[name], f"`{name}`", argument=name)
    return build_request(parameters, len(query_string), only_queries=True)


def parse_json(content: bytes | str, what: str, *, argument: str | None = None) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as failure:
        raise HTTPRefusal(400, f"{what} must be JSON.", argument=argument) from failure


def build_request(parameters: object, size: int, *, only_queries: bool) -> GraphQLRequest:
    """The request of parameters that came in so many bytes. Raises HTTPRefusal.

    Follows "Request Parameters" of the GraphQL-over-HTTP specification."""
    if isinstance(parameters, list):
        raise HTTPRefusal(400, "Several requests in one are not supported: send each on its own.")
    if not isinstance(parameters, dict):
        raise HTTPRefusal(400, "The body must be a JSON object.")
    query = parameters.get("query")
    reference = read_reference(parameters) if may_refer(parameters) else None
    if not isinstance(query, str) and (query is not None or reference is None):
        raise HTTPRefusal(400, "`query` must be given, as a string.", argument="query")
    return GraphQLRequest(
        query,
        take_optional(parameters, "operationName", str, "a string"),
        take_optional(parameters, "variables", dict, "an object") or {},
        only_queries,
        reference,
        size,
    )


def take_optional(parameters: Mapping[str, Any], name: str, kind: type, noun: str) -> Any:
    value = parameters.get(name)
    if value is not None and not isinstance(value, kind):
        raise HTTPRefusal(400, f"`{name}` must be {noun}.", argument=name)
    return value


def may_refer(parameters: Mapping[str, Any]) -> bool:
    return parameters.get("extensions") is not None or parameters.get(DOCUMENT_ID) is not None


def read_reference(parameters: Mapping[str, Any]) -> DocumentReference | None:
    """The identifier that a request gives for its document.

    Follows "Persisted Document Request Parameters" of the GraphQL-over-HTTP specification, and Apollo's automatic
    persisted queries.
    """
    extensions = take_optional(parameters, "extensions", dict, "an object") or {}
    document_id = take_optional(parameters, DOCUMENT_ID, str, "a string")
    if document_id is not None:
        return build_reference(document_id, DOCUMENT_ID)
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        message = "`persistedQuery` must be an object with the version 1."
        raise HTTPRefusal(400, message, argument="extensions.persistedQuery.version")
    return build_reference(persisted.get("sha256Hash"), APOLLO_HASH)


def build_reference(identifier: object, argument: str) -> DocumentReference:
    if not isinstance(identifier, str) or not IDENTIFIER.fullmatch(identifier):
        message = "An identifier of a document holds letters, digits and `-._~:`, 200 at most."
        raise HTTPRefusal(400, message, argument=argument)
    return DocumentReference(identifier, argument)
