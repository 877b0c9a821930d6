"""docs/clients.md: the setups of JavaScript clients page, cache, write, renew their token and outlive an outage."""

import json
import shutil
from pathlib import Path

import pytest

from app.errors import ServiceUnavailable
from tests.clients.conftest import ListedSession, Served
from tests.clients.programs import PROJECT, SETUPS, compile_with_relay, link_packages, needs_clients, run_program


async def run_check(folder: Path, client: str, served: Served, listed: ListedSession) -> None:
    """Run the check of a client, whose first statement meets an outage."""
    for name in (f"{client}.mjs", "running.mjs"):
        shutil.copy(PROJECT / "checks" / name, folder / name)
    served.database.failures.append(ServiceUnavailable("an outage of the test"))
    arguments = (f"{served.url}/graphql", listed.expired_token, listed.token, listed.session_id, json.dumps(listed.ids))
    await run_program(folder, "node", f"{client}.mjs", *arguments)


@needs_clients
@pytest.mark.parametrize("client", ["apollo", "urql"])
async def test_the_setup_works_for(client: str, served: Served, listed: ListedSession, tmp_path: Path) -> None:
    link_packages(tmp_path)
    shutil.copy(SETUPS / f"{client}.js", tmp_path / f"{client}.js")
    await run_check(tmp_path, client, served, listed)


@needs_clients
async def test_the_setup_works_for_relay(served: Served, listed: ListedSession, tmp_path: Path) -> None:
    link_packages(tmp_path)
    program = await compile_with_relay(tmp_path, "roster", (SETUPS / "roster.js").read_text(encoding="utf-8"))
    (tmp_path / "roster.mjs").write_text(program, encoding="utf-8")
    await run_check(tmp_path, "relay", served, listed)


@needs_clients
async def test_the_setup_of_the_client_preset_compiles_and_works(
    served: Served, listed: ListedSession, tmp_path: Path
) -> None:
    """Types come from the schema: what misuses them does not compile."""
    link_packages(tmp_path)
    for file in (*(SETUPS / "typed").iterdir(), PROJECT / "checks/misuse.ts"):
        shutil.copy(file, tmp_path)
    programs = PROJECT / "node_modules/.bin"
    await run_program(tmp_path, str(programs / "graphql-codegen"), "--config", "codegen.ts")
    await run_program(tmp_path, str(programs / "tsc"))
    await run_check(tmp_path, "typed", served, listed)
