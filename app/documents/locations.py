"""Where in an operation's arguments an error of the GraphQL library lies, as a path such as `filter.bookingId.eq`."""

import re
from dataclasses import dataclass, field
from functools import cached_property

from graphql import (
    ArgumentNode,
    DocumentNode,
    GraphQLError,
    ListValueNode,
    NameNode,
    Node,
    ObjectFieldNode,
    VariableDefinitionNode,
    VariableNode,
    print_ast,
)

from app.documents.selections import list_children

VARIABLE_PATH = re.compile(r"Variable '\$\w+' has invalid value(?: at ([^:\s]+))?:")
ARGUMENT_NAME = re.compile(r"Argument '(?:[\w.]+\()?(\w+)[:']")
LIST_POSITION = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class ArgumentPaths:
    """The argument path of each value in a document's arguments, and of each variable's first use."""

    of_nodes: dict[int, str] = field(default_factory=dict)
    nodes: list[tuple[Node, str]] = field(default_factory=list)
    of_variables: dict[str, str] = field(default_factory=dict)

    def collect(self, node: Node, path: str) -> None:
        """Collect what lies in a node, whose own path this is; it is empty outside of arguments."""
        if path:
            self.of_nodes[id(node)] = path
            self.nodes.append((node, path))
        if isinstance(node, VariableNode):
            self.of_variables.setdefault(node.name.value, path)
        for index, child in enumerate(list_children(node)):
            if isinstance(child, NameNode | VariableDefinitionNode):
                continue
            if isinstance(child, ArgumentNode | ObjectFieldNode):
                self.collect(child, f"{path}.{child.name.value}".lstrip("."))
            elif isinstance(node, ListValueNode):
                self.collect(child, f"{path}.{index}")
            else:
                self.collect(child, path)


class ArgumentFinder:
    """Finds the arguments at fault in a document, which is looked through once, for its first error."""

    def __init__(self, document: DocumentNode) -> None:
        self._document = document

    @cached_property
    def _paths(self) -> ArgumentPaths:
        paths = ArgumentPaths()
        paths.collect(self._document, "")
        return paths

    @cached_property
    def _nodes_of_texts(self) -> dict[tuple[str, str], Node]:
        """The first literal that reads so, by its kind and text."""
        return {(node.kind, print_ast(node)): node for node, _ in reversed(self._paths.nodes)}

    def find_original(self, error: GraphQLError) -> GraphQLError:
        """The error of the document's own literal: the library coerces a copy of some, which stands nowhere."""
        if error.locations or not error.nodes:
            return error
        node = error.nodes[0]
        original = self._nodes_of_texts.get((node.kind, print_ast(node)))
        return error if original is None else GraphQLError(error.message, original, path=error.path)

    def find_argument(self, error: GraphQLError) -> str | None:
        """The path of the argument at fault; None where the error is about something else."""
        if not error.nodes:
            return None
        for node in error.nodes:
            if isinstance(node, VariableDefinitionNode):
                return find_variable_argument(self._paths, node.variable.name.value, error.message)
        found = [self._paths.of_nodes[id(node)] for node in error.nodes if id(node) in self._paths.of_nodes]
        if found:
            return found[0]
        named = ARGUMENT_NAME.search(error.message)
        return named[1] if named else None


def find_variable_argument(paths: ArgumentPaths, variable: str, message: str) -> str:
    """Where a variable is used, followed by the place inside its value; the variable itself where nothing uses it."""
    within = VARIABLE_PATH.match(message)
    inner = LIST_POSITION.sub(r".\1", within[1]) if within and within[1] else ""
    return paths.of_variables.get(variable, f"${variable}") + inner
