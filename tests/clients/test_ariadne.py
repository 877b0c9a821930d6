"""docs/clients.md: the client that ariadne-codegen generates pages, writes, renews its token, and follows changes."""

import json
import shutil
from pathlib import Path

import pytest

from app.errors import ServiceUnavailable
from tests.clients.conftest import ListedSession, Served
from tests.clients.programs import PROJECT, ROOT, SETUPS, run_program

PROGRAMS = PROJECT / ".venv/bin"


@pytest.mark.skipif(
    not (PROGRAMS / "ariadne-codegen").exists(), reason="needs tests/clients/requirements.txt in tests/clients/.venv"
)
async def test_the_setup_works_for_ariadne_codegen(served: Served, listed: ListedSession, tmp_path: Path) -> None:
    for file in (*(SETUPS / "ariadne").iterdir(), ROOT / "schema.graphql", PROJECT / "checks/ariadne_check.py"):
        if file.is_file():
            shutil.copy(file, tmp_path)
    await run_program(tmp_path, str(PROGRAMS / "ariadne-codegen"))
    served.database.failures.append(ServiceUnavailable("an outage of the test"))
    arguments = (f"{served.url}/graphql", listed.expired_token, listed.token, listed.session_id, json.dumps(listed.ids))
    await run_program(tmp_path, str(PROGRAMS / "python"), "ariadne_check.py", *arguments)
    assert served.database.failures == []
