"""docs/configuration.md describes every setting that there is, with its default, and no other."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from app.settings import PREFIX, TEST_NAMES, Settings, load_settings
from benchmarks.processes import write_value

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What has the prefix and is no setting: a code of an error, names for the tests, names that Kubernetes sets.
OTHER_NAMES = {"NOT_FOUND", "PORT", "SERVICE_HOST", *TEST_NAMES}
TABLES = re.findall(r"^\| variable \| default \| meaning \|\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
ROWS = dict(re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| (.*?) ?\| .+ \|$", "".join(TABLES), re.MULTILINE))
NAMES = {field.name.upper() for field in fields(Settings)}
# Their defaults depend on other settings or on the environment; the others are constants.
DERIVED = {"DATABASE_URL", "DATA_DIR", "JWT_SECRET", "INTROSPECTION", "EXPLORER", "MAX_RUNNING", "MAX_QUEUED"}


def test_every_setting_has_a_row_and_every_row_a_setting() -> None:
    assert set(ROWS) == NAMES


def test_no_setting_has_two_rows() -> None:
    assert len(re.findall(rf"^\| `{PREFIX}", "".join(TABLES), re.MULTILINE)) == len(ROWS)


@pytest.mark.parametrize("name", sorted(NAMES - DERIVED))
def test_a_constant_default_is_the_one_that_holds(name: str) -> None:
    value = getattr(load_settings({f"{PREFIX}DATABASE_URL": "postgresql://localhost/attendance"}), name.lower())
    told = re.match(r"`([^`]*)`$", ROWS[name])
    assert (told[1] if told else None) == (write_value(value) if value not in (None, (), "") else None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_no_setting_that_there_is_not(page: Path) -> None:
    named = set(re.findall(rf"\b{PREFIX}([A-Z][A-Z_]*[A-Z])\b", page.read_text(encoding="utf-8")))
    assert named - OTHER_NAMES - NAMES == set()


def test_the_readme_has_the_ten_settings_of_a_first_deployment() -> None:
    section = README[README.index("## Configuration") : README.index("## Deploying")]
    named = re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \|", section, re.MULTILINE)
    assert len(named) == 10
    assert set(named) <= NAMES
    assert "(docs/configuration.md)" in section


def test_a_link_leads_to_a_file_and_a_heading_that_there_are() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve() if target else page
            assert path.exists(), f"{page.name} links to {target}"
            if anchor:
                assert anchor in list_anchors(path), f"{page.name} links to {target}#{anchor}"


def list_anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
