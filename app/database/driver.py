"""Opens connections by the driver, asyncpg, on machines where it would fail for reasons that libpq tolerates."""

import os
from pathlib import Path
from typing import Any

import asyncpg

MISSING_HOME = "/nonexistent"


async def open_connection(url: str, **options: Any) -> Any:
    """Connect as `asyncpg.connect` does. Raises ConnectionError when neither the URL nor the system names a user."""
    hide_inaccessible_home()
    try:
        return await asyncpg.connect(url, **options)
    except KeyError as failure:  # from `getpass.getuser`
        raise ConnectionError(
            f"the URL of the database names no user, and the user number {os.geteuid()} has no name"
        ) from failure


def hide_inaccessible_home() -> None:
    """Let a home directory that cannot be read count as one without a client certificate.

    The driver looks for certificates in `~/.postgresql`, and fails when it may not. There is no option to skip that,
    so the process gets a home that does not exist.
    """
    try:
        (Path.home() / ".postgresql" / "postgresql.crt").stat()
    except (FileNotFoundError, NotADirectoryError, RuntimeError, KeyError):
        return
    except OSError:
        os.environ["HOME"] = MISSING_HOME
