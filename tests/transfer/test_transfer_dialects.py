"""Records come back from every dialect as they were, and no wrong byte loses one without a word."""

import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.attendance.transfer.formats import read_records
from app.attendance.transfer.importing import ImportBatch, read_batch
from app.attendance.transfer.records import Reject
from app.attendance.transfer.rejects import render_problem
from app.database.transfer import ImportRow
from app.errors import ConfigurationError
from tests.transfer.dialects import DIALECTS, Dialect, make_rows

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MUTATIONS = 1000
RECORDS = 12
HARD_TEXTS = st.text(
    st.sampled_from("\"'\\,;|\t\r\n {}[]:aé\u2028\U0001f600.0E+1")
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    min_size=1,
    max_size=30,
)
TIMES = st.integers(-(10**15), 4 * 10**15).map(lambda number: EPOCH + timedelta(microseconds=number))
ROWS = st.lists(
    st.builds(
        ImportRow,
        st.none() | st.uuids().map(str),
        st.uuids().map(str),
        HARD_TEXTS,
        st.sampled_from(["NOT_SET", "ATTENDED", "NOT_ATTENDED"]),
        st.none() | st.integers(0, 2**31 - 1),
        st.none() | TIMES,
        st.none() | TIMES,
    ),
    min_size=1,
    max_size=6,
)


def read_all(content: bytes, dialect: Dialect) -> ImportBatch:
    return read_batch(read_records(io.BytesIO(content), dialect.file_format), 1000) or ImportBatch()


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.title)
@settings(max_examples=50, deadline=None)
@given(rows=ROWS, data=st.data())
def test_records_come_back_as_they_were_written(dialect: Dialect, rows: list[ImportRow], data: st.DataObject) -> None:
    content = dialect.encode(rows, lambda options: data.draw(st.sampled_from(options)))
    batch = read_all(content, dialect)
    assert not batch.problems
    assert batch.rows == rows


def mutate(content: bytes, position: int, chance: random.Random) -> bytes:
    """One byte is another one: most often one that means something, or a bit is flipped."""
    old = content[position]
    new = chance.choice([*b'"\\,;{}[]:\n\r\t x0', old ^ 1 << chance.randrange(8), chance.randrange(256)])
    return content[:position] + bytes([new]) + content[position + 1 :]


def find_marks(text: str, rows: Sequence[ImportRow]) -> set[int]:
    """The records that a text is about: by an id, of which one wrong byte leaves at least one."""
    return {
        position
        for position, row in enumerate(rows)
        if any(mark in text for mark in (str(row.id)[9:], str(row.id)[:8], row.booking_id[9:]))
    }


def count_changes(row: ImportRow, rows: Sequence[ImportRow]) -> int:
    """In how many fields a stored record differs from the one of those written that it is most like."""
    return min(sum(a != b for a, b in zip(row, other, strict=True)) for other in rows)


def check_mutation(dialect: Dialect, seed: int) -> None:
    chance = random.Random(seed)
    rows = make_rows(RECORDS, chance)
    content = dialect.encode(rows, chance.choice)
    position = chance.randrange(len(content))
    try:
        batch = read_all(mutate(content, position, chance), dialect)
    except ConfigurationError:
        return  # All of the file is refused, and that is said.
    stored, rejected, reported = set[int](), set[int](), set[int]()
    for row in batch.rows:
        stored |= find_marks(f"{row.id} {row.booking_id}", rows)
    for problem in batch.problems:
        text = render_problem(problem).decode()
        (rejected if isinstance(problem, Reject) else reported).update(find_marks(text, rows))
    rejected -= stored
    reported -= stored | rejected
    assert len(batch.rows) == len(stored), (dialect.title, seed)
    assert len(stored) + len(rejected) + len(reported) == len(rows), (dialect.title, seed, batch)
    is_in_record = position >= content.find(str(rows[0].id).encode(dialect.encoding)[-30:])
    assert len(stored) >= len(rows) - 2 or not is_in_record, (dialect.title, seed)
    # A name in the header that is none any more is reported as a column that is not used.
    assert batch.notes or all(count_changes(row, rows) <= 1 for row in batch.rows), (dialect.title, seed)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.title)
def test_a_wrong_byte_loses_no_record_without_a_word(dialect: Dialect) -> None:
    for seed in range(-(-MUTATIONS // len(DIALECTS))):
        check_mutation(dialect, seed)
