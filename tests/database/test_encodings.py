"""Only a UTF8 database holds every legal id, so any other one is refused before it is used."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from app.database.migrations import migrate
from app.database.pool import Database
from app.errors import ConfigurationError
from tests.support.commands import run_command

Create = Callable[[str], Awaitable[str]]


@pytest.fixture
async def create_encoded(server: Any, postgres_url: str) -> AsyncIterator[Create]:
    names: list[str] = []

    async def create(encoding: str) -> str:
        names.append(f"attendance_test_{uuid4().hex}")
        await server.execute(
            f"CREATE DATABASE {names[-1]} ENCODING '{encoding}' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
        )
        return urlunsplit(urlsplit(postgres_url)._replace(path=f"/{names[-1]}"))

    yield create
    for name in names:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP", "WIN1252"])
async def test_a_database_of_another_encoding_is_refused(create_encoded: Create, encoding: str, tmp_path: Any) -> None:
    url = await create_encoded(encoding)
    expected = f"the encoding of the database is {encoding} and must be UTF8"
    with pytest.raises(ConfigurationError, match=expected):
        await migrate(url, row_security=True)
    for row_security in (True, False):
        database = Database(url, pool_size=1, row_security=row_security)
        await database.open()
        reason = await database.explain_unreadiness()
        await database.close()
        assert reason is not None
        assert reason.startswith(expected)
    done = run_command(tmp_path, "migrate", DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr


async def test_a_utf8_database_of_the_c_locale_is_accepted(create_encoded: Create) -> None:
    assert await migrate(await create_encoded("UTF8"), row_security=True) != []
