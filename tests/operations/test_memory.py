"""The memory of a process that is asked ever new things: its caches are bounded, and what leaves them is freed."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from tests.support.commands import start_service
from tests.support.service import READ_SCOPE, SECRET, make_token

DOCUMENTS = 3000
CONNECTIONS = 4
MOST_GROWTH = 12.0
MOST = 120.0
SITE = "5d3c0f8e-7a51-4c39-8a54-3a1f0a1d9f10"
QUERY = """
query Q{0}($size: Int) {{
  a{0}: attendances(first: $size, filter: {{numberOfAttendees: {{gt: {0}}}}}) {{
    edges {{ cursor node {{ id b{0}: booking {{ id attendances(first: 1) {{ totalCount }} }} }} }}
    pageInfo {{ endCursor }}
  }}
}}
"""


def read_memory(pid: int) -> float:
    """Megabytes of memory that a process has now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


async def ask(http: httpx2.AsyncClient, numbers: range) -> None:
    headers = {"Authorization": f"Bearer {make_token(SITE, READ_SCOPE)}"}
    for number in numbers:
        content = {"query": QUERY.format(number), "variables": {"size": 2}}
        answer = await http.post("/graphql", json=content, headers=headers)
        assert answer.json() == {"data": {f"a{number}": {"edges": [], "pageInfo": {"endCursor": None}}}}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
async def test_a_process_that_is_asked_ever_new_things_stops_growing(tmp_path: Path, database_url: str) -> None:
    settings = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET}
    with start_service(tmp_path, "serve", **settings) as service:
        async with httpx2.AsyncClient(base_url=service.url) as http:
            memory = []
            for start in (0, DOCUMENTS // 3, DOCUMENTS * 2 // 3):
                numbers = range(start, start + DOCUMENTS // 3)
                await asyncio.gather(*(ask(http, numbers[each::CONNECTIONS]) for each in range(CONNECTIONS)))
                memory.append(read_memory(service.process.pid))
    assert memory[-1] - memory[0] < MOST_GROWTH, memory
    assert memory[-1] < MOST, memory
