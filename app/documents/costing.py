"""From a valid document to what its operations cost: which fields give how many records, as the schema has them.

What implements `Node` is a record, and what an edge leads to counts like one. The lists of a connection, and of a batch
of changes, have the size of its page. A root field gives as much as the list of keys or inputs that it takes, or one.
Introspection's lists are as long as the longest of the schema.
"""

from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLOutputType,
    InlineFragmentNode,
    ListValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_introspection_type,
    is_list_type,
    is_object_type,
    value_from_ast_untyped,
)

from app.documents.cost import Cost, Size, Variables, add, multiply
from app.documents.selections import applies, find_fragments
from app.plan.changes import MOST_CHANGES
from app.plan.page import DEFAULT_SIZE, LARGEST_SIZE
from app.schema.schema import SCHEMA

ROOTS = (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type)
CHANGES = SCHEMA.type_map["AttendanceChanges"]
RECORD = SCHEMA.type_map["Node"]
OBJECT_TYPES = [type_ for type_ in SCHEMA.type_map.values() if isinstance(type_, GraphQLObjectType)]
NODES = frozenset(get_named_type(type_.fields["node"].type) for type_ in OBJECT_TYPES if "node" in type_.fields)
META_FIELDS = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


def longest(lists: Iterable[Sized]) -> int:
    return max(map(len, lists), default=0)


def measure_introspection() -> dict[str, int]:
    """The longest that each list of introspection can be."""
    types = list(SCHEMA.type_map.values())
    inputs = [type_ for type_ in types if isinstance(type_, GraphQLInputObjectType)]
    takers: list[Any] = [*SCHEMA.directives, *(field for type_ in OBJECT_TYPES for field in type_.fields.values())]
    return {
        "types": len(types),
        "directives": len(SCHEMA.directives),
        "fields": longest(type_.fields for type_ in OBJECT_TYPES),
        "inputFields": longest(type_.fields for type_ in inputs),
        "args": longest(taker.args for taker in takers),
        "enumValues": longest(type_.values for type_ in types if isinstance(type_, GraphQLEnumType)),
        "interfaces": longest(type_.interfaces for type_ in OBJECT_TYPES),
        "possibleTypes": longest(SCHEMA.get_possible_types(type_) for type_ in types if is_abstract_type(type_)),
    }


LONGEST_LISTS = measure_introspection()


class CostReader:
    """Finds the costs of a valid document's operations; each fragment is looked into once a type it is spread on."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = find_fragments(document)
        self._known: dict[tuple[str, GraphQLObjectType], Cost] = {}

    def read_operation(self, operation: OperationDefinitionNode) -> Cost:
        root = SCHEMA.get_root_type(operation.operation)
        assert root is not None
        return self.read_selections(operation.selection_set, root)

    def read_selections(self, selections: SelectionSetNode, of: GraphQLObjectType) -> Cost:
        """The cost of what is selected of one object of a type."""
        costs = []
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                costs.append(self.read_field(selection, of))
            elif isinstance(selection, FragmentSpreadNode):
                costs.append(self.read_fragment(selection.name.value, of))
            elif isinstance(selection, InlineFragmentNode) and applies(selection.type_condition, of):
                costs.append(self.read_selections(selection.selection_set, of))
        return add(costs)

    def read_fragment(self, name: str, of: GraphQLObjectType) -> Cost:
        if (name, of) not in self._known:
            fragment = self._fragments[name]
            cost = self.read_selections(fragment.selection_set, of) if applies(fragment.type_condition, of) else Cost()
            self._known[name, of] = cost
        return self._known[name, of]

    def read_field(self, node: FieldNode, of: GraphQLObjectType) -> Cost:
        definition = of.fields.get(node.name.value) or META_FIELDS.get(node.name.value)
        if definition is None or node.selection_set is None:
            return Cost()
        below = [self.read_object(node.selection_set, each) for each in list_object_types(definition.type)]
        if has_pages(definition):
            return multiply(read_page_size(node, definition), below)
        item = multiply(1, below)
        if is_introspection_type(of) and node.name.value in LONGEST_LISTS:
            return multiply(LONGEST_LISTS[node.name.value], [item])
        if of in ROOTS:
            return multiply(read_key_count(node, definition), [item])
        return item if is_list(definition.type) else add(below)

    def read_object(self, selections: SelectionSetNode, of: GraphQLObjectType) -> Cost:
        cost = self.read_selections(selections, of)
        return add([cost, Cost(1)]) if RECORD in of.interfaces or of in NODES else cost


def list_object_types(type_: GraphQLOutputType) -> Sequence[GraphQLObjectType]:
    """The types that an object of a field's type may have."""
    named = get_named_type(type_)
    if is_abstract_type(named):
        return SCHEMA.get_possible_types(named)
    return [named] if is_object_type(named) else []


def is_list(type_: GraphQLInputType | GraphQLOutputType) -> bool:
    return is_list_type(get_nullable_type(type_))


def has_pages(definition: GraphQLField) -> bool:
    """Whether a field gives a page: those of a subscription have a size that is not asked for."""
    return "first" in definition.args or get_named_type(definition.type) is CHANGES


def read_page_size(node: FieldNode, definition: GraphQLField) -> int | Size:
    """How many records a page may have: a number, or how to find it from the variables."""
    default = MOST_CHANGES if get_named_type(definition.type) is CHANGES else DEFAULT_SIZE
    first, last = find_argument(node, "first"), find_argument(node, "last")
    if not isinstance(first, VariableNode) and not isinstance(last, VariableNode):
        return fit_page_size(read_literal(first), read_literal(last), default)
    read_first, read_last = bind(first), bind(last)
    return Size(lambda variables: fit_page_size(read_first(variables), read_last(variables), default), LARGEST_SIZE)


def fit_page_size(first: Any, last: Any, default: int) -> int:
    """The size of a page that these arguments lead to; what they may not be, running the operation refuses."""
    size = last if first is None else first
    return int(max(0, min(size, LARGEST_SIZE))) if isinstance(size, (int, float)) else default


def read_key_count(node: FieldNode, definition: GraphQLField) -> int | Size:
    """How many keys or inputs a root field is given: a number, or how to find it from the variables."""
    name = next((name for name, argument in definition.args.items() if is_list(argument.type)), None)
    if name is None:
        return 1
    given = find_argument(node, name)
    if isinstance(given, ListValueNode):
        return len(given.values)
    if not isinstance(given, VariableNode):
        return count_keys(read_literal(given))
    read = bind(given)
    return Size(lambda variables: count_keys(read(variables)))


def count_keys(value: Any) -> int:
    """How many items a value is coerced to: one that is no list is a list of one."""
    if value is None:
        return 0
    return len(value) if isinstance(value, list) else 1


def find_argument(node: FieldNode, name: str) -> ValueNode | None:
    return next((argument.value for argument in node.arguments or () if argument.name.value == name), None)


def read_literal(node: ValueNode | None) -> Any:
    """An argument's value as JSON has it; None where it is absent."""
    return None if node is None else value_from_ast_untyped(node)


def bind(node: ValueNode | None) -> Callable[[Variables], Any]:
    """How to find an argument's value, as JSON has it, from the variables."""
    if isinstance(node, VariableNode):
        name = node.name.value
        return lambda variables: variables.get(name)
    literal = read_literal(node)
    return lambda _: literal


def read_defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    """What an operation's variables are where they are not given."""
    return {
        node.variable.name.value: value_from_ast_untyped(node.default_value)
        for node in operation.variable_definitions or ()
        if node.default_value is not None
    }
