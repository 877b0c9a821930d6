"""Whichever statements of a query fail, each error stands at its field, and null in the nearest place for it."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    Node,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    is_abstract_type,
    is_non_null_type,
    parse,
)

from app.database.pool import Row
from app.errors import OperationTimeout, ServiceUnavailable
from app.schema.schema import SCHEMA
from tests.reading.test_oracle import make_records
from tests.support.private_service import ClientOf, open_service
from tests.support.random_operations import gather_content, make_operation, make_variables
from tests.support.service import RecordingDatabase, store

CASES = 1000
FAILURES = {
    "SERVICE_UNAVAILABLE": lambda: ServiceUnavailable("No database."),
    "TIMEOUT": lambda: OperationTimeout("Too slow."),
    "INTERNAL_SERVER_ERROR": lambda: RuntimeError("unforeseen"),
}
Path = Sequence[str | int]


class FlakyDatabase(RecordingDatabase):
    """The statements at the positions of `failing`, counted from 0, end in a failure of `code`."""

    failing: frozenset[int] = frozenset()
    code = ""

    async def fetch_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        position = len(self.sent)
        rows = await super().fetch_rows(text, arguments, site_id)
        if position in self.failing:
            raise FAILURES[self.code]()
        return rows


@pytest.fixture(scope="module")
async def flaky_database(database_url: str) -> FlakyDatabase:
    return FlakyDatabase(database_url, pool_size=1)


@pytest.fixture(scope="module")
async def client_of(flaky_database: FlakyDatabase) -> AsyncIterator[ClientOf]:
    async with open_service(flaky_database) as client_of:
        yield client_of


def find_fields(text: str) -> dict[tuple[str, ...], str]:
    """The names of all fields of a query by their paths of aliases; they are of one name wherever they are merged."""
    document = parse(text)
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    names: dict[tuple[str, ...], str] = {}

    def visit(node: Any, path: tuple[str, ...]) -> None:
        for each in node.selection_set.selections if node.selection_set else ():
            below: Node = each
            if isinstance(each, FieldNode):
                key = (*path, (each.alias or each.name).value)
                names[key] = each.name.value
                visit(below, key)
            else:
                visit(fragments[each.name.value] if isinstance(each, FragmentSpreadNode) else below, path)

    visit(get_operation_ast(document), ())
    return names


def find_null(text: str, path: Path) -> Path:
    """The path of the place that is null for an error at a path; empty where all of the data is."""
    fields = find_fields(text)
    type_: Any = SCHEMA.query_type
    nullable = 0
    for position, step in enumerate(path):
        if isinstance(step, int):
            type_ = get_nullable_type(type_).of_type
        else:
            named: Any = get_named_type(type_)
            types = SCHEMA.get_possible_types(named) if is_abstract_type(named) else [named]
            name = fields[tuple(each for each in path[: position + 1] if isinstance(each, str))]
            type_ = next(each.fields[name].type for each in types if name in each.fields)
        nullable = nullable if is_non_null_type(type_) else position + 1
    return path[:nullable]


def is_null(data: Any, path: Path) -> bool:
    """Whether null stands at a path, or, for another error, above it."""
    for step in path:
        if data is None:
            return True
        data = data[step]
    return data is None


async def test_each_error_stands_at_its_field_and_null_in_the_nearest_place_for_it(
    flaky_database: FlakyDatabase, client_of: ClientOf
) -> None:
    site_id = uuid4()
    records = make_records(4)
    await store(flaky_database, site_id, records)
    client, content, codes = client_of(site_id), gather_content(records), Counter[str]()
    for seed in range(CASES):
        chance = Random(seed)
        query, variables = make_operation(chance, content), make_variables(chance, content)
        flaky_database.failing = frozenset(chance.sample(range(6), chance.randint(1, 3)))
        flaky_database.code = chance.choice(list(FAILURES))
        with flaky_database.recording():
            answer = await client.run(query, **variables)
        for error in answer.get("errors", ()):
            code = error["extensions"]["code"]
            codes[code] += 1
            assert code == flaky_database.code or code not in FAILURES, (query, variables)
            if "path" in error:
                assert is_null(answer["data"], find_null(query, error["path"])), (error, query, variables)
            else:
                assert code not in FAILURES, (query, variables)
                assert "data" not in answer
    assert all(codes[code] > CASES / 50 for code in FAILURES), codes
