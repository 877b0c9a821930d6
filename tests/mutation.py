"""`python -m tests.mutation [OPTIONS] [MUTANTS]`: run mutmut with one Postgres for all mutants, and sum up each module.

Options and names of mutants are mutmut's own. Without names, only what has changed since the last run is run again.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

from app.database.embedded import run_embedded_postgres

ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "mutants"
CAUGHT = ("killed", "timeout")


def run_mutmut(options: list[str]) -> None:
    """Run the mutants. Raises CalledProcessError when mutmut itself fails."""
    command = [sys.executable, "-m", "mutmut", "run", *options]
    with tempfile.TemporaryDirectory(prefix="attendance-mutation-") as folder:
        data_dir = Path(folder)
        data_dir.chmod(0o755)  # Where this runs as root, Postgres runs as somebody else.
        with run_embedded_postgres(data_dir) as url:
            subprocess.run(command, cwd=ROOT, env={**os.environ, "ATTENDANCE_TEST_DATABASE_URL": url}, check=True)


def read_outcomes() -> dict[str, dict[str, str]]:
    """What became of each mutant, by module."""
    outcomes = {}
    for path in sorted(MUTANTS.rglob("*.py.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        module = str(path.relative_to(MUTANTS)).removesuffix(".meta")
        outcomes[module] = {name: status_by_exit_code[code] for name, code in codes.items()}
    return outcomes


def write_row(cells: tuple[object, ...]) -> None:
    sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")


def main() -> None:
    run_mutmut(sys.argv[1:])
    outcomes = read_outcomes()
    write_row(("module", "mutants", "killed", "timed out", "survived", "caught"))
    write_row(("---",) * 6)
    for module, mutants in outcomes.items():
        counts = Counter(mutants.values())
        caught = sum(counts[status] for status in CAUGHT)
        survived = len(mutants) - caught
        share = f"{caught / len(mutants):.1%}"
        write_row((module, len(mutants), counts["killed"], counts["timeout"], survived, share))
    for mutants in outcomes.values():
        sys.stdout.writelines(f"{name}: {status}\n" for name, status in mutants.items() if status not in CAUGHT)


if __name__ == "__main__":
    main()
