"""Documents that are asked for by an identifier: trusted ones, and those that clients have registered by their hash."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from app.bounded_cache import BoundedCache
from app.documents.errors import RequestRefused, refuse
from app.documents.trusted import HASH_PREFIX, hash_text
from app.errors import BadUserInput, PersistedQueryNotFound

BYTES_OF_AN_AVERAGE = 2000
UNPROVEN_DOCUMENTS = 64
NOT_FOUND_FOR_APOLLO = "PersistedQueryNotFound"


@dataclass(frozen=True, slots=True)
class DocumentReference:
    """An identifier that a request gives, and the argument that it is given by."""

    identifier: str
    argument: str


DOCUMENT_ID = "documentId"
APOLLO_HASH = "extensions.persistedQuery.sha256Hash"


class PersistedDocuments:
    """The texts of documents by their identifiers. Clients may register others, unless only trusted ones are run."""

    def __init__(self, trusted: Mapping[str, str], *, registers: bool, size: int) -> None:
        self._trusted = trusted
        self._registers = registers
        self._registered: BoundedCache[str, str] = BoundedCache(size, size * BYTES_OF_AN_AVERAGE)
        few = min(size, UNPROVEN_DOCUMENTS)
        self._unproven: BoundedCache[str, str] = BoundedCache(few, few * BYTES_OF_AN_AVERAGE)

    def find_text(self, given: str | None, reference: DocumentReference) -> str:
        """The text that a request means. Raises RequestRefused for an identifier that is unknown, or not the text's.

        Follows "Persisted Document Response" of the GraphQL-over-HTTP specification, and Apollo's protocol of
        automatic persisted queries, whose clients know an unknown hash by its message and code.
        """
        known = self._find_known(reference.identifier)
        if given is None:
            if known is None:
                raise self._refuse_unknown(reference)
            return known
        if given != known and with_prefix(reference.identifier) != hash_text(given):
            raise refuse(BadUserInput("The identifier is not that of the document.", argument=reference.argument))
        return given

    def peek(self, reference: DocumentReference) -> str | None:
        """The text that is known by an identifier, if any."""
        return self._find_known(reference.identifier)

    def register(self, text: str, reference: DocumentReference, *, is_proven: bool) -> None:
        """Remember a valid document by its hash; one that no valid caller has run, among few others."""
        identifier = with_prefix(reference.identifier)
        if self._registers and identifier not in self._trusted:
            cache = self._registered if is_proven else self._unproven
            cache.put(identifier, text, sys.getsizeof(text))

    def prove(self, text: str) -> None:
        """Remember a document that is registered as one that a valid caller has run."""
        identifier = hash_text(text)
        if self._unproven.get(identifier) is not None:
            self._unproven.remove(identifier)
            self._registered.put(identifier, text, sys.getsizeof(text))

    def _find_known(self, identifier: str) -> str | None:
        known = self._trusted.get(identifier) or self._trusted.get(with_prefix(identifier))
        hashed = with_prefix(identifier)
        return known or self._registered.get(hashed) or self._unproven.get(hashed)

    def _refuse_unknown(self, reference: DocumentReference) -> RequestRefused:
        if not self._registers:
            message = "Only trusted documents are run here, and none of them has this identifier."
        elif reference.argument == DOCUMENT_ID:
            message = "No document is known by this identifier: send it along, with its SHA-256 as its identifier."
        else:
            return refuse(PersistedQueryNotFound(NOT_FOUND_FOR_APOLLO, argument=reference.argument))
        return refuse(BadUserInput(message, argument=reference.argument))


def with_prefix(identifier: str) -> str:
    """The identifier of a hash, which Apollo's clients send as it is."""
    return identifier if identifier.startswith(HASH_PREFIX) else HASH_PREFIX + identifier
