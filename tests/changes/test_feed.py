"""The feed of changes: each record once, at its last change, page by page, from any cursor."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.attendance.transfer.site import store_rows
from app.database.transfer import ImportRow
from app.plan.changes import ChangesPosition, plan_changes_cursors
from tests.support.changes import CHANGES, Site, list_kinds

LONG_AGO = "UPDATE attendance_deletion SET deleted_at = now() - interval '31 days' WHERE site_id = $1"


async def age_deletions(site: Site) -> None:
    async with site.service.database.connection(site.site_id) as connection:
        await connection.execute(LONG_AGO, site.site_id)


async def find_code(site: Site, after: str, **variables: Any) -> tuple[str, str]:
    """The code and the argument of the error that a cursor gets."""
    response = await site.run(CHANGES, after=after, **variables)
    assert response["data"] is None
    extensions = response["errors"][0]["extensions"]
    return extensions["code"], extensions["argument"]


async def test_the_feed_of_a_site_without_records_is_empty_and_has_a_cursor(site: Site) -> None:
    batch = await site.changes()
    assert (batch["changes"], batch["hasMore"]) == ([], False)
    (record,) = await site.set("first")
    assert list_kinds((await site.changes(batch["cursor"]))["changes"]) == [(record, "SET")]


async def test_each_record_stands_once_at_its_last_change(site: Site) -> None:
    booking = uuid4()
    first, second = await site.set("first", booking=booking), await site.set("second", booking=booking)
    await site.set("first", booking=booking, status="NOT_ATTENDED")
    changes = (await site.changes())["changes"]
    assert list_kinds(changes) == [(second[0], "SET"), (first[0], "SET")]
    assert changes[1]["attendance"] == {
        "bookingId": str(booking),
        "sessionId": "first",
        "status": "NOT_ATTENDED",
        "numberOfAttendees": 1,
    }


async def test_a_set_that_changes_nothing_is_no_change(site: Site) -> None:
    booking = uuid4()
    await site.set("session", booking=booking)
    cursor = (await site.changes())["cursor"]
    await site.set("session", booking=booking)
    assert (await site.changes(cursor))["changes"] == []


async def test_changes_of_one_statement_are_in_the_order_of_their_ids(site: Site) -> None:
    await store_rows(site.service.database, site.site_id, [make_row(UUID(int=n)) for n in (5, 2, 9, 1)])
    changes = (await site.changes())["changes"]
    assert [change["attendanceId"] for change in changes] == [str(UUID(int=n)) for n in (1, 2, 5, 9)]


def make_row(record_id: UUID, session: str | None = None) -> ImportRow:
    now = datetime.now(UTC)
    return ImportRow(str(record_id), str(uuid4()), session or str(record_id), "ATTENDED", 1, now, now)


async def test_a_deletion_names_the_record_and_has_no_attendance(site: Site) -> None:
    (record,) = await site.set("session")
    cursor = (await site.changes())["cursor"]
    await site.delete(record)
    gone = [{"attendanceId": record, "kind": "DELETED", "attendance": None}]
    assert (await site.changes(cursor))["changes"] == gone
    assert (await site.changes())["changes"] == gone


async def test_a_record_that_is_imported_again_after_its_deletion_stands_once_as_set(site: Site) -> None:
    (record,) = await site.set("session")
    cursor = (await site.changes())["cursor"]
    await site.delete(record)
    await store_rows(site.service.database, site.site_id, [make_row(UUID(record))])
    assert list_kinds((await site.changes(cursor))["changes"]) == [(record, "SET")]
    assert list_kinds((await site.changes())["changes"]) == [(record, "SET")]


@pytest.mark.parametrize("first", [1, 2, 3, 100])
async def test_pages_give_each_change_once_and_has_more_is_exact(site: Site, first: int) -> None:
    records = await site.set(*map(str, range(7)))
    await site.delete(*records[2:5])
    seen, after = [], None
    while True:
        batch = await site.changes(after, first=first)
        seen += list_kinds(batch["changes"])
        assert len(batch["changes"]) == min(first, 7 - len(seen) + len(batch["changes"]))
        after = batch["cursor"]
        assert batch["hasMore"] == (len(seen) < 7)
        if not batch["hasMore"]:
            break
    assert sorted(seen) == sorted((record, "DELETED" if record in records[2:5] else "SET") for record in records)


async def test_has_more_is_exact_with_a_perspective_too(site: Site) -> None:
    booking = uuid4()
    await site.set("other")
    mine = await site.set("a", "b", booking=booking)
    await site.set("after")
    perspective = {"bookingId": str(booking).upper()}
    batch = await site.changes(perspective=perspective, first=1)
    assert (list_kinds(batch["changes"]), batch["hasMore"]) == ([(mine[0], "SET")], True)
    batch = await site.changes(batch["cursor"], perspective=perspective, first=1)
    assert (list_kinds(batch["changes"]), batch["hasMore"]) == ([(mine[1], "SET")], False)
    assert (await site.changes(batch["cursor"], perspective=perspective))["changes"] == []
    await site.delete(mine[0])
    assert list_kinds((await site.changes(batch["cursor"], perspective=perspective))["changes"]) == [
        (mine[0], "DELETED")
    ]


async def test_size_0_gives_a_cursor_and_no_changes(site: Site) -> None:
    records = await site.set("a", "b")
    begin = await site.changes(first=0)
    assert (begin["changes"], begin["hasMore"]) == ([], True)
    changes, cursor = await site.follow(begin["cursor"])
    assert list_kinds(changes) == [(each, "SET") for each in records]
    end = await site.changes(cursor, first=0)
    assert (end["changes"], end["hasMore"]) == ([], False)
    await site.delete(records[0])
    again = await site.changes(end["cursor"], first=0)
    assert (again["changes"], again["hasMore"], again["cursor"]) == ([], True, end["cursor"])


@pytest.mark.parametrize("first", [-1, 101])
async def test_another_size_is_refused_with_the_limit(site: Site, first: int) -> None:
    error = (await site.run(CHANGES, first=first))["errors"][0]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "first"}
    assert "100" in error["message"]


async def test_cursors_belong_to_the_changes_of_their_perspective(site: Site) -> None:
    booking = uuid4()
    await site.set("session", booking=booking)
    of_site = (await site.changes())["cursor"]
    perspective = {"bookingId": str(booking)}
    of_booking = (await site.changes(perspective=perspective))["cursor"]
    page = await site.data("{ attendances { pageInfo { endCursor } } }")
    assert await find_code(site, of_booking) == ("CURSOR_MISMATCH", "after")
    assert await find_code(site, of_site, perspective=perspective) == ("CURSOR_MISMATCH", "after")
    assert await find_code(site, page["pageInfo"]["endCursor"]) == ("CURSOR_MISMATCH", "after")
    assert await find_code(site, of_site[:-1]) == ("CURSOR_INVALID", "after")
    assert await find_code(site, "") == ("CURSOR_INVALID", "after")
    query = "query($after: String) { attendances(after: $after) { totalCount } }"
    error = (await site.run(query, after=of_site))["errors"][0]
    assert error["extensions"]["code"] == "CURSOR_MISMATCH"


async def test_a_cursor_grants_nothing(site: Site) -> None:
    other = Site(site.service, uuid4())
    await other.set("session")
    begin = (await other.changes(first=0))["cursor"]
    assert (await site.changes(begin))["changes"] == []


async def test_a_cursor_that_is_older_than_deletions_that_were_pruned_has_expired(site: Site) -> None:
    first, second, third = await site.set("a", "b", "c")
    old = (await site.changes())["cursor"]
    amid = (await site.changes(first=1))["cursor"]
    await site.delete(first)
    later = (await site.changes())["cursor"]
    await age_deletions(site)
    assert list_kinds((await site.changes(old))["changes"]) == [(first, "DELETED")], "it is not pruned yet"
    await site.delete(second)
    response = await site.run(CHANGES, after=old)
    assert response["data"] is None
    error = response["errors"][0]
    assert error["extensions"] == {"code": "CURSOR_EXPIRED", "argument": "after"}
    assert error["path"] == ["attendanceChanges"]
    assert "without it" in error["message"]
    assert await find_code(site, amid) == ("CURSOR_EXPIRED", "after")
    assert list_kinds((await site.changes(later))["changes"]) == [(second, "DELETED")]
    assert list_kinds((await site.changes())["changes"]) == [(third, "SET"), (second, "DELETED")]


async def test_a_copy_that_begins_after_pruning_goes_on_page_by_page(site: Site) -> None:
    records = [(await site.set(str(n)))[0] for n in range(6)]
    await site.delete(records[0])
    await age_deletions(site)
    begin = (await site.changes(first=0))["cursor"]
    await site.delete(records[1])
    seen, after = [], None
    for _ in range(5):
        batch = await site.changes(after, first=1)
        seen += list_kinds(batch["changes"])
        after = batch["cursor"]
    assert not batch["hasMore"]
    assert seen == [*((record, "SET") for record in records[2:]), (records[1], "DELETED")]
    copied, _ = await site.follow(begin, first=1)
    assert list_kinds(copied) == seen, "what was pruned had been deleted before this copy began"


async def test_a_copy_expires_when_a_deletion_that_it_has_not_reached_is_pruned(site: Site) -> None:
    records = [(await site.set(str(n)))[0] for n in range(3)]
    amid = (await site.changes(first=1))["cursor"]
    await site.delete(records[0])
    await age_deletions(site)
    await site.delete(records[1])
    assert await find_code(site, amid) == ("CURSOR_EXPIRED", "after")


async def test_a_position_within_the_revision_that_was_pruned_has_expired(site: Site) -> None:
    records = await site.set(*map(str, range(4)))
    old = (await site.changes())["cursor"]
    await site.delete(*records[:3])
    within = (await site.changes(old, first=1))["cursor"]
    await age_deletions(site)
    await site.delete(records[3])
    assert await find_code(site, within) == ("CURSOR_EXPIRED", "after")


@pytest.mark.parametrize("revision", [2**63 - 1, 2**62])
async def test_a_position_that_is_ahead_of_the_site_gives_nothing_and_stays(site: Site, revision: int) -> None:
    await site.set("session")
    cursor = plan_changes_cursors(None).encode(ChangesPosition(revision))
    batch = await site.changes(cursor)
    assert (batch["changes"], batch["hasMore"], batch["cursor"]) == ([], False, cursor)


async def test_records_that_have_no_revision_are_copied_first(site: Site) -> None:
    await site.set("new")
    old = uuid4()
    async with site.service.database.connection(site.site_id) as connection:
        await connection.execute(
            "INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees) "
            "VALUES ($1, $2, $2, 'old', 'ATTENDED', 1)",
            site.site_id,
            old,
        )
    assert (await site.changes(first=1))["changes"][0]["attendanceId"] == str(old)


async def test_a_batch_is_one_statement_and_reads_only_what_is_selected(site: Site) -> None:
    await site.set("session")
    database: Any = site.service.database
    with database.recording() as sent:
        batch = await site.data("{ attendanceChanges { changes { attendanceId } cursor hasMore } }")
    assert len(batch["changes"]) == 1
    assert len(sent) == 1
    assert "session_id" not in sent[0].text
    with database.recording() as sent:
        await site.data("{ attendanceChanges { changes { attendance { booking { attendances { totalCount } } } } } }")
    assert len(sent) == 2
