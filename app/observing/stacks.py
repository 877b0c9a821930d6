"""Formats exceptions for the log."""

import traceback

# The driver's messages quote the arguments of statements, which must not be logged.
DRIVER = "asyncpg."


def describe_failure(failure: BaseException) -> str:
    """The stack trace of an exception, after those of its causes."""
    cause = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
    before = f"{describe_failure(cause)}\n\nwhich led to:\n\n" if cause is not None else ""
    return f"{before}{''.join(traceback.format_tb(failure.__traceback__))}{describe_kind(failure)}"


def describe_kind(failure: BaseException) -> str:
    kind = f"{type(failure).__module__}.{type(failure).__qualname__}"
    if kind.startswith(DRIVER):
        state = getattr(failure, "sqlstate", None)
        return f"{kind} (SQLSTATE {state})" if state else kind
    return f"{kind}: {failure}"
