"""Pages of absences equal those of a brute-force model: ties, the boundaries of both minimums, both directions."""

import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.plan.absences import AbsenceGroups, AbsencePosition
from app.schema.names import GROUPINGS
from tests.support import differential
from tests.support.absence_model import ModelAbsence, Position, cut_page, find_absences, place
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

SITES = 10
SESSIONS = ("a", "B", "a/b", "é", "zz:-:/", 'quote"\\', "\u2028", "😀", "ab", "b")
STATUSES = ("ATTENDED", "NOT_ATTENDED", "NOT_SET")
PAGE = """
query($by: AbsenceGrouping!, $recorded: Int!, $share: Float!, $first: Int, $after: String, $last: Int,
  $before: String) {
  absences(by: $by, minimumRecorded: $recorded, minimumMissedShare: $share, first: $first, after: $after, last: $last,
    before: $before) {
    edges { cursor node {
      booking { id } session { id } missedShare
      summary { total attended notAttended notSet numberOfAttendees attendanceRate }
    } }
    nodes { missedShare }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}
"""

Site = tuple[UUID, list[Record]]


def make_records(seed: int) -> list[Record]:
    """The records of up to 25 bookings, whose outcomes repeat, so that shares and numbers are often equal."""
    chance = random.Random(f"absences {seed}")
    bookings = [UUID(int=chance.getrandbits(128)) for _ in range(seed * 3)]
    records = []
    for booking in bookings:
        weights = chance.choice([(1, 1, 1), (1, 3, 1), (0, 1, 0), (1, 0, 1), (0, 0, 1), (5, 5, 0)])
        for session in chance.sample(SESSIONS, chance.choice([1, 2, 3, 3, 4, 6, 9])):
            [status] = chance.choices(STATUSES, weights)
            records.append(Record(booking, session, status, chance.choice((0, 1, 2))))
    return records


@pytest.fixture(scope="module")
async def sites(database: RecordingDatabase) -> list[Site]:
    """Sites of different sizes, one of them empty."""
    made = [(uuid4(), make_records(seed)) for seed in range(SITES)]
    for site_id, records in made:
        await store(database, site_id, records)
    return made


def draw_share(chance: random.Random, records: Sequence[Record], by: str) -> float:
    """A share that some absence has, the next float above or below it, an end of the range, or any other."""
    shares = [each.missed_share for each in find_absences(records, by, 0, 0)] or [0.5]
    share = chance.choice(shares)
    near = [share, share, min(math.nextafter(share, 2), 1.0), max(math.nextafter(share, -1), 0.0)]
    return chance.choice([*near, 0, 1, 1 / 3, chance.random()])


def draw_position(chance: random.Random, absences: Sequence[ModelAbsence], by: str) -> AbsencePosition:
    """The position of an absence, or one of none: what it was before it changed, or was gone."""
    if absences and chance.random() < 0.7:
        chosen = chance.choice(absences)
        position = AbsencePosition(chosen.missed_share, chosen.summary["notAttended"], chosen.key)
    else:
        key = str(UUID(int=chance.getrandbits(128))) if by == "BOOKING" else chance.choice([*SESSIONS, "m"])
        position = AbsencePosition(chance.choice([0.0, 1 / 3, 0.5, 2 / 3, 1.0]), chance.randrange(5), key)
    return position._replace(key=UUID(position.key)) if by == "BOOKING" else position


def draw_window(chance: random.Random, absences: Sequence[ModelAbsence], by: str) -> dict[str, Any]:
    """The arguments of a page: a size from either end, and at times cursors as positions."""
    sizes = [0, 1, 1, 2, 3, 5, len(absences), len(absences) + 1, 100]
    window: dict[str, Any] = {chance.choice(["first", "first", "last"]): chance.choice(sizes)}
    for end in ("after", "before"):
        if chance.random() < 0.4:
            window[end] = draw_position(chance, absences, by)
    return {} if chance.random() < 0.05 else window


def show(absence: ModelAbsence, by: str) -> dict[str, Any]:
    """An absence as the service answers it."""
    return {
        "booking": {"id": absence.key} if by == "BOOKING" else None,
        "session": {"id": absence.key} if by == "SESSION" else None,
        "missedShare": absence.missed_share,
        "summary": absence.summary,
    }


def to_model(position: AbsencePosition | None) -> Position | None:
    return None if position is None else place(position.missed_share, position.not_attended, str(position.key))


async def test_pages_of_absences_are_those_of_the_model(
    sites: list[Site], reader_of: Callable[[UUID], GraphQLClient]
) -> None:
    seen: Counter[str] = Counter()
    for seed in range(differential.ABSENCE_CASES):
        chance = random.Random(f"absences {seed}")
        site_id, records = chance.choice(sites)
        by, recorded = chance.choice(["BOOKING", "SESSION"]), chance.choice([0, 1, 2, 3, 3, 4, 6, 10])
        share = draw_share(chance, records, by)
        absences = find_absences(records, by, recorded, share)
        window = draw_window(chance, absences, by)
        expected = cut_page(
            absences,
            **{name: to_model(value) if name in ("after", "before") else value for name, value in window.items()},
        )

        groups = AbsenceGroups(GROUPINGS[by], max(recorded, 1), float(share))
        cursors = {end: groups.encode_cursor(window[end]) for end in ("after", "before") if end in window}
        variables = {"by": by, "recorded": recorded, "share": share, **window, **cursors}
        answer = (await reader_of(site_id).data(PAGE, **variables))["absences"]

        about = (seed, variables)
        assert [edge["node"] for edge in answer["edges"]] == [show(each, by) for each in expected.absences], about
        assert [node["missedShare"] for node in answer["nodes"]] == [each.missed_share for each in expected.absences]
        info = answer["pageInfo"]
        assert (info["hasNextPage"], info["hasPreviousPage"]) == (expected.has_next, expected.has_previous), about
        shown = [edge["cursor"] for edge in answer["edges"]]
        assert (info["startCursor"], info["endCursor"]) == ((shown[0], shown[-1]) if shown else (None, None)), about
        assert answer["totalCount"] == len(absences), about
        for absence, cursor in zip(expected.absences, shown, strict=True):
            assert to_model(groups.decode_cursor(cursor, "after")) == absence.position
        seen.update(describe(absences, expected.absences, window))
    assert min(seen[each] for each in ("a tie", "an empty page", "a whole page", "backward", "a range")) > 5, seen


def describe(absences: Sequence[ModelAbsence], page: Sequence[ModelAbsence], window: dict[str, Any]) -> list[str]:
    """What a case has been about, so that the test knows that it has seen all of it."""
    facts = {
        "a tie": len({each.position[:2] for each in absences}) < len(absences),
        "an empty page": not page,
        "a whole page": len(page) > 2,
        "backward": "last" in window,
        "a range": "after" in window and "before" in window,
    }
    return [name for name, holds in facts.items() if holds]


@pytest.mark.parametrize("by", ["BOOKING", "SESSION"])
@pytest.mark.parametrize(("size", "cursor", "onward"), [("first", "after", "end"), ("last", "before", "start")])
async def test_a_walk_in_either_direction_passes_each_absence_once(
    sites: list[Site], reader_of: Callable[[UUID], GraphQLClient], by: str, size: str, cursor: str, onward: str
) -> None:
    site_id, records = sites[-1]
    absences = find_absences(records, by, 1, 0.2)
    walked: list[str] = []
    at = None
    for _ in absences:
        variables = {"by": by, "recorded": 1, "share": 0.2, size: 2, cursor: at}
        page = (await reader_of(site_id).data(PAGE, **variables))["absences"]
        keys = [edge["node"][by.lower()]["id"] for edge in page["edges"]]
        walked = [*walked, *keys] if size == "first" else [*keys, *walked]
        at = page["pageInfo"][f"{onward}Cursor"]
        if not page["pageInfo"]["hasNextPage" if size == "first" else "hasPreviousPage"]:
            break
    assert walked == [each.key for each in absences]
    assert len(walked) > 5
