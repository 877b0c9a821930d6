"""The README tells the truth: its queries give its answers, and its tables are complete."""

import json
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from app.attendance.demo import DEMO_SITES
from app.attendance.transfer.site import load_demo
from app.cli import main
from app.errors import ServiceError
from app.schema.permissions import SCOPES, Permission
from tests.conftest import pytest_terminal_summary
from tests.support.service import GraphQLClient, RecordingDatabase

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```graphql\n(.*?)```\n```json\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
async def demo_site(database: RecordingDatabase) -> UUID:
    await load_demo(database)
    return DEMO_SITES[0].site_id


@pytest.mark.parametrize(("query", "answer"), EXAMPLES)
async def test_a_query_of_the_readme_gives_its_answer(
    demo_site: UUID, reader_of: Callable[[UUID], GraphQLClient], query: str, answer: str
) -> None:
    assert await reader_of(demo_site).run(query) == json.loads(answer)


def test_there_are_four_examples_and_two_commands() -> None:
    quick_start = re.search(r"## Quick start\s+```sh\n(.*?)```", README, re.DOTALL)
    assert quick_start
    assert len(EXAMPLES) == 4
    assert len(quick_start[1].splitlines()) == 2


def test_every_code_is_in_the_table_of_errors() -> None:
    codes = {kind.code for kind in ServiceError.__subclasses__()}
    assert codes - set(re.findall(r"`([A-Z_]+)`", README)) == set()


def test_the_table_of_scopes_is_the_one_that_is_enforced() -> None:
    rows = re.findall(r"\| `(SCOPE\.[^`]+)` \| (yes|) ?\| ?(yes|) ?\|", README)
    granted = [
        (scope.id, *("yes" if permission in scope.grants else "" for permission in (Permission.READ, Permission.WRITE)))
        for scope in SCOPES
    ]
    assert rows == granted


def test_every_command_is_in_the_table_of_commands() -> None:
    documented = set(re.findall(r"^\| `attendance (\w+)", README, re.MULTILINE))
    assert set(main.commands) - documented == set()


def test_the_changelog_begins_with_what_is_unreleased_and_has_the_packages_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert releases[0] == "Unreleased"
    assert version("attendance-graphql") in [release.split()[0] for release in releases]


def test_every_dependency_is_pinned_by_name_and_version_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin) for pin in pins)


def test_the_command_of_the_tests_says_how_long_it_takes() -> None:
    start = README.index("## Quick start")
    assert re.search(r"takes about \d+ minutes", README[start : README.index("\n## ", start + 1)])


def test_what_is_skipped_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    reasons = ("needs Node", "test_the_codegen needs Node", "needs promtool")
    skipped = [SimpleNamespace(longrepr=("test_file.py", 1, f"Skipped: {reason}")) for reason in reasons]
    for stats in ({"skipped": skipped}, {"passed": skipped}):
        reporter: Any = SimpleNamespace(stats=stats, write_line=print)
        pytest_terminal_summary(reporter)
    assert capsys.readouterr().out == "Skipped: 2 x needs Node; 1 x needs promtool\n"
