"""A cache that is bounded in the number of its items and in what they weigh together."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """The items that were used last. The newest one stays, whatever it weighs."""

    def __init__(self, most_items: int, most_weight: int) -> None:
        self._most_items = most_items
        self._most_weight = most_weight
        self._weight = 0
        self._items: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def find(self, key: Key) -> Value | None:
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def keep(self, key: Key, value: Value, weight: int = 1) -> None:
        """Keep an item, in place of another one with its key, and let go of those that were not used for longest."""
        if key in self._items:
            self._weight -= self._items.pop(key)[1]
        self._items[key] = value, weight
        self._weight += weight
        while len(self._items) > 1 and (len(self._items) > self._most_items or self._weight > self._most_weight):
            self._weight -= self._items.popitem(last=False)[1][1]
