"""The three readers: what they read back, what they refuse, and how little they hold in memory."""

import io
import json
import re
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.attendance.transfer import encodings, json_document, json_parser, json_recovery, json_text
from app.attendance.transfer.formats import ImportFormat, guess_format, read_records
from app.attendance.transfer.records import MAX_RECORD_BYTES, RawRecord, Reading, Reject, UnreadText
from app.attendance.transfer.rejects import render_problem
from app.errors import ConfigurationError

JSON, NDJSON, CSV = ImportFormat.JSON, ImportFormat.NDJSON, ImportFormat.CSV
BOOKING = "4a8e599f-6f50-52fb-af2a-3271f99623ba"
LINE_END = re.compile(r"\r\n?|\n")
UNFINISHED = "the JSON ends before it is complete: records may be missing"
RECORD = {"bookingId": BOOKING, "sessionId": "Strength/Wed/PM", "status": "ATTENDED", "numberOfAttendees": 1}
CELLS = RECORD | {"numberOfAttendees": "1"}
LINE = json.dumps(RECORD).encode()
HEADER = b"_id,bookingId,sessionId,status,numberOfAttendees\n"
ROW = f",{BOOKING},Strength/Wed/PM,ATTENDED,1\n".encode()
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Expected = list[tuple[int, dict[str, Any]]]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
records = st.fixed_dictionaries(
    {"bookingId": st.uuids().map(str), "sessionId": texts, "status": st.sampled_from(["NOT_SET", "ATTENDED"])},
    optional={"_id": st.uuids().map(str), "numberOfAttendees": st.integers(0, 2**31 - 1)},
)
unknown_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
nested_records = st.builds(lambda record, extra: {**record, "extendedFields": extra}, records, unknown_values)
spaces = st.text(" \t\r\n", max_size=4)
chunk_sizes = st.lists(st.integers(1, 300), min_size=1, max_size=8)


class ChunkedSource(io.RawIOBase):
    """Gives its content in chunks of these sizes, over and over."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content = io.BytesIO(content)
        self._sizes = sizes
        self._reads = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = min(self._sizes[self._reads % len(self._sizes)], len(buffer))
        self._reads += 1
        read = self._content.read(size)
        buffer[: len(read)] = read
        return len(read)


def read_all(content: bytes, file_format: ImportFormat) -> list[Reading]:
    return list(read_records(io.BytesIO(content), file_format))


def read_chunked(content: bytes, sizes: list[int], file_format: ImportFormat) -> list[Reading]:
    return list(read_records(io.BufferedReader(ChunkedSource(content, sizes), buffer_size=16), file_format))


@contextmanager
def small_text(most_bytes: int, chunk_bytes: int) -> Iterator[None]:
    """Have a record be above the limit, and a text be out of memory, sooner than usual."""
    with ExitStack() as stack:
        for module in (json_text, json_parser, json_recovery, json_document):
            stack.enter_context(patch.object(module, "MAX_RECORD_BYTES", most_bytes))
        stack.enter_context(patch.object(encodings, "CHUNK_BYTES", chunk_bytes))
        yield


def as_raw(expected: Expected) -> list[RawRecord]:
    return [RawRecord(line, record) for line, record in expected]


def place(parts: list[tuple[str, dict[str, Any] | None]]) -> tuple[bytes, Expected]:
    """Joins the parts of a file, and tells the line on which each part that holds a record begins."""
    text, expected = "", []
    for part, record in parts:
        if record is not None:
            expected.append((1 + len(LINE_END.findall(text)), record))
        text += part
    return text.encode(), expected


@st.composite
def ndjson_files(draw: st.DrawFn) -> tuple[bytes, Expected]:
    parts: list[tuple[str, dict[str, Any] | None]] = []
    for record in draw(st.lists(nested_records, max_size=12)):
        parts.append((draw(st.sampled_from(["", "\n", " \n", "\r\n"])), None))
        parts.append((json.dumps(record, ensure_ascii=draw(st.booleans())), record))
        parts.append((draw(st.sampled_from(["\n", "\r\n"])), None))
    return place(parts)


@st.composite
def json_files(draw: st.DrawFn) -> tuple[bytes, Expected]:
    parts: list[tuple[str, dict[str, Any] | None]] = []
    for position, record in enumerate(draw(st.lists(nested_records, max_size=12))):
        parts.append((draw(spaces) + ("," if position else "") + draw(spaces), None))
        parts.append((json.dumps(record, indent=draw(st.none() | st.integers(0, 2))), record))
    opening, closing = "[", draw(spaces) + "]"
    if draw(st.booleans()):
        before = "".join(
            f"{json.dumps(value)}:{json.dumps([value, 1])}," for value in draw(st.lists(names, max_size=2))
        )
        opening = f'{{{draw(spaces)}{before}"attendances"{draw(spaces)}:{draw(spaces)}['
        closing += f', "pagingMetadata": {json.dumps(draw(unknown_values))}}}'
    return place([(draw(spaces) + opening, None), *parts, (closing + draw(spaces), None)])


@st.composite
def csv_files(draw: st.DrawFn) -> tuple[bytes, Expected]:
    columns = draw(st.permutations(["_id", "bookingId", "sessionId", "status", "numberOfAttendees"]))
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    parts: list[tuple[str, dict[str, Any] | None]] = [(",".join(columns) + ending, None)]
    for record in draw(st.lists(records, max_size=12)):
        cells = [str(record.get(column, "")).replace('"', '""') for column in columns]
        texts_of_cells = {name: str(value) for name, value in record.items()}
        parts.append((",".join(f'"{cell}"' for cell in cells), texts_of_cells))
        parts.append((ending * draw(st.integers(1, 2)), None))
    return place(parts)


@given(ndjson_files(), chunk_sizes, st.booleans())
def test_ndjson_reads_back_in_any_chunks_with_its_lines(
    file: tuple[bytes, Expected],
    sizes: list[int],
    has_mark: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    content, expected = file
    assert read_chunked(BYTE_ORDER_MARK * has_mark + content, sizes, NDJSON) == as_raw(expected)


@given(csv_files(), chunk_sizes, st.booleans())
def test_csv_reads_back_in_any_chunks_with_its_lines(
    file: tuple[bytes, Expected],
    sizes: list[int],
    has_mark: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    content, expected = file
    assert read_chunked(BYTE_ORDER_MARK * has_mark + content, sizes, CSV) == as_raw(expected)


@given(json_files(), chunk_sizes, st.booleans())
def test_json_reads_back_in_any_chunks_with_its_lines(
    file: tuple[bytes, Expected],
    sizes: list[int],
    has_mark: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    content, expected = file
    with small_text(4096, sizes[0]):
        assert read_chunked(BYTE_ORDER_MARK * has_mark + content, sizes, JSON) == as_raw(expected)


@given(json_files(), chunk_sizes)
def test_json_records_above_the_limit_are_passed_over_one_by_one(
    file: tuple[bytes, Expected], sizes: list[int]
) -> None:
    content, expected = file
    with small_text(200, sizes[0]):
        read = read_chunked(content, sizes, JSON)
    assert [record.line for record in read] == [line for line, _ in expected]
    for record, (_, value) in zip(read, expected, strict=True):
        assert isinstance(record, Reject) or (isinstance(record, RawRecord) and record.value == value)
        assert isinstance(record, RawRecord) or record.reason == "the record is longer than 65536 bytes"


@given(json_files(), st.integers(0, 10_000))
def test_json_cut_anywhere_gives_the_records_before_the_cut_and_says_that_it_is_cut(
    file: tuple[bytes, Expected], cut: int
) -> None:
    content, expected = file
    content = content[: cut % max(len(content.rstrip()), 1)]
    try:
        *before, last = read_all(content, JSON)
    except ConfigurationError:
        assert b"bookingId" not in content
        return
    assert before == as_raw(expected)[: len(before)]
    assert isinstance(last, Reject | UnreadText)
    assert last.line <= 1 + len(LINE_END.findall(content.decode()))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b'{"numberOfAttendees": NaN}', "not valid JSON"),
        (b'{"sessionId": "\\ud800"}', "not valid JSON: no low surrogate in string"),
        (b'{"sessionId": "\xff\\ud800"}', "not valid JSON"),
        (b'{"sessionId": 1,,}', "not valid JSON"),
        (b"[" * 2000 + b"]" * 2000, "not valid JSON: depth limit exceeded"),
        (b'{"sessionId": "' + b"x" * MAX_RECORD_BYTES + b'"}', "longer than 65536 bytes"),
    ],
)
def test_a_bad_json_value_costs_only_its_own_record(broken: bytes, reason: str) -> None:
    for file_format, content in [
        (NDJSON, LINE + b"\n" + broken + b"\n" + LINE),
        (JSON, b"[" + LINE + b",\n" + broken + b",\n" + LINE + b"]"),
    ]:
        first, reject, last = read_all(content, file_format)
        assert (first, last) == (RawRecord(1, RECORD), RawRecord(3, RECORD))
        assert isinstance(reject, Reject)
        assert reject.line == 2
        assert reason in reject.reason
        assert isinstance(reject.record, str)
        assert reject.record == broken[:MAX_RECORD_BYTES].decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"a,b\n", "the row has 2 cells where the header has 5"),
        (b'"a"b' + ROW, "the row is not valid CSV: something follows a closing quote, not ','"),
        (b"x" * (MAX_RECORD_BYTES + 1) + b"\n", "the record is longer than 65536 bytes"),
        (b"x" * (3 * MAX_RECORD_BYTES) + b"\n", "the record is longer than 65536 bytes"),
    ],
)
def test_a_bad_csv_row_costs_only_itself(broken: bytes, reason: str) -> None:
    first, reject, last = read_all(HEADER + ROW + broken + ROW, CSV)
    assert (first, last) == (RawRecord(2, CELLS), RawRecord(4, CELLS))
    assert isinstance(reject, Reject)
    assert (reject.line, reject.reason) == (3, reason)


def test_a_corrected_row_may_have_cells_in_columns_without_names() -> None:
    (reject,) = read_all(f'bookingId,sessionId,status,,\n{BOOKING},"Yoga,ATTENDED,x,y'.encode(), CSV)
    assert isinstance(reject, Reject)
    corrected = render_problem(reject).replace(b'\\"Yoga', b"Yoga")
    assert read_all(corrected, NDJSON) == [
        RawRecord(1, {"bookingId": BOOKING, "sessionId": "Yoga", "status": "ATTENDED"})
    ]


def test_a_quote_that_is_never_closed_is_rejected_where_it_opens_and_the_rows_behind_it_are_read() -> None:
    rows = 3 * MAX_RECORD_BYTES // len(ROW)
    first, reject, *others = read_all(HEADER + ROW + b'"' + ROW * rows, CSV)
    assert first == RawRecord(2, CELLS)
    assert isinstance(reject, Reject)
    assert (reject.line, reject.record) == (3, '"' + ROW.decode().rstrip())
    assert reject.reason == "the quote that opens here is not closed; the rows behind it are read"
    assert others == [RawRecord(4 + position, CELLS) for position in range(rows - 1)]


@pytest.mark.parametrize("size", [MAX_RECORD_BYTES, MAX_RECORD_BYTES + 1])
@pytest.mark.parametrize("mark", [b"", BYTE_ORDER_MARK])
def test_the_limit_of_a_record_is_exact(size: int, mark: bytes) -> None:
    record = b'{"sessionId": "' + b"x" * (size - 17) + b'"}'
    for file_format, content in [(NDJSON, record + b"\r\n" + LINE), (JSON, b"[" + record + b"," + LINE + b"]")]:
        first, last = read_all(mark + content, file_format)
        assert isinstance(first, RawRecord if size == MAX_RECORD_BYTES else Reject)
        assert isinstance(last, RawRecord)


@pytest.mark.parametrize(
    ("content", "line", "last_line", "reason"),
    [
        (b'[1,\n"x" ""]', 2, 2, "a record was expected here"),
        (b"[1]\nx\ny\n", 2, 3, "a record was expected here"),
        (b'[1,\n"abc', 2, 2, "a record was expected here"),
        (b"[1\n", 2, 2, UNFINISHED),
        (b'{"attendances": [1],\n"paging": {"a": "', 2, 2, UNFINISHED),
        (b'{"attendances": [1],\n2}', 2, 2, "a record was expected here"),
        (b'{"attendances": [1]\n', 2, 2, UNFINISHED),
    ],
)
def test_a_broken_json_document_gives_what_precedes_and_says_what_was_not_read(
    content: bytes, line: int, last_line: int, reason: str
) -> None:
    first, *unread = read_all(content, JSON)
    assert first == RawRecord(1, 1)
    assert [each[:3] for each in unread] == [(line, last_line, reason)]


@pytest.mark.parametrize("content", [b"[%s\n%s]", b"[%s,\n,%s]", b"[%s,\n%s,]", b"[%s]\n[%s]", b"[[%s],\n[%s]]"])
def test_commas_and_brackets_between_records_do_not_matter(content: bytes) -> None:
    assert read_all(content % (LINE, LINE), JSON) == [RawRecord(1, RECORD), RawRecord(2, RECORD)]


def test_a_record_after_much_white_space_is_read_whole() -> None:
    content = b"[" + b"\n" * (encodings.CHUNK_BYTES - 20) + LINE + b"]"
    assert read_all(content, JSON) == [RawRecord(encodings.CHUNK_BYTES - 19, RECORD)]


@pytest.mark.parametrize("length", range(150, 250))
def test_an_escape_is_understood_wherever_the_window_ends(length: int) -> None:
    content = b'{"notes": "' + b"x" * length + b'\\"]x", "attendances": [' + LINE + b"]}"
    with small_text(200, 1):
        assert read_all(content, JSON) == [RawRecord(1, RECORD)]


@pytest.mark.parametrize(
    "content", [b"", b"  \n", b"attendances", b"{}", b'{"items": []}', b'{"attendances": {}}', b"7"]
)
def test_json_without_an_array_of_records_is_refused_whole(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match='an array of records, or an object with an array of them as "attend'):
        read_all(content, JSON)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks the column bookingId"),
        (b"\n\n", "lacks the column bookingId"),
        (b"bookingId:sessionId:status\n", "columns of the CSV are separated by `:`"),
        (b"bookingId,status\n" + ROW, "lacks the column sessionId"),
        (b"bookingId,sessionId,status,status\n", "names a column twice"),
        (b"\xff\xfe\n", "lacks the column bookingId"),
        (b"x" * 100_000, "has no usable header: the record is longer than"),
    ],
)
def test_csv_without_a_usable_header_is_refused_whole(content: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_all(content, CSV)


def test_an_empty_ndjson_file_holds_no_records() -> None:
    assert read_all(b"", NDJSON) == []


def test_an_unquoted_id_that_a_program_has_changed_is_no_text() -> None:
    for cell, value in [("5.0", Decimal("5.0")), ("1.2E+22", Decimal("1.2E+22")), ('"5.0"', "5.0"), ("1.5", "1.5")]:
        (record,) = read_all(f"bookingId,sessionId,status\na,{cell},c".encode(), CSV)
        assert isinstance(record, RawRecord)
        assert record.value == {"bookingId": "a", "sessionId": value, "status": "c"}


@pytest.mark.parametrize(
    ("name", "file_format"),
    [
        ("a.json", JSON),
        ("b/c.ndjson", NDJSON),
        ("d.CSV", CSV),
        ("a.jsonl", NDJSON),
        ("a.tsv", CSV),
        ("-", None),
        ("export", None),
        ("a.json.gz", None),
    ],
)
def test_the_format_is_guessed_from_the_suffix_or_asked_for(name: str, file_format: ImportFormat | None) -> None:
    if file_format is not None:
        assert guess_format(name) is file_format
        return
    with pytest.raises(ConfigurationError, match="give --format json, ndjson or csv"):
        guess_format(name)


TOKENS = b'{ } [ ] , : " \\ ; \t sep= 7 - NaN null "x" "bookingId" "attendances" \xff \xff\xfe \r'.split(b" ")
PARTS = [*TOKENS, b" ", b"\n", LINE, HEADER, ROW, b'"\\ud800"', b'{"a":' * 3000, b"[" * 3000, b"9" * 5000]
any_bytes = st.binary(max_size=60) | st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(any_bytes, st.sampled_from(ImportFormat), chunk_sizes)
def test_whatever_the_bytes_are_they_are_read_rejected_reported_or_refused(
    content: bytes, file_format: ImportFormat, sizes: list[int]
) -> None:
    try:
        readings = read_chunked(content, sizes, file_format)
    except ConfigurationError as refusal:
        assert str(refusal)  # noqa: PT017 - most of these are read
        return
    for reading in readings:
        if isinstance(reading, Reject | UnreadText):
            assert reading.reason
            assert render_problem(reading).endswith(b"\n") or not reading[3]


@pytest.mark.parametrize("unit", [b'{"a":', b'{"attendances":[', b"[", b'{"attendances":{', b'[{"bookingId":'])
@pytest.mark.parametrize("file_format", [JSON, NDJSON])
def test_deep_nesting_ends_with_a_word(unit: bytes, file_format: ImportFormat) -> None:
    for content in (unit * 3000, b"[" + unit * 3000 + b"," + LINE + b"]"):
        readings = read_all(content, file_format)
        assert any(isinstance(reading, Reject | UnreadText) for reading in readings)


class GeneratedSource(io.RawIOBase):
    """A stream that is made while it is read, and so takes no memory itself."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        part = self._rest or next(self._parts, b"")
        read, self._rest = part[: len(buffer)], part[len(buffer) :]
        buffer[: len(read)] = read
        return len(read)


def generate_long_arrays() -> Iterator[bytes]:
    record = json.dumps({**RECORD, "notes": "x" * 2000}, indent=1).encode()
    yield b'{"attendances": [' + record
    for _ in range(24_000):
        yield b",\n" + record
    yield b"]}"


def generate_long_record() -> Iterator[bytes]:
    yield b'[{"notes": "'
    for _ in range(25_000):
        yield b"x" * 2000
    yield b'"}]'


def generate_long_envelope() -> Iterator[bytes]:
    yield b'{"notes": ["'
    for _ in range(25_000):
        yield b"x" * 2000
    yield b'"], "attendances": [1]}'


@pytest.mark.parametrize(
    ("generate", "count"), [(generate_long_arrays, 24_001), (generate_long_record, 1), (generate_long_envelope, 1)]
)
def test_a_json_document_of_50_megabytes_is_read_in_constant_memory(
    generate: Callable[[], Iterator[bytes]], count: int
) -> None:
    source = io.BufferedReader(GeneratedSource(generate()))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_records(source, JSON)) == count
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * 1024 * 1024
