"""Real gateways as processes of their own, from the Node project of the federation tests."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1] / "federation/gateway"
START_SECONDS = 60
STOP_SECONDS = 30


def environment() -> dict[str, str]:
    """This process's variables without the keys by which gateways report to their makers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("APOLLO_", "HIVE_"))}
    return {**kept, "NODE_ENV": "production"}


class GatewayFailed(Exception):
    """A gateway that ended before it served; what it printed is among what the test captured."""


def explain_absence() -> str | None:
    """Why no gateway can be started here; None where one can."""
    if shutil.which("node") is None:
        return "needs Node"
    if not (PROJECT / "node_modules").is_dir():
        return f"needs `npm install --prefix {PROJECT.relative_to(PROJECT.parents[2])}`"
    return None


def compose(composer: str, sdls: Mapping[str, str]) -> dict[str, Any]:
    """The supergraph of subgraphs by their names, or the errors of their composition."""
    subgraphs = [{"name": name, "url": f"http://{name}.test", "sdl": sdl} for name, sdl in sdls.items()]
    process = subprocess.run(
        ["node", "compose.mjs", composer],  # noqa: S607 (whichever Node the tests are run with)
        cwd=PROJECT,
        env=environment(),
        input=json.dumps(subgraphs),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=True,
    )
    outcome: dict[str, Any] = json.loads(process.stdout)
    return outcome


@asynccontextmanager
async def start_gateway(name: str, composer: str, service_url: str) -> AsyncIterator[str]:
    """A gateway in front of a service and of the tests' own subgraphs, composed as they are; gives its address.

    It ends when its standard input does, so it cannot outlive the tests.
    """
    process = await asyncio.create_subprocess_exec(
        *("node", "serve.mjs", name, composer, service_url),
        cwd=PROJECT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        if not address:
            raise GatewayFailed(f"the gateway {name} did not start")
        yield address.decode().strip()
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
