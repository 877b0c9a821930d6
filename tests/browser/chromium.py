"""The Chromium that the tests drive: where it is, and how it is started."""

import importlib.util
import os

import pytest

BROWSER = os.environ.get("ATTENDANCE_BROWSER")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def require_browser() -> None:
    """Skip the module that calls this unless ATTENDANCE_BROWSER names a Chromium and playwright is installed."""
    if not BROWSER or importlib.util.find_spec("playwright") is None:
        pytest.skip("needs ATTENDANCE_BROWSER (the path of a Chromium) and playwright", allow_module_level=True)
