"""CPU time of one piece of work beside another's, on machines where the same work takes twice as long now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

ROUNDS = 25


class Comparison:
    """The least CPU time of two pieces of work, measured in turn until their ratio is below `most`.

    Work that costs too much does so in each of the rounds; a slow moment of the machine passes.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._rounds = 0
        self._work = inf
        self._reference = inf

    @property
    def ratio(self) -> float:
        return self._work / self._reference

    def undecided(self) -> bool:
        """True as long as one more round can change what is found."""
        self._rounds += 1
        return self._rounds == 1 or (self._rounds <= ROUNDS and self.ratio >= self._most)

    @contextmanager
    def reference(self) -> Iterator[None]:
        start = time.process_time()
        yield
        self._reference = min(self._reference, time.process_time() - start)

    @contextmanager
    def work(self) -> Iterator[None]:
        start = time.process_time()
        yield
        self._work = min(self._work, time.process_time() - start)
