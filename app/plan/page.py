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

DEFAULT_SIZE = 50
LARGEST_SIZE = 100


class PageArguments(NamedTuple):
    """The page arguments of a connection as the caller gave them; None is absent."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


class CursorsWanted(StrEnum):
    """Of which records of a page the cursors are written."""

    __hash__ = str.__hash__

    NONE = "none"
    ENDS = "ends"
    ALL = "all"


class PageWants(NamedTuple):
    """What the caller selected of a page: whether its records, which cursors, which properties, and which flags.

    `rows` says whether records are read, be it for their cursors alone.
    """

    rows: bool = False
    cursors: CursorsWanted = CursorsWanted.NONE
    columns: frozenset[Property] = frozenset()
    has_next: bool = False
    has_previous: bool = False


class PagePlan(NamedTuple):
    """One page of one connection. `perspective` is None for the whole site.

    `backward` reads the page from the end of the order. `row_limit` is how many rows to read at most: one more than
    `size` where the page's neighbour is asked for on the side it is read towards, none where nothing is. The flags of
    the sides that cursors close, `asks_before` and `asks_after`, are answered by a look beyond the cursor.
    """

    perspective: Perspective | None
    condition: Filter | None
    order: Order
    size: int
    backward: bool
    after: Position | None
    before: Position | None
    wants: PageWants
    row_limit: int
    asks_before: bool
    asks_after: bool

    @property
    def cursors(self) -> CursorCodec:
        return plan_cursors(self.order, self.perspective, self.condition)

    @property
    def needs_statement(self) -> bool:
        is_empty = self.condition is not None and self.condition.matches_nothing
        return not is_empty and (self.row_limit > 0 or self.asks_before or self.asks_after)

    @property
    def columns(self) -> tuple[Property, ...]:
        """The properties to read: the selected ones, and behind them those that only the order needs."""
        return list_all_columns(self.wants.columns, self.order)

    @property
    def key_places(self) -> tuple[int, ...]:
        """Where a row has the values of the order's keys."""
        return find_places(self.wants.columns, self.order)


def list_columns(selected: Container[Property]) -> tuple[Property, ...]:
    """Selected properties, always in the same sequence."""
    return tuple(of for of in Property if of in selected)


@lru_cache
def list_all_columns(selected: frozenset[Property], order: Order) -> tuple[Property, ...]:
    return (*list_columns(selected), *(key.of for key in order if key.of not in selected))


@lru_cache
def find_places(selected: frozenset[Property], order: Order) -> tuple[int, ...]:
    columns = list_all_columns(selected, order)
    return tuple(columns.index(key.of) for key in order)


def plan_page(
    perspective: Perspective | None,
    condition: Filter | None,
    order: Order,
    arguments: PageArguments,
    wants: PageWants,
    cursors: CursorCodec | None = None,
) -> PagePlan:
    """The page that the arguments of a connection ask for, whose `cursors` need not be planned where they are given.

    Follows "Pagination algorithm" of the Relay Cursor Connections specification. Raises BadUserInput for a size that
    is negative, above 100 or given at both ends, CursorInvalid and CursorMismatch for a cursor that cannot be used.
    """
    size, backward = plan_size(arguments.first, arguments.last)
    after = before = None
    if arguments.after is not None or arguments.before is not None:
        codec = cursors or plan_cursors(order, perspective, condition)
        after = None if arguments.after is None else codec.decode(arguments.after, "after")
        before = None if arguments.before is None else codec.decode(arguments.before, "before")
    probes_further = wants.has_previous if backward else wants.has_next
    return PagePlan(
        perspective,
        condition,
        order,
        size,
        backward,
        after,
        before,
        wants,
        row_limit=size + 1 if probes_further else size if wants.rows else 0,
        asks_before=wants.has_previous and after is not None,
        asks_after=wants.has_next and before is not None,
    )


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
