"""A least-recently-used cache that is bounded in the number of its items and in their total weight."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import inf
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """Holds the most recently used items. It never evicts the newest item, whatever its weight.

    Several threads may use it at once.
    """

    def __init__(self, max_items: int, max_weight: float = inf) -> None:
        self._max_items = max_items
        self._max_weight = max_weight
        self._weight = 0
        self._items: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: Key) -> bool:
        """Whether the cache holds a key, which does not count as a use of it."""
        return key in self._items

    def get(self, key: Key) -> Value | None:
        """The value of a key, which counts as a use of it; None when the cache does not hold it."""
        try:
            self._items.move_to_end(key)
            return self._items[key][0]
        except KeyError:  # Also where another thread has evicted the item just now.
            return None

    def get_or_build(self, key: Key, build: Callable[[], Value]) -> Value:
        """The value of a key, which is built where the cache does not hold it."""
        try:
            self._items.move_to_end(key)
            value = self._items[key][0]
        except KeyError:
            value = build()
            self.put(key, value)
        return value

    def put(self, key: Key, value: Value, weight: int = 1) -> None:
        """Add or replace an item, then evict the least recently used items until the cache is within its bounds."""
        with self._lock:
            self._remove(key)
            self._items[key] = value, weight
            self._weight += weight
            while len(self._items) > 1 and (len(self._items) > self._max_items or self._weight > self._max_weight):
                self._weight -= self._items.popitem(last=False)[1][1]

    def remove(self, key: Key) -> None:
        """Remove an item, if the cache holds it."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: Key) -> None:
        if key in self._items:
            self._weight -= self._items.pop(key)[1]
