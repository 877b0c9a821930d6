"""Whether URLs may name several hosts in brackets, which newer Pythons refuse."""

from urllib.parse import urlsplit

import pytest


def reads_brackets() -> bool:
    """Where they may not, the settings and the driver refuse such a URL as well."""
    try:
        return bool(urlsplit("postgresql://[::1],[::2]/data"))
    except ValueError:
        return False


NEEDS_BRACKETS = pytest.mark.skipif(
    not reads_brackets(), reason="this Python refuses URLs with several hosts in brackets; they go into `?host=`"
)
