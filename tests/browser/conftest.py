"""Where the browser tests find an explorer: `explorer_url`, the page of a running demo."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import start_service


@pytest.fixture(scope="session")
def explorer_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's address, served by the `attendance demo` command while the tests run."""
    with start_service(Path(tmp_path_factory.mktemp("demo")), "demo") as demo:
        yield f"{demo.url}/graphql"
