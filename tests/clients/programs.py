"""Programs of the documentation as files beside the packages that they import, compiled where they have to be."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = Path(__file__).parent
SETUPS = PROJECT / "setups"
PROGRAM_SECONDS = 15
needs_clients = pytest.mark.skipif(
    shutil.which("node") is None or not (PROJECT / "node_modules/typescript").is_dir(),
    reason="needs Node and `npm install --prefix tests/clients`",
)


async def run_program(folder: Path, *command: str) -> None:
    """Run a command to its end, while the service of the test runs in this process."""
    printed = folder / "printed"
    with printed.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=output, stderr=asyncio.subprocess.STDOUT
        )
    try:
        await asyncio.wait_for(process.wait(), PROGRAM_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
    assert process.returncode == 0, printed.read_text(encoding="utf-8")


def link_packages(folder: Path) -> None:
    """Let the modules of a folder import the packages of the project."""
    (folder / "node_modules").symlink_to(PROJECT / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(ROOT / "schema.graphql", folder / "schema.graphql")


async def compile_with_relay(folder: Path, name: str, program: str) -> str:
    """The program with its documents replaced by what Relay's compiler makes of them, as its Babel plugin does."""
    (folder / "src").mkdir()
    (folder / "src" / f"{name}.js").write_text(program, encoding="utf-8")
    config = {"src": "./src", "schema": "./schema.graphql", "language": "javascript", "eagerEsModules": True}
    (folder / "relay.config.json").write_text(json.dumps(config))
    await run_program(folder, str(PROJECT / "node_modules/.bin/relay-compiler"), "relay.config.json")
    for artifact in (folder / "src/__generated__").iterdir():
        make_module(artifact)
    imports = []

    def replace(document: re.Match[str]) -> str:
        imports.append(f"import {document[1]} from './src/__generated__/{document[1]}.graphql.mjs';\n")
        return document[1]

    program = re.sub(r"graphql`\s*\w+ (\w+).*?`", replace, program, flags=re.DOTALL)
    relay = re.search(r'import \{([^}]*)\} from "relay-runtime";\n', program)
    assert relay
    names = relay[1].replace(", graphql", "")
    program = program.replace(relay[0], f'import relay from "relay-runtime";\nconst {{{names}}} = relay;\n')
    return "".join(imports) + program


def make_module(artifact: Path) -> None:
    """Name an artifact, and what it imports, as Node names modules."""
    text = artifact.read_text(encoding="utf-8")
    artifact.with_suffix(".mjs").write_text(re.sub(r"(from '\./\w+\.graphql)'", r"\1.mjs'", text), encoding="utf-8")
    artifact.unlink()
