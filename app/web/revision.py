"""`X-Attendance-Revision`: tells callers the revision that a mutation has made, and takes one that a query must see."""

from dataclasses import replace

from app.operations.running import GraphQLRequest
from app.plan.changes import LARGEST_REVISION
from app.web.headers import Header
from app.web.requests import HTTPError

REVISION_HEADER = b"x-attendance-revision"
MOST_DIGITS = len(str(LARGEST_REVISION))
MALFORMED = (
    f"`X-Attendance-Revision` must be one whole number from 0 to {LARGEST_REVISION}: send what the answer of a "
    "mutation had, or leave it out."
)


def require_revision(request: GraphQLRequest, given: bytes) -> GraphQLRequest:
    """The request, which must see the revision that its header gives. Raises HTTPError for a header that gives none."""
    digits = given.strip(b" \t")
    revision = int(digits) if digits.isdigit() and len(digits) <= MOST_DIGITS else -1
    if not 0 <= revision <= LARGEST_REVISION:
        raise HTTPError(400, MALFORMED, argument="X-Attendance-Revision")
    return replace(request, least_revision=revision)


def write_revision(revision: int) -> Header:
    """The header of an answer after which the site has this revision."""
    return REVISION_HEADER, b"%d" % revision
