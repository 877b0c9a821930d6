"""Documents that are asked for by an identifier: trusted ones, and those that clients have registered by their hash."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import BadUserInput
from app.operations.cache import BoundedCache
from app.operations.failures import RequestRefused, refuse
from app.operations.trusted import HASH_PREFIX, hash_text

CHARACTERS_OF_AN_AVERAGE = 2000
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
        self._registered: BoundedCache[str, str] = BoundedCache(size, size * CHARACTERS_OF_AN_AVERAGE)

    def find_text(self, given: str | None, reference: DocumentReference) -> str:
        """The text that a request means. Raises RequestRefused for an identifier that is unknown, or not the text's.

        Follows "Persisted Document Response" of the GraphQL-over-HTTP specification, and Apollo's protocol of
        automatic persisted queries, whose clients know an unknown hash by its message.
        """
        known = self._find_known(reference.identifier)
        if given is None:
            if known is None:
                raise self._refuse_unknown(reference)
            return known
        if given != known and with_prefix(reference.identifier) != hash_text(given):
            raise refuse(BadUserInput("The identifier is not that of the document.", argument=reference.argument))
        return given

    def register(self, text: str, reference: DocumentReference) -> None:
        """Remember a valid document by its hash."""
        identifier = with_prefix(reference.identifier)
        if self._registers and identifier not in self._trusted:
            self._registered.keep(identifier, text, len(text))

    def _find_known(self, identifier: str) -> str | None:
        known = self._trusted.get(identifier) or self._trusted.get(with_prefix(identifier))
        return known or self._registered.find(with_prefix(identifier))

    def _refuse_unknown(self, reference: DocumentReference) -> RequestRefused:
        if not self._registers:
            message = "Only trusted documents are run here, and none of them has this identifier."
        elif reference.argument == DOCUMENT_ID:
            message = "No document is known by this identifier: send it along, with its SHA-256 as its identifier."
        else:
            message = NOT_FOUND_FOR_APOLLO
        return refuse(BadUserInput(message, argument=reference.argument))


def with_prefix(identifier: str) -> str:
    """The identifier of a hash, which Apollo's clients send as it is."""
    return identifier if identifier.startswith(HASH_PREFIX) else HASH_PREFIX + identifier
