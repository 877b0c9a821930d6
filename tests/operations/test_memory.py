"""The memory of a process that is asked ever new things: its caches are bounded, and what leaves them is freed."""

import asyncio
import gc
import tracemalloc
from pathlib import Path

import httpx2
import pytest
from graphql import get_introspection_query

from app.documents.documents import Documents
from app.documents.limits import Limits
from app.engine.compiled_operations import CompiledOperations
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


TEXTS = " ".join(f'"{number:03}{"x" * 200}"' for number in range(100))
GUIDS = " ".join(f'"01890a5d-ac96-774b-bcce-b3020{number:07}"' for number in range(99))
# Documents that hold much of what is kept: `#` makes each one another document.
LARGE_DOCUMENTS = {
    "a page": "{ a#: attendances { edges { cursor node { id status booking { id } } } pageInfo { endCursor } } }",
    "introspection": get_introspection_query().replace("__schema", "a#: __schema"),
    "introspection beside long lists": "{ a#: __schema { queryType { name } } ...F } fragment F on Query { "
    f"attendances(filter: {{numberOfAttendees: {{in: [{'1 ' * 900}]}}}}) {{ totalCount }} }}",
    "a list that is refused": f"{{ a#: attendances(filter: {{id: {{in: [{'1 ' * 900}]}}}}) {{ totalCount }} }}",
    "a size that is refused": "{ a#: attendances(first: 101) { totalCount } }",
    "a default that is refused": f"query($f: AttendanceFilter = {{id: {{in: [{'1 ' * 900}]}}}}) "
    "{ a#: attendances(filter: $f) { totalCount } }",
    "ids": f"{{ a#: nodes(ids: [{GUIDS}]) {{ id }} }}",
    "ids of which one is a variable": f"query($x: ID!) {{ a#: nodes(ids: [$x {GUIDS}]) {{ id }} }}",
    "variables in a list": "query($x: ID!) { a#: attendances(filter: {sessionId: {in: ["
    + "$x " * 450
    + "]}}) { totalCount } }",
    "long texts": f"{{ a#: attendances(filter: {{sessionId: {{in: [{TEXTS}]}}}}) {{ totalCount }} }}",
}
# Of the document itself: its text, its cost and its permissions.
BYTES_OF_A_DOCUMENT = 8_000
# All of them are kept.
KEPT, SIZE = 30, 1000


@pytest.mark.parametrize("name", LARGE_DOCUMENTS)
def test_a_compiled_operation_takes_no_more_than_it_counts_as(name: str) -> None:
    documents, compiled = Documents(size=SIZE, limits=Limits(), introspection=True), CompiledOperations(SIZE)
    counted = 0

    def compile_one(number: int) -> None:
        nonlocal counted
        text = LARGE_DOCUMENTS[name].replace("#", str(number))
        form, _ = compiled.prepare(documents.find(text, None), {"x": "x"})
        counted += form.size + len(text)

    compile_one(KEPT)
    gc.collect()
    tracemalloc.start()
    counted = 0
    for number in range(KEPT):
        compile_one(number)
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / KEPT < BYTES_OF_A_DOCUMENT + 1.25 * counted / KEPT
