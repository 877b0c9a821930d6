"""Logs why a server refuses statements: each cause once, and its end."""

import logging
import time

import asyncpg

from app.database.failures import LOST_STATEMENT, LOST_STATEMENT_ERRORS, describe_failure, translate_failure
from app.errors import ServiceUnavailable

# A cause that was not seen for so long counts as a new one, and no longer as one that is to end.
FORGET_SECONDS = 60.0
# A cause that comes and goes, such as statements of which a pooler loses some, is not logged more often than this.
REPEAT_SECONDS = 10.0
MAX_STATEMENTS = 1000

logger = logging.getLogger("attendance.database")


class RefusalLog:
    """Which statements a server refuses, of those that callers get SERVICE_UNAVAILABLE for, and why.

    `causes` has that of each statement that was refused when it ran last. A cause ends when one of them runs again.
    """

    def __init__(self, log_prefix: str) -> None:
        self._log_prefix = log_prefix
        self._seen: dict[str, float] = {}
        self._logged: dict[str, float] = {}
        self._to_end: set[str] = set()
        self.causes: dict[str, str] = {}

    def note(self, text: str, failure: BaseException) -> None:
        """Log why a statement is refused, unless that has been logged."""
        if not isinstance(translate_failure(failure), ServiceUnavailable):
            return
        cause, now = name_cause(failure), time.monotonic()
        if now - self._seen.get(cause, -FORGET_SECONDS) >= FORGET_SECONDS:
            self._to_end.discard(cause)
        self._seen[cause] = now
        if cause not in self._to_end and now - self._logged.get(cause, -REPEAT_SECONDS) >= REPEAT_SECONDS:
            details = "" if cause == LOST_STATEMENT else f": {describe_failure(failure)}"
            logger.warning("%sthe database refuses statements: %s%s", self._log_prefix, cause, details)
            self._logged[cause] = now
            self._to_end.add(cause)
        if len(self.causes) >= MAX_STATEMENTS:
            self.causes.clear()
        self.causes[text] = cause

    def end(self, text: str) -> None:
        """Log that a cause has ended, because a statement that it stopped has run."""
        cause = self.causes.pop(text)
        if cause in self._to_end:
            self._to_end.remove(cause)
            logger.warning("%sthe database runs statements again: no longer %s", self._log_prefix, cause)


def name_cause(failure: BaseException) -> str:
    """A cause in a few words, the same for all statements that it stops."""
    if not isinstance(failure, asyncpg.PostgresError):
        return "a connection is lost"
    if isinstance(failure, LOST_STATEMENT_ERRORS):
        return LOST_STATEMENT
    return "its disk is full (53100)" if isinstance(failure, asyncpg.DiskFullError) else f"SQLSTATE {failure.sqlstate}"
