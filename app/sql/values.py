"""The values that a read is bound to: the parts of a plan that are not in the text of its statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from uuid import UUID

from app.plan.cursor import Position
from app.plan.properties import Value
from app.sql.arrays import write_array
from app.sql.fragment import Parameter


@dataclass(slots=True)
class Values:
    """The values of one read; `many` are the ids of its records, or of the parents of its pages."""

    site: UUID
    perspective: Value | None = None
    filter: Value | tuple[Value, ...] | None = None
    after: Position | None = None
    before: Position | None = None
    many: Sequence[Value] = ()


SITE_VALUE = Parameter(attrgetter("site"))
MANY_VALUES = Parameter(lambda values: write_array(values.many))
