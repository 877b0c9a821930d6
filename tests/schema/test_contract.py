"""The schema that is served, the one that is exported, and the public contract agree."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLSchema,
    build_schema,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
    validate_schema,
)

from app.cli import main
from app.schema.schema import SCHEMA, print_schema

ROOT = Path(__file__).parents[2]
CONTRACT = build_schema((ROOT / "tests/data/contract.graphql").read_text(encoding="utf-8"))


def describe(type_: GraphQLNamedType) -> dict[str, Any]:
    """All that a client relies on: fields, arguments, defaults, nullability, values, interfaces, `@oneOf`."""
    if isinstance(type_, GraphQLEnumType):
        return {"values": list(type_.values)}
    fields = getattr(type_, "fields", {})
    described = {name: describe_field(field) for name, field in fields.items()}
    if isinstance(type_, GraphQLInputObjectType):
        described["@oneOf"] = type_.is_one_of
    described["interfaces"] = sorted(interface.name for interface in getattr(type_, "interfaces", ()))
    return described


def describe_field(field: Any) -> Any:
    arguments = {name: (str(each.type), describe_default(each)) for name, each in getattr(field, "args", {}).items()}
    return str(field.type), arguments, describe_default(field)


def describe_default(owner: Any) -> str:
    return repr(getattr(owner, "default_value", None)).replace("<AttendanceOrder.ID_ASC: 'ID_ASC'>", "'ID_ASC'")


def public_types(schema: GraphQLSchema) -> dict[str, GraphQLNamedType]:
    return {
        name: type_
        for name, type_ in schema.type_map.items()
        if not is_introspection_type(type_) and not is_specified_scalar_type(type_)
    }


def contract_types(schema: GraphQLSchema) -> dict[str, GraphQLNamedType]:
    """The types without those that federation adds."""
    return {
        name: type_
        for name, type_ in public_types(schema).items()
        if not name.startswith(("_", "federation__", "link__"))
    }


EXPORTED = build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))


def test_the_exported_schema_is_the_one_in_the_code() -> None:
    assert (ROOT / "schema.graphql").read_text(encoding="utf-8") == print_schema()


@pytest.mark.parametrize("scopes", [True, False])
def test_what_is_printed_is_a_whole_schema(*, scopes: bool) -> None:
    schema = build_schema(print_schema(scopes=scopes))
    assert validate_schema(schema) == []
    used = {directive.name for directive in schema.directives if not is_specified_directive(directive)}
    assert used == {"link", "key", "shareable", *(["requiresScopes"] if scopes else [])}


def test_the_command_prints_the_exported_schema() -> None:
    assert CliRunner().invoke(main, ["schema"]).stdout == print_schema()


def test_the_types_are_those_of_the_contract() -> None:
    assert set(contract_types(EXPORTED)) == set(public_types(CONTRACT))


@pytest.mark.parametrize("name", sorted(public_types(CONTRACT)))
def test_a_type_means_what_it_means_in_the_contract(name: str) -> None:
    exported = {key: each for key, each in describe(EXPORTED.type_map[name]).items() if not key.startswith("_")}
    assert exported == describe(CONTRACT.type_map[name])
    assert list(describe(SCHEMA.type_map[name])) == list(describe(EXPORTED.type_map[name]))


def test_everything_in_the_schema_is_described() -> None:
    types = contract_types(SCHEMA)
    fields = {
        f"{type_name}.{name}": field
        for type_name, type_ in types.items()
        for name, field in getattr(type_, "fields", {}).items()
        if not isinstance(type_, GraphQLInputObjectType)
    }
    arguments = {f"{name}({key}:)": each for name, field in fields.items() for key, each in field.args.items()}
    silent = [name for name, described in {**types, **fields, **arguments}.items() if not described.description]
    assert sorted(silent) == ["Mutation", "Query", "Query._entities(representations:)", "Subscription"]
