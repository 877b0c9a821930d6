"""Which page to read: from which end of the order, how many records, between which positions."""

from collections.abc import Container
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from app.errors import BadUserInput
from app.plan.cursor import CursorCodec, Position, plan_cursors
from app.plan.filter import Filter, Perspective
from app.plan.order import Order
from app.plan.properties import Property
from app.plan.summary import Aggregate

DEFAULT_SIZE = 50
LARGEST_SIZE = 100


class PageArguments(NamedTuple):
    """The page arguments of a connection as the caller gave them; None is absent."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


class CursorSelection(StrEnum):
    """The records of a page whose cursors are selected."""

    __hash__ = str.__hash__

    NONE = "none"
    ENDS = "ends"
    ALL = "all"


class PageSelection(NamedTuple):
    """What a query selects of a page: whether its rows, which cursors, which properties, flags, and figures of rows.

    `rows` says whether rows are read, even if only for their cursors; `revision`, whether the site's revision is. Only
    rows that stand for groups of records have figures.
    """

    rows: bool = False
    cursors: CursorSelection = CursorSelection.NONE
    columns: frozenset[Property] = frozenset()
    has_next: bool = False
    has_previous: bool = False
    revision: bool = False
    row_figures: frozenset[Aggregate] = frozenset()

    @property
    def row(self) -> tuple[Property | Aggregate, ...]:
        """What a row begins with: the selected properties, then its figures, each as they are declared."""
        return *list_columns(self.columns), *(figure for figure in Aggregate if figure in self.row_figures)


class ConnectionPlan(NamedTuple):
    """The records that a connection asks for, their order, and the page of them. Without `perspective`: the whole site.

    `backward` reads the page from the end of the order.
    """

    perspective: Perspective | None
    filter: Filter | None
    order: Order
    size: int
    backward: bool
    after: Position | None = None
    before: Position | None = None

    def select(self, selected: PageSelection) -> "PagePlan":
        """The plan that reads only what is selected of the page."""
        _, filter_, _, size, backward, after, before = self
        row_limit = limit_rows(selected, size, backward=backward)
        asks_before, asks_after = selected.has_previous and after is not None, selected.has_next and before is not None
        needs_statement = row_limit > 0 or asks_before or asks_after or selected.revision
        if filter_ is not None and filter_.value == ():
            row_limit, asks_before, asks_after, needs_statement = 0, False, False, selected.revision
        return PagePlan(*self, selected, row_limit, asks_before, asks_after, needs_statement)


class PagePlan(NamedTuple):
    """A page of a connection, and what to read of it.

    `row_limit` is the maximum number of rows to read: 0 if no rows are needed, and `size` + 1 if the flag of the side
    that is read towards is selected. `asks_before` and `asks_after` say that a flag is selected which needs a probe
    beyond the cursor `after` or `before`. `needs_statement` is False if nothing can match or nothing is selected.
    """

    perspective: Perspective | None
    filter: Filter | None
    order: Order
    size: int
    backward: bool
    after: Position | None
    before: Position | None
    selected: PageSelection
    row_limit: int
    asks_before: bool
    asks_after: bool
    needs_statement: bool

    @property
    def cursors(self) -> CursorCodec:
        return plan_cursors(self.order, self.perspective, self.filter)

    @property
    def columns(self) -> tuple[Property, ...]:
        """The properties to read: the selected ones, then those that only the order needs."""
        return list_all_columns(self.selected.columns, self.order)


def limit_rows(selected: PageSelection, size: int, *, backward: bool) -> int:
    """How many rows to read: one more than the page if the flag of the side that is read towards is selected."""
    probes_further = selected.has_previous if backward else selected.has_next
    return size + 1 if probes_further else size if selected.rows else 0


def list_columns(selected: Container[Property]) -> tuple[Property, ...]:
    """The selected properties, in the order in which `Property` declares them."""
    return tuple(of for of in Property if of in selected)


@lru_cache
def list_all_columns(selected: frozenset[Property], order: Order) -> tuple[Property, ...]:
    return (*list_columns(selected), *(key.of for key in order if key.of not in selected))


@lru_cache
def find_key_positions(selected: frozenset[Property], order: Order) -> tuple[int, ...]:
    columns = list_all_columns(selected, order)
    return tuple(columns.index(key.of) for key in order)


def plan_connection(
    perspective: Perspective | None, filter_: Filter | None, order: Order, page: PageArguments
) -> ConnectionPlan:
    """The page that the arguments of a connection ask for.

    Follows "Pagination algorithm" of the Relay Cursor Connections specification. Raises BadUserInput for a size that
    is negative, above 100 or given as both `first` and `last`, CursorInvalid and CursorMismatch for an unusable cursor.
    """
    first, after, last, before = page
    size, backward = plan_size(first, last)
    if after is None and before is None:
        return ConnectionPlan(perspective, filter_, order, size, backward)
    codec = plan_cursors(order, perspective, filter_)
    start = None if after is None else codec.decode(after, "after")
    end = None if before is None else codec.decode(before, "before")
    return ConnectionPlan(perspective, filter_, order, size, backward, start, end)


def plan_size(first: int | None, last: int | None) -> tuple[int, bool]:
    """How many records to read, and whether from the end of the order.

    Raises BadUserInput when both are given, or when one is negative or above 100.
    """
    if first is not None and last is not None:
        raise BadUserInput("`first` and `last` cannot be given together.", argument="last")
    argument, size = ("first", first) if last is None else ("last", last)
    if size is None:
        return DEFAULT_SIZE, False
    if not 0 <= size <= LARGEST_SIZE:
        raise BadUserInput(f"`{argument}` takes a number from 0 to {LARGEST_SIZE}, not {size}.", argument=argument)
    return size, argument == "last"
