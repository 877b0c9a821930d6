"""Long documents are read and compiled in a thread, one after the other, while the event loop serves other requests."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVarTuple

from app.documents.documents import Documents
from app.documents.operation import Operation
from app.documents.persisted import DocumentReference
from app.engine.compiled_operations import CompiledOperations
from app.engine.inputs import Variables

Given = TypeVarTuple("Given")


class LongDocumentReader:
    """Reads documents, and compiles their operations, before they are asked for.

    Requests that wait for it hold their slots, which bounds how many wait.
    """

    def __init__(self, documents: Documents, compiled: CompiledOperations) -> None:
        self._documents = documents
        self._compiled = compiled
        self._thread = ThreadPoolExecutor(1, "documents")

    async def read(self, text: str | None, name: str | None, reference: DocumentReference | None) -> None:
        """Read a document, unless it has been read before. Raises RequestRefused for one that is refused."""
        if self._documents.is_new(text, reference):
            await self._run(self._documents.find, text, name, reference)

    async def compile(self, operation: Operation, variables: Variables) -> None:
        """Compile an operation, unless it is compiled. Raises InputRefused or RequestRefused."""
        if self._compiled.is_new(operation, variables):
            await self._run(self._compiled.prepare, operation, variables)

    async def _run(self, function: Callable[[*Given], Any], *given: *Given) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, function, *given)
