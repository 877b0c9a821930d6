"""How large the parts of a compiled operation are: about their bytes, so that a cache is bounded, and their number."""

from graphql import DocumentNode, Node, StringValueNode, ValueNode

from app.documents.errors import refuse
from app.documents.selections import list_children
from app.errors import OperationTooComplex
from app.plan.properties import Property

BYTES_OF_A_FIELD = 1_800
BYTES_OF_A_VALUE = 400
BYTES_OF_A_TOKEN = 300
BYTES_OF_CODE = 6
BYTES_OF_TEXT = 2

# The most that values can have as JSON: a session's id of 250 characters, each as an escape, and a cursor that has it.
BYTES_OF_A_SESSION_ID = 1_510
BYTES_OF_A_CURSOR = 2_500
BYTES_OF_A_COLUMN = 40

MOST_WRITERS = 200


def check_writers(count: int) -> None:
    """Raise RequestRefused for an operation that takes too many writers, each of which takes time to compile."""
    if count > MOST_WRITERS:
        message = f"The operation selects more than {MOST_WRITERS} connections; the limit is {MOST_WRITERS}."
        purpose = "It bounds how long an operation takes to compile; a fragment counts each time it is spread."
        raise refuse(OperationTooComplex(f"{message} {purpose}", limit="connections"))


def weigh_item(body: str) -> int:
    """The most bytes of JSON that the expression of one object can write, with one item of each of its lists."""
    of = Property.SESSION_ID
    sessions = sum(map(body.count, (f"<{of}>", f"<text {of}>", ": text")))
    columns, cursors = body.count("<"), body.count("cursor")
    return len(body) + columns * BYTES_OF_A_COLUMN + sessions * BYTES_OF_A_SESSION_ID + cursors * BYTES_OF_A_CURSOR


def weigh_code(source: str) -> int:
    """What the function of a source takes."""
    return len(source) * BYTES_OF_CODE


def weigh_syntax(document: DocumentNode) -> int:
    """What a parsed document takes, where an operation keeps it."""
    return document.token_count * BYTES_OF_A_TOKEN


def weigh_values(document: DocumentNode) -> int:
    """What the values in a document take: as constants, or as functions that read them."""
    total = 0
    nodes: list[Node] = [document]
    while nodes:
        node = nodes.pop()
        nodes += list_children(node)
        if isinstance(node, ValueNode):
            text = node.value if isinstance(node, StringValueNode) else ""
            total += BYTES_OF_A_VALUE + len(text) * BYTES_OF_TEXT
    return total
