"""Long documents are read and compiled while the event loop serves other requests."""

import asyncio
import gc
import sys
from uuid import uuid4

import pytest

from app.documents.documents import Documents
from app.documents.errors import RequestRefused
from app.documents.limits import Limits
from app.documents.operation import MOST_SHORT
from app.documents.persisted import DocumentReference, hash_text
from app.engine.compiled_operations import CompiledOperations
from app.operations.long_documents import LongDocumentReader
from tests.load.test_large_answers import watching_loop
from tests.support.service import GraphQLClient
from tests.support.worst_documents import WORST_DOCUMENTS, multiply_connections

MOST_SECONDS_OF_A_TURN = 0.01
VARYING = "query($x: Boolean!) {{ {} attendances @include(if: $x) {{ totalCount }} }}".format(
    " ".join(f"a{number}: attendances(first: {number}) {{ totalCount }}" for number in range(20))
)


def build_reader() -> tuple[LongDocumentReader, Documents, CompiledOperations]:
    documents, compiled = Documents(size=10, limits=Limits(), introspection=True), CompiledOperations(10)
    return LongDocumentReader(documents, compiled), documents, compiled


@pytest.mark.parametrize("name", ["the same field with fields", "doubling fragments below", "conflicts after escapes"])
async def test_the_loop_runs_while_a_long_document_is_read(client: GraphQLClient, name: str) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    gc.collect()
    try:
        async with watching_loop() as turns:
            await client.post(WORST_DOCUMENTS[name] + f" #{uuid4()}")
    finally:
        sys.setswitchinterval(interval)
    assert max(turns) < MOST_SECONDS_OF_A_TURN, sorted(turns)[-5:]


async def test_the_loop_runs_while_a_long_operation_is_compiled(client: GraphQLClient) -> None:
    text = multiply_connections(2, 9, name=f"t{uuid4().hex}_")
    gc.collect()
    async with watching_loop() as turns:
        answer = await client.post(text)
    assert answer.status_code == 200
    assert "errors" not in answer.json()
    assert max(turns) < MOST_SECONDS_OF_A_TURN, sorted(turns)[-5:]


async def test_a_document_is_read_once() -> None:
    reader, documents, compiled = build_reader()
    assert len(VARYING) > MOST_SHORT
    assert documents.is_new(VARYING)
    await asyncio.gather(*(reader.read(VARYING, None, None) for _ in range(3)))
    assert not documents.is_new(VARYING)
    operation = documents.find(VARYING, None)
    assert operation.syntax.is_long
    for value in (True, False):
        assert compiled.is_new(operation, {"x": value})
        await reader.compile(operation, {"x": value})
        assert not compiled.is_new(operation, {"x": value})
    assert documents.find(VARYING, None) is operation


async def test_a_document_that_is_known_by_its_hash_is_new_when_it_was_dropped() -> None:
    reader, documents, _ = build_reader()
    reference = DocumentReference(hash_text(VARYING), "extensions.persistedQuery.sha256Hash")
    await reader.read(VARYING, None, reference)
    assert not documents.is_new(None, reference)
    for number in range(100):
        documents.find(f"{{ __typename }} # {number}", None)
    assert documents.is_new(None, reference)
    await reader.read(None, None, reference)
    assert not documents.is_new(None, reference)


async def test_what_is_refused_is_refused_from_the_thread_too() -> None:
    reader, documents, _ = build_reader()
    for _ in range(2):
        with pytest.raises(RequestRefused) as refused:
            await reader.read("{ nothing }" + " " * MOST_SHORT, None, None)
        assert refused.value.errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert documents.is_new("{ nothing }" + " " * MOST_SHORT)
