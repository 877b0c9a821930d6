"""What may be stored after calls of which some were not answered: the possible states of each booking."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

RECORDS_A_BOOKING = 10
State = int | None


@dataclass(slots=True)
class Ledger:
    """Bookings that are written as a whole: all of their records hold one number, or there are none of them.

    `outcomes` counts the calls by how they ended.
    """

    possible: dict[UUID, set[State]] = field(default_factory=lambda: defaultdict(lambda: {None}))
    outcomes: Counter[str] = field(default_factory=Counter)

    def acknowledge(self, booking: UUID, state: State) -> None:
        """The booking is in this state: it was acknowledged."""
        self.possible[booking] = {state}
        self.outcomes["acknowledged"] += 1

    def leave_open(self, booking: UUID, state: State) -> None:
        """The booking may have come into this state, or have stayed as it was."""
        self.possible[booking].add(state)
        self.outcomes["unknown"] += 1

    def find_faults(self, stored: Iterable[tuple[UUID, int]]) -> list[str]:
        """What is stored half, lost, or nobody's: `stored` is each record's booking and number."""
        numbers: dict[UUID, list[int]] = defaultdict(list)
        for booking, number in stored:
            numbers[booking].append(number)
        faults = [f"nobody wrote {booking}" for booking in numbers.keys() - self.possible.keys()]
        for booking, states in self.possible.items():
            found = numbers[booking]
            if found and (len(found) != RECORDS_A_BOOKING or len(set(found)) != 1):
                faults.append(f"{booking} is half written: {found}")
            elif (found[0] if found else None) not in states:
                faults.append(f"{booking} holds {found[:1]}, and may hold {states}")
        return faults
