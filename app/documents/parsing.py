"""From a text to a valid document: parsed and validated by graphql-core, each within bounds."""

import re
from bisect import bisect_right
from functools import cached_property
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    Node,
    NoSchemaIntrospectionCustomRule,
    Source,
    SourceLocation,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged

from app.documents.errors import RequestRefused, format_request_error
from app.documents.limits import Limits, refuse_beyond, too_deep, too_repetitive
from app.documents.locations import ArgumentFinder
from app.documents.selections import list_children
from app.errors import ParseFailed, ValidationFailed
from app.schema.schema import SCHEMA

MOST_VALIDATION_ERRORS = 5
MOST_FIELD_COMPARISONS = 12_000
TOO_MANY = re.compile(r"Syntax Error: Document contains more than \d+ (tokens|comments)\.")
TOO_DEEP = "Syntax Error: Document is nested too deeply"
ABORTED = "Validation aborted."
LINE_END = re.compile(r"\r\n|[\n\r]")

overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = MOST_FIELD_COMPARISONS


class IndexedSource(Source):
    """A text that finds its lines once, however many errors there are to be located in it."""

    @cached_property
    def line_starts(self) -> list[int]:
        return [0, *(match.end() for match in LINE_END.finditer(self.body))]

    def get_location(self, position: int) -> SourceLocation:
        line = bisect_right(self.line_starts, position)
        return SourceLocation(line, position + 1 - self.line_starts[line - 1])


def parse_document(text: str, limits: Limits) -> DocumentNode:
    """Follows "Document Syntax" of the GraphQL specification.

    Raises RequestRefused for a text that is no document, OperationTooComplex for one that is too long or too deep.
    """
    try:
        return shed_tokens(parse(IndexedSource(text), max_lexical_tokens=limits.tokens, max_comments=limits.tokens))
    except GraphQLError as error:
        beyond = TOO_MANY.match(error.message)
        if beyond:
            refuse_beyond(f"The document has too many {beyond[1]}", beyond[1], limits.tokens)
        if error.message.startswith(TOO_DEEP):
            raise too_deep() from error
        raise RequestRefused([format_request_error(ParseFailed.code, error)]) from error


def parse_again(text: str) -> DocumentNode:
    """The document of a text that was found to be valid before."""
    return shed_tokens(parse(IndexedSource(text)))


def shed_tokens(document: DocumentNode) -> DocumentNode:
    """The document without its tokens: they are a third of it, and hold each other in circles.

    What is left frees itself as soon as it is let go, and still says where each node stands.
    """
    nodes: list[Node] = [document]
    while nodes:
        node = nodes.pop()
        if node.loc is not None:
            del node.loc.start_token, node.loc.end_token
        nodes += list_children(node)
    return document


class IntrospectionOff(NoSchemaIntrospectionCustomRule):
    """Reports introspection once for a document, however many of its fields are introspection."""

    is_reported = False

    def enter_field(self, node: FieldNode, *args: Any) -> None:
        if not self.is_reported:
            super().enter_field(node, *args)

    def report_error(self, error: GraphQLError) -> None:
        self.is_reported = True
        super().report_error(error)


def validate_document(document: DocumentNode, *, introspection: bool) -> None:
    """Follows "Validation" of the GraphQL specification.

    Raises RequestRefused for an invalid document, OperationTooComplex for one that takes too long to be validated.
    """
    rules = specified_rules if introspection else (*specified_rules, IntrospectionOff)
    errors = validate(SCHEMA, document, rules, max_errors=MOST_VALIDATION_ERRORS, hide_suggestions=not introspection)
    if any(error.message == ABORTED for error in errors):
        raise too_repetitive()
    if errors:
        arguments = ArgumentFinder(document)
        raise RequestRefused([format_request_error(ValidationFailed.code, error, arguments) for error in errors])
