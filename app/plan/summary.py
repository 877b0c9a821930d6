"""Which figures to compute over all records that match, not only over those of the page."""

from enum import StrEnum
from typing import NamedTuple

from app.plan.filter import Filter, Perspective


class Aggregate(StrEnum):
    """A figure over the matching records; the value is its name in rows."""

    __hash__ = str.__hash__

    TOTAL = "total"
    ATTENDED = "attended"
    NOT_ATTENDED = "not_attended"
    NOT_SET = "not_set"
    ATTENDEES = "attendees"


class SummaryPlan(NamedTuple):
    """The figures to compute for one connection; `aggregates` is what was selected."""

    perspective: Perspective | None
    filter: Filter | None
    aggregates: frozenset[Aggregate]

    @property
    def needs_statement(self) -> bool:
        is_empty = self.filter is not None and self.filter.value == ()
        return bool(self.aggregates) and not is_empty


NO_SUMMARY = SummaryPlan(None, None, frozenset())
