"""Which absences to read: the bookings or sessions whose attendances were missed most, in pages.

An absence stands for the attendances of one booking or of one session. Absences are ordered by the share that was
missed, then by the number missed, the largest first, then by the id of the booking or session.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID
from zlib import crc32

from app.errors import BadUserInput, CursorInvalid
from app.plan.cursor import CHECKSUM_SIZE, CODECS_CACHED, VERSION, digest_parts, encode_text, is_storable, read_content
from app.plan.page import CursorSelection, PageArguments, PageSelection, limit_rows, plan_size
from app.plan.properties import GUID_PROPERTIES, Property

# The names in rows of what absences are ordered by.
MISSED_SHARE, NOT_ATTENDED, KEY = "missed_share", "not_attended", "key"
# What is asked for by default.
MINIMUM_RECORDED, MINIMUM_MISSED_SHARE = 3, 0.5
LARGEST_COUNT = 2**63 - 1
MEASURES = Struct(">dQ")
GUID_SIZE = 16


class AbsencePosition(NamedTuple):
    """A position in the order of absences; the key is the id of a booking or session."""

    missed_share: float
    not_attended: int
    key: UUID | str


class AbsenceGroups(NamedTuple):
    """Which absences there are: of bookings or of sessions, as `by` says, and the least of which they are made.

    At least `minimum_recorded` attendances say whether anybody came, and at least the share of them that is
    `minimum_missed_share` says that nobody did.
    """

    by: Property
    minimum_recorded: int
    minimum_missed_share: float

    def encode_cursor(self, position: AbsencePosition) -> str:
        """The cursor of a position: version, digest, missed share, number missed, key, and a checksum."""
        missed_share, not_attended, key = position
        content = write_head(self) + MEASURES.pack(missed_share, not_attended)
        content += key.bytes if isinstance(key, UUID) else key.encode()
        return encode_text(content + crc32(content).to_bytes(CHECKSUM_SIZE)).rstrip("=")

    def decode_cursor(self, cursor: str, argument: str) -> AbsencePosition:
        """The position that a cursor encodes.

        Raises CursorInvalid for a malformed cursor, and CursorMismatch for one of another grouping or other minimums.
        """
        content = read_content(cursor, write_head(self), argument, "grouping or minimum")
        position = decode_position(content, has_guid=self.by in GUID_PROPERTIES)
        if position is None:
            raise CursorInvalid(f"`{argument}` is not a cursor of this service.", argument=argument)
        return position


@lru_cache(CODECS_CACHED)
def write_head(groups: AbsenceGroups) -> bytes:
    """What the cursors of the same groups begin with."""
    return VERSION + digest_parts(["absences", *map(str, groups)])


def decode_position(content: bytes, *, has_guid: bool) -> AbsencePosition | None:
    """The position in the bytes of a cursor; None for one that no absence can have. A cursor may be forged."""
    measures, key = content[: MEASURES.size], content[MEASURES.size :]
    if len(measures) < MEASURES.size or (has_guid and len(key) != GUID_SIZE):
        return None
    missed_share, not_attended = MEASURES.unpack(measures)
    try:
        value = UUID(bytes=key) if has_guid else key.decode()
    except UnicodeDecodeError:
        return None
    if not (0 <= missed_share <= 1 and not_attended <= LARGEST_COUNT and (has_guid or is_storable(value))):
        return None
    return AbsencePosition(missed_share, not_attended, value)


class AbsencesPlan(NamedTuple):
    """The absences that a connection asks for, and the page of them. `backward` reads it from the end of the order."""

    groups: AbsenceGroups
    size: int
    backward: bool
    after: AbsencePosition | None
    before: AbsencePosition | None

    def select(self, selected: PageSelection) -> "AbsencesPage":
        """The plan that reads only what is selected of the page."""
        return AbsencesPage(
            *self,
            selected,
            limit_rows(selected, self.size, backward=self.backward),
            asks_before=selected.has_previous and self.after is not None,
            asks_after=selected.has_next and self.before is not None,
        )


class AbsencesPage(NamedTuple):
    """A page of absences, and what to read of it; the fields are those of `PagePlan`."""

    groups: AbsenceGroups
    size: int
    backward: bool
    after: AbsencePosition | None
    before: AbsencePosition | None
    selected: PageSelection
    row_limit: int
    asks_before: bool
    asks_after: bool

    @property
    def needs_statement(self) -> bool:
        """Whether anything is selected of the page or its surroundings."""
        return self.row_limit > 0 or self.asks_before or self.asks_after

    def encode_cursors(self, rows: Sequence[Any]) -> Sequence[str]:
        """The selected cursors of the rows of a page."""
        if not rows or self.selected.cursors is CursorSelection.NONE:
            return ()
        if self.selected.cursors is CursorSelection.ENDS:
            rows = rows[0], rows[-1]
        positions = [AbsencePosition(row[MISSED_SHARE], row[NOT_ATTENDED], row[KEY]) for row in rows]
        return list(map(self.groups.encode_cursor, positions))


def plan_absences(
    by: Property, minimum_recorded: int, minimum_missed_share: float, page: PageArguments
) -> AbsencesPlan:
    """The page that the arguments ask for.

    A booking or session without any recorded attendance has no share, so a minimum of 0 has the effect of 1. Raises
    BadUserInput for a minimum that is out of range, and what `plan_connection` raises for page arguments.
    """
    if minimum_recorded < 0:
        message = f"`minimumRecorded` takes a number from 0 on, not {minimum_recorded}."
        raise BadUserInput(message, argument="minimumRecorded")
    if not 0 <= minimum_missed_share <= 1:
        message = "`minimumMissedShare` takes a share from 0 to 1."
        raise BadUserInput(message, argument="minimumMissedShare")
    groups = AbsenceGroups(by, max(minimum_recorded, 1), abs(float(minimum_missed_share)))
    size, backward = plan_size(page.first, page.last)
    after = None if page.after is None else groups.decode_cursor(page.after, "after")
    before = None if page.before is None else groups.decode_cursor(page.before, "before")
    return AbsencesPlan(groups, size, backward, after, before)
