"""What a worker takes is bounded, whatever documents it is sent, with a token or without."""

import asyncio
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.operations.test_memory import LARGE_DOCUMENTS, read_memory
from tests.support.commands import start_service
from tests.support.service import READ_SCOPE, SECRET, make_token
from tests.support.worst_documents import multiply_connections

MOST_MEGABYTES = 150.0
EMOJI = "\U0001f600" * 32_000
TIMES = 400
TREES = 40
CONNECTIONS = 4


def make_documents() -> list[tuple[str, bool]]:
    """Documents, and whether they come with a token."""
    documents = [(f"{{ __typename }} # {number} {EMOJI}", False) for number in range(TIMES)]
    documents += [
        (multiply_connections(*shape, name=f"tree{number}_"), True)
        for number in range(TREES)
        for shape in ((1, 30), (2, 14), (3, 3))
    ]
    documents += [
        (text.replace("#", f"{name_number}_{number}"), True)
        for number in range(TIMES // 4)
        for name_number, text in enumerate(LARGE_DOCUMENTS.values())
    ]
    documents += [("{ " + " ".join(f"x{n}{'y' * 900}{each}" for each in range(5)) + " }", False) for n in range(TIMES)]
    wide = " ".join(f"query Q{number} {{ attendances {{ totalCount }} }}" for number in range(100))
    return documents + [(f"{wide} # {number}", False) for number in range(TIMES // 4)]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
async def test_a_worker_keeps_its_bound_whatever_documents_it_is_sent(tmp_path: Path, database_url: str) -> None:
    documents = make_documents()
    headers = {"Authorization": f"Bearer {make_token(uuid4(), READ_SCOPE)}"}
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET) as service:
        async with httpx2.AsyncClient(base_url=service.url, timeout=60) as http:

            async def send(part: list[tuple[str, bool]]) -> None:
                for text, has_token in part:
                    persisted = {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}
                    content = {"query": text, "variables": {"x": "x"}, "extensions": {"persistedQuery": persisted}}
                    await http.post("/graphql", json=content, headers=headers if has_token else {})

            await asyncio.gather(*(send(documents[each::CONNECTIONS]) for each in range(CONNECTIONS)))
        memory = read_memory(service.process.pid)
    assert memory < MOST_MEGABYTES
