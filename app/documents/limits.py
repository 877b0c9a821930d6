"""The limits on documents and variables, checked before anything is validated, coerced or run.

How deep and how wide an operation is comes from one pass over its document, in which each fragment is looked into once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from app.documents.selections import find_fragments
from app.errors import OperationTooComplex
from app.settings import DEFAULTS, Settings

LINES_A_TOKEN = 5
VALUES_A_RECORD = 20
MIN_CHARACTERS, CHARACTERS_A_TOKEN = 32_768, 32
BEYOND_COUNTING = 10**9
CONTAINERS = (dict, list)

PURPOSES = {
    "characters": "how long it takes to read a document; send values as variables",
    "lines": "how long it takes to read a document",
    "tokens": "how long it takes to read a document; a token is a name, a value or a mark",
    "comments": "how long it takes to read a document",
    "depth": "how far from its root an operation may reach; a field counts, a fragment does not",
    "aliases": "how often one operation may ask for the same field; a fragment counts each time it is spread",
    "root fields": "how much one operation may ask for; a fragment counts each time it is spread",
    "cost": "how many records one operation may return; ask for smaller pages, or for fewer of them",
    "values": "what is selected of the records that one operation may return; select fewer fields, or smaller pages",
    "variable values": "how long it takes to check variables; items of lists and members of objects count",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that documents may have, and the variables that come with them.

    `tokens` bounds comments too, and `aliases` both the fields with an alias and the root fields of an operation.
    """

    characters: int = MIN_CHARACTERS
    tokens: int = DEFAULTS["max_document_tokens"]
    depth: int = DEFAULTS["max_depth"]
    aliases: int = DEFAULTS["max_aliases"]
    cost: int = DEFAULTS["max_cost"]
    variable_values: int = 5000

    @property
    def values(self) -> int:
        """The most values that an operation can return."""
        return self.cost * VALUES_A_RECORD

    @property
    def lines(self) -> int:
        """More lines than any document of so many tokens has a use for: an error is located by counting them."""
        return self.tokens * LINES_A_TOKEN


def read_limits(settings: Settings) -> Limits:
    """The limits of the settings. More tokens need more characters."""
    return Limits(
        characters=max(MIN_CHARACTERS, settings.max_document_tokens * CHARACTERS_A_TOKEN),
        tokens=settings.max_document_tokens,
        depth=settings.max_depth,
        aliases=settings.max_aliases,
        cost=settings.max_cost,
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """How deep fields nest below a selection, how many of them have an alias, and how many it has itself."""

    depth: int
    aliases: int
    fields: int


EMPTY = Shape(depth=0, aliases=0, fields=0)


class ShapeReader:
    """Measures the selections of a document, whose fragments may be undefined, doubled or in circles."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = find_fragments(document)
        self._shapes: dict[str, Shape] = {}

    def measure(self, selections: SelectionSetNode) -> Shape:
        """The shape of a selection, in which a fragment counts as often as it is spread."""
        depth = aliases = fields = 0
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                below = self.measure(selection.selection_set) if selection.selection_set else EMPTY
                shape = Shape(below.depth + 1, below.aliases + (selection.alias is not None), 1)
            elif isinstance(selection, FragmentSpreadNode):
                shape = self.measure_fragment(selection.name.value)
            else:
                assert isinstance(selection, InlineFragmentNode)
                shape = self.measure(selection.selection_set)
            depth = max(depth, shape.depth)
            aliases += shape.aliases
            fields += shape.fields
        return Shape(depth, min(aliases, BEYOND_COUNTING), min(fields, BEYOND_COUNTING))

    def measure_fragment(self, name: str) -> Shape:
        """The shape of a fragment; empty where it is undefined or spreads itself, which validation tells of."""
        if name not in self._shapes:
            self._shapes[name] = EMPTY
            if name in self._fragments:
                self._shapes[name] = self.measure(self._fragments[name].selection_set)
        return self._shapes[name]


def check_text(limits: Limits, text: str) -> None:
    """Raise OperationTooComplex for a text that is too long to be parsed."""
    if len(text) > limits.characters:
        refuse_beyond(f"The document has {len(text)} characters", "characters", limits.characters)
    if text.count("\n") + text.count("\r") > limits.lines:
        refuse_beyond("The document has too many lines", "lines", limits.lines)


def check_shape(limits: Limits, document: DocumentNode) -> None:
    """Raise OperationTooComplex for an operation that is too deep, or has too many aliases or root fields."""
    reader = ShapeReader(document)
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        shape = reader.measure(node.selection_set)
        if shape.depth > limits.depth:
            refuse_beyond(f"The operation nests fields {shape.depth} deep", "depth", limits.depth)
        if shape.aliases > limits.aliases:
            refuse_beyond(f"The operation has {shape.aliases} fields with an alias", "aliases", limits.aliases)
        if shape.fields > limits.aliases:
            refuse_beyond(f"The operation has {shape.fields} root fields", "root fields", limits.aliases)


def check_cost(limits: Limits, cost: int) -> None:
    """Raise OperationTooComplex for an operation that can return too many records."""
    if cost > limits.cost:
        refuse_beyond(f"The operation can return {cost} records", "cost", limits.cost)


def check_values(limits: Limits, values: int) -> None:
    """Raise OperationTooComplex for an operation that can return too many values."""
    if values > limits.values:
        refuse_beyond(f"The operation can return {values} values", "values", limits.values)


def check_variables(limits: Limits, variables: Mapping[str, Any]) -> None:
    """Raise OperationTooComplex for variables that hold too many values to be coerced."""
    if variables and count_values(variables, limits.variable_values) > limits.variable_values:
        refuse_beyond("The variables hold too many values", "variable values", limits.variable_values)


def count_values(variables: Mapping[str, Any], most: int) -> int:
    """How many values variables hold, items and members included; some number above `most` where they are more."""
    count, level = 0, list[Any]([variables])
    while level and count <= most:
        count += sum(map(len, level))
        values = [each.values() if type(each) is dict else each for each in level]
        level = [value for each in values for value in each if type(value) in CONTAINERS]
    return count


def refuse_beyond(finding: str, limit: str, most: int) -> NoReturn:
    raise OperationTooComplex(f"{finding}; the limit is {most}. It bounds {PURPOSES[limit]}.", limit=limit)


def too_deep() -> OperationTooComplex:
    return OperationTooComplex("The document nests selections, values or types too deep to be read.", limit="nesting")


def too_repetitive() -> OperationTooComplex:
    return OperationTooComplex(
        "The document selects the same fields too often to be validated; select each field once.", limit="repetition"
    )
