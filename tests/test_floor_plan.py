"""The floor plan of docs/architecture.md holds, and would be seen to break."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_FILE = 250
LONGEST_FUNCTION = 40


def lint_imports(config: Path) -> int:
    """The linter's exit code; it runs as a process of its own, for it turns off the loggers of the one it is in."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    return subprocess.run(
        [*command, "--config", str(config), "--no-cache"], cwd=ROOT, capture_output=True, check=False
    ).returncode


def test_imports_only_point_down() -> None:
    assert lint_imports(ROOT / "pyproject.toml") == 0


def test_a_wall_that_is_broken_is_seen(tmp_path: Path) -> None:
    config = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    upside_down = tmp_path / "pyproject.toml"
    as_it_is, swapped = '    "sql | database",\n    "plan",\n', '    "plan",\n    "sql | database",\n'
    upside_down.write_text(config.replace(as_it_is, swapped))
    assert lint_imports(upside_down) == 1


def test_files_and_functions_stay_small() -> None:
    too_long = []
    for path in sorted((ROOT / "app").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(ROOT))
        if text.count("\n") > LONGEST_FILE:
            too_long.append(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                too_long += [f"{name}:{node.name}"] if length > LONGEST_FUNCTION else []
    assert too_long == []


def test_the_lines_that_are_written_by_hand_are_told() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`app/[^|]+) \| (\d+) \|", text, re.MULTILINE)
    assert rows
    for paths, told in rows:
        files = [file for path in re.findall(r"`([^`]+)`", paths) for file in list_modules(ROOT / path)]
        lines = sum(file.read_text(encoding="utf-8").count("\n") for file in files)
        assert abs(lines - int(told)) <= lines / 5, (paths, lines)


def list_modules(path: Path) -> list[Path]:
    return [path] if path.is_file() else list(path.rglob("*.py"))
