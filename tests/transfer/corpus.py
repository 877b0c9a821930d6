"""Files as spreadsheets, scripts and databases write them: what is stored, what is rejected, and what is reported."""

import codecs
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass

BOOKING = "4a8e599f-6f50-52fb-af2a-3271f99623ba"
ID = "12c07b38-ad2f-533a-92e0-b3f496e8a678"
HEADER = "bookingId,sessionId,status,numberOfAttendees"
UNCLOSED = "the quote that opens here is not closed; the rows behind it are read"
EXPECTED = "a record was expected here"
UNFINISHED = "the JSON ends before it is complete: records may be missing"
NOT_A_NUMBER = "numberOfAttendees must be a whole number from 0 to 2147483647"
NOT_A_BOOKING = "bookingId must be a GUID, such as 4a8e599f-6f50-52fb-af2a-3271f99623ba"
NOT_A_STATUS = "status must be NOT_SET, ATTENDED or NOT_ATTENDED"
NOT_A_TIME = "createdAt must be an ISO 8601 time with its offset, such as 2026-01-31T08:30:00Z"
CHANGED = "a program has changed how the id is written, so its digits are not known"
MOMENT = "2026-01-31T08:30:00Z"


@dataclass(frozen=True)
class Case:
    """A file: `stored` by session, status and number; `rejected` by line; `unread` by first and last line.

    `refused` is a part of the message when nothing of the file is used; `times` are those of creation, by session.
    """

    title: str
    name: str
    content: bytes
    stored: tuple[tuple[str, str, int], ...] = ()
    rejected: tuple[tuple[int, str], ...] = ()
    unread: tuple[tuple[int, int, str], ...] = ()
    refused: str | None = None
    created: str | None = None


def stored(*session_ids: str, status: str = "ATTENDED", number: int = 2) -> tuple[tuple[str, str, int], ...]:
    return tuple((session_id, status, number) for session_id in session_ids)


def row(session_id: str = "s", status: str = "ATTENDED", number: str = "2", separator: str = ",") -> str:
    return separator.join((BOOKING, session_id, status, number))


def record(session_id: object = "s", **fields: object) -> dict[str, object]:
    return {
        "bookingId": BOOKING,
        "sessionId": session_id,
        "status": "ATTENDED",
        "numberOfAttendees": 2,
        **{name: value for name, value in fields.items() if value != "absent"},
    }


def table(*rows: str, header: str = HEADER, end: str = "\n") -> bytes:
    return (end.join((header, *rows)) + end).encode()


def array(*records: object) -> bytes:
    return ("[" + ",\n".join(map(json.dumps, records)) + "]").encode()


def lines(*records: object) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in records).encode()


A, B, C = row("a"), row("b"), row("c")
RECORDS = [record(session_id) for session_id in "abc"]
ABC = stored("a", "b", "c")
TEXTS = [json.dumps(each) for each in RECORDS]


def list_dialects() -> Iterator[Case]:
    """CSV as programs write it."""
    for name, separator in [("commas", ","), ("semicolons", ";"), ("tabs", "\t"), ("bars", "|")]:
        content = table(A, B, C).decode().replace(",", separator)
        yield Case(name, "a.csv", content.encode(), ABC)
        yield Case(f"{name}, after a line that says so", "a.csv", f"sep={separator}\n{content}".encode(), ABC)
        yield Case(f"{name}, UTF-16", "a.txt", content.encode("utf-16"), ABC)
    content = table(A, B, C).decode()
    yield Case("a separator that only its line tells", "a.csv", ("sep=:\n" + content.replace(",", ":")).encode(), ABC)
    yield Case(
        "the line of the separator in quotes", "a.csv", ('"sep=;"\r\n' + content.replace(",", ";")).encode(), ABC
    )
    yield Case("UTF-8 with a mark", "a.csv", codecs.BOM_UTF8 + content.encode(), ABC)
    yield Case("UTF-16 with a mark, big endian", "a.csv", codecs.BOM_UTF16_BE + content.encode("utf-16-be"), ABC)
    yield Case("UTF-16 without a mark", "a.csv", content.encode("utf-16-le"), ABC)
    yield Case("UTF-16 without a mark, big endian", "a.csv", content.encode("utf-16-be"), ABC)
    yield Case("UTF-32", "a.csv", content.encode("utf-32"), ABC)
    for encoding in ("utf-32-le", "utf-32-be"):
        yield Case(f"{encoding} without a mark", "a.csv", content.encode(encoding), ABC)
    for encoding in ("utf-8", "utf-16-le", "utf-32-be"):
        yield Case(f"two marks in {encoding}", "a.csv", f"\ufeff\ufeff{content}".encode(encoding), ABC)
    for line, separator in [("sep=\\t", "\t"), ("sep=", ";"), ('"sep=\\t"', "\t")]:
        yield Case(f"the line {line}", "a.csv", f"{line}\r\n{content}".replace(",", separator).encode(), ABC)
    for name, end in [("CR", "\r"), ("LF", "\n"), ("CR and LF", "\r\n")]:
        yield Case(f"lines that end with {name}", "a.csv", table(A, B, C, end=end), ABC)
    yield Case("lines that end in all ways", "a.csv", f"{HEADER}\r{A}\r\n{B}\n\r{C}".encode(), ABC)
    yield Case("no end of the last line", "a.csv", table(A, B, C).rstrip(), ABC)
    yield Case("no rows", "a.csv", table())
    yield Case("the suffix .tsv", "a.tsv", content.replace(",", "\t").encode(), ABC)


def list_cells() -> Iterator[Case]:
    """CSV's header and cells."""
    trimmed = f"bookingId,status,numberOfAttendees, sessionId\n{BOOKING},attended,2, s1\n"
    yield Case("unquoted cells are trimmed", "a.csv", trimmed.encode(), stored("s1"))
    yield Case("quoted cells are as they are", "a.csv", table(row('" s1"')), stored(" s1"))
    yield Case("spaces around quotes do not count", "a.csv", table(row(' "s,1" ')), stored("s,1"))
    yield Case("quotes in a quoted cell", "a.csv", table(row('"a ""b"""')), stored('a "b"'))
    yield Case("a quote in an unquoted cell", "a.csv", table(row('6" mat')), stored('6" mat'))
    yield Case("lines in a quoted cell", "a.csv", table(row('"a\nb\r\nc"')), stored("a\nb\r\nc"))
    for name in ("Booking ID", "booking_id", "BOOKING-ID", '"bookingid"', " Booking Id "):
        header = HEADER.replace("bookingId", name)
        yield Case(f"the name {name}", "a.csv", table(A, header=header), stored("a"))
    yield Case(
        "a status in another case", "a.csv", table(row(status='" ATTENDED"'), row("t", "attended")), stored("s", "t")
    )
    yield Case("a status in words", "a.csv", table(row(status="Not attended")), stored("s", status="NOT_ATTENDED"))
    yield Case("empty columns at the end", "a.csv", table(A + ",,", B + ",,", header=HEADER + ",,"), stored("a", "b"))
    yield Case("rows longer than the header, but empty", "a.csv", table(A + ",,", B + ", ,"), stored("a", "b"))
    yield Case("a column without a name", "a.csv", table(A + ",note", header=HEADER + ","), stored("a"))
    pandas = table(f"0,{A}", f"1,{B}", header=f",{HEADER}")
    yield Case("a first column without a name", "a.csv", pandas, stored("a", "b"))
    yield Case("rows of separators alone", "a.csv", table(A, ",,,", " , , ,", ",,,,,,", "", B), stored("a", "b"))
    yield Case("unknown columns, one name twice", "a.csv", table(A + ",x,y", header=HEADER + ",note,note"), stored("a"))
    latin = table(A, header=HEADER + ",note").rstrip() + b",caf\xe9\n"
    yield Case("Latin-1 where nobody looks", "a.csv", latin, stored("a"))
    yield Case(
        "Latin-1 in the header", "a.csv", table(A + ",x", header=HEADER + ",caf?").replace(b"?", b"\xe9"), stored("a")
    )
    yield Case(
        "Latin-1 in an id",
        "a.csv",
        table(A, row("caf?"), B).replace(b"?", b"\xe9"),
        stored("a", "b"),
        ((3, "sessionId is not valid UTF-8: save the file as UTF-8"),),
    )
    for number, expected in [
        ("2.0", 2),
        ('"2"', 2),
        (" 2 ", 2),
        ("0", 0),
        ("-0", 0),
        ("2147483647", 2147483647),
        ("", 1),
    ]:
        yield Case(f"the number {number}", "a.csv", table(row(number=number)), stored("s", number=expected))
    for number in ("2.5", "-1", "2147483648", "1e3", "1,000", "two", "0x2", "NaN"):
        cell = f'"{number}"' if "," in number else number
        yield Case(f"the number {number}", "a.csv", table(row(number=cell), B), stored("b"), ((2, NOT_A_NUMBER),))
    header = "bookingId,sessionId,status"
    yield Case("no column of numbers", "a.csv", table(A.removesuffix(",2"), header=header), stored("a", number=1))
    yield Case("an id of digits", "a.csv", table(row("0012345678901234567890123")), stored("0012345678901234567890123"))
    yield Case(
        "ids that a spreadsheet has changed",
        "a.csv",
        table(row("5.0"), row("1.23457E+22"), row('"5.0"'), row("v5.0")),
        stored("5.0", "v5.0"),
        (
            (2, f"sessionId must be a text or a whole number, not 5.0: {CHANGED}"),
            (3, f"sessionId must be a text or a whole number, not 1.23457E+22: {CHANGED}"),
        ),
    )
    for cell in ("1.2345678901234568e+22", "1e+22", "1,23457E+22"):
        reason = f"sessionId must be a text or a whole number, not {cell.replace(',', '.').upper()}: {CHANGED}"
        content = table(row(cell, separator=";"), row("1e22", separator=";"), header=HEADER.replace(",", ";"))
        yield Case(f"the id {cell}", "a.csv", content, stored("1e22"), ((2, reason),))


def list_broken_tables() -> Iterator[Case]:
    """CSV that is not valid, or no CSV."""
    for title, opening in [("an id", f'{BOOKING},"b,ATTENDED,2'), ("a booking", f'"{BOOKING},b,ATTENDED,2')]:
        for name, behind, ids in [
            ("nothing quoted behind", (C,), "c"),
            ("quoted cells behind", (row('"c"'), row('"d"')), "cd"),
            ("empty quoted cells behind", (row("c", number='""'), row('"d"')), "cd"),
            ("escaped quotes behind", (row('"c"""'), row('"d"')), ('c"', "d")),
        ]:
            stored_rows = (
                stored("a", *ids) if "empty" not in name else (*stored("a"), ("c", "ATTENDED", 1), *stored("d"))
            )
            content = table(A, opening, *behind)
            yield Case(f"{title} not closed, {name}", "a.csv", content, stored_rows, ((3, UNCLOSED),))
    many = [row(f"r{number}") for number in range(1, 100)]
    many[10] = f'{BOOKING},"Yoga 5,ATTENDED,2'
    expected = stored(*(f"r{number}" for number in range(1, 100) if number != 11))
    yield Case("a quote not closed among many", "a.csv", table(*many), expected, ((12, UNCLOSED),))
    yield Case(
        "a note not closed that meets another quote",
        "a.csv",
        table(A + ',"a note', B + ',6" mat', C + ",", header=HEADER + ",note"),
        stored("b", "c"),
        ((2, UNCLOSED),),
    )
    other = BOOKING.replace("-", "")
    yield Case(
        "a note not closed that meets another quote, with bookings that are no GUIDs",
        "a.csv",
        table(f'{other},a,ATTENDED,2,"a note', f'{other},b,ATTENDED,2,6"', C + ",", header=HEADER + ",note"),
        stored("c"),
        ((2, UNCLOSED), (3, NOT_A_BOOKING)),
    )
    yield Case(
        "a quote that opens in a later line of its row",
        "a.csv",
        table(f'"x\ny",{BOOKING},"s,ATTENDED', f"n,{BOOKING},t,ATTENDED", header="note,bookingId,sessionId,status"),
        stored("t", number=1),
        ((2, "the quote that opens in line 3 is not closed; the rows behind it are read"),),
    )
    yield Case("a note of two lines", "a.csv", table(A + ',"x\ny"', B + ",", header=HEADER + ",note"), stored("a", "b"))
    yield Case(
        "a header whose quote is not closed",
        "a.csv",
        table(A + ",x", B + ',"y"', header=HEADER + ',"note'),
        stored("a", "b"),
    )
    yield Case(
        "rows of other lengths",
        "a.csv",
        table("a,b", A, A + ",,x", B),
        stored("a", "b"),
        ((2, "the row has 2 cells where the header has 4"), (4, "the row has 6 cells where the header has 4")),
    )
    follows = "the row is not valid CSV: something follows a closing quote, not ','"
    yield Case("text behind a closing quote", "a.csv", table(row('"a"b'), B), stored("b"), ((2, follows),))
    yield Case("a header in the middle", "a.csv", table(A, HEADER, B), stored("a", "b"), ((3, NOT_A_BOOKING),))
    lacks = "lacks the column bookingId"
    yield Case("no text", "a.csv", b"", refused=lacks)
    yield Case("separators alone", "a.csv", b",,,\n;;\n", refused=lacks)
    yield Case("no header", "a.csv", table(B, header=A), refused=f"{lacks}; columns found: {BOOKING}, a, ATTENDED, 2")
    yield Case("no column of sessions", "a.csv", b"Booking ID;Status\n", refused="columns found: Booking ID, Status")
    yield Case("colons", "a.csv", table().replace(b",", b":"), refused="are separated by `:`: use")
    yield Case("spaces", "a.csv", table().replace(b",", b" "), refused="are separated by spaces: use")
    twice = "names a column twice: 'bookingId' and 'Booking ID' are both bookingId"
    merged = HEADER.replace(",status", " status")
    yield Case("two columns in one", "a.csv", table(header=merged), refused="lacks the column sessionId")
    merged = HEADER.replace("status,", "status,_id:createdAt,")
    yield Case(
        "two columns in one that are not needed", "a.csv", table(header=merged), refused="has two columns in one"
    )
    in_header = "the header of the CSV has a record in its line: end the lines of the file with LF, CR LF or CR"
    for name, end in [("NEL", "\x85"), ("LS", "\u2028"), ("VT", "\v"), ("a space", " "), ("a comma", ",")]:
        yield Case(f"lines that end with {name}", "a.csv", table(A, B, end=end), refused=in_header)
    yield Case("one row in the line of the header", "a.csv", f"{HEADER},note {A},x".encode(), refused=in_header)
    header = f"{HEADER},ext_{BOOKING},Attended?"
    yield Case("columns named like a record", "a.csv", table(A + ",x,y", header=header), stored("a"))
    quoted = "\n".join(f'"{line}"' for line in (HEADER, A))
    yield Case("quotes around each line", "a.csv", quoted.encode(), refused="remove the quotes around each line")
    yield Case("a name that does not print", "a.csv", b"booking\x01Id,a\n", refused=r"columns found: booking\x01Id, a")
    for name, separator, shown in [("0x01", "\x01", r"\x01"), ("0x1f", "\x1f", r"\x1f")]:
        content = table().decode().replace(",", separator).encode()
        yield Case(f"separators {name}", "a.csv", content, refused=f"are separated by `{shown}`")
    yield Case("no text, but a database", "a.csv", b"SQLite format 3\0", refused="the file is not text")
    yield Case("a column twice", "a.csv", table(header=HEADER + ",Booking ID"), refused=twice)
    yield Case("a workbook", "a.csv", b"PK\x03\x04\x14\x00", refused="an Excel workbook (.xlsx)")
    yield Case("an old workbook", "a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", refused="an Excel workbook (.xls)")
    yield Case("compressed", "a.csv", gzip.compress(table(A)), refused="compressed with gzip")
    yield Case("JSON by the name of CSV", "a.csv", array(*RECORDS), refused="looks like JSON")


def list_documents() -> Iterator[Case]:
    """JSON in all its shapes."""
    plain = ",\n".join(TEXTS)
    for name, content in {
        "an array": f"[{plain}]",
        "an array on one line": f"[{','.join(TEXTS)}]",
        "an indented array": json.dumps(RECORDS, indent=2),
        "an object around it": f'{{"attendances": [{plain}], "pagingMetadata": {{"count": 3}}}}',
        "an object around it, by another name": f'{{"count": 3, "tags": ["x"], "items": [{plain}]}}',
        "the answer of a query": f'{{"data": {{"attendances": {{"nodes": [{plain}]}}}}}}',
        "pages": f'{{"attendances": [{TEXTS[0]}]}}\n{{"attendances": [{TEXTS[1]},{TEXTS[2]}]}}',
        "arrays in an array": f"[[{TEXTS[0]}],\n[{TEXTS[1]},{TEXTS[2]}]]",
        "one object a line": "\n".join(TEXTS),
        "indented objects": "\n".join(json.dumps(each, indent=2) for each in RECORDS),
        "no commas": "[" + "\n".join(TEXTS) + "]",
        "a comma too many": f"[{plain},]",
        "several objects a line": " ".join(TEXTS),
    }.items():
        for suffix in ("json", "ndjson", "jsonl"):
            yield Case(f"{name}, .{suffix}", f"a.{suffix}", content.encode(), ABC)
    edges = ",".join(f'{{"cursor": "x", "node": {text}}}' for text in TEXTS)
    content = f'{{"data": {{"attendances": {{"edges": [{edges}], "pageInfo": {{}}}}}}}}'
    yield Case("edges of a query", "a.json", content.encode(), ABC)
    for name, other in [("null", "null"), ("an edge without a node", '{"node": null}'), ("another object", '{"x": 1}')]:
        content = f'{{"data": {{"edges": [{other}, {other}, {edges}], "tags": [{{"x": 1}}]}}}}'
        reason = "the record must be an object with fields" if other == "null" else "bookingId is missing"
        yield Case(f"{name} before edges", "a.json", content.encode(), ABC, ((1, reason),) * 2)
    content = f'{{"items": [1, {plain}]}}'.encode()
    yield Case("a number before records", "a.json", content, (), ((1, "no array of records was found in it"),))
    yield Case("UTF-8 with a mark", "a.json", codecs.BOM_UTF8 + array(*RECORDS), ABC)
    yield Case("UTF-16", "a.json", array(*RECORDS).decode().encode("utf-16"), ABC)
    for suffix in ("json", "ndjson"):
        twice_marked = b"".join((codecs.BOM_UTF8, codecs.BOM_UTF8, array(*RECORDS)))
        yield Case(f"two marks, .{suffix}", f"a.{suffix}", twice_marked, ABC)
        content = array(*RECORDS).decode().encode("utf-32-le")
        yield Case(f"UTF-32 without a mark, .{suffix}", f"a.{suffix}", content, ABC)
        mixed = f"{TEXTS[0]}\n[{TEXTS[1]}, {TEXTS[2]}]\n{json.dumps(record('d'))}\n".encode()
        yield Case(f"an array among lines, .{suffix}", f"a.{suffix}", mixed, stored("a", "b", "c", "d"))
        long = lines(RECORDS[0], record("b", notes="x" * 2**16), RECORDS[2])
        too_long = ((2, "the record is longer than 65536 bytes"),)
        yield Case(f"a record that is too long, .{suffix}", f"a.{suffix}", long, stored("a", "c"), too_long)
    yield Case("lines that end with CR", "a.ndjson", lines(*RECORDS).replace(b"\n", b"\r"), ABC)
    yield Case("empty lines", "a.ndjson", b"\n \n" + lines(*RECORDS).replace(b"\n", b"\n\n"), ABC)
    yield Case("no records", "a.json", b"[]")
    yield Case("no lines", "a.ndjson", b"")
    yield Case("an empty array in an object", "a.json", b'{"attendances": []}')
    latin = lines(record("a", notes="caf?")).replace(b"?", b"\xe9")
    yield Case("Latin-1 where nobody looks", "a.ndjson", latin, stored("a"))
    yield Case("Latin-1 where nobody looks, in an array", "a.json", b"[" + latin + b"]", stored("a"))


def list_values() -> Iterator[Case]:
    """JSON's values."""
    for title, value, expected in [
        ("a decimal", 2.0, 2),
        ("a text", "2", 2),
        ("a decimal text", "2.0", 2),
        ("null", None, 1),
        ("absent", "absent", 1),
        ("extended JSON", {"$numberLong": "2"}, 2),
    ]:
        for name, content in {
            "a.json": array(record(numberOfAttendees=value)),
            "a.ndjson": lines(record(numberOfAttendees=value)),
        }.items():
            if value == "absent":
                content = content.replace(b', "numberOfAttendees": 2', b"")
            yield Case(f"a number: {title}, {name}", name, content, stored("s", number=expected))
    for value in (2.5, -1, True, "x", [2], 1e300):
        content = array(record(numberOfAttendees=value), RECORDS[1])
        yield Case(f"a number: {value}", "a.json", content, stored("b"), ((1, NOT_A_NUMBER),))
    huge = 12345678901234567890123
    for name, content in {"a.json": array(record(huge)), "a.ndjson": lines(record(huge))}.items():
        yield Case(f"an id of many digits, {name}", name, content, stored(str(huge)))
        yield Case(f"an id of two digits, {name}", name, content.replace(str(huge).encode(), b"12"), stored("12"))
        for text in ("5.0", "12345678901234567890123.0"):
            changed = content.replace(str(huge).encode(), text.encode())
            reason = f"sessionId must be a text or a whole number, not {text}: {CHANGED}"
            yield Case(f"the id {text}, {name}", name, changed, (), ((1, reason),))
    for wrapper in ("$numberLong", "$numberInt"):
        yield Case(f"an id in {wrapper}", "a.json", array(record({wrapper: "0012"})), stored("12"))
    for given in (
        MOMENT,
        "2026-01-31T10:30:00+02:00",
        {"$date": "2026-01-31T08:30:00.000Z"},
        {"$date": 1769848200000},
        {"$date": {"$numberLong": "1769848200000"}},
        {"$date": {"$numberLong": 1769848200000}},
    ):
        yield Case(f"the time {given}", "a.json", array(record(_createdDate=given)), stored("s"), created=MOMENT)
    for given in ("2026-01-31", "2026-01-31T08:30:00", 1769848200, {"$date": None}, "31.01.2026 08:30", f"{MOMENT}\0"):
        yield Case(f"the time {given}", "a.json", array(record(createdAt=given)), (), ((1, NOT_A_TIME),))
    yield Case(
        "names in another style",
        "a.json",
        array({"booking_id": BOOKING, "Session ID": "s", "STATUS": "attended"}),
        stored("s", number=1),
    )
    yield Case("a status with spaces", "a.json", array(record(status=" attended ")), stored("s"))
    yield Case("a status of its own", "a.json", array(record(status="LATE")), (), ((1, NOT_A_STATUS),))
    yield Case("spaces in an id stay", "a.json", array(record(" s1")), stored(" s1"))


def list_broken_documents() -> Iterator[Case]:
    """JSON that is not valid, or no JSON."""
    first, second, third = TEXTS
    word = "the record is not valid JSON: unexpected character, expected a JSON value"
    nan = second.replace('"ATTENDED"', "NaN")
    yield Case("NaN, in an array", "a.json", f"[{first},\n{nan},\n{third}]".encode(), stored("a", "c"), ((2, word),))
    yield Case("NaN, in a line", "a.ndjson", f"{first}\n{nan}\n{third}".encode(), stored("a", "c"), ((2, word),))
    half = "the record is not valid JSON: no low surrogate in string"
    broken = second.replace('"b"', '"\\ud800"')
    for name, content in {
        "a.json": f"[{first},\n{broken},\n{third}]",
        "a.ndjson": f"{first}\n{broken}\n{third}",
    }.items():
        yield Case(f"half a surrogate pair, {name}", name, content.encode(), stored("a", "c"), ((2, half),))
    open_text = second.replace('"ATTENDED"', '"ATTENDED')
    reason = "the record is not valid JSON: lexical error: invalid string in json text"
    content = f"[{first},\n{open_text},\n{third}]"
    yield Case("a text that is not closed", "a.json", content.encode(), stored("a", "c"), ((2, reason),))
    yield Case(
        "a text that is not closed, on one line",
        "a.json",
        content.replace("\n", "").encode(),
        stored("a", "c"),
        ((1, reason),),
    )
    reason = "the record is not valid JSON: parse error: invalid object key (must be a string)"
    yield Case(
        "a record that is not closed",
        "a.json",
        f"[{first},\n{second[:-1]},\n{third}]".encode(),
        stored("a", "c"),
        ((2, reason),),
    )
    yield Case(
        "a record that is not opened",
        "a.json",
        f"[{first},\n{second[1:]},\n{third}]".encode(),
        stored("a", "c"),
        ((2, f"the record is not valid JSON: {EXPECTED}"),),
    )
    yield Case(
        "text between records", "a.json", f"[{first}x\n{second},\n{third}]".encode(), ABC, (), ((1, 1, EXPECTED),)
    )
    yield Case(
        "text behind the end", "a.json", f"[{first},{second},{third}]\nx\ny".encode(), ABC, (), ((2, 3, EXPECTED),)
    )
    yield Case(
        "the end is missing", "a.json", f"[{first},\n{second},\n{third}".encode(), ABC, (), ((3, 3, UNFINISHED),)
    )
    yield Case(
        "the end is missing, with an object around",
        "a.json",
        f'{{"attendances": [{first},\n{second},\n{third}]'.encode(),
        ABC,
        (),
        ((3, 3, UNFINISHED),),
    )
    cut = "the record is not valid JSON: the text ends inside a value, so the file may have been cut off"
    yield Case(
        "cut inside a record", "a.json", f"[{first},\n{second},\n{third[:-9]}".encode(), stored("a", "b"), ((3, cut),)
    )
    yield Case(
        "two records that are not valid beside each other",
        "a.json",
        f"[{first},\n{open_text},\n{open_text},\n{third}]".encode(),
        stored("a", "c"),
        (),
        ((2, 3, "lexical error: invalid string in json text"),),
    )
    yield Case(
        "a line that is no JSON",
        "a.ndjson",
        f"{first}\noops\n{second}\n{third}".encode(),
        ABC,
        ((2, "the record is not valid JSON: unexpected character, expected a JSON value"),),
    )
    early = second.replace(', "status"', '}, "status"')
    reason = "the record is not valid JSON: the record is closed before its last field"
    yield Case(
        "a record that ends early", "a.json", f"[{first},{early},{third}]".encode(), stored("a", "c"), ((1, reason),)
    )
    yield Case("two records in a line", "a.ndjson", f"{first}{second}\n{third}\n".encode(), ABC)
    yield Case(
        "values among records",
        "a.json",
        f"[{first}, 7, null, {second},{third}]".encode(),
        ABC,
        ((1, "the record must be an object with fields"),) * 2,
    )
    for name, content in {"none": b"", "a number": b"7", "words": b"attendances", "an object": b"{}"}.items():
        yield Case(f"no records: {name}", "a.json", content, refused="must be an array of records")
    yield Case(
        "fields that are not known", "a.json", b'{"items": [], "count": 0}', refused="fields found: items, count"
    )
    yield Case("CSV by the name of JSON", "a.json", table(A), refused="it begins with 'bookingId,")


def list_ids() -> Iterator[Case]:
    """Ids that clash, and records that come twice."""
    clash = f"the id {ID} is already that of booking {BOOKING} at session a"
    content = lines(record("a", _id=ID), record("b", _id=ID), record("c"))
    yield Case("one id for two records", "a.ndjson", content, stored("a", "c"), ((2, clash),))
    twice = lines(record("a", numberOfAttendees=5), record("a", numberOfAttendees=None))
    yield Case("a record twice, the second without a number", "a.ndjson", twice, stored("a", number=5))
    twice = lines(record("a", numberOfAttendees=5), record("a", numberOfAttendees=3))
    yield Case("a record twice", "a.ndjson", twice, stored("a", number=3))


CASES = [
    *list_dialects(),
    *list_cells(),
    *list_broken_tables(),
    *list_documents(),
    *list_values(),
    *list_broken_documents(),
    *list_ids(),
]
