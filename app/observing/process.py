"""The numbers of this process itself."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.observing.catalogue import BUILD, CPU_SECONDS, MEMORY, WORKERS
from app.observing.samples import Samples

PACKAGE = "attendance-graphql"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def find_version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"


BUILD_KEY = (BUILD, find_version(), platform.python_version())


def sample_process() -> Samples:
    """Processor time and memory that are used here, and what runs here."""
    times = os.times()
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        (WORKERS,): 1,
        (CPU_SECONDS,): times.user + times.system,
        (MEMORY,): resident_pages * PAGE_BYTES,
        BUILD_KEY: 1,
    }
