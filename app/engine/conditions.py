"""Which selections the booleans of `@skip` and `@include` leave."""

from collections.abc import Mapping

from graphql import BooleanValueNode, DirectiveNode, SelectionNode, VariableNode

Booleans = Mapping[str, bool]


def is_included(node: SelectionNode, booleans: Booleans) -> bool:
    """Follows "@skip" and "@include" of the GraphQL specification."""
    conditions = {each.name.value: read_condition(each, booleans) for each in node.directives or ()}
    return conditions.get("skip") is not True and conditions.get("include") is not False


def read_condition(directive: DirectiveNode, booleans: Booleans) -> bool:
    (argument,) = directive.arguments or ()
    if isinstance(argument.value, VariableNode):
        return booleans[argument.value.name.value]
    return isinstance(argument.value, BooleanValueNode) and argument.value.value
