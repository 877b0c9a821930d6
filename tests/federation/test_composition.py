"""The service's schema composes with other subgraphs as it is, by each of two composers."""

from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, build_schema, parse, print_ast, visit
from graphql.language import REMOVE, FieldDefinitionNode, Visitor

from app.schema.schema import print_schema
from tests.support.gateways import PROJECT, compose

pytestmark = pytest.mark.usefixtures("node")
for_each_composer = pytest.mark.parametrize("composer", ["apollo", "guild"])

OWN = print_schema(scopes=True)
OTHERS = {name: (PROJECT / f"{name}.graphql").read_text(encoding="utf-8") for name in ("bookings", "sessions")}
LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@override", "@shareable"])'
)
COURSES = f"""
{LINK}
type Query {{ courses(first: Int): [Course!]! }}
interface Node {{ id: ID! }}
type Course implements Node @key(fields: "id") {{ id: ID! title: String! startsAt: DateTime! }}
scalar DateTime
"""
PAGES_OF_COURSES = """
type CoursePage { nodes: [Course!]! pageInfo: PageInfo! }
type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
"""
NODES_OF_COURSES = "extend type Query {{ node(id: ID!): Node {0} nodes(ids: [ID!]!): [Node]! {0} }}"


def compose_with(composer: str, courses: str = COURSES, own: str = OWN) -> dict[str, Any]:
    return compose(composer, {"attendance": own, "courses": courses, **OTHERS})


def read_supergraph(outcome: dict[str, Any]) -> GraphQLSchema:
    assert "errors" not in outcome, outcome["errors"]
    return build_schema(outcome["supergraph"], assume_valid_sdl=True)


def fields_of(supergraph: GraphQLSchema, name: str) -> set[str]:
    type_ = supergraph.type_map[name]
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
    return set(type_.fields)


def applied_to(node: Any) -> list[str]:
    return [print_ast(directive) for directive in node.directives or ()]


class WithoutNodes(Visitor):
    """Takes Relay's two root fields away; those of a connection have no arguments."""

    def enter_field_definition(self, node: FieldDefinitionNode, *_: Any) -> Any:
        return REMOVE if node.name.value in ("node", "nodes") and node.arguments else None


@for_each_composer
@pytest.mark.parametrize("scopes", [True, False])
def test_it_composes_with_the_owners_of_bookings_and_sessions(composer: str, *, scopes: bool) -> None:
    outcome = compose(composer, {"attendance": print_schema(scopes=scopes), **OTHERS})
    supergraph = read_supergraph(outcome)
    assert fields_of(supergraph, "Booking") == {"id", "customer", "attendances"}
    assert fields_of(supergraph, "Session") == {"id", "title", "attendances"}
    assert fields_of(supergraph, "Query") == {
        *("absences", "attendance", "attendanceChanges", "attendances", "node", "nodes"),
        *("attendancesSeen", "bookings", "sessions"),
    }
    assert ("requiresScopes" in outcome["supergraph"]) == scopes


@for_each_composer
def test_entities_can_be_fetched_from_the_service_by_their_key(composer: str) -> None:
    supergraph = read_supergraph(compose_with(composer))
    for name in ("Attendance", "Booking", "Session"):
        joined = applied_to(supergraph.type_map[name].ast_node)
        assert '@join__type(graph: ATTENDANCE, key: "id")' in joined


@for_each_composer
def test_scopes_reach_the_supergraph_and_spread_to_nothing_that_others_share(composer: str) -> None:
    supergraph = read_supergraph(compose_with(composer, COURSES + PAGES_OF_COURSES))
    for name in ("Node", "Course", "CoursePage", "PageInfo"):
        type_ = supergraph.type_map[name]
        assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        for node in (type_.ast_node, *(field.ast_node for field in type_.fields.values())):
            assert not [each for each in applied_to(node) if "requiresScopes" in each]
    booking = supergraph.type_map["Booking"]
    assert isinstance(booking, GraphQLObjectType)
    assert [each for each in applied_to(booking.fields["attendances"].ast_node) if "SCOPE.BOOKINGS" in each]


@for_each_composer
def test_page_info_node_and_date_time_are_shared_with_another_subgraph(composer: str) -> None:
    supergraph = read_supergraph(compose_with(composer, COURSES + PAGES_OF_COURSES))
    assert fields_of(supergraph, "PageInfo") == {"hasNextPage", "hasPreviousPage", "startCursor", "endCursor"}
    unshared = PAGES_OF_COURSES.replace("@shareable ", "")
    assert {error["code"] for error in compose_with(composer, COURSES + unshared)["errors"]} == {
        "INVALID_FIELD_SHARING"
    }


@for_each_composer
def test_another_subgraph_with_node_collides_and_is_named(composer: str) -> None:
    outcome = compose_with(composer, COURSES + NODES_OF_COURSES.format(""))
    assert [error["code"] for error in outcome["errors"]] == ["INVALID_FIELD_SHARING"] * 2
    assert ['"Query.node"' in error["message"] for error in outcome["errors"]] == [True, False]


@for_each_composer
def test_the_collision_ends_where_the_composed_schema_leaves_the_fields_out(composer: str) -> None:
    left_out = print_ast(visit(parse(OWN), WithoutNodes()))
    assert len(left_out.splitlines()) < len(OWN.splitlines())
    outcome = compose_with(composer, COURSES + NODES_OF_COURSES.format(""), left_out)
    assert joins_of(read_supergraph(outcome)) == {
        "node": ["@join__field(graph: COURSES)"],
        "nodes": ["@join__field(graph: COURSES)"],
    }


@for_each_composer
def test_the_collision_ends_where_the_other_subgraph_overrides_the_fields(composer: str) -> None:
    override = '@override(from: "attendance")'
    outcome = compose_with(composer, COURSES + NODES_OF_COURSES.format(override), print_schema(scopes=False))
    expected = ['@join__field(graph: COURSES, override: "attendance")']
    assert joins_of(read_supergraph(outcome)) == {"node": expected, "nodes": expected}


def joins_of(supergraph: GraphQLSchema) -> dict[str, list[str]]:
    """From where Relay's root fields are resolved."""
    query = supergraph.query_type
    assert query is not None
    return {name: applied_to(query.fields[name].ast_node) for name in ("node", "nodes")}
