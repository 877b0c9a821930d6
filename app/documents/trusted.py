"""Manifests of trusted documents: what Relay's compiler and Apollo's tools write of the operations of a client."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from app.errors import ConfigurationError

APOLLO_FORMAT = "apollo-persisted-query-manifest"
APOLLO_VERSION = 1
HASH_PREFIX = "sha256:"
IDENTIFIER = re.compile(r"[A-Za-z0-9._~:-]{1,200}")


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """A document of a manifest, and the operation in it as the manifest describes it; None where it doesn't."""

    identifier: str
    text: str
    name: str | None = None
    kind: str | None = None

    @property
    def identifiers(self) -> frozenset[str]:
        """What the document is asked for by: its own identifier, and the hash of its text."""
        return frozenset({self.identifier, hash_text(self.text)})


def hash_text(text: str) -> str:
    """The "SHA256 Hex Document Identifier" of the GraphQL-over-HTTP specification."""
    return HASH_PREFIX + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_manifest(path: Path) -> list[ManifestEntry]:
    """The documents of a manifest. Raises ConfigurationError, naming the entry that cannot be used."""
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as failure:
        raise ConfigurationError(f"the trusted documents {path} cannot be read: {failure}") from failure
    if not isinstance(content, dict):
        raise ConfigurationError(f"the trusted documents {path} must be a JSON object")
    entries = read_apollo_entries(content) if "format" in content else read_relay_entries(content)
    texts: dict[str, str] = {}
    for entry in entries:
        check_entry(entry)
        for identifier in entry.identifiers:
            if texts.setdefault(identifier, entry.text) != entry.text:
                raise wrong(entry.identifier, "two documents have this identifier")
    return entries


def read_relay_entries(content: Mapping[str, Any]) -> list[ManifestEntry]:
    """Relay's file of persisted queries: texts by their identifiers."""
    for identifier, text in content.items():
        if not isinstance(text, str):
            raise wrong(identifier, "its document must be a text")
    return [ManifestEntry(identifier, text) for identifier, text in content.items()]


def read_apollo_entries(content: Mapping[str, Any]) -> list[ManifestEntry]:
    """Apollo's manifest of operations."""
    found = content.get("format"), content.get("version")
    if found != (APOLLO_FORMAT, APOLLO_VERSION):
        raise ConfigurationError(f"trusted documents of the format {APOLLO_FORMAT} are read in version 1, not {found}")
    operations = content.get("operations")
    if not isinstance(operations, list):
        raise ConfigurationError("trusted documents need a list of `operations`")
    return [read_apollo_entry(operation, position) for position, operation in enumerate(operations)]


def read_apollo_entry(operation: Any, position: int) -> ManifestEntry:
    given = operation if isinstance(operation, dict) else {}
    identifier, text, name, kind = (given.get(key) for key in ("id", "body", "name", "type"))
    if not (isinstance(identifier, str) and isinstance(text, str) and isinstance(name, str) and isinstance(kind, str)):
        raise wrong(f"at position {position}", "it must have `id`, `body`, `name` and `type`")
    return ManifestEntry(identifier, text, name, kind)


def check_entry(entry: ManifestEntry) -> None:
    if not IDENTIFIER.fullmatch(entry.identifier):
        raise wrong(entry.identifier, "its identifier may hold letters, digits and `-._~:`, 200 at most")
    if entry.identifier.startswith(HASH_PREFIX) and entry.identifier != hash_text(entry.text):
        raise wrong(entry.identifier, "its identifier is not the hash of its document")


def wrong(identifier: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"the trusted document {identifier} cannot be used: {reason}")
