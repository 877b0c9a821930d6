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
Size = Callable[[Variables], int]


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
            count = known[self] = max(1, self.size(variables) * below)
        return count


@dataclass(frozen=True, slots=True, eq=False)
class Cost:
    """A number of records: what is certain, and what variables decide, each as often as it occurs."""

    fixed: int = 0
    varying: Mapping[Product, int] = field(default_factory=dict)

    def compute(self, variables: Variables, known: dict[Product, int]) -> int:
        count = self.fixed
        for product, times in self.varying.items():
            count += times * product.compute(variables, known)
        return count


def add(costs: Iterable[Cost]) -> Cost:
    fixed, varying = 0, Counter[Product]()
    for cost in costs:
        fixed += cost.fixed
        varying.update(cost.varying)
    return Cost(fixed, varying)


def multiply(size: int | Size, below: Sequence[Cost]) -> Cost:
    """The cost of so many things, at least one; a constant where no variable has a say in it."""
    product = Product(size if callable(size) else lambda _: size, below)
    is_fixed = not callable(size) and not any(cost.varying for cost in below)
    return Cost(product.compute({}, {})) if is_fixed else Cost(varying={product: 1})
