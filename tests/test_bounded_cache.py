"""A cache keeps its bounds, whatever several threads do to it at once."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from app.bounded_cache import BoundedCache

MOST_ITEMS, MOST_WEIGHT = 20, 100


@pytest.fixture
def eager_threads() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_threads")
def test_threads_leave_a_cache_within_its_bounds() -> None:
    cache: BoundedCache[int, int] = BoundedCache(MOST_ITEMS, MOST_WEIGHT)

    def use(seed: int) -> None:
        random = Random(seed)
        for _ in range(5_000):
            key = random.randrange(30)
            value = cache.get_or_build(key, lambda key=key: -key) if random.random() < 0.3 else cache.get(key)
            assert value in (None, key, -key)
            cache.put(key, key, random.randrange(1, 12))
            if random.random() < 0.2:
                cache.remove(random.randrange(30))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(use, range(4)))
    assert 0 < len(cache) <= MOST_ITEMS
    cache.put(-1, -1, MOST_WEIGHT)
    assert len(cache) == 1
    for key in range(MOST_ITEMS):
        cache.put(key, key)
    assert len(cache) == MOST_ITEMS


def test_to_hold_a_key_is_no_use_of_it() -> None:
    cache: BoundedCache[int, int] = BoundedCache(2)
    cache.put(1, 1)
    cache.put(2, 2)
    assert 1 in cache
    cache.put(3, 3)
    assert (1 in cache, 2 in cache, 3 in cache) == (False, True, True)
