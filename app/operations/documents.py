"""Documents parsed, validated and looked through once per text, and kept in bounded caches."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from app.errors import BadUserInput, OperationTooComplex
from app.operations.cache import BoundedCache
from app.operations.failures import RequestRefused, refuse
from app.operations.limits import Limits, check_cost, check_shape, check_text, check_variables, read_limits, too_deep
from app.operations.operation import Operation, Operations, Syntax, prepare_operations
from app.operations.parsing import parse_document, validate_document
from app.operations.persisted import DocumentReference, PersistedDocuments
from app.operations.trusted import ManifestEntry, read_manifest, wrong
from app.settings import Settings

TOKENS_OF_AN_AVERAGE = 100
CHARACTERS_LIKE_A_TOKEN = 256
DIGEST_SIZE = 16
UNTRUSTED = "Only trusted documents are run here, and this is none of them."


class Documents:
    """The documents that were seen last by their texts, and the refused ones by digest, so that each is read once.

    What valid ones take is bounded as if all were of average length, so that long ones leave room for fewer.
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
        self.introspection = introspection
        self._trusted = {entry.text: self._read_trusted(entry) for entry in trusted}
        self._only_trusted = only_trusted
        texts = {identifier: entry.text for entry in trusted for identifier in entry.identifiers}
        self._persisted = PersistedDocuments(texts, registers=not only_trusted, size=size)
        self._valid: BoundedCache[str, Operations] = BoundedCache(size, size * TOKENS_OF_AN_AVERAGE)
        self._refused: BoundedCache[bytes, RequestRefused] = BoundedCache(size, size)

    def find_operation(self, text: str, name: str | None) -> Operation:
        """The operation to run. Raises RequestRefused for a document that is refused, or when the name finds none."""
        operations = self._valid.find(text)
        if operations is None:
            operations = self._read_new(text)
        return choose_operation(operations, name)

    def find_referred(self, text: str | None, name: str | None, reference: DocumentReference) -> Operation:
        """The same of a document that is asked for by its identifier; one that is sent along is remembered by it.

        Raises RequestRefused when the identifier is unknown, or not that of the text, too.
        """
        meant = self._persisted.find_text(text, reference)
        operation = self.find_operation(meant, name)
        if text is not None:
            self._persisted.register(text, reference)
        return operation

    def check_request(self, operation: Operation, variables: Mapping[str, Any], size: int | None = None) -> None:
        """Raise RequestRefused for variables that hold too many values, or with which an operation costs too much.

        `size` is how many bytes the request came in, if that is known.
        """
        try:
            check_variables(self.limits, variables, size)
            if operation.most_cost > self.limits.cost:
                check_cost(self.limits, operation.cost(variables))
        except OperationTooComplex as beyond:
            raise refuse(beyond) from beyond

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
        if entry.name is not None:
            operation = operations.get(entry.name)
            if operation is None or operation.label.type != entry.kind:
                raise wrong(entry.identifier, f"it holds no {entry.kind} of the name {entry.name}")
        return operations

    def _read_new(self, text: str) -> Operations:
        """Read a text that is not among the valid ones."""
        if text in self._trusted:
            return self._trusted[text]
        if self._only_trusted:
            raise refuse(BadUserInput(UNTRUSTED, argument="query"))
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_SIZE).digest()
        known = self._refused.find(digest)
        if known is not None:
            raise RequestRefused(known.errors, known.limit)
        try:
            operations = read_operations(text, self.limits, introspection=self.introspection)
        except RequestRefused as refusal:
            self._refused.keep(digest, RequestRefused(refusal.errors, refusal.limit))
            raise
        self._valid.keep(text, operations, weigh(text, operations))
        return operations


def build_documents(settings: Settings) -> Documents:
    """The documents of the settings, with those of the manifest. Raises ConfigurationError for one that is no good."""
    return Documents(
        size=settings.document_cache_size,
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
        operations = prepare_operations(Syntax(text, parsed), parsed, limits)
        for operation in operations.values():
            if not operation.records.varying:
                check_cost(limits, operation.records.fixed)
    except OperationTooComplex as beyond:
        raise refuse(beyond) from beyond
    except RecursionError as overflow:
        raise refuse(too_deep()) from overflow
    return operations


def weigh(text: str, operations: Operations) -> int:
    """What a document takes in memory, in tokens: each comes with the node that it is a part of."""
    tokens: int = next((each.syntax.read().token_count for each in operations.values()), 0)
    return tokens + len(text) // CHARACTERS_LIKE_A_TOKEN


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
