"""Rows that are matched as a whole are split as they are cell by cell, whatever is in them."""

import io
from unittest.mock import patch

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from app.attendance.transfer import csv_rows
from app.attendance.transfer.csv_reader import read_csv
from app.attendance.transfer.csv_rows import QUOTE, Cells, InvalidRow, RowSplitter, UnclosedQuote
from app.attendance.transfer.records import Reading

HARD = '"",;|\t\r\n \0a1.0E+^]\\-\xa0\x0b\x0c\x1c\x1f\x85\u2028\u2029\ud800\udcff\U0001f600'
SEPARATORS = st.sampled_from([",", ";", "\t", "|", " ", "^", "]", "\\", "-", "a", "\xa0"])
HARD_TEXTS = st.text(st.sampled_from(HARD), max_size=12)
LINE_ENDS = st.sampled_from(["", "\n", "\r", "\r\n"])
BOOKING = "4a8e599f-6f50-52fb-af2a-3271f99623ba"


@st.composite
def rows(draw: st.DrawFn) -> tuple[str, int, str]:
    """A separator, a number of columns, and a row that is likely to have as many, well written or not."""
    separator, count = draw(SEPARATORS), draw(st.integers(1, 5))
    space = st.sampled_from(["", "", "", " ", "\t", "\u2028"])
    cells = []
    for text in draw(st.lists(HARD_TEXTS, min_size=count, max_size=count)):
        written = draw(st.sampled_from([text, f'"{text}"', '"' + text.replace('"', '""') + '"', '"plain"', "plain"]))
        cells.append(draw(space) + written + draw(space))
    return separator, count, separator.join(cells) + draw(LINE_ENDS)


def split(splitter: RowSplitter, text: str) -> tuple[object, ...]:
    """What comes of a row: its cells and which of them were quoted, or what is wrong with it."""
    try:
        cells = splitter.split(text)
    except UnclosedQuote as error:
        return "unclosed", error.offset
    except InvalidRow as error:
        return "invalid", str(error)
    return cells.values, [cells.is_quoted(position) for position in range(len(cells.values))]


@settings(max_examples=2000)
@given(rows())
@example((",", 2, '"a","b"\r\n'))
@example((",", 2, '"a","b"\n"c","d"\n'))
@example((",", 2, '"a","b" x'))
@example((",", 2, '"a",b"c'))
@example((",", 2, '"a","b\n'))
@example(("\t", 2, '"a"\t\t"b"'))
def test_a_row_that_is_matched_as_a_whole_has_the_cells_that_it_has_one_by_one(row: tuple[str, int, str]) -> None:
    separator, count, text = row
    assume(QUOTE in text)
    assert split(RowSplitter(separator, count), text) == split(RowSplitter(separator), text)


def test_rows_as_programs_write_them_are_matched_as_a_whole() -> None:
    splitter = RowSplitter(",", 4)
    with patch.object(splitter, "_split_by_cell", side_effect=AssertionError):
        assert splitter.split('"a b","",2,\r\n') == Cells(["a b", "", "2", ""], ("a b", "", "", ""))
        assert splitter.split('"a,b","x\ny",c,"\u2028"') == Cells(
            ["a,b", "x\ny", "c", "\u2028"], ("a,b", "x\ny", "", "\u2028")
        )


def read(content: bytes) -> list[Reading]:
    return list(read_csv(io.BytesIO(content)))


@settings(max_examples=500)
@given(st.lists(rows() | st.just((",", 1, f'"{BOOKING}","s","ATTENDED","1"\n')), max_size=8), st.integers(3, 5))
def test_a_file_reads_the_same_with_and_without_the_pattern_of_a_row(
    written: list[tuple[str, int, str]], columns: int
) -> None:
    header = ",".join(["bookingId", "sessionId", "status", "notes", "room"][:columns]) + "\n"
    content = (header + "".join(text for _, _, text in written)).encode("utf-8", "surrogatepass")
    with patch.object(csv_rows, "MOST_MATCHED_COLUMNS", 0):
        expected = read(content)
    assert read(content) == expected


@pytest.mark.parametrize("columns", [csv_rows.MOST_MATCHED_COLUMNS, csv_rows.MOST_MATCHED_COLUMNS + 1, 5000])
def test_a_file_of_many_columns_is_read(columns: int) -> None:
    notes = [f"note {number}" for number in range(columns - 3)]
    header = ",".join(["bookingId", "sessionId", "status", *notes])
    row = ",".join(f'"{cell}"' for cell in (BOOKING, "s", "ATTENDED", *notes))
    _, record = read(f"{header}\n{row}\n".encode())
    assert record == (
        2,
        {"bookingId": BOOKING, "sessionId": "s", "status": "ATTENDED"} | dict(zip(notes, notes, strict=True)),
    )
