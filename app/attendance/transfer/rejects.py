"""The file that tells which records were not stored, and why."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from app.attendance.transfer.records import Reject
from app.errors import ConfigurationError

TOO_DEEP = "(nested too deeply to be repeated here)"


class RejectFile:
    """One JSON line for each reject; the file is made with the first one, and that of an earlier run is removed.

    Raises ConfigurationError where the file cannot be removed or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise self._explain(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, rejects: Iterable[Reject]) -> None:
        """Append these rejects, and have them in the file when this returns."""
        text = b"".join(map(render_reject, rejects))
        if not text:
            return
        try:
            self._file = self._file or self._path.open("wb")
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise self._explain(error) from error

    def _explain(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(f"cannot write the rejects to {self._path}: {error.strerror}")


def render_reject(reject: Reject) -> bytes:
    try:
        return orjson.dumps(reject._asdict(), option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return orjson.dumps(reject._replace(record=TOO_DEEP)._asdict(), option=orjson.OPT_APPEND_NEWLINE)
