"""Requests as GraphQL over HTTP has them, read from a query string or a JSON body."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request

from app.errors import BadUserInput
from app.operations.running import GraphQLRequest
from app.web.media_types import holds_json


class HTTPRefusal(Exception):
    """A request that is refused before GraphQL has anything to say: a status, and an error for its body."""

    def __init__(self, status: int, message: str, *, argument: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = BadUserInput(message, argument=argument)
        self.headers = headers


async def read_request(request: Request, most_bytes: int) -> GraphQLRequest:
    """The GraphQL request that an HTTP request holds. Raises HTTPRefusal."""
    if request.method == "GET":
        return build_request(read_query_parameters(request), only_queries=True)
    if not holds_json(request.headers.get("content-type")):
        raise HTTPRefusal(415, "The body must be JSON in UTF-8: send `Content-Type: application/json`.")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPRefusal(415, "The body must not be compressed.")
    return build_request(parse_json(await read_body(request, most_bytes), "The body"), only_queries=False)


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The whole body. One that is too large is read to its end unkept, so that the client can take in the answer."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most_bytes:
            chunks.append(chunk)
    if size > most_bytes:
        raise HTTPRefusal(413, f"The body is larger than {most_bytes} bytes.")
    return b"".join(chunks)


def read_query_parameters(request: Request) -> dict[str, Any]:
    """Follows "GET" of the GraphQL-over-HTTP specification, in which an empty name of an operation is none."""
    parameters: dict[str, Any] = dict(request.query_params)
    if parameters.get("operationName") == "":
        del parameters["operationName"]
    for name in ("variables", "extensions"):
        if name in parameters:
            parameters[name] = parse_json(parameters[name], f"`{name}`", argument=name)
    return parameters


def parse_json(content: bytes | str, what: str, *, argument: str | None = None) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as failure:
        raise HTTPRefusal(400, f"{what} must be JSON.", argument=argument) from failure


def build_request(parameters: object, *, only_queries: bool) -> GraphQLRequest:
    """Follows "Request Parameters" of the GraphQL-over-HTTP specification."""
    if isinstance(parameters, list):
        raise HTTPRefusal(400, "Several requests in one are not supported: send each on its own.")
    if not isinstance(parameters, Mapping):
        raise HTTPRefusal(400, "The body must be a JSON object.")
    query = parameters.get("query")
    if not isinstance(query, str):
        raise HTTPRefusal(400, "`query` must be given, as a string.", argument="query")
    take_optional(parameters, "extensions", dict, "an object")
    return GraphQLRequest(
        query,
        take_optional(parameters, "operationName", str, "a string"),
        take_optional(parameters, "variables", dict, "an object") or {},
        only_queries,
    )


def take_optional(parameters: Mapping[str, Any], name: str, kind: type, noun: str) -> Any:
    value = parameters.get(name)
    if value is not None and not isinstance(value, kind):
        raise HTTPRefusal(400, f"`{name}` must be {noun}.", argument=name)
    return value
