"""The embedded Postgres starts wherever the command was found."""

import os
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from app.database.embedded import run_embedded_postgres

RELATIVE = os.path.relpath(sys.executable)


async def test_a_python_that_a_relative_path_has_found_starts_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", RELATIVE)
    with tempfile.TemporaryDirectory() as folder, run_embedded_postgres(Path(folder)) as url:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
