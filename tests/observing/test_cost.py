"""What an operation took is told in its answer, to those who ask for it."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.observing.conftest import WatchedService
from tests.support.mutations import SET, make_input
from tests.support.service import READ_SCOPE, Record, RecordingDatabase, store

ASKING = {"X-Attendance-Cost": "1"}
NESTED = "{ attendances { nodes { booking { attendances { totalCount } } } totalCount } }"


async def ask(watched: WatchedService, site_id: UUID, query: str, **variables: Any) -> Any:
    answer = (await watched.client(site_id).post(query, variables, **ASKING)).json()
    answer["extensions"]["cost"].pop("cost", None)
    return answer


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ attendances { nodes { id } } }", {"statements": 1, "rows": 2}),
        (NESTED, {"statements": 3, "rows": 5}),
        ("{ attendances(first: 0) { nodes { id } } }", {"statements": 0, "rows": 0}),
        ("{ __typename }", {"statements": 0, "rows": 0}),
    ],
)
async def test_who_asks_is_told_what_an_operation_took(
    watched: WatchedService, database: RecordingDatabase, site_id: UUID, query: str, cost: dict[str, Any]
) -> None:
    await store(database, site_id, [Record(), Record()])
    plain = await watched.client(site_id).run(query)
    assert await ask(watched, site_id, query) == {**plain, "extensions": {"cost": cost}}


async def test_a_write_and_an_error_are_told_too(watched: WatchedService, site_id: UUID) -> None:
    written = await ask(watched, site_id, SET, input=make_input())
    assert written["extensions"]["cost"] == {"statements": 1, "rows": 1}
    failed = await ask(watched, site_id, '{ attendances(after: "x") { nodes { id } } }')
    assert list(failed) == ["errors", "data", "extensions"]
    assert failed["extensions"]["cost"] == {"statements": 0, "rows": 0}


async def test_what_was_refused_took_nothing(watched: WatchedService, site_id: UUID) -> None:
    client = watched.client(site_id, READ_SCOPE)
    refused = (await client.post(SET, {"input": make_input()}, **ASKING)).json()
    assert refused["extensions"]["cost"] == {"statements": 0, "rows": 0}
    assert "extensions" not in (await client.post("{", **ASKING)).json()


@pytest.mark.parametrize("headers", [{}, {"X-Attendance-Cost": "0"}, {"X-Attendance-Cost": ""}])
async def test_who_does_not_ask_is_told_nothing(watched: WatchedService, headers: dict[str, str]) -> None:
    answer = (await watched.client(uuid4()).post("{ attendances { totalCount } }", **headers)).json()
    assert answer == {"data": {"attendances": {"totalCount": 0}}}


async def test_the_static_cost_is_what_counts_towards_the_limit(watched: WatchedService, site_id: UUID) -> None:
    below = "booking { attendances(first: 5) { nodes { id } } }"
    query = f"query($size: Int) {{ attendances(first: $size) {{ nodes {{ {below} }} }} }}"
    answer = (await watched.client(site_id).post(query, {"size": 4}, **ASKING)).json()
    assert answer["extensions"]["cost"]["cost"] == 4 + 4 * 5
