"""A hostile request as data: what is sent, and exactly what it gets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.support.media_types import GRAPHQL_RESPONSE, JSON

Headers = tuple[tuple[str, str | bytes], ...]

CURSOR = "<cursor>"
OTHER_CURSOR = "<cursor of another booking>"
RECORD = "<id of a record>"
BOOKING = "<id of a booking>"
FOREIGN = "<id of another site's record>"
TOKEN = "<token>"


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and its answer: the status, and the codes and arguments of all its errors.

    Names in angle brackets stand for what the test's site has. A case without errors has the data that it names.
    """

    status: int
    errors: tuple[tuple[str, str | None], ...] = ()
    data: Any = None
    method: str = "POST"
    path: str = "/graphql"
    body: bytes = b""
    headers: Headers = (("content-type", JSON), ("accept", GRAPHQL_RESPONSE))
    authorization: tuple[str, ...] = (f"Bearer {TOKEN}",)
    damage: Callable[[str], str] | None = field(default=None, compare=False)


def gets(status: int, code: str | None = None, *arguments: str | None, data: Any = None) -> dict[str, Any]:
    """The status of an answer, and the code that its errors share, one for each argument."""
    errors = [(code, argument) for argument in arguments or (None,)] if code else []
    return {"status": status, "errors": tuple(errors), "data": data}


def ask(query: str, variables: Any = None, **answer: Any) -> Case:
    """A query by POST."""
    content = {"query": query} if variables is None else {"query": query, "variables": variables}
    return Case(body=orjson.dumps(content), **answer)


def post(body: bytes | str, **answer: Any) -> Case:
    """A body as it stands."""
    return Case(body=body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body, **answer)


INVALID = "GRAPHQL_VALIDATION_FAILED"
UNPARSED = "GRAPHQL_PARSE_FAILED"
COMPLEX = "OPERATION_TOO_COMPLEX"
INPUT = "BAD_USER_INPUT"
