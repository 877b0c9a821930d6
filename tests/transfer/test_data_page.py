"""docs/data.md tells the truth: its examples are imported, and its exit codes are those of the command."""

import io
import re
from pathlib import Path

import click
import pytest

from app.attendance.transfer.fields import FIELDS
from app.attendance.transfer.formats import SUFFIXES, ImportFormat, read_records
from app.attendance.transfer.importing import ImportBatch, read_batch
from app.cli import transfer_commands
from app.cli.transfer_commands import import_command
from app.database.transfer import ImportRow

PAGE = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```(csv|json|ndjson)\n(.*?)```", PAGE, re.DOTALL)
BOOKING = "4a8e599f-6f50-52fb-af2a-3271f99623ba"
ROW = ImportRow(None, BOOKING, "Yoga 5", "ATTENDED", None, None, None)


def read_example(position: int) -> ImportBatch:
    name, content = EXAMPLES[position]
    batch = read_batch(read_records(io.BytesIO(content.encode()), ImportFormat(name)), 100)
    assert batch is not None
    return batch


def test_the_examples_are_read_as_the_page_says() -> None:
    table, document, lines, reject = (read_example(position) for position in range(4))
    assert not any(batch.problems for batch in (table, document, lines))
    assert [note.text for note in table.notes] == ["columns that are not used: Notes"]
    pilates = ROW._replace(session_id="Pilates, advanced", status="NOT_ATTENDED", number_of_attendees=0)
    assert table.rows == [ROW._replace(number_of_attendees=2), pilates]
    assert document.rows[0] == lines.rows[0] == ROW
    assert (document.rows[1].session_id, document.rows[1].id) == (
        *("12345678901234567890123", "12c07b38-ad2f-533a-92e0-b3f496e8a678"),
    )
    assert [(problem.line, problem.reason) for problem in reject.problems] == [
        (1, "status must be NOT_SET, ATTENDED or NOT_ATTENDED")
    ]
    assert len(EXAMPLES) == 4


def test_every_field_and_suffix_is_on_the_page() -> None:
    assert all(f"`{field}`" in PAGE for field in FIELDS)
    assert all(f"`.{suffix}`" in PAGE for suffix in SUFFIXES)


@pytest.mark.parametrize("name", ["REJECTED", "REFUSED", "STOPPED", "INTERRUPTED", "TERMINATED"])
def test_every_exit_code_is_on_the_page(name: str) -> None:
    codes = PAGE.partition("**Exit codes**")[2]
    assert re.search(rf"\| (?:\d+, )?{getattr(transfer_commands, name)}\b", codes)


def test_the_help_has_the_short_form() -> None:
    text = import_command.get_help(click.Context(import_command))
    for word in ("bookingId", "sessionId", "numberOfAttendees", "rejects.ndjson", "Exit codes: 0", "docs/data.md"):
        assert word in text
