"""About how much memory a document takes, in bytes, so that a cache can be bounded by it."""

import sys

from app.documents.errors import RequestRefused
from app.documents.operation import Operations

BYTES_OF_A_DOCUMENT = 2_000
BYTES_OF_AN_OPERATION = 2_500
BYTES_OF_A_TOKEN = 300
# Of what varies with the variables: sizes, costs, defaults.
BYTES_OF_A_VARYING_TOKEN = 60
BYTES_OF_AN_ERROR = 1_000


def weigh_document(text: str, operations: Operations) -> int:
    """What a document takes once it is compiled: its text and what is known of its operations."""
    tokens = count_tokens(operations)
    return (
        BYTES_OF_A_DOCUMENT
        + sys.getsizeof(text)
        + len(operations) * BYTES_OF_AN_OPERATION
        + tokens * BYTES_OF_A_VARYING_TOKEN
    )


def weigh_syntax(operations: Operations) -> int:
    """What its syntax takes on top, until it is compiled."""
    return count_tokens(operations) * BYTES_OF_A_TOKEN


def count_tokens(operations: Operations) -> int:
    return next((each.syntax.tokens for each in operations.values()), 0)


def weigh_refusal(refusal: RequestRefused) -> int:
    """What the errors of a refused document take."""
    return sum([BYTES_OF_AN_ERROR + sys.getsizeof(error["message"]) for error in refusal.errors])
