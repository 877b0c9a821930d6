"""The file of an import: its bytes, its progress, and the file of its rejects."""

import sys
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
    """A bar by the bytes read, on a terminal alone."""
    if str(file) == "-" or not sys.stderr.isatty():
        yield lambda _progress: None
        return
    with click.progressbar(length=file.stat().st_size, label="Importing", file=sys.stderr) as bar:
        yield lambda progress: bar.update(progress.bytes_read - bar.pos)
