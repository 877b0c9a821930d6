"""A brute-force model of absences: dictionaries, sorting and comparing positions, and nothing of the service's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.oracle import add_up
from tests.support.service import Record

KEYS = {
    "BOOKING": lambda record: str(record.booking_id),
    "SESSION": lambda record: record.session_id,
}
# Where an absence is in the order: by the share and the number missed, both descending, then by the key's bytes.
Position = tuple[float, int, bytes]


@dataclass(frozen=True, slots=True)
class ModelAbsence:
    """An absence as the model has it."""

    key: str
    missed_share: float
    summary: dict[str, Any]

    @property
    def position(self) -> Position:
        return place(self.missed_share, self.summary["notAttended"], self.key)


def place(missed_share: float, not_attended: int, key: str) -> Position:
    return -missed_share, -not_attended, key.encode()


def find_absences(
    records: Sequence[Record], by: str, minimum_recorded: int, minimum_missed_share: float
) -> list[ModelAbsence]:
    """All absences in their order."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(KEYS[by](record), []).append(record)
    found = []
    for key, group in groups.items():
        summary = add_up(group)
        recorded = summary["attended"] + summary["notAttended"]
        if not recorded or recorded < minimum_recorded:
            continue
        missed_share = summary["notAttended"] / recorded
        if missed_share >= minimum_missed_share:
            found.append(ModelAbsence(key, missed_share, summary))
    return sorted(found, key=lambda absence: absence.position)


@dataclass(frozen=True, slots=True)
class ModelPage:
    """A page: its absences in order, and both flags."""

    absences: list[ModelAbsence]
    has_next: bool
    has_previous: bool


def cut_page(
    absences: Sequence[ModelAbsence],
    *,
    first: int | None = None,
    last: int | None = None,
    after: Position | None = None,
    before: Position | None = None,
) -> ModelPage:
    """The page between two positions, which need not be those of absences; the flags tell of all that lie outside."""
    between = [
        each
        for each in absences
        if (after is None or each.position > after) and (before is None or each.position < before)
    ]
    kept = between[max(len(between) - last, 0) :] if last is not None else between[: 50 if first is None else first]
    hidden = len(between) > len(kept)
    follows = before is not None and any(each.position >= before for each in absences)
    precedes = after is not None and any(each.position <= after for each in absences)
    if last is not None:
        return ModelPage(kept, follows, precedes or hidden)
    return ModelPage(kept, follows or hidden, precedes)
