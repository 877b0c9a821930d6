"""What an operation costs: the most records that it can return, multiplied down nested connections.

A record counts once for each place in the response where it can stand: a page counts as many as it may hold, whether or
not it will, and what is selected below a record counts as often as there are records. Each root field, each connection
and each item of a list counts as one at least, introspection's lists too. What a variable may skip counts, and so does
each of several selections of the same field.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Variables = Mapping[str, Any]
BEYOND_BOUNDS = 10**9


@dataclass(frozen=True, slots=True, eq=False)
class Size:
    """How many there are of something: `read` finds it from the variables, and never finds more than `most`."""

    read: Callable[[Variables], int]
    most: int = BEYOND_BOUNDS


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """So many things, each with what is selected of it: of several types that it may be, the most expensive one."""

    size: Size
    below: Sequence["Cost"]

    def compute(self, variables: Variables, known: dict["Product", int]) -> int:
        """Its cost, at least one; `known` holds what has been computed, however often it occurs."""
        count = known.get(self)
        if count is None:
            below = max([cost.compute(variables, known) for cost in self.below], default=0)
            count = known[self] = max(1, self.size.read(variables) * below)
        return count


@dataclass(frozen=True, slots=True, eq=False)
class Cost:
    """A number of records: what is certain, and what variables decide, each as often as it occurs.

    `most_varying` is the most that variables can add.
    """

    fixed: int = 0
    varying: Mapping[Product, int] = field(default_factory=dict)
    most_varying: int = 0

    def compute(self, variables: Variables, known: dict[Product, int]) -> int:
        count = self.fixed
        for product, times in self.varying.items():
            count += times * product.compute(variables, known)
        return count

    @property
    def most(self) -> int:
        """The most that it can be, whatever the variables are."""
        return self.fixed + self.most_varying


def add(costs: Iterable[Cost]) -> Cost:
    fixed, varying, most_varying = 0, Counter[Product](), 0
    for cost in costs:
        fixed += cost.fixed
        varying.update(cost.varying)
        most_varying = min(most_varying + cost.most_varying, BEYOND_BOUNDS)
    return Cost(fixed, varying, most_varying)


def multiply(size: int | Size, below: Sequence[Cost]) -> Cost:
    """The cost of so many things, at least one; a constant where no variable has a say in it."""
    known = Size(lambda _: size, size) if isinstance(size, int) else size
    product = Product(known, below)
    if isinstance(size, int) and not any(cost.varying for cost in below):
        return Cost(product.compute({}, {}))
    most = max(1, known.most * max([cost.most for cost in below], default=0))
    return Cost(varying={product: 1}, most_varying=min(most, BEYOND_BOUNDS))
