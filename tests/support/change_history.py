"""What a site's feed must hold at each revision, by a history that triggers of the tests' own write."""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

Position = tuple[int, UUID]
BEGINNING: Position = (-1, UUID(int=0))
LAST = UUID(int=2**128 - 1)

RECORD_HISTORY = """
CREATE TABLE history (
    place bigserial PRIMARY KEY, site_id uuid NOT NULL, revision bigint NOT NULL, id uuid NOT NULL,
    booking_id uuid NOT NULL, session_id text NOT NULL, status text, number_of_attendees integer
);
CREATE FUNCTION note_record() RETURNS trigger SECURITY DEFINER SET search_path = public LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO history (site_id, revision, id, booking_id, session_id, status, number_of_attendees)
    SELECT NEW.site_id, NEW.revision, NEW.id, NEW.booking_id, NEW.session_id, NEW.status, NEW.number_of_attendees;
    RETURN NULL;
END $$;
CREATE FUNCTION note_deletion() RETURNS trigger SECURITY DEFINER SET search_path = public LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO history (site_id, revision, id, booking_id, session_id)
    SELECT NEW.site_id, NEW.revision, NEW.id, NEW.booking_id, NEW.session_id;
    RETURN NULL;
END $$;
CREATE TRIGGER note_new AFTER INSERT ON attendance FOR EACH ROW EXECUTE FUNCTION note_record();
CREATE TRIGGER note_change AFTER UPDATE ON attendance FOR EACH ROW
    WHEN (OLD.revision <> NEW.revision) EXECUTE FUNCTION note_record();
CREATE TRIGGER note_deletion AFTER INSERT OR UPDATE ON attendance_deletion FOR EACH ROW
    EXECUTE FUNCTION note_deletion();
"""
READ_HISTORY = "SELECT * FROM history WHERE site_id = $1 ORDER BY revision, id, place"


class State(NamedTuple):
    """A record as a client has it."""

    booking: str
    session: str
    status: str
    number: int


class Change(NamedTuple):
    """What a revision made of a record: its new state, None where it was deleted."""

    place: Position
    booking: str
    session: str
    state: State | None


Told = dict[UUID, State | None]
Sees = Callable[[Change], bool]


@dataclass(frozen=True, slots=True)
class ChangeHistory:
    """Every change of every record, by its place."""

    changes: list[Change]

    def list_between(self, after: Position, until: Position) -> list[Change]:
        by_place = attrgetter("place")
        return self.changes[
            bisect_right(self.changes, after, key=by_place) : bisect_right(self.changes, until, key=by_place)
        ]

    def tell(self, after: Position, revision: int, sees: Sees) -> Told:
        """What is told to a reader of all changes behind a position, at the end of a revision: each record's last."""
        return {change.place[1]: change.state for change in self.list_between(after, (revision, LAST)) if sees(change)}

    def list_records(self, revision: int, sees: Sees) -> Told:
        """The records at the end of a revision."""
        return {id_: state for id_, state in self.tell(BEGINNING, revision, sees).items() if state}

    def has_in_order(self, told: Iterable[tuple[UUID, State | None]], after: Position, until: Position) -> bool:
        """Whether these changes lie between two positions of the feed, in its order."""
        between = iter(self.list_between(after, until))
        return all(any((each.place[1], each.state) == (id_, state) for each in between) for id_, state in told)


async def record_history(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(RECORD_HISTORY)
    finally:
        await connection.close()


async def read_history(url: str, site_id: UUID) -> ChangeHistory:
    connection = await asyncpg.connect(url)
    try:
        return ChangeHistory([read_change(row) for row in await connection.fetch(READ_HISTORY, site_id)])
    finally:
        await connection.close()


def read_change(row: Any) -> Change:
    key = str(row["booking_id"]), row["session_id"]
    state = State(*key, row["status"], row["number_of_attendees"]) if row["status"] else None
    return Change((row["revision"], row["id"]), *key, state)
