"""docs/live.md: its programs keep the lists of Apollo Client, urql and Relay true, whatever ends their streams."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.web.application import Application
from tests.clients.conftest import Served
from tests.clients.programs import PROJECT, ROOT, compile_with_relay, link_packages, needs_clients
from tests.support.mutations import DELETE, SET
from tests.support.service import WRITE_SCOPE, GraphQLClient, make_token
from tests.support.waiting import wait_until

TEXT = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
HEADINGS = {"apollo": "### Apollo Client", "urql": "### urql", "relay": "### Relay"}
SESSION = "the session of the list"
LIST = """query($perspective: AttendancePerspective!) {
  attendances(perspective: $perspective, first: 100) { nodes { id status numberOfAttendees } }
}"""


def read_program(client: str) -> str:
    """The program of the page for a client."""
    section = TEXT.split(f"{HEADINGS[client]}\n", 1)[1]
    program = re.search(r"```js\n(.*?)```", section, re.DOTALL)
    assert program
    return program[1]


async def write_program(folder: Path, client: str) -> Path:
    """The program as a module, beside the packages that it imports."""
    link_packages(folder)
    path = folder / f"{client}.mjs"
    program = read_program(client)
    if client == "relay":
        program = await compile_with_relay(folder, "live", program)
    path.write_text(program, encoding="utf-8")
    shutil.copy(PROJECT / "follow.mjs", folder)
    return path


@dataclass(slots=True)
class FollowedList:
    """The list that a program shows, and the service that it follows."""

    application: Application
    api: GraphQLClient
    perspective: dict[str, str]
    shown: list[Any] = field(default_factory=list)

    async def read(self) -> list[Any]:
        """The list as the service has it, by ids."""
        nodes: list[Any] = (await self.api.data(LIST, perspective=self.perspective))["attendances"]["nodes"]
        return sorted(nodes, key=lambda node: str(node["id"]))

    async def set(self, booking: UUID, number: int) -> str:
        """Set a record of the list; gives its id."""
        given = {"bookingId": str(booking), "sessionId": SESSION, "status": "ATTENDED", "numberOfAttendees": number}
        stored = await self.api.data(SET, input=given)
        identifier: str = stored["setAttendance"]["attendance"]["id"]
        return identifier

    async def wait_until_true(self) -> None:
        expected = await self.read()
        await wait_until(lambda: self.shown and self.shown[-1] == expected, within=20)

    async def collect(self, output: asyncio.StreamReader) -> None:
        while line := await output.readline():
            self.shown.append(json.loads(line))


@pytest.fixture(params=HEADINGS)
async def followed(
    request: pytest.FixtureRequest, served: Served, site_id: UUID, tmp_path: Path
) -> AsyncIterator[FollowedList]:
    client: str = request.param
    program = await write_program(tmp_path, client)
    token, perspective = make_token(site_id, WRITE_SCOPE), {"sessionId": SESSION}
    followed = FollowedList(served.application, GraphQLClient(served.http, token), perspective)
    for number in range(3):
        await followed.set(uuid4(), number)
    arguments = (client, str(program), f"{served.url}/graphql", token, json.dumps(perspective))
    process = await asyncio.create_subprocess_exec(
        "node", "follow.mjs", *arguments, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    collecting = asyncio.create_task(followed.collect(process.stdout))
    try:
        yield followed
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 20)
        await collecting
    await wait_until(lambda: served.application.endpoint.service.streams.count == 0)


@needs_clients
async def test_the_list_of_a_client_stays_true(followed: FollowedList) -> None:
    """Records are created, changed and deleted, while there is a stream and while there is none."""
    streams = followed.application.endpoint.service.streams
    await followed.wait_until_true()
    bookings = [uuid4() for _ in range(4)]
    for number in range(1, 4):
        await wait_until(lambda: streams.count == 1, within=20)
        identifiers = [await followed.set(booking, number) for booking in bookings]
        await followed.wait_until_true()
        streams.end_all()
        await followed.set(bookings[0], number + 10)
        await followed.api.data(DELETE, id=identifiers[-1])
        await followed.set(uuid4(), 1)
        await followed.wait_until_true()
    assert len(followed.shown[-1]) == 9


def test_each_client_has_a_program() -> None:
    for client in HEADINGS:
        program = read_program(client)
        assert "export async function follow(" in program
        assert "CURSOR_EXPIRED" in program
