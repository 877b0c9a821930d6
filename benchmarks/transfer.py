"""Import and export at size, beside `COPY` of the same records into the same table with its indexes."""

import asyncio
import io
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

RECORDS = 200_000
IMPORT_SITE = UUID(int=101)
COPY_SITE = UUID(int=102)
COLUMNS = "site_id, id, booking_id, session_id, status, number_of_attendees"
MAKE = """
SELECT $1::uuid, md5('id' || $1::text || n)::uuid, md5('booking' || n / 10)::uuid,
    md5('session' || n % 5000) || '-' || md5('of ' || n % 5000), 'ATTENDED', n % 3
FROM generate_series(1, $2::integer) AS n
"""


@dataclass(frozen=True, slots=True)
class TransferLine:
    """Seconds that a transfer took, and as a multiple of COPY's."""

    title: str
    seconds: float
    ratio: float


def measure_transfer(url: str, data_dir: Path) -> list[TransferLine]:
    """Copy, export and import the same records, each once."""
    copy_seconds = asyncio.run(measure_copy(url))
    exported = data_dir / "records.ndjson"
    attendance = [sys.executable, "-c", "from app.cli import main; main()"]
    environ = {**os.environ, "ATTENDANCE_DATABASE_URL": url}

    def run(*arguments: str, output: Path | None = None) -> float:
        started = time.perf_counter()
        with (output or Path(os.devnull)).open("wb") as file:
            subprocess.run([*attendance, *arguments], env=environ, stdout=file, check=True)
        return time.perf_counter() - started

    figures = {
        "COPY": copy_seconds,
        "export": run("export", "--site", str(COPY_SITE), output=exported),
    }
    exported.write_text(exported.read_text().replace('"_id":"', '"was":"'))
    figures["import of new records"] = run("import", str(exported), "--site", str(IMPORT_SITE))
    figures["import of the same again"] = run("import", str(exported), "--site", str(IMPORT_SITE))
    return [TransferLine(title, seconds, seconds / copy_seconds) for title, seconds in figures.items()]


async def measure_copy(url: str) -> float:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(MAKE, COPY_SITE, RECORDS)
        content = io.BytesIO("\n".join("\t".join(map(str, row)) for row in rows).encode())
        started = time.perf_counter()
        await connection.copy_to_table(
            "attendance", source=content, columns=COLUMNS.split(", "), format="text", timeout=600
        )
        return time.perf_counter() - started
    finally:
        await connection.close()
