"""`attendance explain`: shows what a query costs."""

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from app.cli.databases import provide_database, run_with_database
from app.documents.documents import Documents
from app.documents.errors import RequestRefused
from app.documents.limits import read_limits
from app.documents.operation import Operation
from app.errors import ConfigurationError
from app.operations.explaining import explain_operation
from app.settings import Settings


def explain_file(
    settings: Settings, file: Path, operation_name: str | None, variables: str, site_id: UUID, *, analyze: bool
) -> str:
    """The explanation of the query in a file for a site. Raises ConfigurationError for an invalid query or file."""
    operation = read_operation(settings, read_text(file), operation_name)
    values = read_variables(variables)
    with provide_database(settings) as provided:
        return run_with_database(
            provided, lambda database: explain_operation(operation, values, database, site_id, analyze=analyze)
        )


def read_text(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise ConfigurationError(f"{file} cannot be read: {failure}") from failure


def read_variables(text: str) -> dict[str, Any]:
    try:
        variables = orjson.loads(text)
    except orjson.JSONDecodeError as failure:
        raise ConfigurationError(f"the variables are not JSON: {failure}") from failure
    if not isinstance(variables, dict):
        raise ConfigurationError("the variables must be a JSON object")
    return variables


def read_operation(settings: Settings, text: str, name: str | None) -> Operation:
    documents = Documents(size=1, limits=read_limits(settings), introspection=True)
    try:
        return documents.find(text, name)
    except RequestRefused as refusal:
        messages = "; ".join(error["message"] for error in refusal.errors)
        raise ConfigurationError(f"the operation is refused: {messages}") from refusal
