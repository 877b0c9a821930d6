"""Manifests are read whole at the start, or the service does not start and says which entry is at fault."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app.documents.documents import Documents, build_documents
from app.engine import compiled_operations
from app.engine.compiled_operations import MOST_FORMS_AHEAD, CompiledOperations
from app.engine.compiling import compile_operation
from app.errors import ConfigurationError
from app.settings import load_settings
from tests.support.commands import run_command

PAGE = "query Page($first: Int) { attendances(first: $first) { totalCount } }"
DELETE = "mutation Delete($id: ID!) { deleteAttendance(id: $id) { deletedId } }"
HASH = sha256(PAGE.encode()).hexdigest()
URL = "postgresql://localhost/attendance"


def describe(**changes: Any) -> dict[str, Any]:
    """An operation as Apollo's manifest has it."""
    return {"id": HASH, "body": PAGE, "name": "Page", "type": "query", **changes}


def write_apollo(*operations: Any, **changes: Any) -> dict[str, Any]:
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": list(operations), **changes}


def build(tmp_path: Path, content: Any, **variables: str) -> Documents:
    path = tmp_path / "manifest.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    given = {"ATTENDANCE_DATABASE_URL": URL, "ATTENDANCE_TRUSTED_DOCUMENTS": str(path)}
    return build_documents(load_settings({**given, **variables}))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"page": PAGE},
        {HASH: PAGE, f"sha256:{HASH}": PAGE, "md5-1": DELETE},
        write_apollo(),
        write_apollo(describe()),
        write_apollo(describe(), describe(id="other", body=DELETE, name="Delete", type="mutation")),
        write_apollo(describe(clientName="web"), generatedBy="a tool"),
    ],
)
def test_what_relay_and_apollo_write_is_read(tmp_path: Path, content: Any) -> None:
    assert build(tmp_path, content)


ENTRY = "the trusted document"
WRONG = {
    "no JSON": ("{", "cannot be read"),
    "a list": ([PAGE], "must be a JSON object"),
    "a document that is no text": ({"page": 7}, f"{ENTRY} page cannot be used: its document must be a text"),
    "an identifier with a space": ({"a page": PAGE}, f"{ENTRY} a page cannot be used: its identifier may hold"),
    "an empty identifier": ({"": PAGE}, "its identifier may hold"),
    "an identifier of 201 letters": ({"x" * 201: PAGE}, "its identifier may hold"),
    "another document's hash": ({f"sha256:{HASH}": DELETE}, "its identifier is not the hash of its document"),
    "an identifier twice": (write_apollo(describe(id="x"), describe(id="x", body=PAGE + " ")), "two documents have"),
    "no document": ({"page": "{"}, f"{ENTRY} page cannot be used: Syntax Error: Expected Name"),
    "an unknown field": (
        {"page": "{ gone }"},
        f"{ENTRY} page cannot be used: Cannot query field 'gone' on type 'Query'",
    ),
    "introspection where it is off": ({"page": "{ __schema { description } }"}, "introspection has been disabled"),
    "a document beyond a limit": ({"page": "{ " + "__typename " * 31 + "}"}, "has 31 root fields; the limit is 30"),
    "a document that costs too much": (
        {"page": "{ attendances(first: 100) { nodes { booking { attendances(first: 100) { nodes { id } } } } } }"},
        "can return 10100 records",
    ),
    "another format": ({"format": "other", "version": 1}, "are read in version 1, not ('other', 1)"),
    "another version": (write_apollo(describe(), version=2), "are read in version 1"),
    "no operations": (write_apollo(operations={}), "need a list of `operations`"),
    "an operation that is a text": (
        write_apollo(describe(), PAGE),
        f"{ENTRY} at position 1 cannot be used: it must have",
    ),
    "an operation without a body": (write_apollo({"id": "x", "name": "Page", "type": "query"}), "at position 0 cannot"),
    "an operation of another name": (write_apollo(describe(name="Other")), "it holds no query of the name Other"),
    "an operation of another kind": (write_apollo(describe(type="mutation")), "it holds no mutation of the name Page"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_manifest_is_refused_that_has(tmp_path: Path, case: str) -> None:
    content, reason = WRONG[case]
    with pytest.raises(ConfigurationError) as caught:
        build(tmp_path, content)
    assert reason in str(caught.value)


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.json"
    with pytest.raises(ConfigurationError, match=r"nowhere\.json cannot be read"):
        build_documents(load_settings({"ATTENDANCE_TRUSTED_DOCUMENTS": str(path)}))


def test_the_limits_of_the_settings_are_those_of_the_manifest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nests fields 2 deep; the limit is 1"):
        build(tmp_path, {"page": PAGE}, ATTENDANCE_MAX_DEPTH="1")


def test_only_trusting_needs_something_to_trust() -> None:
    with pytest.raises(ConfigurationError, match="ATTENDANCE_TRUSTED_ONLY needs ATTENDANCE_TRUSTED_DOCUMENTS"):
        load_settings({"ATTENDANCE_TRUSTED_ONLY": "on"})


def test_the_command_ends_before_it_serves_when_the_manifest_is_no_good(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text('{"page": "{ gone }"}', encoding="utf-8")
    result = run_command(tmp_path, "serve", DATABASE_URL=URL, JWT_SECRET="x" * 32, TRUSTED_DOCUMENTS=str(path))
    assert result.returncode == 2
    assert "the trusted document page cannot be used: Cannot query field 'gone'" in result.stderr


@pytest.mark.parametrize(("conditions", "forms"), [(0, 1), (1, 2), (3, 8), (5, MOST_FORMS_AHEAD), (6, 0)], ids=str)
def test_trusted_documents_are_compiled_before_the_first_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conditions: int, forms: int
) -> None:
    names = [f"v{number}" for number in range(conditions)]
    declared = f"({', '.join(f'${name}: Boolean!' for name in names)})" if names else ""
    fields = " ".join(f"{name}: id @include(if: ${name})" for name in names)
    text = f"query Page{declared} {{ attendances {{ totalCount nodes {{ status {fields} }} }} }}"
    documents = build(tmp_path, {"page": text, "delete": DELETE})
    compiled: list[str | None] = []

    def note(operation: Any, booleans: Any) -> Any:
        compiled.append(operation.name)
        return compile_operation(operation, booleans)

    monkeypatch.setattr(compiled_operations, "compile_operation", note)
    operations = CompiledOperations(1000)
    for operation in documents.list_trusted():
        operations.compile_ahead(operation)
    assert (compiled.count("Page"), compiled.count("Delete")) == (forms, 1)
    for operation in documents.list_trusted():
        operations.prepare(operation, {**dict.fromkeys(names, True), "id": "x"})
    assert (compiled.count("Page"), compiled.count("Delete")) == (max(forms, 1), 1)
