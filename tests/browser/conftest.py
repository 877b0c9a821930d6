"""The browser of the tests, a running demo, and one without the files that the build brings."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import BROWSER, QUIET
from tests.support.commands import ROOT, start_service

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright  # An extra; the modules without it are skipped.

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def explorer_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's address, served by the `attendance demo` command while the tests run."""
    with start_service(Path(tmp_path_factory.mktemp("demo")), "demo") as demo:
        yield f"{demo.url}/graphql"


@pytest.fixture(scope="session")
def unbundled_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page's address in an installation that was built without npm."""
    root = tmp_path_factory.mktemp("unbundled")
    shutil.copytree(ROOT / "app", root / "app", ignore=shutil.ignore_patterns("vendor", "__pycache__"))
    with start_service(Path(tmp_path_factory.mktemp("demo")), "demo", root=root) as demo:
        yield f"{demo.url}/graphql"
