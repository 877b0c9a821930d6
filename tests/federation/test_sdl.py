"""What the subgraph tells a gateway of itself: the cases of Apollo's compatibility suite that apply to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from click.testing import CliRunner
from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    DocumentNode,
    FieldDefinitionNode,
    InterfaceTypeDefinitionNode,
    Node,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    SchemaDefinitionNode,
    Visitor,
    parse,
    print_ast,
    value_from_ast_untyped,
    visit,
)
from graphql.language import REMOVE
from starlette.applications import Starlette

from app.cli import main
from app.schema.schema import print_schema
from tests.federation.conftest import SubgraphBuilder
from tests.support.entities import represent, write_query
from tests.support.root_fields import list_root_fields
from tests.support.service import ALL_SCOPES, GraphQLClient, make_token

SERVICE = "{ _service { sdl } }"
EXPORTED = (Path(__file__).parents[2] / "schema.graphql").read_text(encoding="utf-8")
WITH_SCOPES = print_schema(scopes=True)
DOCUMENT = parse(WITH_SCOPES)
BUILT_IN = {"deprecated", "oneOf", "specifiedBy", "link"}
SCOPES_DIRECTIVE = "requiresScopes"
NESTED = {
    "Booking.attendances": ("Booking", "... on Booking { attendances { totalCount } }"),
    "Session.attendances": ("Session", "... on Session { attendances { totalCount } }"),
    **{
        f"Attendance.{name}": ("Attendance", f"... on Attendance {{ {name} }}")
        for name in ("bookingId", "sessionId", "status", "numberOfAttendees", "createdAt", "updatedAt")
    },
    "Attendance.booking": ("Attendance", "... on Attendance { booking { id } }"),
    "Attendance.session": ("Attendance", "... on Attendance { session { id } }"),
}
ScopeSets = dict[str, set[Any]]
Described = SchemaDefinitionNode | ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | FieldDefinitionNode


def walk_directives(document: DocumentNode) -> Iterator[ConstDirectiveNode]:
    found: list[ConstDirectiveNode] = []

    class Collector(Visitor):
        def enter_directive(self, node: ConstDirectiveNode, *_: Any) -> None:
            found.append(node)

    visit(document, Collector())
    yield from found


def read_directives(node: Described, name: str) -> list[dict[str, Any]]:
    """The arguments of a directive, each time that it stands at the node."""
    return [
        {argument.name.value: value_from_ast_untyped(argument.value) for argument in directive.arguments or ()}
        for directive in node.directives or ()
        if directive.name.value == name
    ]


def read_link(document: DocumentNode) -> dict[str, Any]:
    [schema] = [node for node in document.definitions if isinstance(node, SchemaDefinitionNode)]
    [link] = read_directives(schema, "link")
    return link


def list_types(document: DocumentNode) -> list[ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode]:
    kinds = (ObjectTypeDefinitionNode, InterfaceTypeDefinitionNode)
    return [node for node in document.definitions if isinstance(node, kinds)]


def types_with(name: str) -> dict[str, list[dict[str, Any]]]:
    """The types that a directive stands at, and its arguments each time."""
    found = {type_.name.value: read_directives(type_, name) for type_ in list_types(DOCUMENT)}
    return {type_name: arguments for type_name, arguments in found.items() if arguments}


def required_scopes(document: DocumentNode) -> ScopeSets:
    """The scopes of which any one is enough, for each type and each field that tells of some."""
    required: ScopeSets = {}
    for type_ in list_types(document):
        places: dict[str, Described] = {f"{type_.name.value}.{field.name.value}": field for field in type_.fields or ()}
        for place, node in {type_.name.value: type_, **places}.items():
            for told in read_directives(node, SCOPES_DIRECTIVE):
                required[place] = {scope for [scope] in told["scopes"]}
    return required


def ask(service: Starlette, token: str | None) -> GraphQLClient:
    transport = httpx2.ASGITransport(service)
    return GraphQLClient(httpx2.AsyncClient(transport=transport, base_url="http://service.test"), token)


@pytest.mark.parametrize("introspection", ["on", "off"])
async def test_the_schema_is_told_without_a_token_whatever_introspection_is(
    subgraph: SubgraphBuilder, introspection: str
) -> None:
    gateway = ask(subgraph(introspection=introspection), None)
    for query in (SERVICE, "query SubgraphIntrospectQuery { _service { sdl __typename } }"):
        data = await gateway.data(query)
        assert data["_service"]["sdl"] == EXPORTED
    assert ("errors" in await gateway.run("{ __schema { types { name } } }")) == (introspection == "off")


def test_scopes_are_told_of_only_where_they_are_switched_on() -> None:
    assert print_schema() == EXPORTED
    assert SCOPES_DIRECTIVE not in EXPORTED


async def test_the_schema_told_is_the_one_exported(http: httpx2.AsyncClient) -> None:
    assert (await GraphQLClient(http, None).data(SERVICE))["_service"] == {"sdl": EXPORTED}


def test_the_link_names_the_lowest_version_and_imports_what_is_used_and_nothing_else() -> None:
    used = {f"@{directive.name.value}" for directive in walk_directives(DOCUMENT)} - {f"@{name}" for name in BUILT_IN}
    link = read_link(DOCUMENT)
    assert link.keys() == {"url", "import"}
    assert link["url"] == "https://specs.apollo.dev/federation/v2.5"  # the first that has @requiresScopes
    assert sorted(link["import"]) == sorted(used) == ["@key", "@requiresScopes", "@shareable"]


def test_each_entity_has_one_key_and_can_be_resolved_by_it() -> None:
    assert types_with("key") == {name: [{"fields": "id"}] for name in ("Attendance", "Booking", "Session")}


def test_what_other_subgraphs_share_by_convention_is_shareable() -> None:
    assert types_with("shareable") == {"PageInfo": [{}]}


def test_one_of_is_defined_for_composers_that_do_not_know_it() -> None:
    assert "directive @oneOf on INPUT_OBJECT" in EXPORTED.splitlines()
    assert EXPORTED.count("@oneOf {") == 5


async def test_the_fields_that_every_subgraph_has_are_those_of_the_specification(client: GraphQLClient) -> None:
    query = '{ __type(name: "%s") { kind fields { name type { ...T } } possibleTypes { name } } } ' + (
        "fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { name } } } }"
    )
    fields = {each["name"]: each["type"] for each in (await client.data(query % "Query"))["__type"]["fields"]}
    assert name_type(fields["_service"]) == "_Service!"
    assert name_type(fields["_entities"]) == "[_Entity]!"
    union = (await client.data(query % "_Entity"))["__type"]
    assert union["kind"] == "UNION"
    assert {each["name"] for each in union["possibleTypes"]} == set(types_with("key"))
    assert (await client.data(query % "_Any"))["__type"]["kind"] == "SCALAR"


def name_type(type_: dict[str, Any]) -> str:
    if type_["kind"] == "NON_NULL":
        return name_type(type_["ofType"]) + "!"
    return f"[{name_type(type_['ofType'])}]" if type_["kind"] == "LIST" else type_["name"]


async def test_gateways_are_told_of_exactly_the_scopes_that_the_service_enforces(http: httpx2.AsyncClient) -> None:
    enforced: ScopeSets = {}
    for root in list_root_fields():
        place = f"{root.kind.value.capitalize()}.{root.name}"
        enforced[place] = await find_accepted(http, root.query)
    for place, (type_name, selection) in NESTED.items():
        representations = represent(type_name, [uuid4()])
        enforced[place] = await find_accepted(http, write_query(selection), representations=representations)
    told = required_scopes(DOCUMENT)
    assert told == {place: scopes for place, scopes in enforced.items() if not place.startswith("Query._")}
    assert enforced["Query._service"] == {None, *ALL_SCOPES}
    assert enforced["Query._entities"] == told["Booking.attendances"]


def test_scopes_leave_alone_what_composition_shares_with_other_subgraphs() -> None:
    places = required_scopes(DOCUMENT)
    assert all("." in place for place in places), "those of a type spread to the interfaces that it implements"
    assert not {"Node.id", "Attendance.id", "Booking.id", "Session.id"} & places.keys()
    assert not [place for place in places if place.startswith("PageInfo")]


async def find_accepted(http: httpx2.AsyncClient, query: str, **variables: Any) -> set[Any]:
    """The scopes of which each alone lets an operation run, or be asked for as a stream; None for no scope at all."""
    site = UUID(int=1)
    tokens = {scope: make_token(site, *((scope,) if scope else ())) for scope in (None, *ALL_SCOPES)}
    answers = {scope: await GraphQLClient(http, token).post(query, variables) for scope, token in tokens.items()}
    assert {answer.status_code for answer in answers.values()} <= {200, 403, 406}
    return {scope for scope, answer in answers.items() if answer.status_code != 403}


class WithoutScopes(Visitor):
    """Takes the directive away wherever it stands, with its definition."""

    def enter_directive(self, node: ConstDirectiveNode, *_: Any) -> Any:
        return REMOVE if node.name.value == SCOPES_DIRECTIVE else None

    def enter_directive_definition(self, node: DirectiveDefinitionNode, *_: Any) -> Any:
        return REMOVE if node.name.value == SCOPES_DIRECTIVE else None

    def enter_scalar_type_definition(self, node: ScalarTypeDefinitionNode, *_: Any) -> Any:
        return REMOVE if node.name.value == "federation__Scope" else None


def without_link(document: Node) -> str:
    return print_ast(document).split("{\n  query:", 1)[1]


async def test_without_scopes_their_import_is_missing_and_nothing_else(subgraph: SubgraphBuilder) -> None:
    shown = (await ask(subgraph(federation_scopes="off"), None).data(SERVICE))["_service"]["sdl"]
    document = parse(shown)
    assert SCOPES_DIRECTIVE not in shown
    assert read_link(document) == {**read_link(DOCUMENT), "import": ["@key", "@shareable"]}
    assert without_link(document) == without_link(visit(DOCUMENT, WithoutScopes()))
    assert shown == EXPORTED


async def test_scopes_can_be_switched_on(subgraph: SubgraphBuilder) -> None:
    shown = (await ask(subgraph(federation_scopes="on"), None).data(SERVICE))["_service"]["sdl"]
    assert shown == WITH_SCOPES
    exported = CliRunner().invoke(main, ["schema"], env={"ATTENDANCE_FEDERATION_SCOPES": "on"})
    assert exported.stdout == shown


async def test_the_service_enforces_scopes_that_it_does_not_tell_of(subgraph: SubgraphBuilder) -> None:
    gateway = ask(subgraph(federation_scopes="off"), make_token(UUID(int=1)))
    answer = await gateway.post("{ attendances { totalCount } }")
    assert answer.status_code == 403
