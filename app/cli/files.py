"""The files of an import: the source, with a display of progress, and the file of rejects."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from app.attendance.transfer.importing import ImportProgress
from app.errors import ConfigurationError

STANDARD_STREAM = Path("-")
DEVICE_DIRECTORIES = (Path("/dev"), Path("/proc"))


def name_rejects(file: Path) -> Path:
    """The file for the rejects of a source: in the directory of a file, else (a pipe) in the working directory."""
    is_stream = file == STANDARD_STREAM or any(map(file.absolute().is_relative_to, DEVICE_DIRECTORIES))
    is_file = not is_stream and (not file.exists() or stat.S_ISREG(file.stat().st_mode))
    return file.with_name(file.name + ".rejects.ndjson") if is_file else Path("stdin.rejects.ndjson")


def check_rejects(rejects: Path, source: BinaryIO) -> None:
    """Raise ConfigurationError if the rejects would overwrite the file that is imported."""
    try:
        is_source = rejects.is_file() and os.path.samestat(rejects.stat(), os.fstat(source.fileno()))
    except OSError:  # The source is no file.
        return
    if is_source and rejects != STANDARD_STREAM:
        raise ConfigurationError(f"the rejects cannot be written to {rejects}, because that is what is imported")


def open_output() -> BinaryIO:
    """Standard output. Raises ConfigurationError if it is closed."""
    if sys.stdout is None:
        raise ConfigurationError("standard output is closed")
    return sys.stdout.buffer


@contextmanager
def open_source(file: Path) -> Iterator[BinaryIO]:
    """The file, unbuffered: a thread that waits in a buffered read holds a lock that the interpreter needs to exit."""
    if file == STANDARD_STREAM:
        if sys.stdin is None:
            raise ConfigurationError("standard input is closed")
        yield getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        return
    try:
        source = file.open("rb", buffering=0)
    except OSError as failure:
        raise ConfigurationError(f"{file} cannot be read: {failure.strerror}") from failure
    with source:
        yield source


@contextmanager
def show_progress(file: Path) -> Iterator[Callable[[ImportProgress], None]]:
    """Show progress at a terminal: a bar by bytes with the remaining time and the rate; for stdin only the rate."""
    if not sys.stderr.isatty():
        yield lambda _progress: None
        return
    started = time.monotonic()

    def describe(progress: ImportProgress | None) -> str:
        seconds = time.monotonic() - started
        return f"{progress.summary.records / seconds:,.0f} records/s" if progress and seconds else ""

    if not file.is_file():
        yield lambda progress: click.echo(
            f"\r{progress.summary.records:,} records, {describe(progress)} ", nl=False, err=True
        )
        click.echo(err=True)
        return
    size = file.stat().st_size
    with click.progressbar(length=size, label="Importing", file=sys.stderr, item_show_func=describe) as bar:
        yield lambda progress: bar.update(progress.bytes_read - bar.pos, progress)
