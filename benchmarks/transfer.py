"""Import and export at size, beside `COPY` of the same records into the same table with its indexes."""

import asyncio
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID, uuid4

import asyncpg

RECORDS = 200_000
MEMORY_RECORDS = 1_000_000
ROUNDS = 3
POLL_SECONDS = 0.05
COLUMNS = "site_id, id, booking_id, session_id, status, number_of_attendees"
FORMATS = ("ndjson", "json", "csv")
MAKE = """
SELECT $1::uuid, md5('id' || $1::text || n)::uuid, md5('booking' || n / 10)::uuid,
    md5('session' || n % 5000) || '-' || md5('of ' || n % 5000), 'ATTENDED', n % 3
FROM generate_series(1, $2::integer) AS n
"""
ATTENDANCE = (sys.executable, "-c", "from app.cli import main; main()")


@dataclass(frozen=True, slots=True)
class TransferLine:
    """Seconds that a transfer took, and as a multiple of COPY's; the most memory of its process in megabytes."""

    title: str
    seconds: float
    ratio: float
    megabytes: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took."""

    seconds: float
    megabytes: float


class Transfers:
    """Runs the command on a database, for sites of their own."""

    def __init__(self, url: str, data_dir: Path) -> None:
        self.url = url
        self.data_dir = data_dir

    def run(self, *arguments: str, output: Path | None = None) -> Run:
        started = time.perf_counter()
        with (output or Path(os.devnull)).open("wb") as file:
            process = subprocess.Popen(
                [*ATTENDANCE, *arguments], env={**os.environ, "ATTENDANCE_DATABASE_URL": self.url}, stdout=file
            )
            kilobytes = 0
            while process.poll() is None:
                kilobytes = max(kilobytes, read_peak(process.pid))
                time.sleep(POLL_SECONDS)
        if process.returncode:
            raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}")
        return Run(time.perf_counter() - started, kilobytes / 1024)

    def measure_round(self) -> dict[str, Run]:
        """COPY and each transfer of the same records once, one after another."""
        site = uuid4()
        runs = {"COPY": Run(asyncio.run(measure_copy(self.url, site)), 0)}
        exported = self.data_dir / "records.ndjson"
        runs["export"] = self.run("export", "--site", str(site), output=exported)
        for name in FORMATS:
            file = self.data_dir / f"new.{name}"
            convert(exported, file)
            runs[f"import of new records, {name}"] = self.run("import", str(file), "--site", str(uuid4()))
        runs["import of the same again, ndjson"] = self.run("import", str(exported), "--site", str(site))
        return runs

    def measure_memory(self) -> Iterator[TransferLine]:
        """The most memory that an import of many records takes, whatever the format."""
        for name in FORMATS:
            file = self.data_dir / f"many.{name}"
            with file.open("w") as output:
                output.writelines(render_many(name))
            run = self.run("import", str(file), "--site", str(uuid4()))
            file.unlink()
            yield TransferLine(f"import of {MEMORY_RECORDS:,} records, {name}", run.seconds, 0, run.megabytes)


def measure_transfer(url: str, data_dir: Path) -> list[TransferLine]:
    """Copy, export and import the same records in several rounds, and many records once in each format."""
    transfers = Transfers(url, data_dir)
    rounds = [transfers.measure_round() for _ in range(ROUNDS)]
    lines = [
        TransferLine(
            title,
            median(each[title].seconds for each in rounds),
            median(each[title].seconds / each["COPY"].seconds for each in rounds),
            max(each[title].megabytes for each in rounds) or None,
        )
        for title in rounds[0]
    ]
    return [*lines, *transfers.measure_memory()]


def read_peak(pid: int) -> int:
    """The most memory that a process has had, in kilobytes; what `wait4` says includes the process that started it."""
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def convert(exported: Path, target: Path) -> None:
    """Write an export's records in the format of a name, without their ids, so that they are new elsewhere."""
    lines = exported.read_text().replace('"_id":"', '"was":"').splitlines()
    if target.suffix == ".ndjson":
        target.write_text("\n".join(lines))
    elif target.suffix == ".json":
        target.write_text("[" + ",\n".join(lines) + "]")
    else:
        names = [part.partition(":")[0] for part in lines[0].strip("{}").split(",")]
        rows = (",".join(part.partition(":")[2] for part in line.strip("{}").split(",")) for line in lines)
        target.write_text("\n".join([",".join(names), *rows]))


def render_many(name: str) -> Iterator[str]:
    """The text of many records, made while it is written."""
    yield {"ndjson": "", "json": "[", "csv": "bookingId,sessionId,status,numberOfAttendees\n"}[name]
    for number in range(MEMORY_RECORDS):
        booking, session = UUID(int=number // 10), f"session-of-some-length-{number % 5000}-and-a-number-{number}"
        if name == "csv":
            yield f"{booking},{session},ATTENDED,{number % 3}\n"
            continue
        yield ",\n" if name == "json" and number else ""
        values = f'"sessionId":"{session}","status":"ATTENDED","numberOfAttendees":{number % 3}'
        yield f'{{"bookingId":"{booking}",{values}}}'
        yield "\n" if name == "ndjson" else ""
    yield "]" if name == "json" else ""


async def measure_copy(url: str, site_id: UUID) -> float:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(MAKE, site_id, RECORDS)
        content = io.BytesIO("\n".join("\t".join(map(str, row)) for row in rows).encode())
        started = time.perf_counter()
        await connection.copy_to_table(
            "attendance", source=content, columns=COLUMNS.split(", "), format="text", timeout=600
        )
        return time.perf_counter() - started
    finally:
        await connection.close()
