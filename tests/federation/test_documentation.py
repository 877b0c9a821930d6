"""What docs/federation.md says of names is complete, and its code is what the tests run."""

import re
from pathlib import Path

from app.schema.schema import SCHEMA
from tests.support.gateways import PROJECT
from tests.support.root_fields import list_root_fields

TEXT = (Path(__file__).parents[2] / "docs/federation.md").read_text(encoding="utf-8")
CODE = (PROJECT / "gateways.mjs").read_text(encoding="utf-8")
ENTITIES = {"Attendance", "Booking", "Session"}
OTHERWISE_KNOWN = {*ENTITIES, "Query", "Mutation", "Subscription", "ID", "Int", "Float", "String", "Boolean"}


def test_every_root_field_that_may_collide_is_named() -> None:
    fields = {f"{root.kind.value.capitalize()}.{root.name}" for root in list_root_fields()}
    assert set(re.findall(r"`((?:Query|Mutation|Subscription)\.\w+)`", TEXT)) == {
        field for field in fields if not field.startswith("Query._")
    }


def test_every_type_that_another_subgraph_may_have_too_is_named() -> None:
    types = {name for name in SCHEMA.type_map if "__" not in name and not name.startswith("_")} - OTHERWISE_KNOWN
    [table] = re.findall(r"\| shared name \|.*?\n\n", TEXT, re.DOTALL)
    named = {name for row in table.strip().splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {name for name in types if "Attendance" not in name}


def test_the_javascript_is_that_of_the_gateways_that_the_tests_start() -> None:
    examples = re.findall(r"```js\n(.*?)```", TEXT, re.DOTALL)
    assert len(examples) == 2
    lines = [line.strip() for line in CODE.splitlines()]
    for example in examples:
        wanted = [line.strip() for line in example.splitlines()]
        assert any(lines[start : start + len(wanted)] == wanted for start in range(len(lines)))
