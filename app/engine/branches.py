"""What one request makes of the fields of its operation: their plans, what was fetched, and what has failed."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from app.attendance.reading import Frame
from app.database.pool import Row
from app.engine.coercion import InputRefused
from app.engine.fields import ConnectionField, Path, RootField
from app.engine.inputs import Variables
from app.errors import BadUserInput, CursorMalformed, ServiceError
from app.plan.page import ConnectionPlan
from app.plan.properties import Value

NO_GROUPS: Mapping[str, list[Any]] = MappingProxyType({})


class NestedBranch:
    """A connection below the bookings or sessions of one level.

    `frames` has what is written for each parent, and `failures` why there is nothing for others; `has_overflow` says
    that figures may be more than an Int can hold. `rows` are those of all parents' pages, below which `nested` goes on.
    """

    __slots__ = ("failures", "field", "frames", "has_overflow", "nested", "parents", "plans", "rows")

    def __init__(self, field: ConnectionField, parents: Sequence[Value]) -> None:
        self.field = field
        self.parents = parents
        self.plans: dict[ConnectionPlan, list[Value]] = {}
        self.failures: dict[Value, Exception] = {}
        self.has_overflow = False
        self.frames: dict[Value, Frame] = {}
        self.rows: list[Row] = []
        self.nested: list[NestedBranch] = []

    def plan(self, inputs: Variables) -> None:
        """Plan the connection: once for all parents, as it is one plan but for its cursors, which are a parent's own.

        An argument that is refused for one parent is refused for all.
        """
        field, parents = self.field, self.parents
        assert field.parent is not None
        for parent in parents:
            try:
                plan = field.resolver.plan(field.parent.build(id=str(parent)), inputs)
            except Exception as failure:
                if is_of_arguments(failure, field.resolver.given):
                    self.failures = dict.fromkeys(parents, failure)
                    return
                self.failures[parent] = failure
                continue
            plan = plan._replace(perspective=None)
            if not field.resolver.has_cursors:
                self.plans[plan] = list(parents)
                return
            self.plans.setdefault(plan, []).append(parent)


class RootBranch:
    """A root field in one request: its plan, and what was fetched for it.

    `items` are what it gives, one or several, each of which may be None, or the exception that it ended in; `groups`
    has for each type of items those branches that go on below them. A failure of the field itself leaves it no items.
    `nulls` are the paths below it that are null for a failure, and `has_failed` says that any may be to come.
    """

    __slots__ = ("failure", "field", "frames", "groups", "has_failed", "is_null", "items", "nulls", "plan")

    def __init__(self, field: RootField, inputs: Variables, plan: Any = None) -> None:
        self.field = field
        self.failure: Exception | None = None
        self.has_failed = self.is_null = False
        self.plan: Any = plan or field.fixed
        self.frames: Any = None
        self.items: list[Any] = []
        self.groups: Mapping[str, list[NestedBranch]] = NO_GROUPS
        self.nulls: set[Path] | None = None
        if self.plan is None:
            try:
                self.plan = field.resolver.plan(None, inputs)
                if type(field) is ConnectionField:
                    self.plan = self.plan.select(field.selection)
            except Exception as failure:
                self.fail(failure)
        elif isinstance(self.plan, Exception):
            self.fail(self.plan)

    def fail(self, failure: Exception) -> None:
        self.failure = failure
        self.has_failed = True


def is_of_arguments(failure: Exception, given: Iterable[str]) -> bool:
    """Whether a failure is about a field's arguments, whichever object the field is of.

    A cursor of one object's connection is none of another's: what is wrong with `before` may be wrong with `after`
    there.
    """
    if isinstance(failure, CursorMalformed):
        return failure.argument == "after" or "after" not in given
    return isinstance(failure, BadUserInput | InputRefused) or not isinstance(failure, ServiceError)


def open_branches(fields: Sequence[ConnectionField], rows: Iterable[Row]) -> list[NestedBranch]:
    """The branches below rows, for their bookings or sessions, each once, in the order of the rows.

    A row may have no booking, or no session.
    """
    branches = []
    for field in fields:
        assert field.parent is not None
        of = field.parent.of
        parents = dict.fromkeys([row[of] for row in rows])
        parents.pop(None, None)
        branches.append(NestedBranch(field, list(parents)))
    return branches
