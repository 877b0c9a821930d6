"""Documents that are asked for by an identifier: trusted ones, and those that clients register by their hash."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.documents import documents
from tests.http.conftest import ServiceBuilder
from tests.support.media_types import GRAPHQL_RESPONSE, JSON
from tests.support.refusals import Refusal, read_refusal
from tests.support.service import READ_SCOPE, WRITE_SCOPE, make_token

PAGE = "query Page($first: Int) { attendances(first: $first) { totalCount } }"
TWO = "query A { __typename } query B { b: __typename }"
DELETE = "mutation Delete($id: ID!) { deleteAttendance(id: $id) { deletedId } }"
OTHER = "{ attendances { nodes { id } } }"
MANIFEST = {"page": PAGE, "two": TWO, "0123456789abcdef0123456789abcdef": DELETE}
NONE = {"data": {"attendances": {"totalCount": 0}}}
NOTHING = {"data": {"attendances": {"nodes": []}}}
UNTRUSTED = "Only trusted documents are run here, and this is none of them."
UNKNOWN = "Only trusted documents are run here, and none of them has this identifier."


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def apollo(identifier: Any, version: Any = 1, **more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": version, "sha256Hash": identifier}}, **more}


class Asker:
    """Sends requests as one caller."""

    def __init__(self, http: httpx2.AsyncClient, token: str) -> None:
        self.http = http
        self.headers = {"authorization": f"Bearer {token}", "accept": GRAPHQL_RESPONSE}

    async def post(self, content: dict[str, Any]) -> httpx2.Response:
        return await self.http.post("/graphql", json=content, headers=self.headers)

    async def get(self, **parameters: str) -> httpx2.Response:
        return await self.http.get("/graphql", params=parameters, headers=self.headers)

    async def answer(self, content: dict[str, Any]) -> Any:
        return (await self.post(content)).json()

    async def refuse(self, content: dict[str, Any]) -> Refusal:
        answer = await self.post(content)
        refusal = read_refusal(answer)
        assert answer.status_code == (200 if refusal.code == "PERSISTED_QUERY_NOT_FOUND" else 400)
        return refusal


@pytest.fixture
def asking(service: ServiceBuilder, tmp_path: Path, site_id: UUID) -> Any:
    """Services with a manifest, each with somebody who asks it."""
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(MANIFEST), encoding="utf-8")

    @asynccontextmanager
    async def build(**variables: str) -> AsyncIterator[Asker]:
        async with service(**{"trusted_documents": str(path), **variables}) as http:
            yield Asker(http, make_token(site_id, READ_SCOPE, WRITE_SCOPE))

    return build


@pytest.fixture
async def asker(asking: Any) -> AsyncIterator[Asker]:
    async with asking() as asker:
        yield asker


@pytest.fixture
async def strict(asking: Any) -> AsyncIterator[Asker]:
    """Who asks a service that runs trusted documents alone."""
    async with asking(trusted_only="on", introspection="on", explorer="on") as asker:
        yield asker


@pytest.mark.parametrize("identifier", ["page", hash_of(PAGE), f"sha256:{hash_of(PAGE)}"])
@pytest.mark.parametrize("only", ["on", "off"])
async def test_a_trusted_document_is_found_by_each_of_its_identifiers(asking: Any, only: str, identifier: str) -> None:
    variables = {"variables": {"first": 1}}
    extensions = json.dumps(apollo(identifier)["extensions"])
    async with asking(trusted_only=only) as asker:
        assert await asker.answer({"documentId": identifier, **variables}) == NONE
        assert await asker.answer(apollo(identifier, **variables)) == NONE
        assert (await asker.get(documentId=identifier, variables='{"first": 1}')).json() == NONE
        assert (await asker.get(extensions=extensions, variables='{"first": 1}')).json() == NONE


async def test_the_operation_is_chosen_by_its_name_as_ever(asker: Asker) -> None:
    assert await asker.answer({"documentId": "two", "operationName": "B"}) == {"data": {"b": "Query"}}
    assert (await asker.refuse({"documentId": "two"})).place == ("BAD_USER_INPUT", "operationName")
    assert (await asker.refuse({"documentId": "two", "operationName": "C"})).place == (
        "BAD_USER_INPUT",
        "operationName",
    )


async def test_a_trusted_mutation_is_sent_by_post(asker: Asker) -> None:
    identifier = "0123456789abcdef0123456789abcdef"
    variables = {"id": str(UUID(int=1))}
    answer = await asker.get(documentId=identifier, variables=json.dumps(variables))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    by_post = await asker.answer({"documentId": identifier, "variables": variables})
    assert by_post["errors"][0]["extensions"]["code"] == "ATTENDANCE_NOT_FOUND"


async def test_a_trusted_document_needs_what_it_needs(asking: Any) -> None:
    async with asking() as asker:
        asker.headers.pop("authorization")
        assert (await asker.post({"documentId": "page"})).status_code == 401


async def test_the_cost_of_variables_is_checked_for_trusted_documents_too(asking: Any) -> None:
    async with asking() as asker:
        refusal = await asker.refuse({"documentId": "page", "variables": {"first": 1, "other": [0] * 5001}})
    assert refusal.code == "OPERATION_TOO_COMPLEX"


async def test_apollos_clients_are_told_to_send_a_document_that_is_not_known(asker: Asker) -> None:
    first = await asker.refuse(apollo(hash_of(OTHER)))
    assert first.place == ("PERSISTED_QUERY_NOT_FOUND", "extensions.persistedQuery.sha256Hash")
    assert first.message == "PersistedQueryNotFound"
    assert await asker.answer(apollo(hash_of(OTHER), query=OTHER)) == NOTHING
    assert await asker.answer(apollo(hash_of(OTHER))) == NOTHING
    assert await asker.answer({"documentId": f"sha256:{hash_of(OTHER)}"}) == NOTHING


@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON, "*/*", f"{GRAPHQL_RESPONSE}, {JSON}", f"{JSON}; q=0.5"])
async def test_apollos_clients_are_told_with_status_200_in_every_media_type(asker: Asker, accept: str) -> None:
    asker.headers["accept"] = accept
    persisted = apollo(hash_of(OTHER + " "))
    parameters = {name: json.dumps(value) for name, value in persisted.items()}
    for answer in (await asker.post(persisted), await asker.get(**parameters)):
        assert answer.status_code == 200
        [error] = answer.json()["errors"]
        assert error["message"] == "PersistedQueryNotFound"
        assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
        assert "data" not in answer.json()


async def test_a_document_is_registered_by_its_identifier_as_the_specification_has_it(asker: Asker) -> None:
    identifier = f"sha256:{hash_of(OTHER)}"
    unknown = await asker.refuse({"documentId": identifier})
    assert unknown.place == ("BAD_USER_INPUT", "documentId")
    assert unknown.message.startswith("No document is known by this identifier")
    assert await asker.answer({"documentId": identifier, "query": OTHER}) == NOTHING
    assert await asker.answer({"documentId": identifier}) == NOTHING


async def test_without_a_manifest_clients_may_register_all_the_same(service: ServiceBuilder, site_id: UUID) -> None:
    async with service() as http:
        asker = Asker(http, make_token(site_id, READ_SCOPE))
        assert (await asker.refuse(apollo(hash_of(PAGE)))).message == "PersistedQueryNotFound"
        assert await asker.answer(apollo(hash_of(PAGE), query=PAGE)) == NONE
        assert await asker.answer(apollo(hash_of(PAGE))) == NONE


@pytest.mark.parametrize("identifier", [hash_of(PAGE), "0" * 64, hash_of(OTHER).upper(), "page", "sha256:", OTHER[:3]])
async def test_a_document_cannot_be_registered_by_another_identifier_than_its_hash(
    asker: Asker, identifier: str
) -> None:
    refusal = await asker.refuse(apollo(identifier, query=OTHER))
    assert refusal.place == ("BAD_USER_INPUT", "extensions.persistedQuery.sha256Hash")
    assert (await asker.answer(apollo(hash_of(PAGE), variables={"first": 1}))) == NONE


async def test_an_invalid_document_is_not_registered(asker: Asker) -> None:
    broken = "{ nothing }"
    assert (await asker.refuse(apollo(hash_of(broken), query=broken))).code == "GRAPHQL_VALIDATION_FAILED"
    assert (await asker.refuse(apollo(hash_of(broken)))).message == "PersistedQueryNotFound"


async def test_what_was_not_asked_for_longest_is_forgotten(asking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "CACHED_DOCUMENTS", 2)
    texts = [f"{{ attendances(first: {n}) {{ nodes {{ id }} }} }}" for n in range(3)]
    async with asking() as asker:
        for text in texts:
            assert await asker.answer(apollo(hash_of(text), query=text)) == NOTHING
        assert (await asker.refuse(apollo(hash_of(texts[0])))).message == "PersistedQueryNotFound"
        assert await asker.answer(apollo(hash_of(texts[2]))) == NOTHING


@pytest.mark.parametrize(
    ("content", "argument"),
    [
        ({"documentId": 7}, "documentId"),
        ({"documentId": ""}, "query"),
        ({"documentId": "a b"}, "documentId"),
        ({"documentId": "x" * 201}, "documentId"),
        ({"documentId": "../../etc/passwd"}, "documentId"),
        ({"documentId": None}, "query"),
        ({"documentId": "page", "query": 7}, "query"),
        ({"documentId": "page", "extensions": [1]}, "extensions"),
        (apollo(None), "extensions.persistedQuery.sha256Hash"),
        (apollo(["x"]), "extensions.persistedQuery.sha256Hash"),
        (apollo("x" * 100_000), "extensions.persistedQuery.sha256Hash"),
        (apollo("page", version=2), "extensions.persistedQuery.version"),
        (apollo("page", version="1"), "extensions.persistedQuery.version"),
        ({"extensions": {"persistedQuery": "page"}}, "extensions.persistedQuery.version"),
        ({"extensions": {"persistedQuery": None}}, "query"),
        ({"extensions": {}}, "query"),
    ],
)
async def test_a_reference_that_is_malformed_is_refused_at_its_place(
    asker: Asker, content: dict[str, Any], argument: str
) -> None:
    assert (await asker.refuse(content)).place == ("BAD_USER_INPUT", argument)


@pytest.mark.parametrize(
    "text", [OTHER, "{ __typename }", "{ __schema { description } }", "{ _service { sdl } }", PAGE + " ", "{", ""]
)
async def test_an_allow_list_refuses_every_other_document(strict: Asker, text: str) -> None:
    refusal = await strict.refuse({"query": text})
    assert (refusal.place, refusal.message) == (("BAD_USER_INPUT", "query"), UNTRUSTED)
    by_hash = await strict.refuse(apollo(hash_of(text), query=text))
    assert (by_hash.place, by_hash.message) == (("BAD_USER_INPUT", "query"), UNTRUSTED)
    unknown = await strict.refuse(apollo(hash_of(text)))
    assert (unknown.code, unknown.message) == ("BAD_USER_INPUT", UNKNOWN)
    assert (await strict.refuse({"documentId": "elsewhere"})).place == ("BAD_USER_INPUT", "documentId")


async def test_an_allow_list_lets_a_trusted_document_be_sent_in_full(strict: Asker) -> None:
    assert await strict.answer({"query": PAGE}) == NONE
    assert await strict.answer(apollo(hash_of(PAGE), query=PAGE)) == NONE
    assert await strict.answer({"query": PAGE, "documentId": "page"}) == NONE


async def test_an_allow_list_leaves_the_page_of_the_explorer(strict: Asker) -> None:
    answer = await strict.http.get("/graphql", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
