"""`extensions.cost`: what an operation cost, for clients that request it with a header; a write's revision with it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from app.operations.change_stream import ChangeStream
from app.operations.record import OperationRecord
from app.operations.response import Response

COST_HEADER = b"x-attendance-cost"
COST_REQUESTED = b"1"
COST_LIMIT = "cost"


def add_cost(
    response: Response | ChangeStream, record: OperationRecord, variables: Mapping[str, Any]
) -> Response | ChangeStream:
    """The response with the cost of its operation: statements, rows, and its static cost. With the revision of a write.

    Returns the response unchanged if there is no operation, or if it is a stream.
    """
    if record.operation is None or not isinstance(response, Response):
        return response
    cost: dict[str, Any] = {"statements": record.statements, "rows": record.rows}
    if record.has_run or record.limit == COST_LIMIT:
        cost["cost"] = record.operation.cost(variables)
    extensions: dict[str, Any] = {"cost": cost}
    if record.revision:
        extensions["revision"] = record.revision
    return replace(response, body=response.body[:-1] + b',"extensions":' + orjson.dumps(extensions) + b"}")
