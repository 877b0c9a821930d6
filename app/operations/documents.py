"""Documents parsed, validated and looked through once per text, and kept in a bounded cache."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    parse,
    specified_rules,
    validate,
)

from app.errors import BadUserInput, OperationTooComplex, ParseFailed, ValidationFailed
from app.operations.failures import FormattedError, RequestRefused, format_request_error, format_service_error, refuse
from app.operations.permissions import compute_permissions
from app.schema.permissions import Permission
from app.schema.schema import SCHEMA

MOST_VALIDATION_ERRORS = 5
LONGEST_TEXT_KEPT = 16_384
LIMIT_EXCEEDED = ("Syntax Error: Document contains more", "Syntax Error: Document is nested too deeply")


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a valid document, and what a caller must be allowed to do to run it.

    `compiled` keeps what it was compiled to, for as long as the document is kept.
    """

    document: DocumentNode
    definition: OperationDefinitionNode
    permissions: frozenset[Permission]
    compiled: dict[Hashable, Any] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str | None:
        return self.definition.name.value if self.definition.name else None

    @property
    def is_mutation(self) -> bool:
        return self.definition.operation is OperationType.MUTATION


@dataclass(frozen=True, slots=True)
class Document:
    """What is known of a text: its operations by name, or why it is refused."""

    operations: dict[str | None, Operation]
    errors: Sequence[FormattedError] = ()


class Documents:
    """The documents that were seen last, by their texts; refused ones too, so that a repetition costs nothing."""

    def __init__(self, *, size: int, most_tokens: int, introspection: bool) -> None:
        self._size = size
        self._most_tokens = most_tokens
        self.introspection = introspection
        self._kept: OrderedDict[str, Document] = OrderedDict()

    def find_operation(self, text: str, name: str | None) -> Operation:
        """The operation to run. Raises RequestRefused for an invalid document, or when the name finds none."""
        document = self._kept.get(text)
        if document is None:
            document = self._keep(text, self._read(text))
        else:
            self._kept.move_to_end(text)
        if document.errors:
            raise RequestRefused(document.errors)
        return choose_operation(document, name)

    def _keep(self, text: str, document: Document) -> Document:
        if len(text) <= LONGEST_TEXT_KEPT:
            self._kept[text] = document
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return document

    def _read(self, text: str) -> Document:
        try:
            parsed = parse(text, max_lexical_tokens=self._most_tokens, max_comments=self._most_tokens)
        except GraphQLError as error:
            is_limit = error.message.startswith(LIMIT_EXCEEDED)
            code = OperationTooComplex.code if is_limit else ParseFailed.code
            return Document({}, [format_request_error(code, error)])
        except RecursionError:
            return Document({}, [format_service_error(OperationTooComplex("The document is nested too deeply."))])
        return self._validate(parsed)

    def _validate(self, parsed: DocumentNode) -> Document:
        rules = specified_rules if self.introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        try:
            errors = validate(
                SCHEMA, parsed, rules, max_errors=MOST_VALIDATION_ERRORS, hide_suggestions=not self.introspection
            )
            if errors:
                return Document({}, [format_request_error(ValidationFailed.code, error, parsed) for error in errors])
            return Document(read_operations(parsed))
        except RecursionError:
            return Document({}, [format_service_error(OperationTooComplex("The document is nested too deeply."))])


def read_operations(parsed: DocumentNode) -> dict[str | None, Operation]:
    definitions = [node for node in parsed.definitions if isinstance(node, OperationDefinitionNode)]
    operations = [Operation(parsed, node, compute_permissions(parsed, node)) for node in definitions]
    return {operation.name: operation for operation in operations}


def choose_operation(document: Document, name: str | None) -> Operation:
    """Follows "GetOperation" of the GraphQL specification."""
    if name is None:
        if len(document.operations) == 1:
            return next(iter(document.operations.values()))
        given = "holds several operations: name one" if document.operations else "holds no operation"
        raise refuse(BadUserInput(f"The document {given}.", argument="operationName"))
    if name not in document.operations:
        raise refuse(BadUserInput("The document holds no operation of this name.", argument="operationName"))
    return document.operations[name]
