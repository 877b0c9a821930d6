"""Import and export on a real Postgres: upserts, clashes of ids, writers side by side, and the way back."""

import asyncio
import io
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.attendance.demo import DEMO_SITES, generate_records
from app.attendance.transfer.exporting import export_records
from app.attendance.transfer.formats import ImportFormat, guess_format
from app.attendance.transfer.importing import BATCH_RECORDS, ImportSummary, import_records
from app.attendance.transfer.rejects import RejectLog
from app.database import transfer
from app.database.batches import write_by_function
from app.database.transfer import BatchResult, ExportRow, ImportRow, RejectedRow, fetch_export, store_batch

Connect = Callable[[UUID], Awaitable[Any]]


@pytest.fixture(autouse=True)
def shape(calls_functions: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """Batches are written by statements, or by the function that Citus distributes."""
    if calls_functions:
        monkeypatch.setattr(transfer, "write_by_statements", write_by_function)


SAMPLES = Path(__file__).parent.parent / "data"
EARLY = datetime(2026, 1, 1, tzinfo=UTC)
LATE = datetime(2026, 2, 1, tzinfo=UTC)


def create_guid(number: int) -> str:
    return str(UUID(int=number))


def create_row(booking: int, *, session_id: str = "s", row_id: int | None = None, number: int | None = 1) -> ImportRow:
    given_id = None if row_id is None else create_guid(row_id)
    return ImportRow(given_id, create_guid(booking), session_id, "ATTENDED", number, None, None)


async def import_file(connection: Any, site_id: UUID, path: Path, rejects_path: Path, at: datetime) -> ImportSummary:
    store = partial(store_batch, connection, site_id, at=at)
    with path.open("rb") as source:
        return await import_records(source, guess_format(path.name), store, rejects=RejectLog(rejects_path, print))


async def collect(pages: Any) -> list[ExportRow]:
    async with aclosing(pages):
        return [row async for page in pages for row in page]


@pytest.mark.parametrize("name", ["fitness_sample.json", "fitness_sample.ndjson", "fitness_sample.csv"])
async def test_real_records_are_stored_and_importing_them_again_changes_nothing(
    connection: Any, site_id: UUID, tmp_path: Path, name: str
) -> None:
    first = await import_file(connection, site_id, SAMPLES / name, tmp_path / "rejects", EARLY)
    stored = await collect(fetch_export(connection, site_id))
    again = await import_file(connection, site_id, SAMPLES / name, tmp_path / "rejects", LATE)
    assert first == ImportSummary(created=30)
    assert again == ImportSummary(unchanged=30)
    assert stored == await collect(fetch_export(connection, site_id))
    row = next(row for row in stored if row.id == "12c07b38-ad2f-533a-92e0-b3f496e8a678")
    assert row == ExportRow(
        id="12c07b38-ad2f-533a-92e0-b3f496e8a678",
        booking_id="4a8e599f-6f50-52fb-af2a-3271f99623ba",
        session_id="9608b52454655e01b8ee2d9e2e70ac8e:Strength/Wed/PM",
        status="NOT_ATTENDED",
        number_of_attendees=0,
        created_at=EARLY,
        updated_at=EARLY,
    )


async def test_an_existing_row_keeps_its_id_and_creation_and_is_updated_only_where_it_differs(
    connection: Any, site_id: UUID
) -> None:
    await store_batch(connection, site_id, [create_row(1, row_id=11), create_row(2, row_id=12)], at=EARLY)
    rows = [create_row(1, row_id=91, number=5), create_row(2, row_id=92)]
    result = await store_batch(connection, site_id, rows, at=LATE)
    assert result == BatchResult(created=0, updated=1, unchanged=1, rejected=[])
    changed, unchanged = await collect(fetch_export(connection, site_id))
    assert (changed.id, changed.number_of_attendees) == (create_guid(11), 5)
    assert (changed.created_at, changed.updated_at) == (EARLY, LATE)
    assert (unchanged.id, unchanged.created_at, unchanged.updated_at) == (create_guid(12), EARLY, EARLY)


async def test_the_times_of_a_record_are_kept_and_a_missing_one_is_filled_in(connection: Any, site_id: UUID) -> None:
    row, a_day = create_row(1), timedelta(days=1)
    rows = [
        row._replace(id=create_guid(1), session_id="both", created_at=EARLY, updated_at=EARLY + a_day),
        row._replace(id=create_guid(2), session_id="created", created_at=EARLY),
        row._replace(id=create_guid(3), session_id="updated", updated_at=EARLY),
        row._replace(id=create_guid(4), session_id="none"),
    ]
    await store_batch(connection, site_id, rows, at=LATE)
    times = [(row.created_at, row.updated_at) for row in await collect(fetch_export(connection, site_id))]
    assert times == [(EARLY, EARLY + a_day), (EARLY, LATE), (EARLY, EARLY), (LATE, LATE)]


async def test_records_without_an_id_get_time_ordered_ones(connection: Any, site_id: UUID) -> None:
    await store_batch(connection, site_id, [create_row(booking) for booking in (3, 1, 2)], at=EARLY)
    stored = await collect(fetch_export(connection, site_id))
    assert {UUID(row.id).version for row in stored} == {7}
    assert [row.booking_id for row in stored] == [create_guid(3), create_guid(1), create_guid(2)]


async def test_an_export_is_json_lines_in_the_fields_that_an_import_reads(connection: Any, site_id: UUID) -> None:
    moment, output = EARLY + timedelta(microseconds=123_456), io.BytesIO()
    await store_batch(connection, site_id, [create_row(1, row_id=11)], at=moment)
    await export_records(fetch_export(connection, site_id), output)
    assert output.getvalue().decode() == (
        f'{{"_id":"{create_guid(11)}","bookingId":"{create_guid(1)}","sessionId":"s","status":"ATTENDED",'
        '"numberOfAttendees":1,"createdAt":"2026-01-01T00:00:00.123456Z","updatedAt":"2026-01-01T00:00:00.123456Z"}\n'
    )


async def test_an_export_whose_reader_goes_away_leaves_no_transaction_open(connection: Any, site_id: UUID) -> None:
    class ClosedPipe(io.BytesIO):
        def write(self, _: object, /) -> int:
            raise BrokenPipeError

    await store_batch(connection, site_id, [create_row(1)], at=EARLY)
    with pytest.raises(BrokenPipeError):
        await export_records(fetch_export(connection, site_id), ClosedPipe())
    assert not connection.is_in_transaction()


async def test_an_id_that_another_record_holds_is_rejected_alone(connection: Any, site_id: UUID) -> None:
    await store_batch(connection, site_id, [create_row(1, row_id=11)], at=EARLY)
    rows = [
        create_row(2, row_id=11),
        create_row(1, row_id=11),
        create_row(3, row_id=13),
        create_row(4, row_id=13),
        create_row(5, row_id=15),
    ]
    result = await store_batch(connection, site_id, rows, at=LATE)
    first, third = (
        f"the id {create_guid(row_id)} is already that of booking {create_guid(booking)} at session s"
        for row_id, booking in ((11, 1), (13, 3))
    )
    assert result == BatchResult(2, 0, 1, [RejectedRow(0, first), RejectedRow(3, third)])
    again = await store_batch(connection, site_id, rows, at=LATE)
    assert again == BatchResult(0, 0, 3, result.rejected)
    stored = await collect(fetch_export(connection, site_id))
    assert [(row.id, row.booking_id) for row in stored] == [
        (create_guid(row_id), create_guid(booking)) for row_id, booking in ((11, 1), (13, 3), (15, 5))
    ]


async def test_an_id_clash_is_written_down_with_its_line(connection: Any, site_id: UUID, tmp_path: Path) -> None:
    booking = create_guid(1)
    lines = ["_id,bookingId,sessionId,status,numberOfAttendees", *(f"{booking},{booking},{s},NOT_SET," for s in "ab")]
    source, rejects_path = io.BytesIO("\n".join(lines).encode()), tmp_path / "rejects"
    store = partial(store_batch, connection, site_id, at=EARLY)
    summary = await import_records(source, ImportFormat.CSV, store, rejects=RejectLog(rejects_path, print))
    assert summary == ImportSummary(created=1, rejected=1)
    assert rejects_path.read_text() == (
        f'{{"line":3,"reason":"the id {booking} is already that of booking {booking} at session a",'
        f'"record":{{"_id":"{booking}","bookingId":"{booking}","sessionId":"b","status":"NOT_SET"}}}}\n'
    )


async def test_of_duplicates_in_a_batch_the_last_wins_under_the_first_id(connection: Any, site_id: UUID) -> None:
    rows = [create_row(1, row_id=11, number=1), create_row(2), create_row(1, number=2), create_row(1, number=3)]
    result = await store_batch(connection, site_id, rows, at=EARLY)
    assert result == BatchResult(created=2, updated=0, unchanged=2, rejected=[])
    row = (await collect(fetch_export(connection, site_id)))[0]
    assert (row.id, row.number_of_attendees) == (create_guid(11), 3)
    assert await store_batch(connection, site_id, rows, at=LATE) == BatchResult(0, 0, 4, [])


async def test_an_absent_number_keeps_the_stored_one_and_is_1_for_a_new_record(connection: Any, site_id: UUID) -> None:
    rows = [create_row(1, number=5), create_row(2, number=None), create_row(3, number=0), create_row(4, number=7)]
    assert await store_batch(connection, site_id, rows, at=EARLY) == BatchResult(4, 0, 0, [])
    again = [
        create_row(1, number=None),
        create_row(2, number=None)._replace(status="NOT_ATTENDED"),
        create_row(3, number=None)._replace(status="NOT_SET"),
        create_row(4, number=8),
        create_row(5, number=None),
    ]
    assert await store_batch(connection, site_id, again, at=LATE) == BatchResult(1, 3, 1, [])
    stored = {row.booking_id: row for row in await collect(fetch_export(connection, site_id))}
    assert [stored[create_guid(n)].number_of_attendees for n in range(1, 6)] == [5, 1, 0, 8, 1]
    assert [stored[create_guid(n)].updated_at for n in range(1, 6)] == [EARLY, LATE, LATE, LATE, LATE]


async def test_one_batch_leaves_what_setting_its_rows_one_after_another_leaves(connect: Connect) -> None:
    chance = random.Random(5)
    batch_site, single_site = uuid4(), uuid4()
    batch_connection, single_connection = await connect(batch_site), await connect(single_site)
    for _ in range(25):
        # Each booking has ids of its own, so that none is looked at as another one's.
        bookings = [chance.randint(1, 12) for _ in range(20)]
        rows = [
            create_row(booking, row_id=booking * 10 + chance.randint(0, 2), number=chance.choice([None, 0, 1, 2]))
            for booking in bookings
        ]
        result = await store_batch(batch_connection, batch_site, rows, at=EARLY)
        for row in rows:
            await store_batch(single_connection, single_site, [row], at=EARLY)
        assert result.created + result.updated + result.unchanged == len(rows)
    assert await collect(fetch_export(batch_connection, batch_site)) == await collect(
        fetch_export(single_connection, single_site)
    )


async def test_an_export_imports_into_an_empty_site_without_loss_and_into_its_own_without_change(
    connect: Connect, tmp_path: Path
) -> None:
    path, site_id, empty_site_id = tmp_path / "export.ndjson", uuid4(), uuid4()
    connection, empty = await connect(site_id), await connect(empty_site_id)
    session_ids = ("plain", 'quo"te', "new\nline", "\U0001f600é", "\u2028\x7f\\", "x" * 250)
    rows = [create_row(number, session_id=text, number=2**31 - 1) for number, text in enumerate(session_ids)]
    moment = EARLY + timedelta(microseconds=123_456)
    await store_batch(connection, site_id, [*rows, *generate_records(DEMO_SITES[1])], at=moment)
    stored = await collect(fetch_export(connection, site_id))
    with path.open("wb") as output:
        assert await export_records(fetch_export(connection, site_id), output) == len(stored)

    own = await import_file(connection, site_id, path, tmp_path / "rejects", LATE)
    assert own == ImportSummary(unchanged=len(stored))
    assert await collect(fetch_export(connection, site_id)) == stored

    copied = await import_file(empty, empty_site_id, path, tmp_path / "rejects", LATE)
    assert copied == ImportSummary(created=len(stored))
    assert await collect(fetch_export(empty, empty_site_id)) == stored


async def test_two_imports_of_the_same_shuffled_records_at_once_store_each_record_once(connect: Connect) -> None:
    site_id = uuid4()
    chance = random.Random(7)
    rows = [create_row(booking, row_id=1_000_000 + booking) for booking in range(6000)]

    async def import_shuffled(rows: Sequence[ImportRow]) -> ImportSummary:
        connection, summary = await connect(site_id), ImportSummary()
        for start in range(0, len(rows), 500):
            result = await store_batch(connection, site_id, rows[start : start + 500], at=EARLY)
            assert result.rejected == []
            summary = ImportSummary(summary.created + result.created, unchanged=summary.unchanged + result.unchanged)
        return summary

    shuffled = [chance.sample(rows, len(rows)) for _ in range(2)]
    first, second = await asyncio.gather(*map(import_shuffled, shuffled))
    assert first.created + second.created == len(rows)
    assert first.records == second.records == len(rows)
    stored = await collect(fetch_export(await connect(site_id), site_id))
    assert [(row.id, row.booking_id) for row in stored] == [(row.id, row.booking_id) for row in rows]


@pytest.mark.one_server
async def test_an_id_that_another_writer_takes_meanwhile_is_rejected_and_the_rest_is_stored(connect: Connect) -> None:
    site_id = uuid4()
    other, connection, observer = [await connect(site_id) for _ in range(3)]
    transaction = other.transaction()
    await transaction.start()
    await store_batch(other, site_id, [create_row(1, row_id=11)], at=EARLY)
    rows = [create_row(2, row_id=11), create_row(3, row_id=13)]
    storing = asyncio.create_task(store_batch(connection, site_id, rows, at=EARLY))
    await wait_until_blocked(observer, connection.get_server_pid())
    await transaction.commit()
    result = await storing
    assert (result.created, [rejected.position for rejected in result.rejected]) == (1, [0])


async def wait_until_blocked(observer: Any, process_id: int) -> None:
    for _ in range(1000):
        if await observer.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", process_id):
            return
        await asyncio.sleep(0.01)
    pytest.fail("nothing was waited for")


async def test_a_batch_that_fails_leaves_nothing_behind(connection: Any, site_id: UUID) -> None:
    rows = [create_row(1), create_row(2, number=-1)]
    with pytest.raises(asyncpg.CheckViolationError):
        await store_batch(connection, site_id, rows, at=EARLY)
    assert await collect(fetch_export(connection, site_id)) == []
    assert (await store_batch(connection, site_id, rows[:1], at=EARLY)).created == 1


async def test_batches_inside_a_callers_transaction_go_back_with_it(connection: Any, site_id: UUID) -> None:
    transaction = connection.transaction()
    await transaction.start()
    assert (await store_batch(connection, site_id, [create_row(1)], at=EARLY)).created == 1
    for number in (2, 3):
        assert (await store_batch(connection, site_id, [create_row(1, number=number)], at=EARLY)).updated == 1
    await transaction.rollback()
    assert await collect(fetch_export(connection, site_id)) == []


async def test_sites_share_bookings_sessions_and_ids_without_seeing_each_other(connect: Connect) -> None:
    sites = [uuid4(), uuid4()]
    for number, site_id in enumerate(sites):
        connection = await connect(site_id)
        result = await store_batch(connection, site_id, [create_row(1, row_id=11, number=number)], at=EARLY)
        assert result == BatchResult(created=1, updated=0, unchanged=0, rejected=[])
    first, second = [await collect(fetch_export(await connect(site_id), site_id)) for site_id in sites]
    assert [row.number_of_attendees for row in first + second] == [0, 1]


@pytest.mark.one_server
async def test_row_security_refuses_a_batch_for_a_site_that_was_not_entered(connect: Connect) -> None:
    connection = await connect(uuid4())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await store_batch(connection, uuid4(), [create_row(1)], at=EARLY)


async def test_the_demo_data_is_stored_as_it_is_and_storing_it_again_changes_nothing(
    connection: Any, site_id: UUID
) -> None:
    rows = generate_records(DEMO_SITES[0])
    batches = [rows[start : start + BATCH_RECORDS] for start in range(0, len(rows), BATCH_RECORDS)]
    for batch in batches:
        assert await store_batch(connection, site_id, batch, at=LATE) == BatchResult(len(batch), 0, 0, [])
    for batch in batches:
        assert await store_batch(connection, site_id, batch, at=LATE) == BatchResult(0, 0, len(batch), [])
    assert [tuple(row) for row in await collect(fetch_export(connection, site_id))] == [tuple(row) for row in rows]
