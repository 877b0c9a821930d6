"""Where the embedded Postgres and its key live on this machine."""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from app.errors import ConfigurationError

PREFIX = "ATTENDANCE_"


def read_data_dir(given: Mapping[str, str], environ: Mapping[str, str]) -> Path:
    """The directory of the embedded Postgres and its key: root's is below /var/lib, where Postgres's user can read.

    Raises ConfigurationError when it is needed and this user has no home.
    """
    if "DATA_DIR" in given:
        return Path(given["DATA_DIR"]).absolute()
    home = environ.get("HOME") or find_home()
    share = environ.get("XDG_DATA_HOME") or (home and f"{home}/.local/share")
    if os.geteuid() == 0 or (not share and "DATABASE_URL" in given):
        return Path("/var/lib/attendance")
    if not share:
        raise ConfigurationError(
            f"set {PREFIX}DATA_DIR to a directory for the embedded Postgres, or {PREFIX}DATABASE_URL to a server: "
            f"the user number {os.geteuid()} has no home directory"
        )
    return Path(share, "attendance").absolute()


def find_home() -> str | None:
    """The home of this user by its passwd entry."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir or None
    except KeyError:
        return None
