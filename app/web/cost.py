"""`extensions.cost`: what an operation took, for whoever asks by a header."""

from collections.abc import Mapping
from typing import Any

import orjson

from app.operations.record import OperationRecord
from app.operations.response import Response

COST_HEADER = b"x-attendance-cost"
ASKED = b"1"
BEYOND_COST = "cost"


def add_cost(response: Response, record: OperationRecord, variables: Mapping[str, Any]) -> Response:
    """The response with what its operation took: statements, rows, the path that it was run by, and its static cost.

    Nothing is added where there is no operation.
    """
    if record.operation is None:
        return response
    told: dict[str, Any] = {"statements": record.statements, "rows": record.rows, "path": record.path}
    if record.path is not None or record.limit == BEYOND_COST:
        told["cost"] = record.operation.cost(variables)
    return response._replace(body=response.body[:-1] + b',"extensions":' + orjson.dumps({"cost": told}) + b"}")
