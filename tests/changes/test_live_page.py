"""docs/live.md: its query is valid, and its program keeps a copy of what the command writes."""

import asyncio
import io
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from app.attendance.reading import AttendanceReader
from app.attendance.statistics import QueryStatistics
from app.attendance.transfer.following import COLUMNS, write_batch
from app.plan.changes import ChangesPlan, ChangesPosition, plan_changes_cursors
from tests.support.changes import Site

TEXT = (Path(__file__).parents[2] / "docs/live.md").read_text(encoding="utf-8")
[QUERY] = re.findall(r"```graphql\n(query Changes.*?)```", TEXT, re.DOTALL)
[PROGRAM] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
[LINES] = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)


async def write_lines(site: Site, cursor: str | None) -> bytes:
    """What the command writes after a cursor, until it has no more."""
    reader, output = AttendanceReader(site.service.database, site.site_id, QueryStatistics()), io.BytesIO()
    after: ChangesPosition | None = None if cursor is None else plan_changes_cursors(None).decode(cursor)
    while True:
        batch = await reader.read_changes(ChangesPlan(None, after, 3), COLUMNS)
        output.write(write_batch(batch))
        after = batch.position
        if not batch.has_more:
            return output.getvalue()


async def test_the_program_keeps_a_copy_and_the_place_to_go_on(site: Site, tmp_path: Path) -> None:
    (tmp_path / "copy_site.py").write_text(PROGRAM)
    copy = sqlite3.connect(tmp_path / "attendance.db")
    cursor = None
    booking = uuid4()
    for part in range(3):
        await site.set(*(f"{part} {number}" for number in range(5)), booking=booking)
        ids = await site.set("first", "second", booking=booking, status=["ATTENDED", "NOT_ATTENDED", "NOT_SET"][part])
        await site.delete(ids[1])
        lines = await write_lines(site, cursor)
        command = [sys.executable, "copy_site.py"]
        await asyncio.to_thread(subprocess.run, command, input=lines, cwd=tmp_path, check=True, timeout=60)
        [(cursor,)] = copy.execute("SELECT cursor FROM place").fetchall()
        stored = await site.data("{ attendances(first: 100) { nodes { id sessionId status } } }")
        copied = {id_: json.loads(record) for id_, record in copy.execute("SELECT id, record FROM attendance")}
        assert {id_: (each["sessionId"], each["status"]) for id_, each in copied.items()} == {
            node["id"]: (node["sessionId"], node["status"]) for node in stored["nodes"]
        }
    assert (await site.changes(cursor))["changes"] == []


async def test_the_query_is_valid(site: Site) -> None:
    assert (await site.data(QUERY))["hasMore"] is False


@pytest.mark.parametrize("line", LINES.splitlines())
def test_the_lines_are_as_the_command_writes_them(line: str) -> None:
    change = json.loads(line)
    assert change.keys() - {"cursor"} == {"kind", "id", "record"}
    assert change["record"] is None or change["record"].keys() == {
        "_id",
        "bookingId",
        "sessionId",
        "status",
        "numberOfAttendees",
        "createdAt",
        "updatedAt",
    }
