"""The file of an import: its bytes, its progress, and the file of its rejects."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from app.attendance.transfer.importing import ImportProgress
from app.errors import ConfigurationError


def rejects_path_of(file: Path) -> Path:
    return Path("stdin.rejects.ndjson") if str(file) == "-" else file.with_name(file.name + ".rejects.ndjson")


@contextmanager
def open_source(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        with file.open("rb") as source:
            yield source
    except OSError as failure:
        raise ConfigurationError(f"{file} cannot be read: {failure.strerror}") from failure


@contextmanager
def show_progress(file: Path) -> Iterator[Callable[[ImportProgress], None]]:
    """On a terminal: a bar by the bytes read, with the time left, and the rate; for standard input the rate alone."""
    if not sys.stderr.isatty():
        yield lambda _progress: None
        return
    started = time.monotonic()

    def describe(progress: ImportProgress | None) -> str:
        seconds = time.monotonic() - started
        return f"{progress.records / seconds:,.0f} records/s" if progress and seconds else ""

    if str(file) == "-":
        yield lambda progress: click.echo(f"\r{progress.records:,} records, {describe(progress)} ", nl=False, err=True)
        click.echo(err=True)
        return
    size = file.stat().st_size
    with click.progressbar(length=size, label="Importing", file=sys.stderr, item_show_func=describe) as bar:
        yield lambda progress: bar.update(progress.bytes_read - bar.pos, progress)
