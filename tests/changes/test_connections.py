"""`changesCursor` of a connection: the place in the feed that belongs to its page."""

from uuid import uuid4

import pytest

from tests.support.changes import Site, list_kinds
from tests.support.service import RecordingDatabase

SELECTIONS = {
    "with records": "nodes { id } changesCursor",
    "with exact flags": "nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor } changesCursor",
    "with figures": "nodes { id } totalCount changesCursor",
    "alone": "changesCursor",
}


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("arguments", ["", "(first: 0)", "(last: 1)", "(filter: {status: {in: []}})"])
async def test_changes_go_on_from_a_page_without_a_gap(site: Site, selection: str, arguments: str) -> None:
    await site.set("before")
    page = await site.data(f"{{ attendances{arguments} {{ {SELECTIONS[selection]} }} }}")
    after = await site.set("after")
    changes = (await site.changes(page["changesCursor"]))["changes"]
    assert list_kinds(changes) == [(after[0], "SET")]


@pytest.mark.parametrize("selection", SELECTIONS)
async def test_the_cursor_belongs_to_the_perspective_of_its_connection(site: Site, selection: str) -> None:
    booking, empty = uuid4(), uuid4()
    await site.set("session", booking=booking)
    fields = SELECTIONS[selection]
    query = f"""query($of: [_Any!]!, $one: AttendancePerspective) {{
      _entities(representations: $of) {{
        ... on Booking {{ attendances(first: 5) {{ {fields} }} }} ... on Session {{ attendances {{ {fields} }} }} }}
      attendances(perspective: $one) {{ {fields} }} }}"""
    representations = [
        {"__typename": "Booking", "id": str(booking).upper()},
        {"__typename": "Booking", "id": str(empty)},
        {"__typename": "Session", "id": "session"},
    ]
    perspectives = [{"bookingId": str(booking)}, {"bookingId": str(empty)}, {"sessionId": "session"}]
    data = (await site.run(query, of=representations, one=perspectives[0]))["data"]
    cursors = [entity["attendances"]["changesCursor"] for entity in data["_entities"]]
    assert data["attendances"]["changesCursor"] == cursors[0]
    await site.set("session", booking=empty)
    await site.set("session")
    counts = [
        len((await site.changes(c, perspective=p))["changes"]) for c, p in zip(cursors, perspectives, strict=True)
    ]
    assert counts == [0, 1, 2]


async def test_a_site_without_a_revision_has_a_cursor(site: Site) -> None:
    page = await site.data("{ attendances { nodes { id } changesCursor } }")
    assert page["nodes"] == []
    await site.set("session")
    assert len((await site.changes(page["changesCursor"]))["changes"]) == 1


async def test_the_cursor_comes_with_the_statement_of_the_page(site: Site, database: RecordingDatabase) -> None:
    await site.set("session")
    with database.recording() as sent:
        await site.data(
            "{ attendances { nodes { booking { attendances { nodes { id } changesCursor } } } changesCursor } }"
        )
    assert len(sent) == 2
    assert all("site_revision" in statement.text for statement in sent)
    with database.recording() as sent:
        await site.data("{ attendances { nodes { id } } }")
    assert "revision" not in sent[0].text
