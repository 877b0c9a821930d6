"""Figures of this process: memory and version."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "attendance-graphql"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def find_version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"


def read_memory_bytes() -> int:
    """The resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
