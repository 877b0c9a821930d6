"""docs/clients.md: its setups are those that the tests run, its queries give its answers, its tables are complete."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.attendance.demo import DEMO_SITES
from app.attendance.transfer.site import load_demo
from app.errors import ServiceError
from tests.clients.programs import PROJECT, ROOT, SETUPS, needs_clients
from tests.support.service import GraphQLClient, RecordingDatabase

TEXT = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```graphql\n(.*?)```\n```json\n(.*?)```", TEXT, re.DOTALL)
COMPONENT = next(
    block for block in re.findall(r"```js\n(.*?)```", TEXT, re.DOTALL) if "usePaginationFragment(" in block
)
SETUP_FILES = sorted(
    file for file in SETUPS.rglob("*") if file.is_file() and file.suffix != ".pyc" and file.name != "__init__.py"
)


@pytest.fixture(scope="module")
async def demo_site(database: RecordingDatabase) -> UUID:
    await load_demo(database)
    return DEMO_SITES[0].site_id


@pytest.fixture
def reader(demo_site: UUID, reader_of: Callable[[UUID], GraphQLClient]) -> GraphQLClient:
    return reader_of(demo_site)


def compile_with_relay(folder: Path, source: str) -> "subprocess.CompletedProcess[str]":
    """Run Relay's compiler on one file, BookingHistory.js, against the exported schema."""
    shutil.copy(ROOT / "schema.graphql", folder / "schema.graphql")
    (folder / "src").mkdir()
    (folder / "src" / "BookingHistory.js").write_text(source, encoding="utf-8")
    config = {"src": "./src", "schema": "./schema.graphql", "language": "javascript", "eagerEsModules": True}
    (folder / "relay.config.json").write_text(json.dumps(config))
    command = [str(PROJECT / "node_modules/.bin/relay-compiler"), "relay.config.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("file", SETUP_FILES, ids=lambda file: file.name)
def test_the_page_has_each_setup_as_the_tests_run_it(file: Path) -> None:
    blocks = re.findall(r"```\w+\n(.*?)```\n", TEXT, re.DOTALL)
    assert file.read_text(encoding="utf-8") in blocks


def test_the_table_of_errors_has_every_code() -> None:
    table = TEXT.split("## Errors\n")[1].split("\n## ")[0]
    documented = {
        code for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for code in re.findall(r"\w+", cell)
    }
    assert documented == set(list_codes(ServiceError))


def list_codes(error: type[ServiceError]) -> Iterator[str]:
    """The codes of an error and of those below it."""
    if "code" in vars(error):
        yield error.code
    for below in error.__subclasses__():
        yield from list_codes(below)


def test_the_page_names_the_versions_that_are_tested() -> None:
    packages = json.loads((PROJECT / "package.json").read_text())["dependencies"]
    required = (PROJECT / "requirements.txt").read_text() + (ROOT / "constraints.txt").read_text()
    python = dict(re.findall(r"^(ariadne-codegen|gql)\S*==(\S+)", required, re.MULTILINE))
    expected = [
        packages["relay-runtime"],
        packages["@apollo/client"],
        f"{packages['@urql/core']}, {packages['@urql/exchange-graphcache']}",
        f"{packages['graphql-request']}, {packages['@graphql-codegen/client-preset']}",
        python["gql"],
        python["ariadne-codegen"],
    ]
    table = TEXT.split("| client | tested |")[1].split("\n\n")[0]
    assert re.findall(r"^\| \[.*?\| (.*?) \|", table, re.MULTILINE) == expected


@pytest.mark.parametrize(("query", "answer"), EXAMPLES)
async def test_a_query_of_the_page_gives_its_answer(reader: GraphQLClient, query: str, answer: str) -> None:
    assert await reader.run(query) == json.loads(answer)


async def test_the_second_example_continues_the_first(reader: GraphQLClient) -> None:
    assert len(EXAMPLES) == 2
    [first, second] = [json.loads(answer)["data"]["attendances"] for _, answer in EXAMPLES]
    [booking] = [node["booking"] for node in first["nodes"]]
    assert booking["id"] in EXAMPLES[1][0]
    assert booking["attendances"]["pageInfo"]["endCursor"] in EXAMPLES[1][0]
    whole = (
        await reader.data(
            "query ($id: ID!) { attendances(perspective: {bookingId: $id}) { nodes { sessionId status } } }",
            id=booking["id"],
        )
    )["attendances"]["nodes"]
    assert booking["attendances"]["nodes"] + second["nodes"] == whole[:4]


@needs_clients
async def test_the_query_that_relay_compiles_walks_through_a_bookings_records(
    reader: GraphQLClient, tmp_path: Path
) -> None:
    compiled = compile_with_relay(tmp_path, COMPONENT)
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    artifact = (tmp_path / "src/__generated__/BookingHistoryPaginationQuery.graphql.js").read_text(encoding="utf-8")
    found = re.search(r'"text": ("(?:[^"\\]|\\.)*")', artifact)
    assert found
    document = json.loads(found[1])
    variables: dict[str, Any] = {"bookingId": "1a5145ce-7cd0-47dc-8af7-fea37801e627", "count": 5, "cursor": None}
    seen: list[str] = []
    while True:
        page = (await reader.data(document, **variables))["attendances"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        variables["cursor"] = page["pageInfo"]["endCursor"]
    assert len(seen) == len(set(seen)) == 12


@needs_clients
def test_relay_refuses_the_fragment_on_a_booking_as_the_page_says(tmp_path: Path) -> None:
    fragment = """graphql`
      fragment BookingHistory_booking on Booking
      @refetchable(queryName: "BookingHistoryPaginationQuery")
      @argumentDefinitions(count: {type: "Int", defaultValue: 20}, cursor: {type: "String"}) {
        attendances(first: $count, after: $cursor) @connection(key: "BookingHistory_attendances") {
          edges { node { id } }
        }
      }
    `;"""
    refused = compile_with_relay(tmp_path, fragment)
    assert refused.returncode != 0
    assert "@refetchable" in refused.stdout + refused.stderr
