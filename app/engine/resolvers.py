"""How a field's resolver is called: with its constant arguments, and those that variables have a say in."""

from functools import partial
from typing import Any

from graphql import FieldNode, GraphQLField, VariableNode, is_non_null_type
from graphql.pyutils import Undefined

from app.engine.coercion import InputRefused, RefusedPart
from app.engine.fields import Argument, Resolver
from app.engine.inputs import Variables, build_argument_reader, holds_variable
from app.errors import ServiceError
from app.plan.page import PageSelection
from app.schema.schema import DEFINITION_KEY


def build_resolver(definition: GraphQLField, node: FieldNode) -> Resolver:
    """The resolver of a field, with the arguments that its node gives, read in the order in which they are defined."""
    strawberry_field = definition.extensions[DEFINITION_KEY]
    python_names = {
        name: argument.python_name for name, argument in zip(definition.args, strawberry_field.arguments, strict=True)
    }
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    constants: dict[str, Any] = {}
    arguments = []
    for name, argument in definition.args.items():
        value = given.get(name)
        if value is None:
            continue
        python_name = python_names[name]
        if isinstance(value, VariableNode) and not is_non_null_type(argument.type):
            arguments.append(Argument(python_name, value.name.value, None))
            continue
        read = build_argument_reader(value, argument.type)
        constant = Undefined if holds_variable(value) else read({})
        if constant is Undefined:
            arguments.append(Argument(python_name, "", read))
        elif isinstance(constant, RefusedPart):
            arguments.append(Argument(python_name, "", partial(give_part, constant)))
        else:
            constants[python_name] = constant
    function = strawberry_field.base_resolver.wrapped_func
    return Resolver(
        function,
        constants,
        tuple(arguments),
        given=frozenset(given),
        is_constant=not any(map(holds_variable, given.values())),
    )


def plan_fixed(resolver: Resolver, selection: PageSelection | None = None) -> Any:
    """The plan of a root field that depends on no variable, or the error that it always ends in; None for any other.

    `selection` is what is read of a connection's page. The error has no
    traceback, which would keep all that the compiler knew.
    """
    if not resolver.is_constant:
        return None
    try:
        plan = resolver.plan(None, {})
        return plan if selection is None else plan.select(selection)
    except (ServiceError, InputRefused) as failure:
        return failure.with_traceback(None)


def give_part(part: RefusedPart, _variables: Variables) -> RefusedPart:
    return part
