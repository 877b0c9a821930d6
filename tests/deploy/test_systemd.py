"""deploy/systemd: a unit that systemd accepts, which starts the service as it wants to be started."""

import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from app.cli.commands import InvalidUsage, main
from app.web.serving.workers import MAX_SHUTDOWN_SECONDS
from tests.support.commands import run_command

UNIT = Path(__file__).parents[2] / "deploy/systemd/attendance.service"
PROGRAM = "/opt/attendance/bin/attendance"
SYSTEMD_ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(SYSTEMD_ANALYZE is None, reason="needs systemd-analyze")


def read_service() -> dict[str, str]:
    """The settings of the unit's service, each with its last value."""
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT, encoding="utf-8")
    return dict(parser["Service"])


SERVICE = read_service()


def analyze(tmp_path: Path, *arguments: str) -> None:
    """Have systemd read the unit, with a program that there is."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    assert SYSTEMD_ANALYZE
    command = [SYSTEMD_ANALYZE, *arguments, str(unit)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr


@needs_systemd
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    analyze(tmp_path, "verify")


@needs_systemd
def test_the_service_is_confined(tmp_path: Path) -> None:
    analyze(tmp_path, "security", "--no-pager", "--offline=yes", "--threshold=20")


def test_the_unit_starts_a_command_that_there_is() -> None:
    program, name, *arguments = SERVICE["ExecStart"].split()
    assert program == PROGRAM
    context = main.commands[name].make_context(name, list(arguments))
    assert context.params == {"host": "127.0.0.1", "port": 8000, "workers": 2}


def test_systemd_waits_longer_than_the_service_takes_to_end() -> None:
    assert float(SERVICE["TimeoutStopSec"].removesuffix("s")) > MAX_SHUTDOWN_SECONDS + 1


def test_a_setting_that_cannot_be_used_ends_the_service_for_good(tmp_path: Path) -> None:
    ended = run_command(tmp_path, *SERVICE["ExecStart"].split()[1:], POOL_SIZE="many")
    assert SERVICE["Restart"] == "always"
    assert str(ended.returncode) == SERVICE["RestartPreventExitStatus"] == str(InvalidUsage.exit_code)
