"""A service that is watched: its log lines and its metrics, as those see them who read them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from app.observing.logs import OperationLog
from app.observing.output import LineOutput

PIPE_BYTES = 65_536
Numbers = dict[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class LogReader:
    """The reading end of a log."""

    descriptor: int

    def read(self) -> bytes:
        """All that has been written since the last look."""
        try:
            return os.read(self.descriptor, PIPE_BYTES)
        except BlockingIOError:
            return b""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.read().splitlines()]


@contextmanager
def open_pipe() -> Iterator[tuple[int, LogReader]]:
    """A descriptor to write a log to, and who reads it."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        yield writing, LogReader(reading)
    finally:
        os.close(reading)
        os.close(writing)


@contextmanager
def open_log(level: str = "info") -> Iterator[tuple[OperationLog, LogReader]]:
    """A log of operations, and who reads it."""
    with open_pipe() as (writing, reader):
        yield OperationLog(LineOutput(writing), level), reader


def read_numbers(exposition: str) -> Numbers:
    """Each sample by its name and its labels' values, in the order of the labels' names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }
