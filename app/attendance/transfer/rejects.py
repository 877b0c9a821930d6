"""Reports which records were not stored, and why: in a file that can be corrected and imported, or line by line."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from app.attendance.transfer.records import Note, Reject, UnreadText

TOO_DEEP = "(nested too deeply to be repeated here)"
REASONS_KEPT = 3
FIRST_BYTES = b'{"line":'
SURROGATE = re.compile("[\ud800-\udfff]")

Problem = Reject | UnreadText


class RejectLog:
    """Writes one JSON line for each problem; the file is created with the first one.

    If the file cannot be written, each reason goes to `report` instead, and the import continues. `output` is used
    instead of a file. `reasons` has the first few reasons.
    """

    def __init__(self, path: Path, report: Callable[[str], None], *, output: BinaryIO | None = None) -> None:
        self._path = path
        self._report = report
        self._file = output
        self._is_own = output is None
        self.count = 0
        self.reasons: list[str] = []
        self.is_reported = False

    def write(self, problems: Sequence[Problem]) -> None:
        """Append these problems and flush the file."""
        if not problems:
            return
        self.count += len(problems)
        self.reasons += map(describe_problem, problems[: REASONS_KEPT - len(self.reasons)])
        if not self.is_reported:
            try:
                self._append(b"".join(map(render_problem, problems)))
                return
            except OSError as error:
                self.is_reported = True
                self._report(f"cannot write the rejects to {self._path}: {error.strerror}; these are not stored:")
        for problem in problems:
            self._report(describe_problem(problem))

    def _append(self, text: bytes) -> None:
        self._file = self._file or create_file(self._path)
        while text:
            text = text[self._file.write(text) :]
        self._file.flush()

    def note(self, notes: Iterable[Note]) -> None:
        """Report notes."""
        for note in notes:
            self._report(note.text)

    def close(self) -> None:
        """Close the file; if nothing was rejected, remove the file of an earlier import."""
        if self._file is not None and self._is_own:
            self._file.close()
        elif self._is_own and not self.count and holds_rejects(self._path):
            try:
                self._path.unlink()
            except OSError:
                self._report(f"nothing was rejected; {self._path} is of an earlier import")


def create_file(path: Path) -> BinaryIO:
    """A new file instead of the one of that name, so that a program which still reads that one reads all of it."""
    if path.is_file() and not path.is_symlink():
        with suppress(OSError):
            path.unlink()
    return path.open("wb", buffering=0)


def holds_rejects(path: Path) -> bool:
    """Whether a file was written by an import."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(FIRST_BYTES)) == FIRST_BYTES
    except OSError:
        return False


def describe_problem(problem: Problem) -> str:
    """One line for a person."""
    if isinstance(problem, Reject) or not problem.text:
        return f"line {problem.line:,}: {problem.reason}"
    if problem.line == problem.last_line:
        return f"line {problem.line:,} was not read, because {problem.reason}"
    return f"lines {problem.line:,} to {problem.last_line:,} were not read, because {problem.reason}"


def render_problem(problem: Problem) -> bytes:
    """A JSON line; once its record is corrected, an import reads the line as that record."""
    fields: dict[str, object]
    if isinstance(problem, Reject):
        fields = {"line": problem.line, "reason": problem.reason, **(problem.context or {}), "record": problem.record}
    elif problem.text:
        fields = {"line": problem.line, "lastLine": problem.last_line, "reason": problem.reason, "record": problem.text}
    else:
        return b""
    try:
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return render_unusual(fields)


def render_unusual(fields: Mapping[str, object]) -> bytes:
    """A JSON line with values that orjson does not write: large and decimal numbers, invalid UTF-8, deep nesting."""
    try:
        return orjson.dumps(to_plain(fields), option=orjson.OPT_APPEND_NEWLINE)
    except (orjson.JSONEncodeError, RecursionError):
        return orjson.dumps({**fields, "record": TOO_DEEP}, option=orjson.OPT_APPEND_NEWLINE)


def to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {to_plain(name): to_plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    if isinstance(value, str):
        return SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Decimal) or (type(value) is int and value.bit_length() > 63):
        return orjson.Fragment(str(value))
    return value
