"""The exported schema is read as it is by the tools that clients are built with."""

import shutil
import subprocess
from pathlib import Path

import pytest

from app.schema.schema import print_schema

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "tests/http"
TOOLS = ("graphql-js", "graphql-tools", "codegen", "eslint", "relay")


def read_schema(tool: str, file: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["node", "read_schema.mjs", tool, str(file)],  # noqa: S607 (whichever Node the tests are run with)
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def node(request: pytest.FixtureRequest) -> None:
    """Skips a test by its name where Node or the tools are missing."""
    if shutil.which("node") is None:
        pytest.skip(f"{request.node.name} needs Node")
    if not (PROJECT / "node_modules/eslint").is_dir():
        pytest.skip(f"{request.node.name} needs `npm install --prefix {PROJECT.relative_to(ROOT)}`")


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("tool", TOOLS)
def test_the_exported_schema_is_read_as_it_is_by(tool: str) -> None:
    outcome = read_schema(tool, ROOT / "schema.graphql")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("tool", TOOLS)
def test_the_schema_with_scopes_is_read_as_it_is_by(tool: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.graphql"
    file.write_text(print_schema(scopes=True))
    assert read_schema(tool, file).returncode == 0


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("tool", ["graphql-js", "graphql-tools"])
def test_a_schema_whose_directives_are_not_defined_is_refused_by(tool: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.graphql"
    file.write_text(print_schema().replace("directive @key", "directive @lock"))
    assert "@key" in read_schema(tool, file).stderr
