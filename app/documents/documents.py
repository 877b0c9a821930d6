"""Documents parsed, validated and looked through once per text, and kept in bounded caches."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from app.bounded_cache import BoundedCache
from app.documents.errors import RequestRefused, refuse
from app.documents.limits import (
    Limits,
    check_cost,
    check_shape,
    check_text,
    check_values,
    check_variables,
    read_limits,
    too_deep,
)
from app.documents.operation import Operation, Operations, Syntax, prepare_operations
from app.documents.parsing import parse_document, validate_document
from app.documents.persisted import DocumentReference, PersistedDocuments
from app.documents.trusted import ManifestEntry, read_manifest, wrong
from app.documents.weights import weigh_document, weigh_refusal, weigh_syntax
from app.errors import BadUserInput, OperationTooComplex
from app.settings import Settings

CACHED_DOCUMENTS = 1000
BYTES_OF_AN_AVERAGE = 20_000
UNPROVEN_DOCUMENTS = 64
BYTES_OF_AN_UNPROVEN = 60_000
BYTES_OF_A_REFUSAL = 4_000
DIGEST_SIZE = 16
UNTRUSTED = "Only trusted documents are run here, and this is none of them."


class Documents:
    """The documents that were seen last by their texts, and the refused ones by digest, so that each is read once.

    What valid ones take is bounded as if all were of average size, so that large ones leave room for fewer. Those that
    no caller with a valid token has run are unproven: they are few, and do not push out the others.
    """

    def __init__(
        self,
        *,
        size: int,
        limits: Limits,
        introspection: bool,
        trusted: Sequence[ManifestEntry] = (),
        only_trusted: bool = False,
    ) -> None:
        self.limits = limits
        self._max_values = limits.values
        self.introspection = introspection
        self._trusted = {entry.text: self._read_trusted(entry) for entry in trusted}
        self._only_trusted = only_trusted
        texts = {identifier: entry.text for entry in trusted for identifier in entry.identifiers}
        self._persisted = PersistedDocuments(texts, registers=not only_trusted, size=size)
        self._valid: BoundedCache[str, Operations] = BoundedCache(size, size * BYTES_OF_AN_AVERAGE)
        few = min(size, UNPROVEN_DOCUMENTS)
        self._unproven: BoundedCache[str, Operations] = BoundedCache(few, few * BYTES_OF_AN_UNPROVEN)
        self._refused: BoundedCache[bytes, RequestRefused] = BoundedCache(size, size * BYTES_OF_A_REFUSAL)

    def find(self, text: str | None, name: str | None, reference: DocumentReference | None = None) -> Operation:
        """The operation of a document that is asked for by its text, its identifier, or both.

        One that is sent with its identifier is stored by it. Raises RequestRefused when the identifier is unknown, or
        not that of the text, too.
        """
        if reference is None:
            assert text is not None
            operations = self._valid.get(text)
            if operations is None:
                operations = self._read_new(text)
            operation = operations.get(name)
            return choose_operation(operations, name) if operation is None else operation
        operation = self.find(self._persisted.find_text(text, reference), name)
        if text is not None:
            self._persisted.register(text, reference, is_proven=operation.syntax.is_proven)
        return operation

    def is_new(self, text: str | None, reference: DocumentReference | None = None) -> bool:
        """Whether `find` would have to read a document."""
        if text is None and reference is not None:
            text = self._persisted.peek(reference)
        return not (text is None or text in self._valid or text in self._unproven or text in self._trusted)

    def prove(self, operation: Operation) -> None:
        """Keep the document of an operation among those of valid callers, once it is compiled for one."""
        text = operation.syntax.text
        operations = self._unproven.get(text)
        if operations is not None and operation in operations.values():
            self._unproven.remove(text)
            operation.syntax.is_proven = True
            self._valid.put(text, operations, weigh_document(text, operations))
            self._persisted.prove(text)

    def check_request(self, operation: Operation, variables: Mapping[str, Any], max_values: int | None = None) -> int:
        """The most records that an operation can return with these variables.

        Raises RequestRefused for variables that hold too many values, or with which the operation costs too much. The
        variables hold `max_values` values at most, if that is known.
        """
        most_records = operation.most_cost
        try:
            if max_values is None or max_values > self.limits.variable_values:
                check_variables(self.limits, variables)
            if most_records > self.limits.cost:
                most_records = operation.cost(variables)
                check_cost(self.limits, most_records)
            if operation.most_values > self._max_values:
                check_values(self.limits, operation.count_values(variables))
        except OperationTooComplex as beyond:
            raise refuse(beyond) from beyond
        return most_records

    def list_trusted(self) -> list[Operation]:
        """The operations of the manifest."""
        return [operation for operations in self._trusted.values() for operation in operations.values()]

    def _read_trusted(self, entry: ManifestEntry) -> Operations:
        """Read a document of the manifest, so that all that can be known of it is known before the first request.

        Raises ConfigurationError for one that is refused, or has no such operation as the manifest says.
        """
        try:
            operations = read_operations(entry.text, self.limits, introspection=self.introspection)
        except RequestRefused as refusal:
            raise wrong(entry.identifier, refusal.errors[0]["message"]) from refusal
        for each in operations.values():
            each.syntax.is_proven = True
        if entry.name is not None:
            operation = operations.get(entry.name)
            if operation is None or operation.label.type != entry.kind:
                raise wrong(entry.identifier, f"it holds no {entry.kind} of the name {entry.name}")
        return operations

    def _read_new(self, text: str) -> Operations:
        """Read a text that is not among the valid ones."""
        if text in self._trusted:
            return self._trusted[text]
        unproven = self._unproven.get(text)
        if unproven is not None:
            return unproven
        if self._only_trusted:
            raise refuse(BadUserInput(UNTRUSTED, argument="query"))
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_SIZE).digest()
        known = self._refused.get(digest)
        if known is not None:
            raise RequestRefused(known.errors, known.limit)
        try:
            operations = read_operations(text, self.limits, introspection=self.introspection)
        except RequestRefused as refusal:
            self._refused.put(digest, RequestRefused(refusal.errors, refusal.limit), weigh_refusal(refusal))
            raise
        weight = weigh_document(text, operations) + weigh_syntax(operations)
        self._unproven.put(text, operations, weight)
        return operations


def build_documents(settings: Settings) -> Documents:
    """The documents of the settings, with those of the manifest. Raises ConfigurationError for one that is no good."""
    return Documents(
        size=CACHED_DOCUMENTS,
        limits=read_limits(settings),
        introspection=settings.introspection,
        trusted=read_manifest(settings.trusted_documents) if settings.trusted_documents else (),
        only_trusted=settings.trusted_only,
    )


def read_operations(text: str, limits: Limits, *, introspection: bool) -> Operations:
    """The operations of a document by their names. Raises RequestRefused for one that is invalid or beyond a limit."""
    try:
        check_text(limits, text)
        parsed = parse_document(text, limits)
        check_shape(limits, parsed)
        validate_document(parsed, introspection=introspection)
        operations = prepare_operations(Syntax(text, parsed), parsed)
        for operation in operations.values():
            if not operation.records.varying:
                check_cost(limits, operation.records.fixed)
            if not operation.values.varying:
                check_values(limits, operation.values.fixed)
    except OperationTooComplex as beyond:
        raise refuse(beyond) from beyond
    except RecursionError as overflow:
        raise refuse(too_deep()) from overflow
    return operations


def choose_operation(operations: Operations, name: str | None) -> Operation:
    """Follows "GetOperation" of the GraphQL specification."""
    if name is None:
        if len(operations) == 1:
            return next(iter(operations.values()))
        given = "holds several operations: name one" if operations else "holds no operation"
        raise refuse(BadUserInput(f"The document {given}.", argument="operationName"))
    if name not in operations:
        raise refuse(BadUserInput("The document holds no operation of this name.", argument="operationName"))
    return operations[name]
